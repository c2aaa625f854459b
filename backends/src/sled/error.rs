//! What sled, the file system and the codec say, as [`StoreError`].

use std::{io, path::Path};

use px0_core::store::StoreError;

/// Something failed while `context` was being done.
pub(super) trait Context<T> {
    /// Names what was being done.
    fn context(self, context: &str) -> Result<T, StoreError>;
}

impl<T> Context<T> for Result<T, ::sled::Error> {
    fn context(self, context: &str) -> Result<T, StoreError> {
        self.map_err(|error| match plain(&error) {
            Some(why) => StoreError::broken(context, why),
            None => StoreError::broken(context, error),
        })
    }
}

/// What an operator is told of what sled says in words of its inside.
pub(super) fn plain(error: &::sled::Error) -> Option<String> {
    match error {
        ::sled::Error::Corruption { .. } => Some("its file is damaged".to_owned()),
        ::sled::Error::ReportableBug(why) => Some(format!("sled has a bug: {why}")),
        _ => None,
    }
}

impl<T> Context<T> for Result<T, serde_json::Error> {
    fn context(self, context: &str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::broken(context, error))
    }
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, context: &str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::broken(context, error))
    }
}

/// What is stored cannot be what px0 stored.
pub(super) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::broken("reading the store", what.into())
}

/// The data folder cannot be used; `why` tells its owner what to do about it.
pub(super) fn unusable(path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("data folder {}: {why}", path.display()))
}

/// The store was closed, or is being closed.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// The command panicked: the log has the panic.
pub(super) fn unanswered() -> StoreError {
    StoreError::Unavailable("the write was given up; nothing of it is kept".to_owned())
}
