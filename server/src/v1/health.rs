use std::time::Duration;

use axum::extract::State;
use px0_core::{Code, Error};

use super::shapes::Named;
use crate::{App, error::ApiResult};

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) async fn check(State(app): State<App>) -> ApiResult<Named<&'static str>> {
    match tokio::time::timeout(PATIENCE, app.px0.store().ping()).await {
        Ok(Ok(())) => Ok(Named("status", "OK")),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::new(Code::Unavailable, "the store does not answer").into()),
    }
}
