use std::{borrow::Cow, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use axum::{
    body::HttpBody,
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use px0_core::{
    Code, Error,
    access::Operation,
    caller::Caller,
    error::Result,
    ids::{InvalidId, OrgId},
    json::{JsonText, has_nul},
    workflows::{Document, Policy},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{json, value::RawValue};
use tokio::time::Instant;

use super::not_admitted;
use crate::{
    App,
    bodies::{Bodies, Room, SMALL},
    error::ApiError,
};

/// Most fields that a body may have. No operation knows more than a dozen; others are ignored, but looking at them takes time.
const MOST_FIELDS: usize = 256;

/// Reading a body of more bytes than this takes longer than a millisecond: it is done in its tenant's share of the slow threads.
const LARGE: usize = 64 * 1024;

/// How often to look how much of a body has come.
const WINDOW: Duration = Duration::from_secs(5);

/// The bytes that must have come since the last look: 1 KiB a second.
const LEAST: usize = 5 * 1024;

/// The same while others wait for the room that the body has: 64 KiB a second.
const LEAST_WHILE_OTHERS_WAIT: usize = 5 * 64 * 1024;

/// The fields of a JSON object, each still the text that was sent.
pub(crate) struct Fields<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    policy: &'a Policy,
}

/// What a handler wants of the body.
pub(crate) trait FromFields: Sized + Send + 'static {
    /// Reads it.
    fn from_fields(fields: &Fields<'_>) -> Result<Self>;
}

/// A body, parsed. An absent one is `{}`.
pub(crate) struct Body<T>(pub T);

impl<T: FromFields> FromRequestParts<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let body = parts.extensions.remove::<ReadBody>().ok_or_else(not_admitted)?;
        let bytes = body.into_bytes()?;
        let read = |bytes: &[u8], app: &App| -> Result<T> {
            T::from_fields(&Fields::parse(bytes, app.px0.policy())?)
        };
        let tenant = parts.extensions.get::<Tenant>().filter(|_| bytes.len() > LARGE);
        let value = match tenant {
            Some(&Tenant(org)) => {
                let for_later = app.clone();
                let work = move || read(&bytes, &for_later);
                app.sandbox.slowly(org, work).await.map_err(Error::internal)?
            }
            None => read(&bytes, app),
        };
        Ok(Self(value?))
    }
}

/// Whose share of the slow threads a large body is read in: the organization of what the path names.
#[derive(Clone, Copy)]
pub(super) struct Tenant(pub(super) OrgId);

impl Tenant {
    /// Notes whose body it is, if that will be asked.
    pub(super) fn note(parts: &mut Parts, org: Option<OrgId>) {
        let body = parts.extensions.get::<ReadBody>();
        let is_large =
            body.is_some_and(|body| matches!(body, ReadBody::Whole(bytes) if bytes.len() > LARGE));
        if let Some(org) = org.filter(|_| is_large) {
            parts.extensions.insert(Self(org));
        }
    }
}

/// A body as it arrived, or what is wrong with it.
#[derive(Clone)]
pub(super) enum ReadBody {
    Whole(Bytes),
    NotJson,
    TooLarge(usize),
    CutOff,
    TooSlow,
    NoRoom(Arc<Error>),
}

impl ReadBody {
    /// Whether some of it was left unread, so that the connection cannot be used again.
    pub(super) fn is_left(&self) -> bool {
        matches!(self, Self::NotJson | Self::TooLarge(_) | Self::TooSlow | Self::NoRoom(_))
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
            Self::TooSlow => Err(Error::new(
                Code::RequestTimeout,
                "the body arrived too slowly; please try again",
            )),
            Self::NoRoom(why) => Err(Error::new(why.code, why.message.clone())
                .with_details(why.details.clone().unwrap_or_default())),
        }
    }
}

/// What came of reading a body.
pub(super) struct Read {
    pub(super) body: ReadBody,
    /// Whether that took any waiting.
    pub(super) waited: bool,
    /// What the body takes; to be kept until the answer.
    pub(super) room: Option<Room>,
}

impl From<ReadBody> for Read {
    fn from(body: ReadBody) -> Self {
        Self { body, waited: false, room: None }
    }
}

/// Reads a body. One that will be refused anyway is not read.
pub(super) async fn read(
    app: &App,
    operation: Operation,
    caller: &Caller,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Read {
    if HttpBody::is_end_stream(&body) {
        return ReadBody::Whole(Bytes::new()).into();
    }
    if !is_json(headers) {
        return ReadBody::NotJson.into();
    }
    let documents = operation.takes_documents();
    let max = if documents { app.http.max_body } else { SMALL.min(app.http.max_body) };
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced: Option<u64> = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length| length > max as u64) {
        return ReadBody::TooLarge(max).into();
    }
    // Whoever does not say how much is to come may send as much as there can be.
    let size = announced.map_or(max, |length| usize::try_from(length).unwrap_or(max));
    let mut waited = false;
    let room = if size > SMALL {
        let room = match app.bodies.try_room(caller, size) {
            Some(room) => Ok(room),
            None => {
                waited = true;
                app.bodies.room(caller, size).await
            }
        };
        match room {
            Ok(room) => Some(room),
            Err(why) => return ReadBody::NoRoom(Arc::new(why)).into(),
        }
    } else {
        None
    };
    let mut collect = pin!(collect(body, max, &app.bodies));
    let at_once = poll_fn(|context| Poll::Ready(collect.as_mut().poll(context))).await;
    let body = match at_once {
        Poll::Ready(body) => body,
        Poll::Pending => {
            waited = true;
            collect.await
        }
    };
    Read { body, waited, room }
}

/// Reads at most `max` bytes, and gives up on who sends them too slowly.
async fn collect(mut body: axum::body::Body, max: usize, bodies: &Bodies) -> ReadBody {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let (mut look, mut before) = (Instant::now() + WINDOW, 0);
    loop {
        let come = first.len() + all.len();
        let frame = match tokio::time::timeout_at(look, body.frame()).await {
            Ok(frame) => frame,
            Err(_) => {
                let others_wait = bodies.is_short();
                let least = if others_wait { LEAST_WHILE_OTHERS_WAIT } else { LEAST };
                if come - before < least {
                    return ReadBody::TooSlow;
                }
                (look, before) = (Instant::now() + WINDOW, come);
                continue;
            }
        };
        let Some(frame) = frame else { break };
        let Ok(frame) = frame else { return ReadBody::CutOff };
        let Ok(data) = frame.into_data() else { continue };
        if come + data.len() > max {
            return ReadBody::TooLarge(max);
        }
        if come == 0 {
            // Most bodies come in one piece, which is not copied.
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    ReadBody::Whole(if all.is_empty() { first } else { all.freeze() })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The members of an object, at most [`MOST_FIELDS`].
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// What an object with more says.
const TOO_MANY: &str = "too many fields";

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            if members.len() == MOST_FIELDS {
                return Err(A::Error::custom(TOO_MANY));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// A member's name, which is seldom written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8], policy: &'a Policy) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self { fields: Vec::new(), policy });
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(Code::InvalidJson, "the body must be UTF-8"))?;
        if has_nul(bytes) {
            return Err(Error::new(Code::NulCharacter, "the body must not have NUL characters"));
        }
        let members = serde_json::from_str(text).map_err(|error| {
            let message = match error.classify() {
                serde_json::error::Category::Data if error.to_string().starts_with(TOO_MANY) => {
                    format!("the body must have at most {MOST_FIELDS} fields")
                }
                serde_json::error::Category::Data => "the body must be a JSON object".to_owned(),
                _ => format!(
                    "the body is not JSON: line {}, column {}",
                    error.line(),
                    error.column()
                ),
            };
            Error::new(Code::InvalidJson, message)
        });
        members.map(|Members(fields)| Self { fields, policy })
    }

    /// A field that is there, `null` included.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        // Of several with the same name, the last one counts, as in every other reader of JSON here.
        self.fields.iter().rfind(|(known, _)| known == name).map(|(_, value)| *value)
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
    pub(crate) fn object(&self, document: Document) -> Result<Option<JsonText>> {
        let json = self.passing_object(document)?;
        if let Some(Err(error)) = json.as_ref().map(JsonText::readable) {
            let name = document.field();
            let message = format!("{name} cannot be kept: {error}");
            return Err(Error::field(Code::InvalidField, name, message));
        }
        Ok(json)
    }

    /// An object that is only handed on, as it was sent, if it is given: whoever gets it looks into it.
    pub(crate) fn passing_object(&self, document: Document) -> Result<Option<JsonText>> {
        let name = document.field();
        let Some(raw) = self.given(name) else { return Ok(None) };
        if !raw.get().starts_with('{') {
            return Err(Error::field(
                Code::InvalidField,
                name,
                format!("{name} must be an object"),
            ));
        }
        // Before anybody looks into it.
        self.policy.check_size(document, raw.get().len())?;
        Ok(Some(JsonText::from_raw(raw)))
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
