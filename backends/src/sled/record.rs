//! Records: what is stored once, as JSON behind a byte that names the format, with the index entries that follow from it.
//!
//! An index entry is never written by hand: it follows from the record by [`Record::indexes`], which is
//! also what `check` compares the store with.

use px0_core::store::{Change, StoreError};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    error::{Context, corrupt},
    keyspace::Key,
    view::View,
};

/// An index entry: its key and what it leads to.
pub(super) type Entry = (Key, Vec<u8>);

/// An entry that leads to an id.
pub(super) fn lead(key: Key, to: Uuid) -> Entry {
    (key, to.as_bytes().to_vec())
}

/// Something that is stored.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// What copies must know when this is written, or `gone`.
    fn changes(&self, _: &View<'_>, _gone: bool) -> Result<Vec<Change>, StoreError> {
        Ok(Vec::new())
    }

    /// Where it is.
    fn key(&self) -> Key;

    /// The index entries that lead to it.
    fn indexes(&self) -> Vec<Entry> {
        Vec::new()
    }

    /// The records that must be there for as long as this one is.
    fn needs(&self) -> Vec<Key> {
        Vec::new()
    }
}

/// The value is JSON after this byte. A change that old readers cannot make sense of gets another byte.
pub(super) const JSON: u8 = 1;
/// The value is in parts; after this byte stands how many, as a big-endian `u32`.
pub(super) const PARTS: u8 = 2;

/// The bytes of a record.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![JSON];
    serde_json::to_writer(&mut bytes, record).context("encoding a record")?;
    Ok(bytes)
}

/// The record of these bytes.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&JSON, json)) => serde_json::from_slice(json).context("decoding a record"),
        Some((format, _)) => Err(corrupt(format!(
            "a record has the unknown format {format}; was it written by a newer px0?"
        ))),
        None => Err(corrupt("a record is empty")),
    }
}

/// How many parts a value is in, if it is.
pub(super) fn parts(bytes: &[u8]) -> Result<Option<u32>, StoreError> {
    match bytes.split_first() {
        Some((&PARTS, count)) => Ok(Some(number(count)?)),
        _ => Ok(None),
    }
}

/// The id that an index entry leads to.
pub(super) fn id(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| corrupt("an index entry leads to something that is no id"))
}

/// The number that an index entry leads to.
pub(super) fn number(bytes: &[u8]) -> Result<u32, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| corrupt("an index entry leads to something that is no number"))?;
    Ok(u32::from_be_bytes(bytes))
}

/// The id at the end of a key.
pub(super) fn last_id(key: &[u8]) -> Result<Uuid, StoreError> {
    match key.split_last_chunk::<16>() {
        Some((_, bytes)) => Ok(Uuid::from_bytes(*bytes)),
        None => Err(corrupt("a key does not end in an id")),
    }
}
