use std::time::Duration;

use axum::{Json, extract::State};
use px0_core::{Code, Error, plugin::Benched};
use serde::Serialize;

use crate::{App, error::ApiResult};

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    /// Plugins that failed again and again; nearly always there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    benched_plugins: Vec<Benched>,
}

pub(crate) async fn check(State(app): State<App>) -> ApiResult<Json<Health>> {
    match tokio::time::timeout(PATIENCE, app.px0.store().ping()).await {
        Ok(Ok(())) => {
            Ok(Json(Health { status: "OK", benched_plugins: app.px0.plugins().benched() }))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::new(Code::Unavailable, "the store does not answer").into()),
    }
}
