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

use super::{Peer, not_admitted};
use crate::{
    App,
    bodies::{Room, SMALL},
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

/// The same for who has room that others wait for: 32 KiB a second.
const WINDOW_WHILE_OTHERS_WAIT: Duration = Duration::from_secs(2);
const LEAST_WHILE_OTHERS_WAIT: usize = 64 * 1024;

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
        let (bytes, room) = body.into_bytes()?;
        let read = |bytes: &[u8], app: &App| -> Result<T> {
            T::from_fields(&Fields::parse(bytes, app.px0.policy())?)
        };
        let tenant = parts.extensions.get::<Tenant>().filter(|_| bytes.len() > LARGE);
        let value = match tenant {
            Some(&Tenant(org)) => {
                let for_later = app.clone();
                // It goes on when nobody waits for it any more, and so does what it holds.
                let work = move || {
                    let _room = room;
                    read(&bytes, &for_later)
                };
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
        let is_large = body
            .is_some_and(|body| matches!(body, ReadBody::Whole(bytes, _) if bytes.len() > LARGE));
        if let Some(org) = org.filter(|_| is_large) {
            parts.extensions.insert(Self(org));
        }
    }
}

/// A body as it arrived, or what is wrong with it.
#[derive(Clone)]
pub(super) enum ReadBody {
    /// All of it, with the room that it has if it is large.
    Whole(Bytes, Option<Arc<Room>>),
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

    /// The room that it has.
    pub(super) fn room(&self) -> Option<Arc<Room>> {
        match self {
            Self::Whole(_, room) => room.clone(),
            _ => None,
        }
    }

    fn into_bytes(self) -> Result<(Bytes, Option<Arc<Room>>)> {
        match self {
            Self::Whole(bytes, room) => Ok((bytes, room)),
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

/// Reads a body; says whether that took any waiting. One that will be refused anyway is not read.
pub(super) async fn read(
    app: &App,
    operation: Operation,
    caller: &Caller,
    parts: &Parts,
    body: axum::body::Body,
) -> (ReadBody, bool) {
    if HttpBody::is_end_stream(&body) {
        return (ReadBody::Whole(Bytes::new(), None), false);
    }
    if !is_json(&parts.headers) {
        return (ReadBody::NotJson, false);
    }
    let documents = operation.takes_documents();
    let max = if documents { app.http.max_body } else { SMALL.min(app.http.max_body) };
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced: Option<u64> = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length| length > max as u64) {
        return (ReadBody::TooLarge(max), false);
    }
    // Whoever does not say how much is to come may send as much as there can be.
    let size = announced.map_or(max, |length| usize::try_from(length).unwrap_or(max));
    let mut arriving = Arriving { app, caller, parts, max, size, room: None };
    let mut whole = pin!(arriving.whole(body, announced.is_some()));
    let at_once = poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await;
    let (body, waited) = match at_once {
        Poll::Ready(body) => (body, false),
        Poll::Pending => (whole.await, true),
    };
    (body.unwrap_or_else(|why| why), waited)
}

/// A body that is being read.
struct Arriving<'a> {
    app: &'a App,
    caller: &'a Caller,
    parts: &'a Parts,
    /// Most bytes that it may have.
    max: usize,
    /// Most bytes that are still possible.
    size: usize,
    room: Option<Arc<Room>>,
}

impl Arriving<'_> {
    /// Reads all of it, and gives up on who sends it too slowly.
    async fn whole(
        &mut self,
        mut body: axum::body::Body,
        is_announced: bool,
    ) -> std::result::Result<ReadBody, ReadBody> {
        if is_announced {
            self.have_room(self.size).await?;
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let mut pace = Pace::begin();
        loop {
            let come = first.len() + all.len();
            let Ok(frame) = tokio::time::timeout_at(pace.next_look(), body.frame()).await else {
                let others_wait = self.room.is_some() && self.app.bodies.is_short();
                pace.look(come, others_wait)?;
                continue;
            };
            let Some(frame) = frame else { break };
            let data = frame.map_err(|_| ReadBody::CutOff)?.into_data();
            // Trailers say nothing that anybody here wants to know.
            let Ok(data) = data else { continue };
            if come + data.len() > self.max {
                return Err(ReadBody::TooLarge(self.max));
            }
            self.have_room(come + data.len()).await?;
            if come == 0 {
                // Most bodies come in one piece, which is not copied.
                first = data;
                continue;
            }
            if all.is_empty() {
                all.reserve(if is_announced { self.size } else { 2 * SMALL });
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
        let bytes = if all.is_empty() { first } else { all.freeze() };
        Ok(ReadBody::Whole(bytes, self.room.take()))
    }

    /// Sees to it that there is room for the body, if it is a large one by now.
    async fn have_room(&mut self, bytes: usize) -> std::result::Result<(), ReadBody> {
        if bytes <= SMALL || self.room.is_some() {
            return Ok(());
        }
        let Peer(from) = Peer::of(self.parts, self.app);
        let room = self.app.bodies.room(from, self.caller, self.size).await;
        self.room = Some(Arc::new(room.map_err(|why| ReadBody::NoRoom(Arc::new(why)))?));
        Ok(())
    }
}

/// How fast a body comes.
struct Pace {
    look: Instant,
    before: usize,
    look_for_others: Instant,
    before_for_others: usize,
}

impl Pace {
    fn begin() -> Self {
        let now = Instant::now();
        Self {
            look: now + WINDOW,
            before: 0,
            look_for_others: now + WINDOW_WHILE_OTHERS_WAIT,
            before_for_others: 0,
        }
    }

    fn next_look(&self) -> Instant {
        self.look.min(self.look_for_others)
    }

    /// Looks how many bytes came since the last look, of `come` in sum.
    fn look(&mut self, come: usize, others_wait: bool) -> std::result::Result<(), ReadBody> {
        let now = Instant::now();
        let is_slow = |due: bool, before: usize, least: usize| due && come - before < least;
        let (due, due_for_others) = (now >= self.look, now >= self.look_for_others);
        if is_slow(due, self.before, LEAST)
            || is_slow(
                due_for_others && others_wait,
                self.before_for_others,
                LEAST_WHILE_OTHERS_WAIT,
            )
        {
            return Err(ReadBody::TooSlow);
        }
        if due {
            (self.look, self.before) = (now + WINDOW, come);
        }
        if due_for_others {
            (self.look_for_others, self.before_for_others) = (now + WINDOW_WHILE_OTHERS_WAIT, come);
        }
        Ok(())
    }
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
