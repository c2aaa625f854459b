use axum::{Json, extract::State, http::StatusCode};
use px0_core::{error::Result, ids::UserId, name::Name, tenancy::Org, user::User};
use serde::Serialize;

use super::shapes::{Created, NO_CONTENT, Named};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, Granted, NumberedQuery, Query},
};

/// `{name}`: for organizations and teams.
pub(crate) struct NameOnly(pub Name);

impl FromFields for NameOnly {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.required("name", |text| Name::parse("name", text)).map(Self)
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    Granted(who): Granted<()>,
    Body(NameOnly(name)): Body<NameOnly>,
) -> ApiResult<Created<Named<Org>>> {
    Ok(Created(Named("org", app.px0.create_org(&who, name).await?)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Granted(org): Granted<Org>,
    Body(NameOnly(name)): Body<NameOnly>,
) -> ApiResult<Named<Org>> {
    Ok(Named("org", app.px0.rename_org(&org, name).await?))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Granted(org): Granted<Org>,
) -> ApiResult<StatusCode> {
    app.px0.delete_org(&org).await?;
    Ok(NO_CONTENT)
}

#[derive(Serialize)]
pub(crate) struct People {
    people: Vec<User>,
    page: usize,
    limit: usize,
    total: usize,
}

pub(crate) async fn people(
    State(app): State<App>,
    Query(NumberedQuery(page)): Query<NumberedQuery>,
    Granted(org): Granted<Org>,
) -> ApiResult<Json<People>> {
    let people = app.px0.people(&org, page).await?;
    Ok(Json(People {
        people: people.items,
        page: page.page,
        limit: page.limit,
        total: people.total,
    }))
}

pub(crate) async fn remove_member(
    State(app): State<App>,
    Granted(member): Granted<(Org, UserId)>,
) -> ApiResult<StatusCode> {
    app.px0.remove_person(&member).await?;
    Ok(NO_CONTENT)
}
