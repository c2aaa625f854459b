use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use px0_core::{
    TagName,
    access::Operation,
    cache::Resolved,
    caller::Caller,
    error::Result,
    ids::{OrgId, UserId},
    plugin::PluginId,
    store::Found,
    tag::Selector,
    tenancy::{JoinRequest, Org, Team},
    workflows::{Grant, OnPayload, OnVersion},
};
use tracing::{Instrument, Span};

use super::{Params, PathValues, Route, body::Tenant, not_admitted};
use crate::{App, error::ApiError, telemetry::trace::part};

/// The span of finding what the path names.
fn resolve() -> Span {
    part!("resolve")
}

/// What the path names, with the caller's permission to do the route's operation on it.
pub(crate) struct Granted<T>(pub Grant<T>);

/// What a path can name: how it is found, and who may.
pub(crate) trait Named: Sized + Send {
    /// Finds it and asks for permission.
    fn grant(app: &App, call: Call) -> impl Future<Output = Result<Grant<Self>>> + Send;

    /// The organization that it belongs to, where a large body can come with it.
    fn org(&self) -> Option<OrgId> {
        None
    }
}

/// A call, before its permission.
pub(crate) struct Call {
    caller: Caller,
    route: Route,
    path: PathValues,
    query: Params,
}

impl Call {
    async fn of(parts: &mut Parts, app: &App) -> Result<Self> {
        let path = PathValues::of(parts, app).await?;
        let query = Params::of(parts)?;
        let route = *parts.extensions.get::<Route>().ok_or_else(not_admitted)?;
        let caller = parts.extensions.remove::<Caller>().ok_or_else(not_admitted)?;
        Ok(Self { caller, route, path, query })
    }
}

impl<T: Named> FromRequestParts<App> for Granted<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let call = Call::of(parts, app).await?;
        let grant = T::grant(app, call).instrument(resolve()).await?;
        Tenant::note(parts, grant.org());
        Ok(Self(grant))
    }
}

/// A person, about themselves.
impl Named for () {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        app.px0.grant_person(call.caller, call.route.operation)
    }
}

impl Named for Org {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let org = call.path.id(0)?;
        app.px0.grant_org(call.caller, call.route.operation, org).await
    }
}

/// Somebody in an organization.
impl Named for (Org, UserId) {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let (org, user) = (call.path.id(0)?, call.path.id(1)?);
        app.px0.grant_person_of(call.caller, call.route.operation, org, user).await
    }
}

/// What an organization decided about a plugin.
impl Named for (Org, PluginId) {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let (org, plugin) = (call.path.id(0)?, call.path.plugin(1)?);
        app.px0.grant_org_plugin(call.caller, call.route.operation, org, plugin).await
    }

    fn org(&self) -> Option<OrgId> {
        Some(self.0.id)
    }
}

impl Named for Team {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let team = call.path.id(0)?;
        app.px0.grant_team(call.caller, call.route.operation, team).await
    }
}

/// Somebody in a team.
impl Named for (Team, UserId) {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let (team, user) = (call.path.id(0)?, call.path.id(1)?);
        app.px0.grant_member(call.caller, call.route.operation, team, user).await
    }
}

/// A join request that the caller may answer.
impl Named for JoinRequest {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        app.px0.grant_request(call.caller, call.path.id(0)?).await
    }
}

impl Named for Found {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let team = call.query.team()?;
        let prompt = call.path.prompt(0)?;
        app.px0.grant_prompt(call.caller, call.route.operation, &prompt, team).await
    }

    fn org(&self) -> Option<OrgId> {
        Some(self.org)
    }
}

impl Named for OnVersion {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let team = call.query.team()?;
        let (prompt, version) = (call.path.prompt(0)?, call.path.selector(1)?);
        app.px0
            .grant_version(call.caller, call.route.operation, &prompt, team, version.as_ref())
            .await
    }

    fn org(&self) -> Option<OrgId> {
        Some(self.found.org)
    }
}

impl Named for OnPayload {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let (team, payload) = (call.query.team()?, call.path.id(1)?);
        let prompt = call.path.prompt(0)?;
        app.px0.grant_payload(call.caller, call.route.operation, &prompt, team, payload).await
    }

    fn org(&self) -> Option<OrgId> {
        Some(self.found.org)
    }
}

/// A tag of a prompt.
impl Named for (Found, TagName) {
    async fn grant(app: &App, call: Call) -> Result<Grant<Self>> {
        let team = call.query.team()?;
        let (prompt, tag) = (call.path.prompt(0)?, call.path.tag(1)?);
        app.px0.grant_tag(call.caller, call.route.operation, &prompt, team, tag).await
    }
}

/// A version to render: found, with its prompt, in one read of the store.
pub(crate) struct ToRender(pub Grant<Arc<Resolved>>);

impl FromRequestParts<App> for ToRender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Call { caller, route, path, query } = Call::of(parts, app).await?;
        let team = query.team()?;
        let prompt = path.prompt(0)?;
        let selector = match route.operation {
            Operation::RenderLive => Some(Selector::Live),
            _ => path.selector(1)?,
        };
        let found = app.px0.grant_render(caller, route.operation, &prompt, team, selector.as_ref());
        let grant = found.instrument(resolve()).await?;
        Tenant::note(parts, Some(grant.0.org));
        Ok(Self(grant))
    }
}
