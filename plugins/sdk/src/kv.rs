//! A small memory that lasts, for each plugin and organization its own. Granted to hooks whose
//! `plugin.toml` wants `kv`. Outside of WebAssembly it is a memory of the thread, with the same limits.

use std::fmt;

use crate::PluginError;

/// Why a value was not kept or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A key has 1 to 128 bytes and no NUL.
    Key,
    /// A value has at most 16 KiB.
    Size,
    /// There are 256 keys already.
    Full,
    /// The store cannot be reached now.
    Unavailable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Key => "a key has 1 to 128 bytes and no NUL",
            Error::Size => "a value has at most 16 KiB",
            Error::Full => "there are 256 keys already",
            Error::Unavailable => "the store cannot be reached now",
        })
    }
}

impl std::error::Error for Error {}

impl From<Error> for PluginError {
    fn from(error: Error) -> PluginError {
        PluginError::failed(error.to_string())
    }
}

/// The value of a key, if there is one.
///
/// # Errors
/// See [`Error`].
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::get(key)
}

/// Keeps a value until it is replaced or deleted. Once this has returned, the value survives a crash
/// of the server.
///
/// # Errors
/// See [`Error`].
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    host::set(key, value)
}

/// Forgets a key. One that is not there is forgotten already.
///
/// # Errors
/// See [`Error`].
pub fn delete(key: &str) -> Result<(), Error> {
    host::delete(key)
}

#[cfg(target_family = "wasm")]
mod host {
    use super::Error;
    use crate::hook::bindings::px0::plugin::kv::{self, KvError};

    pub(super) fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(kv::get(key)?)
    }

    pub(super) fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        Ok(kv::set(key, value)?)
    }

    pub(super) fn delete(key: &str) -> Result<(), Error> {
        Ok(kv::delete(key)?)
    }

    impl From<KvError> for Error {
        fn from(error: KvError) -> Error {
            match error {
                KvError::Key => Error::Key,
                KvError::Size => Error::Size,
                KvError::Full => Error::Full,
                KvError::Unavailable => Error::Unavailable,
            }
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod host {
    use std::{cell::RefCell, collections::BTreeMap};

    use super::Error;

    thread_local! {
        static VALUES: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    fn check(key: &str) -> Result<(), Error> {
        let fits = (1..=128).contains(&key.len()) && !key.contains('\0');
        fits.then_some(()).ok_or(Error::Key)
    }

    pub(super) fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        check(key)?;
        Ok(VALUES.with_borrow(|values| values.get(key).cloned()))
    }

    pub(super) fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        check(key)?;
        if value.len() > 16 * 1024 {
            return Err(Error::Size);
        }
        VALUES.with_borrow_mut(|values| {
            if values.len() >= 256 && !values.contains_key(key) {
                return Err(Error::Full);
            }
            values.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    pub(super) fn delete(key: &str) -> Result<(), Error> {
        check(key)?;
        VALUES.with_borrow_mut(|values| values.remove(key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_until_they_are_deleted() {
        assert_eq!(get("a"), Ok(None));
        set("a", b"1").unwrap();
        set("a", b"2").unwrap();
        assert_eq!(get("a"), Ok(Some(b"2".to_vec())));
        delete("a").unwrap();
        delete("a").unwrap();
        assert_eq!(get("a"), Ok(None));
    }

    #[test]
    fn the_limits_are_those_of_px0() {
        assert_eq!(get(""), Err(Error::Key));
        assert_eq!(get("a\0"), Err(Error::Key));
        assert_eq!(set(&"a".repeat(129), b""), Err(Error::Key));
        assert_eq!(set("a", &[0; 16 * 1024 + 1]), Err(Error::Size));
        for key in 0..256 {
            set(&key.to_string(), b"").unwrap();
        }
        assert_eq!(set("one more", b""), Err(Error::Full));
        assert_eq!(set("7", b"again"), Ok(()));
        // Tests may share a thread.
        for key in 0..256 {
            delete(&key.to_string()).unwrap();
        }
    }
}
