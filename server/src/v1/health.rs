use std::time::Duration;

use axum::{Json, extract::State};
use px0_core::{Code, Error};
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
    let checks = Checks {
        store: matches!(ping, Ok(Ok(()))),
        engines: app.sandbox.is_ready(),
        changes: app.px0.hears_changes(),
    };
    if checks.store && checks.engines && checks.changes {
        return Ok(Json(Readiness { status: "ready", checks }));
    }
    let error = Error::new(Code::NotReady, "px0 is not ready");
    Err(error.with_details(json!({ "checks": checks })).into())
}

pub(crate) async fn check(State(app): State<App>) -> ApiResult<Json<Health>> {
    match tokio::time::timeout(PATIENCE, app.px0.store().ping()).await {
        Ok(Ok(())) => Ok(Json(Health { status: "OK" })),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::new(Code::Unavailable, "the store does not answer").into()),
    }
}
