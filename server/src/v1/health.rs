use std::time::Duration;

use axum::{Json, extract::State};
use px0_core::{Code, Error, store::StoreState};
use serde::Serialize;
use serde_json::json;

use crate::{App, error::ApiResult};

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// What px0 needs to be of use, each `true` when it is there.
#[derive(Serialize)]
struct Checks {
    /// The store answers.
    store: bool,
    /// What renders is compiled.
    engines: bool,
    /// Changes that others make are heard of: without that, renders read the store each time.
    changes: bool,
}

#[derive(Serialize)]
pub(crate) struct Readiness {
    status: &'static str,
    checks: Checks,
}

/// Whether requests should be sent here.
pub(crate) async fn ready(State(app): State<App>) -> ApiResult<Json<Readiness>> {
    let ping = tokio::time::timeout(PATIENCE, app.px0.store().ping()).await;
    let store = ping.ok().and_then(Result::ok);
    let checks = Checks {
        store: store.is_some(),
        engines: app.sandbox.is_ready(),
        changes: app.px0.hears_changes(),
    };
    if checks.store && checks.engines && checks.changes {
        // Renders do not write: requests go on to be sent here.
        let status = if store == Some(StoreState::ReadOnly) { "read_only" } else { "ready" };
        return Ok(Json(Readiness { status, checks }));
    }
    let error = Error::new(Code::NotReady, "px0 is not ready");
    Err(error.with_details(json!({ "checks": checks })).into())
}

pub(crate) async fn check(State(app): State<App>) -> ApiResult<Json<Health>> {
    match tokio::time::timeout(PATIENCE, app.px0.store().ping()).await {
        Ok(Ok(_)) => Ok(Json(Health { status: "OK" })),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::new(Code::Unavailable, "the store does not answer").into()),
    }
}
