use axum::{Json, extract::State, http::StatusCode};
use px0_core::{
    Code, Email, Error, Timestamp,
    error::Result,
    ids::UserId,
    store::NewMember,
    tenancy::{Role, Team},
};
use serde::Serialize;

use super::shapes::{NO_CONTENT, Named, message};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, Granted, NumberedQuery, Query},
};

#[derive(Serialize)]
pub(crate) struct MemberShape {
    user_id: UserId,
    email: Email,
    role: Role,
    created_at: Timestamp,
}

#[derive(Serialize)]
pub(crate) struct Members {
    members: Vec<MemberShape>,
    page: usize,
    limit: usize,
    total: usize,
}

pub(crate) async fn list(
    State(app): State<App>,
    Query(NumberedQuery(page)): Query<NumberedQuery>,
    Granted(team): Granted<Team>,
) -> ApiResult<Json<Members>> {
    let members = app.px0.members(&team, page).await?;
    let shown = members.items.into_iter().map(|member| MemberShape {
        user_id: member.user,
        email: member.email,
        role: member.role,
        created_at: member.created_at,
    });
    Ok(Json(Members {
        members: shown.collect(),
        page: page.page,
        limit: page.limit,
        total: members.total,
    }))
}

pub(crate) struct Addition {
    who: NewMember,
    role: Role,
}

impl FromFields for Addition {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        let role = role(fields)?.unwrap_or(Role::Editor);
        let who = match (fields.id("user_id")?, fields.parsed("email", Email::parse)?) {
            (Some(user), None) => NewMember::Id(user),
            (None, Some(email)) => NewMember::Email(email),
            (None, None) => {
                return Err(Error::field(
                    Code::MissingField,
                    "user_id",
                    "user_id or email is required",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Error::field(
                    Code::InvalidField,
                    "email",
                    "give user_id or email, not both",
                ));
            }
        };
        Ok(Self { who, role })
    }
}

fn role(fields: &Fields<'_>) -> Result<Option<Role>> {
    fields.word("role", &Role::ALL.map(|role| (role.as_str(), role)))
}

pub(crate) async fn add(
    State(app): State<App>,
    Granted(team): Granted<Team>,
    Body(new): Body<Addition>,
) -> ApiResult<StatusCode> {
    app.px0.add_member(&team, new.who, new.role).await?;
    Ok(NO_CONTENT)
}

pub(crate) async fn remove(
    State(app): State<App>,
    Granted(member): Granted<(Team, UserId)>,
) -> ApiResult<StatusCode> {
    app.px0.remove_member(&member).await?;
    Ok(NO_CONTENT)
}

pub(crate) struct NewRole(Role);

impl FromFields for NewRole {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        role(fields)?.ok_or_else(|| Error::missing("role")).map(Self)
    }
}

pub(crate) async fn set_role(
    State(app): State<App>,
    Granted(member): Granted<(Team, UserId)>,
    Body(NewRole(role)): Body<NewRole>,
) -> ApiResult<Named<&'static str>> {
    app.px0.set_role(&member, role).await?;
    Ok(message("role updated"))
}
