//! What every request goes through: an id, a deadline, a line in the log, and one shape for every failure.

use std::{
    any::Any,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::Body as _;
use opentelemetry::{Context, trace::FutureExt};
use px0_core::{Code, Error};
use tracing::{Instrument, dispatcher, instrument::WithSubscriber};
use uuid::Uuid;

use crate::{
    App,
    error::{ApiError, finish},
    extract::Route,
    host,
    telemetry::metrics::{ACCESS, Answered, known_method},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer: gives the request an id and its place in a trace, counts it, logs one line, and writes the body of a failure.
pub(crate) async fn envelope(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let (method, uri) = (known_method(request.method()), request.uri().clone());
    let request_bytes = request.body().size_hint().exact();
    let active = app.telemetry.metrics().begin(method);
    let trace = app.telemetry.trace(request.headers(), method);
    let context = trace.context();
    let within = context.clone();
    let make = || tracing::info_span!("request", request_id = %id, trace_id = %trace.id());
    // Who records makes spans by other means than the log has.
    let recorder = app.telemetry.subscriber().filter(|_| context.is_some()).cloned();
    let span = match &recorder {
        Some(recorder) => dispatcher::with_default(recorder, make),
        None => make(),
    };
    let work = async {
        let answered = match host::problem(&request) {
            None => next.run(request).await,
            Some(error) => ApiError::from(error).into_response(),
        };
        // What is logged of it belongs to its trace.
        let _within = within.map(Context::attach);
        let mut response = finish(answered, &id);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        // The route, not the path: paths have people's slugs and ids in them.
        let route = response.extensions().get::<Route>().map(|route| route.path);
        let (status, took) = (response.status().as_u16(), started.elapsed());
        let response_bytes = response.body().size_hint().exact();
        app.telemetry.metrics().answered(&Answered {
            method,
            route,
            status,
            took,
            request_bytes,
            response_bytes,
        });
        active.answered();
        trace.end((method, &uri), route, status, response.headers_mut());
        let (route, ms) = (route.unwrap_or("-"), took.as_secs_f64() * 1e3);
        tracing::info!(target: ACCESS, method, route, status, ms, "answered");
        response
    };
    let work = work.instrument(span);
    match (context, recorder) {
        (Some(context), Some(recorder)) => {
            work.with_context(context).with_subscriber(recorder).await
        }
        (Some(context), None) => work.with_context(context).await,
        (None, _) => work.await,
    }
}

/// The id that came with the request, if it is one we would write into a log, or a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    given.filter(plain).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Ends a request that takes too long, whether its body does not come or its handler does not finish.
pub(crate) async fn deadline(State(app): State<App>, request: Request, next: Next) -> Response {
    let most = Duration::from_millis(app.http.timeout_ms);
    match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = "the request took too long; please try again";
            ApiError::from(Error::new(Code::RequestTimeout, message)).into_response()
        }
    }
}

/// A panic in a handler ends that request only.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    ApiError::from(Error::internal(format!("panicked: {text}"))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500_that_says_nothing_but_where_to_look() {
        let response = finish(panicked(Box::new("at /home/px0: SELECT secret")), "abc");
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 1024).await;
        let expected =
            r#"{"error":"internal server error","code":"internal","details":{"request_id":"abc"}}"#;
        assert_eq!(body.ok().as_deref(), Some(expected.as_bytes()));
    }
}
