use std::time::Instant;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use px0_core::{
    Slug, TagName, error::Result, json::JsonText, render::EngineName, version::ModelName,
    workflows::Document,
};
use serde::Serialize;

use crate::{
    App,
    answer::rendered,
    error::ApiError,
    extract::{Body, Fields, FromFields, ToRender},
};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// `{"variables": {…}}`; absent is `{}`.
pub(crate) struct Variables(JsonText);

impl FromFields for Variables {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.not_null("variables")?;
        match fields.passing_object(Document::Variables)? {
            Some(variables) => Ok(Self(variables)),
            None => JsonText::parse("{}").map(Self).map_err(px0_core::Error::internal),
        }
    }
}

/// What an answer says besides the text.
#[derive(Serialize)]
struct About<'a> {
    version: u32,
    slug: &'a Slug,
    tags: &'a [TagName],
    model: Option<&'a ModelName>,
    model_params: Option<&'a JsonText>,
    engine: &'a EngineName,
}

pub(crate) async fn live(state: State<App>, on: ToRender, variables: Body<Variables>) -> Response {
    render(state, on, variables).await
}

pub(crate) async fn version(
    state: State<App>,
    on: ToRender,
    variables: Body<Variables>,
) -> Response {
    render(state, on, variables).await
}

/// Every render says how long it took, also one that failed.
async fn render(
    State(app): State<App>,
    ToRender(on): ToRender,
    Body(Variables(variables)): Body<Variables>,
) -> Response {
    let started = Instant::now();
    let text = app.px0.render(&on, variables.as_str()).await;
    let ms = started.elapsed().as_secs_f64() * 1e3;
    let answer = text.map_err(ApiError::from).and_then(|text| {
        let (found, version) = &**on;
        let body = &version.body;
        let about = About {
            version: version.number,
            slug: &found.prompt.slug,
            tags: &version.tags,
            model: body.model.as_ref(),
            model_params: body.model_params.as_ref(),
            engine: &body.engine,
        };
        Ok(rendered(&text.text, &about).map_err(px0_core::Error::internal)?)
    });
    let mut response = answer.into_response();
    if let Ok(timing) = HeaderValue::from_str(&format!("render;dur={ms:.3}")) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    response
}
