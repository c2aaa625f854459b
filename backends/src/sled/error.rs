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
            Some(why) => StoreError::broken(context, Unreadable(why)),
            None => StoreError::broken(context, error),
        })
    }
}

/// Whether sled's files are open in this process or another one.
pub(super) fn is_locked(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
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

/// Why writes cannot be kept.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// For the operator.
    pub(super) why: String,
    /// Whether it can pass by itself: the disk is full, or there are no file descriptors. After other failures nobody knows what the
    /// system did with what was written.
    pub(super) passes: bool,
}

impl Failure {
    /// One that does not pass.
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self { why: why.into(), passes: false }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::ReadOnly(format!("nothing can be written: {}", failure.why))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let StoreError::Broken { context, source } = error else {
            return Self::lasting(error.to_string());
        };
        let failure = match source.downcast::<::sled::Error>() {
            Ok(error) => Self::from(*error),
            Err(source) => match source.downcast::<io::Error>() {
                Ok(error) => Self::from(*error),
                Err(source) => Self::lasting(source.to_string()),
            },
        };
        Self { why: format!("{context}: {}", failure.why), ..failure }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;

        let passes = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => true,
            _ => Errno::from_io_error(&error)
                .is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE)),
        };
        Self { why: error.to_string(), passes }
    }
}

impl From<::sled::Error> for Failure {
    fn from(error: ::sled::Error) -> Self {
        match error {
            // Another thread of the driver still has its file.
            error if is_locked(&error) => Self { passes: true, ..Self::lasting(error.to_string()) },
            ::sled::Error::Io(error) => error.into(),
            other => Self::lasting(plain(&other).unwrap_or_else(|| other.to_string())),
        }
    }
}

/// What is stored cannot be what px0 stored.
pub(super) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::broken("reading the store", Unreadable(what.into()))
}

/// What is on the disk makes no sense, in these words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreadable(String);

/// Whether an error says that what is on the disk makes no sense, and not that the disk or the system failed.
pub(super) fn is_unreadable(error: &StoreError) -> bool {
    let StoreError::Broken { source, .. } = error else {
        return false;
    };
    let source: &(dyn std::error::Error + 'static) = source.as_ref();
    match source.downcast_ref() {
        Some(::sled::Error::Unsupported(_)) => true,
        Some(::sled::Error::Io(error)) => matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        ),
        _ => source.is::<Unreadable>() || source.is::<serde_json::Error>(),
    }
}

/// The data folder cannot be used; `why` tells its owner what to do about it.
pub(super) fn unusable(path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("data folder {}: {why}", path.display()))
}

/// The store is not what it was; `what` says which file, and what became of it.
pub(super) fn damaged(path: &Path, what: &str, is_unchanged: bool) -> StoreError {
    let folder = path.display();
    let unchanged = if is_unchanged { "px0 changed nothing in it. " } else { "" };
    unusable(
        path,
        format!(
            "{what}. {unchanged}Put back {folder} as it was, or move it away and fill a new one from an archive: px0 import FILE"
        ),
    )
}

/// The store was closed, or is being closed.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// The command panicked: the log has the panic.
pub(super) fn unanswered() -> StoreError {
    StoreError::Unavailable("the write was given up; nothing of it is kept".to_owned())
}
