use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, RawPathParams, rejection::RawPathParamsRejection},
    http::request::Parts,
};
use px0_core::{
    Code, Error,
    error::Result,
    ids::InvalidId,
    plugin::PluginId,
    prompt::PromptRef,
    store::Thing,
    tag::{Selector, TagName},
};

use crate::{App, error::ApiError};

/// The values of a path's parameters, in the order in which they stand.
pub(crate) struct PathValues(Vec<String>);

impl PathValues {
    /// Reads them.
    pub(crate) async fn of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Self> {
        let values = RawPathParams::from_request_parts(parts, state).await.map_err(unreadable)?;
        let values: Vec<String> = values.iter().map(|(_, value)| value.to_owned()).collect();
        if values.iter().any(|value| value.contains('\0')) {
            return Err(Error::new(Code::NulCharacter, "the path must not have NUL characters"));
        }
        Ok(Self(values))
    }

    fn value(&self, index: usize) -> Result<&str> {
        let missing =
            || Error::internal("a handler asks for a parameter that its route does not have");
        self.0.get(index).map(String::as_str).ok_or_else(missing)
    }

    /// An id.
    pub(crate) fn id<T: FromStr<Err = InvalidId>>(&self, index: usize) -> Result<T> {
        self.value(index)?.parse().map_err(|_| Error::new(Code::InvalidId, "invalid id"))
    }

    /// A prompt, by id or slug: a word that can be neither is not found, like any unknown one.
    pub(crate) fn prompt(&self, index: usize) -> Result<PromptRef> {
        PromptRef::parse(self.value(index)?).ok_or_else(|| Thing::Prompt.into())
    }

    /// A version; `None` for a word that can name none, which is not found, but only after its prompt is.
    pub(crate) fn selector(&self, index: usize) -> Result<Option<Selector>> {
        Ok(Selector::parse(self.value(index)?))
    }

    /// A plugin; `None` as for versions.
    pub(crate) fn plugin(&self, index: usize) -> Result<Option<PluginId>> {
        Ok(PluginId::parse(self.value(index)?).ok())
    }

    /// A tag; `None` as for versions.
    pub(crate) fn tag(&self, index: usize) -> Result<Option<TagName>> {
        Ok(TagName::parse(self.value(index)?).ok())
    }
}

fn unreadable(_: RawPathParamsRejection) -> Error {
    Error::new(Code::InvalidPath, "the path must be UTF-8")
}

/// The one id that a path has, where the handler's own rule says who may.
pub(crate) struct OneId<T>(pub T);

impl<T: FromStr<Err = InvalidId>> FromRequestParts<App> for OneId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self(PathValues::of(parts, app).await?.id(0)?))
    }
}
