use std::{fmt::Display, str::FromStr, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use percent_encoding::percent_decode_str;
use px0_core::{
    Code, Error, TagName,
    error::Result,
    ids::{InvalidId, TeamId},
    lifecycle::Status,
    page::{Numbered, Page},
    prompt::{PromptFilter, PromptStatus},
    version::VersionFilter,
};
use serde_json::json;

use super::not_admitted;
use crate::{App, error::ApiError};

/// The parameters behind the question mark.
#[derive(Clone)]
pub(crate) struct Params(Arc<[(String, String)]>);

impl Params {
    /// Those of a request that was admitted.
    pub(crate) fn of(parts: &Parts) -> Result<Self> {
        parts.extensions.get().cloned().ok_or_else(not_admitted)
    }

    pub(super) fn parse(query: &str) -> Result<Self> {
        if percent_decode_str(query).decode_utf8().is_err() {
            return Err(Error::new(Code::InvalidQuery, "the query must be UTF-8"));
        }
        let pairs: Arc<[_]> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(Error::new(Code::NulCharacter, "the query must not have NUL characters"));
        }
        Ok(Self(pairs))
    }

    /// A parameter; given more than once, the first counts.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there, and not empty.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| Error::missing(name))
    }

    /// An id.
    pub(crate) fn id<T: FromStr<Err = InvalidId>>(&self, name: &str) -> Result<Option<T>> {
        let invalid = |_| {
            Error::new(Code::InvalidId, "invalid id").with_details(json!({ "parameter": name }))
        };
        self.get(name).map(|value| value.parse().map_err(invalid)).transpose()
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        found
            .map(Some)
            .ok_or_else(|| refuse(name, format!("{name} must be one of: {}", known.join(", "))))
    }

    /// A number within a range.
    pub(crate) fn number(
        &self,
        name: &str,
        least: usize,
        most: usize,
        default: usize,
    ) -> Result<usize> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse().ok().filter(|number| digits && (least..=most).contains(number));
        number
            .ok_or_else(|| refuse(name, format!("{name} must be a number from {least} to {most}")))
    }

    /// Which of several teams with a prompt of the same slug is meant.
    pub(crate) fn team(&self) -> Result<Option<TeamId>> {
        self.id("team_id")
    }
}

/// An error about one parameter.
pub(crate) fn refuse(name: &str, message: String) -> Error {
    Error::new(Code::InvalidQuery, message).with_details(json!({ "parameter": name }))
}

/// What a handler wants of the query.
pub(crate) trait FromQuery: Sized {
    /// Reads it.
    fn from_query(params: &Params) -> Result<Self>;
}

/// A query, parsed.
pub(crate) struct Query<T>(pub T);

impl<T: FromQuery> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        Ok(Self(T::from_query(&Params::of(parts)?)?))
    }
}

/// `limit` and `cursor` of a list that grows without end.
pub(crate) fn page<K: FromStr + Display>(params: &Params) -> Result<Page<K>> {
    let limit = params.number("limit", 1, 1000, 100)?;
    let cursor = |text: &str| {
        // One name for one place: what we did not write ourselves is no cursor.
        let place = text.parse().ok().filter(|place: &K| place.to_string() == text);
        place.ok_or_else(|| {
            Error::new(Code::InvalidCursor, "cursor must be the next_cursor of an earlier answer")
                .with_details(json!({ "parameter": "cursor" }))
        })
    };
    Ok(Page { limit, after: params.get("cursor").map(cursor).transpose()? })
}

impl<K: FromStr + Display> FromQuery for Page<K> {
    fn from_query(params: &Params) -> Result<Self> {
        page(params)
    }
}

/// The highest number of a page; nobody turns so many.
pub(crate) const LAST_PAGE: usize = 1_000_000_000;

/// `page` and `limit` of a list of people.
pub(crate) struct NumberedQuery(pub Numbered);

impl FromQuery for NumberedQuery {
    fn from_query(params: &Params) -> Result<Self> {
        Ok(Self(Numbered {
            page: params.number("page", 1, LAST_PAGE, 1)?,
            limit: params.number("limit", 1, 100, 10)?,
        }))
    }
}

impl FromQuery for PromptFilter {
    fn from_query(params: &Params) -> Result<Self> {
        let archived = [("true", PromptStatus::Archived), ("false", PromptStatus::Active)];
        let status = [("active", PromptStatus::Active), ("archived", PromptStatus::Archived)];
        let (by_flag, by_name) =
            (params.word("archived", &archived)?, params.word("status", &status)?);
        if let (Some(a), Some(b)) = (by_flag, by_name)
            && a != b
        {
            return Err(refuse("status", "archived and status contradict each other".to_owned()));
        }
        Ok(Self {
            status: by_flag.or(by_name),
            text: params.get("q").filter(|text| !text.is_empty()).map(str::to_owned),
            tag: params.get("tag").map(|tag| tag_of("tag", tag)).transpose()?,
        })
    }
}

impl FromQuery for VersionFilter {
    fn from_query(params: &Params) -> Result<Self> {
        let tags = params.get("tags").unwrap_or_default().split(',').map(str::trim);
        let tags = tags.filter(|tag| !tag.is_empty()).map(|tag| tag_of("tags", tag));
        let words = Status::ALL.map(|status| (status.as_str(), status));
        Ok(Self { status: params.word("status", &words)?, tags: tags.collect::<Result<_>>()? })
    }
}

fn tag_of(name: &str, text: &str) -> Result<TagName> {
    TagName::parse(text).map_err(|error| refuse(name, error.message.into_owned()))
}

impl<A: FromQuery, B: FromQuery> FromQuery for (A, B) {
    fn from_query(params: &Params) -> Result<Self> {
        Ok((A::from_query(params)?, B::from_query(params)?))
    }
}
