use std::{collections::BTreeMap, future::poll_fn, pin::pin, task::Poll};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use px0_core::{
    Code, Error,
    error::Result,
    ids::InvalidId,
    json::{JsonText, has_nul},
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::not_admitted;
use crate::{App, error::ApiError};

/// The fields of a JSON object, each still the text that was sent.
pub(crate) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

/// What a handler wants of the body.
pub(crate) trait FromFields: Sized {
    /// Reads it.
    fn from_fields(fields: &Fields<'_>) -> Result<Self>;
}

/// A body, parsed. An absent one is `{}`.
pub(crate) struct Body<T>(pub T);

impl<T: FromFields> FromRequestParts<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let bytes = parts.extensions.remove::<ReadBody>().ok_or_else(not_admitted)?.into_bytes()?;
        Ok(Self(T::from_fields(&Fields::parse(&bytes)?)?))
    }
}

/// A body as it arrived, or what is wrong with it.
#[derive(Clone)]
pub(super) enum ReadBody {
    Whole(Bytes),
    NotJson,
    TooLarge(usize),
    CutOff,
}

impl ReadBody {
    /// Whether some of it was left unread, so that the connection cannot be used again.
    pub(super) fn is_left(&self) -> bool {
        matches!(self, Self::NotJson | Self::TooLarge(_))
    }

    fn into_bytes(self) -> Result<Bytes> {
        match self {
            Self::Whole(bytes) => Ok(bytes),
            Self::NotJson => Err(Error::new(
                Code::UnsupportedMediaType,
                "the body must be sent as content-type application/json",
            )),
            Self::TooLarge(max) => Err(Error::new(
                Code::BodyTooLarge,
                format!("the body must have at most {max} bytes"),
            )
            .with_details(json!({ "max": max }))),
            Self::CutOff => {
                Err(Error::new(Code::InvalidJson, "the body ended before it was complete"))
            }
        }
    }
}

/// Reads a body; says whether that took any waiting. One that will be refused anyway is not read.
pub(super) async fn read(
    headers: &HeaderMap,
    body: axum::body::Body,
    max: usize,
) -> (ReadBody, bool) {
    if axum::body::HttpBody::is_end_stream(&body) {
        return (ReadBody::Whole(Bytes::new()), false);
    }
    if !is_json(headers) {
        return (ReadBody::NotJson, false);
    }
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > max as u64) {
        return (ReadBody::TooLarge(max), false);
    }
    let mut collect = pin!(Limited::new(body, max).collect());
    let at_once = poll_fn(|context| Poll::Ready(collect.as_mut().poll(context))).await;
    let (collected, waited) = match at_once {
        Poll::Ready(collected) => (collected, false),
        Poll::Pending => (collect.await, true),
    };
    let read = match collected {
        Ok(collected) => ReadBody::Whole(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => ReadBody::TooLarge(max),
        Err(_) => ReadBody::CutOff,
    };
    (read, waited)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(Code::InvalidJson, "the body must be UTF-8"))?;
        if has_nul(bytes) {
            return Err(Error::new(Code::NulCharacter, "the body must not have NUL characters"));
        }
        serde_json::from_str(text).map(Self).map_err(|error| {
            let message = match error.classify() {
                serde_json::error::Category::Data => "the body must be a JSON object".to_owned(),
                _ => format!(
                    "the body is not JSON: line {}, column {}",
                    error.line(),
                    error.column()
                ),
            };
            Error::new(Code::InvalidJson, message)
        })
    }

    /// A field that is there, `null` included.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// A field that is there and not `null`.
    pub(crate) fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.raw(name).filter(|raw| raw.get() != "null")
    }

    /// A text, if it is given.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>> {
        self.read(name, "a string")
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, name: &'static str) -> Result<String> {
        self.text(name)?.ok_or_else(|| Error::missing(name))
    }

    /// A text made into a value, if it is given.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        self.text(name)?.map(|text| parse(&text)).transpose()
    }

    /// A text made into a value, which must be there.
    pub(crate) fn required<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T>,
    ) -> Result<T> {
        self.parsed(name, parse)?.ok_or_else(|| Error::missing(name))
    }

    /// A yes or no, if it is given.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.read(name, "true or false")
    }

    /// An id, if it is given.
    pub(crate) fn id<T: std::str::FromStr<Err = InvalidId>>(
        &self,
        name: &str,
    ) -> Result<Option<T>> {
        self.parsed(name, |text| id(name, text))
    }

    /// An id that must be there.
    pub(crate) fn required_id<T: std::str::FromStr<Err = InvalidId>>(
        &self,
        name: &'static str,
    ) -> Result<T> {
        self.id(name)?.ok_or_else(|| Error::missing(name))
    }

    /// A list of ids; empty when it is not given.
    pub(crate) fn ids<T, C>(&self, name: &str) -> Result<C>
    where
        T: std::str::FromStr<Err = InvalidId>,
        C: FromIterator<T>,
    {
        let texts: Vec<String> = self.read(name, "a list of ids")?.unwrap_or_default();
        texts.iter().map(|text| id(name, text)).collect()
    }

    /// One of a few words, if it is given.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        self.parsed(name, |text| {
            let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
            let message = || format!("{name} must be one of: {}", known.join(", "));
            found.ok_or_else(|| Error::field(Code::InvalidField, name, message()))
        })
    }

    /// An object that will be kept, as it was sent, if it is given: one that other readers can be given later.
    pub(crate) fn object(&self, name: &str) -> Result<Option<JsonText>> {
        let json = self.passing_object(name)?;
        if let Some(Err(error)) = json.as_ref().map(JsonText::readable) {
            let message = format!("{name} cannot be kept: {error}");
            return Err(Error::field(Code::InvalidField, name, message));
        }
        Ok(json)
    }

    /// An object that is only handed on, as it was sent, if it is given: whoever gets it looks into it.
    pub(crate) fn passing_object(&self, name: &str) -> Result<Option<JsonText>> {
        let Some(raw) = self.given(name) else { return Ok(None) };
        let json = JsonText::from_raw(raw);
        if json.is_object() {
            return Ok(Some(json));
        }
        Err(Error::field(Code::InvalidField, name, format!("{name} must be an object")))
    }

    /// A change: absent leaves as it is, `null` clears, anything else is read by `read`.
    pub(crate) fn change<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Self) -> Result<Option<T>>,
    ) -> Result<Option<Option<T>>> {
        self.raw(name).map(|_| read(self)).transpose()
    }

    /// Refuses `null` for a field that can be left as it is, but not cleared.
    pub(crate) fn not_null(&self, name: &str) -> Result<()> {
        match self.raw(name) {
            Some(raw) if raw.get() == "null" => {
                Err(Error::field(Code::InvalidField, name, format!("{name} must not be null")))
            }
            _ => Ok(()),
        }
    }

    fn read<T: Deserialize<'a>>(&self, name: &str, what: &str) -> Result<Option<T>> {
        let Some(raw) = self.given(name) else { return Ok(None) };
        let wrong = |_| Error::field(Code::InvalidField, name, format!("{name} must be {what}"));
        serde_json::from_str(raw.get()).map(Some).map_err(wrong)
    }
}

fn id<T: std::str::FromStr<Err = InvalidId>>(name: &str, text: &str) -> Result<T> {
    let message = || format!("{name} must be a UUID in its hyphenated form");
    text.parse().map_err(|_| Error::field(Code::InvalidId, name, message()))
}

/// A body of which nothing is read: it must still be JSON if there is one.
impl FromFields for () {
    fn from_fields(_: &Fields<'_>) -> Result<Self> {
        Ok(())
    }
}
