use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use px0_core::{
    Error,
    access::{Callers, Operation},
    caller::{Caller, unauthorized},
};

use tracing::Instrument;

use super::{body, query::Params};
use crate::{App, bodies::Room, error::ApiError, telemetry::trace::part};

/// What a route is, for what runs around its handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Its operation: the row of the access table.
    pub operation: Operation,
    /// Its path, as the contract writes it.
    pub path: &'static str,
}

/// Lets a caller through to a route, or not: who is it, and may such a caller call this at all?
///
/// The body is read here too, after the caller was first looked at: it may take its time to arrive, and whoever was let go
/// meanwhile must not be served. What is wrong with it is told in its turn, by `Body`.
pub(crate) async fn admit(
    State((app, route)): State<(App, Route)>,
    request: Request,
    next: Next,
) -> Response {
    match enter(&app, route.operation, request).await {
        // Its room is kept until the answer is there.
        Ok((mut request, _room)) => {
            request.extensions_mut().insert(route);
            let left = request.extensions().get().is_some_and(body::ReadBody::is_left);
            let mut response = next.run(request).await;
            response.extensions_mut().insert(route);
            if left {
                // Who is not told would send the next request into a connection that is about to be closed.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
        Err(error) => {
            let mut response = ApiError::from(error).into_response();
            response.extensions_mut().insert(route);
            response
        }
    }
}

async fn enter(
    app: &App,
    operation: Operation,
    request: Request,
) -> Result<(Request, Option<Arc<Room>>), Error> {
    let mut caller = who(app, operation, request.headers()).await?;
    let (mut parts, body) = request.into_parts();
    let (read, waited) = body::read(app, operation, &caller, &parts, body).await;
    if waited {
        caller = who(app, operation, &parts.headers).await?;
    }
    let query = Params::parse(parts.uri.query().unwrap_or_default())?;
    parts.extensions.insert(query);
    parts.extensions.insert(caller);
    let room = read.room();
    parts.extensions.insert(read);
    Ok((Request::from_parts(parts, axum::body::Body::empty()), room))
}

async fn who(app: &App, operation: Operation, headers: &HeaderMap) -> Result<Caller, Error> {
    let caller = match (operation.rule().callers, headers.get(header::AUTHORIZATION)) {
        (Callers::Anyone, _) | (_, None) => Caller::Anonymous,
        (_, Some(_)) => {
            let span = part!("auth");
            let token = bearer(headers).ok_or_else(unauthorized)?;
            app.px0.authenticate(token).instrument(span).await?
        }
    };
    caller.may_call(operation)?;
    Ok(caller)
}

/// The bearer token of a request, if it has one (RFC 6750: the scheme in any case).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
