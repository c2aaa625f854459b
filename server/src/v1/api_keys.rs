use axum::{Json, extract::State, http::StatusCode};
use px0_core::{
    Timestamp,
    error::Result,
    ids::{KeyId, OrgId, TeamId},
    key::KeyOperation,
    name::Name,
    page::{Page, Recent},
    workflows::NewKey,
};
use serde::Serialize;

use super::shapes::{Created, KeyShape, List, NO_CONTENT, NoStore, team_ids};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, FromQuery, Granted, OneId, Params, Query, page},
};

impl FromFields for NewKey {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        let words = KeyOperation::ALL.map(|operation| (operation.as_str(), operation));
        Ok(Self {
            name: fields.required("name", |text| Name::parse("name", text))?,
            org: fields.required_id("org_id")?,
            teams: fields.ids("team_ids")?,
            operation: fields.word("operation", &words)?.unwrap_or(KeyOperation::ReadRender),
        })
    }
}

#[derive(Serialize)]
pub(crate) struct WithSecret {
    id: KeyId,
    name: Name,
    key: String,
    operation: KeyOperation,
    org_id: OrgId,
    team_ids: Vec<TeamId>,
    created_at: Timestamp,
}

pub(crate) async fn create(
    State(app): State<App>,
    Granted(who): Granted<()>,
    Body(new): Body<NewKey>,
) -> ApiResult<Created<NoStore<Json<WithSecret>>>> {
    let (key, token) = app.px0.create_key(&who, new).await?;
    Ok(Created(NoStore(Json(WithSecret {
        id: key.id,
        key: token.expose().to_owned(),
        operation: key.operation,
        org_id: key.org_id,
        team_ids: team_ids(&key.scope),
        name: key.name,
        created_at: key.created_at,
    }))))
}

/// `?org_id=` and a page.
pub(crate) struct KeysOf {
    org: OrgId,
    page: Page<Recent>,
}

impl FromQuery for KeysOf {
    fn from_query(params: &Params) -> Result<Self> {
        params.required("org_id")?;
        let org = params.id("org_id")?.ok_or_else(|| px0_core::Error::missing("org_id"))?;
        Ok(Self { org, page: page(params)? })
    }
}

pub(crate) async fn list(
    State(app): State<App>,
    Query(KeysOf { org, page }): Query<KeysOf>,
    Granted(who): Granted<()>,
) -> ApiResult<List<KeyShape>> {
    let keys = app.px0.list_keys(&who, org, page).await?;
    Ok(List::of("api_keys", keys, KeyShape::from))
}

pub(crate) async fn delete(
    State(app): State<App>,
    OneId(key): OneId<KeyId>,
    Granted(who): Granted<()>,
) -> ApiResult<StatusCode> {
    app.px0.delete_key(&who, key).await?;
    Ok(NO_CONTENT)
}
