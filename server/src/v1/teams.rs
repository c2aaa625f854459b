use axum::{extract::State, http::StatusCode};
use px0_core::{
    error::Result,
    tenancy::{Org, Team},
};

use super::{
    orgs::NameOnly,
    shapes::{Created, NO_CONTENT, Named},
};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, FromQuery, Granted, Params, Query},
};

pub(crate) async fn create(
    State(app): State<App>,
    Granted(org): Granted<Org>,
    Body(NameOnly(name)): Body<NameOnly>,
) -> ApiResult<Created<Named<Team>>> {
    Ok(Created(Named("team", app.px0.create_team(&org, name).await?)))
}

pub(crate) async fn list(
    State(app): State<App>,
    Granted(org): Granted<Org>,
) -> ApiResult<Named<Vec<Team>>> {
    Ok(Named("teams", app.px0.teams(&org).await?))
}

pub(crate) async fn update(
    State(app): State<App>,
    Granted(team): Granted<Team>,
    Body(NameOnly(name)): Body<NameOnly>,
) -> ApiResult<Named<Team>> {
    Ok(Named("team", app.px0.rename_team(&team, name).await?))
}

/// `?force=true`.
pub(crate) struct Force(bool);

impl FromQuery for Force {
    fn from_query(params: &Params) -> Result<Self> {
        let force = params.word("force", &[("true", true), ("false", false)])?;
        Ok(Self(force.unwrap_or(false)))
    }
}

pub(crate) async fn delete(
    State(app): State<App>,
    Query(Force(force)): Query<Force>,
    Granted(team): Granted<Team>,
) -> ApiResult<StatusCode> {
    app.px0.delete_team(&team, force).await?;
    Ok(NO_CONTENT)
}
