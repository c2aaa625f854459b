//! `/metrics`, as Prometheus reads it.
//!
//! It has an address of its own, which only the machine itself reaches unless the operator says otherwise: what it tells is about
//! all tenants together.

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Encoder, TextEncoder};

use super::Telemetry;
use crate::{
    error::{ApiError, finish},
    host,
};

/// The routes of the second address.
pub(crate) fn router(telemetry: Telemetry) -> Router {
    Router::new().route("/metrics", get(metrics)).layer(from_fn(one_host)).with_state(telemetry)
}

async fn one_host(request: Request, next: Next) -> Response {
    match host::problem(&request) {
        None => next.run(request).await,
        Some(error) => finish(ApiError::from(error).into_response(), ""),
    }
}

async fn metrics(State(telemetry): State<Telemetry>) -> Response {
    match tokio::task::spawn_blocking(move || telemetry.text()).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "metrics cannot be written down");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Telemetry {
    /// All metrics, as text.
    fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.registry.gather(), &mut text)?;
        Ok(text)
    }
}
