use axum::{Json, extract::State};
use px0_core::{
    Email, Error, Timestamp,
    error::Result,
    ids::{JoinRequestId, TeamId, UserId},
    name::Description,
    tenancy::{InboxItem, JoinRequest, RequestStatus, Team},
};
use serde::Serialize;

use super::shapes::{Created, Named};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, Granted},
};

pub(crate) struct Justification(Option<Description>);

impl FromFields for Justification {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.parsed("justification", |text| Description::parse("justification", text)).map(Self)
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    Granted(team): Granted<Team>,
    Body(Justification(why)): Body<Justification>,
) -> ApiResult<Created<Json<JoinRequest>>> {
    let why = why.map(|why| why.as_str().to_owned());
    Ok(Created(Json(app.px0.ask_to_join(&team, why).await?)))
}

#[derive(Serialize)]
pub(crate) struct Item {
    id: JoinRequestId,
    #[serde(rename = "type")]
    kind: &'static str,
    status: RequestStatus,
    created_at: Timestamp,
    updated_at: Timestamp,
    payload: About,
}

#[derive(Serialize)]
struct About {
    user_id: UserId,
    user_email: Email,
    team_id: TeamId,
    team: Team,
}

impl From<InboxItem> for Item {
    fn from(item: InboxItem) -> Self {
        let request = item.request;
        Self {
            id: request.id,
            kind: "join_request",
            status: request.status,
            created_at: request.created_at,
            updated_at: request.updated_at,
            payload: About {
                user_id: request.user_id,
                user_email: item.user_email,
                team_id: request.team_id,
                team: item.team,
            },
        }
    }
}

pub(crate) async fn list(
    State(app): State<App>,
    Granted(who): Granted<()>,
) -> ApiResult<Named<Vec<Item>>> {
    let items = app.px0.inbox(&who).await?;
    Ok(Named("inbox", items.into_iter().map(Item::from).collect()))
}

pub(crate) struct Answer {
    approve: bool,
}

impl FromFields for Answer {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        let words =
            [(RequestStatus::Approved.as_str(), true), (RequestStatus::Rejected.as_str(), false)];
        let approve = fields.word("status", &words)?.ok_or_else(|| Error::missing("status"))?;
        Ok(Self { approve })
    }
}

pub(crate) async fn resolve(
    State(app): State<App>,
    Granted(request): Granted<JoinRequest>,
    Body(Answer { approve }): Body<Answer>,
) -> ApiResult<Json<JoinRequest>> {
    Ok(Json(app.px0.answer_request(&request, approve).await?))
}
