//! Every failure as an answer.
//!
//! A handler returns [`ApiError`], which only marks the response; its body is written once, by the outermost
//! middleware ([`finish`]), which knows the request's id and logs the cause. So a 404 of the router,
//! a panic and a handler's refusal have the same shape.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use px0_core::{Code, Error, error::Class};
use serde_json::{Map, Value, json};

/// What handlers answer.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// Core's error on its way to a client.
#[derive(Debug)]
pub(crate) struct ApiError(Error);

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What a marked response carries until [`finish`] writes its body.
#[derive(Clone)]
struct Failure(Arc<Error>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = status(self.0.code.class()).into_response();
        if let Some(seconds) = retry_after(&self.0) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(Failure(Arc::new(self.0)));
        response
    }
}

/// The one place where a kind of failure gets its status.
pub(crate) const fn status(class: Class) -> StatusCode {
    match class {
        Class::Invalid => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Class::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Class::Conflict => StatusCode::CONFLICT,
        Class::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Class::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Class::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Class::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Class::BadGateway => StatusCode::BAD_GATEWAY,
        Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn retry_after(error: &Error) -> Option<HeaderValue> {
    let seconds = error.details.as_ref()?.get("retry_after")?.as_u64()?;
    matches!(error.code.class(), Class::TooMany | Class::Unavailable).then(|| seconds.into())
}

/// No such path.
pub(crate) fn route_not_found() -> ApiError {
    Error::new(Code::RouteNotFound, "there is no such path").into()
}

/// The path has no such method.
pub(crate) fn method_not_allowed(method: &Method) -> ApiError {
    let message =
        format!("{} is not allowed here; see the allow header", method.as_str().to_lowercase());
    Error::new(Code::MethodNotAllowed, message).into()
}

/// Writes the body of a failure, and logs what was the server's own. Other responses pass as they are.
pub(crate) fn finish(mut response: Response, request_id: &str) -> Response {
    let error = match response.extensions_mut().remove::<Failure>() {
        Some(Failure(error)) => error,
        // Made by a layer below ours, in its own words: keep the status, give it our shape.
        None if response.status().is_client_error() || response.status().is_server_error() => {
            Arc::new(foreign(response.status()))
        }
        None => return response,
    };
    let mut body = Map::new();
    body.insert("error".into(), error.message.as_ref().into());
    body.insert("code".into(), error.code.as_str().into());
    let mut details = error.details.clone();
    if matches!(error.code.class(), Class::Internal | Class::Unavailable) {
        // Who asks whether px0 is ready asks again and again, and the store logs what is wrong with it.
        // So does whoever is told to come back later: how often is for strangers to say.
        if error.code != Code::NotReady && retry_after(&error).is_none() {
            log(&error);
        }
        details.get_or_insert_with(|| json!({}))["request_id"] = request_id.into();
    }
    if let Some(details) = details {
        body.insert("details".into(), details);
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Value::Object(body).to_string().into())
}

fn log(error: &Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(code = error.code.as_str(), cause, "{error}");
}

fn foreign(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::new(Code::RouteNotFound, "there is no such path"),
        StatusCode::METHOD_NOT_ALLOWED => Error::new(Code::MethodNotAllowed, "method not allowed"),
        StatusCode::REQUEST_TIMEOUT => {
            Error::new(Code::RequestTimeout, "the request took too long to arrive")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(Code::BodyTooLarge, "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Error::new(Code::UnsupportedMediaType, "the body must be application/json")
        }
        status if status.is_server_error() => Error::internal(format!("a layer answered {status}")),
        _ => Error::new(Code::InvalidPath, "the request cannot be read"),
    }
}
