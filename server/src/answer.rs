//! The answer of a render, which is mostly one long text.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use px0_core::json::write_text;
use serde::Serialize;

/// `{"rendered": text, …}`, with the fields of `about`, which is a struct, behind it.
///
/// # Errors
/// When `about` cannot be written.
pub fn rendered(text: &str, about: &impl Serialize) -> Result<Response, serde_json::Error> {
    const ABOUT: usize = 512;
    let mut body = Vec::with_capacity(text.len() + text.len() / 8 + ABOUT);
    body.extend_from_slice(b"{\"rendered\":");
    write_text(&mut body, text);
    let fields = body.len();
    serde_json::to_writer(&mut body, about)?;
    // Its opening brace becomes the comma between the text and its fields.
    if let Some(brace) = body.get_mut(fields) {
        *brace = b',';
    }
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], body).into_response())
}
