use axum::{extract::State, http::StatusCode};
use px0_core::{
    Email, Timestamp,
    error::Result,
    ids::{OrgId, TeamId},
    name::Name,
    password::Password,
    tenancy::Role,
    user::User,
    workflows::OrgRole,
};
use serde::Serialize;

use super::shapes::{NO_CONTENT, Named, message};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, Granted, OneId, Peer},
};

pub(crate) async fn me(Granted(who): Granted<()>) -> ApiResult<Named<User>> {
    Ok(Named("user", who.caller().person()?.user.clone()))
}

pub(crate) struct NewAddress(Email);

impl FromFields for NewAddress {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.required("email", Email::parse).map(Self)
    }
}

pub(crate) async fn update(
    State(app): State<App>,
    Peer(peer): Peer,
    Granted(who): Granted<()>,
    Body(NewAddress(email)): Body<NewAddress>,
) -> ApiResult<Named<User>> {
    let user = &who.caller().person()?.user;
    if user.email != email {
        app.limiter.move_to(peer, user.id, &email)?;
    }
    Ok(Named("user", app.px0.change_email(&who, email).await?))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Granted(who): Granted<()>,
) -> ApiResult<StatusCode> {
    app.px0.delete_me(&who).await?;
    Ok(NO_CONTENT)
}

pub(crate) struct PasswordChange {
    current: String,
    new: Password,
}

impl FromFields for PasswordChange {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        let password = |text: &str| Password::parse("new_password", text);
        Ok(Self {
            current: fields.required_text("current_password")?,
            new: fields.required("new_password", password)?,
        })
    }
}

pub(crate) async fn change_password(
    State(app): State<App>,
    Peer(peer): Peer,
    Granted(who): Granted<()>,
    Body(change): Body<PasswordChange>,
) -> ApiResult<Named<&'static str>> {
    app.limiter.password_change(who.caller().person()?.user.id)?;
    app.px0.change_password(&who, change.current, change.new, peer).await?;
    Ok(message("password changed"))
}

#[derive(Serialize)]
pub(crate) struct MyOrg {
    id: OrgId,
    name: Name,
    role: OrgRole,
    created_at: Timestamp,
}

pub(crate) async fn orgs(
    State(app): State<App>,
    Granted(who): Granted<()>,
) -> ApiResult<Named<Vec<MyOrg>>> {
    let orgs = app.px0.my_orgs(&who).await?.into_iter();
    let show = orgs.map(|(org, role)| MyOrg {
        id: org.id,
        name: org.name,
        role,
        created_at: org.created_at,
    });
    Ok(Named("organizations", show.collect()))
}

#[derive(Serialize)]
pub(crate) struct MyTeam {
    id: TeamId,
    org_id: OrgId,
    name: Name,
    role: Role,
    is_default: bool,
    created_at: Timestamp,
}

pub(crate) async fn teams(
    State(app): State<App>,
    Granted(who): Granted<()>,
) -> ApiResult<Named<Vec<MyTeam>>> {
    let teams = app.px0.my_teams(&who).await?.into_iter();
    let show = teams.map(|(team, role)| MyTeam {
        id: team.id,
        org_id: team.org_id,
        name: team.name,
        role,
        is_default: team.is_default,
        created_at: team.created_at,
    });
    Ok(Named("teams", show.collect()))
}

pub(crate) async fn leave_team(
    State(app): State<App>,
    OneId(team): OneId<TeamId>,
    Granted(who): Granted<()>,
) -> ApiResult<StatusCode> {
    app.px0.leave_team(&who, team).await?;
    Ok(NO_CONTENT)
}
