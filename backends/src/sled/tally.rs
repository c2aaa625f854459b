//! What the store holds, in 32 bytes: how many batches were applied, how many entries there are, and a digest of all of them.
//!
//! The tally is an entry of the tree, and every batch changes it, in the same atomic step. So a tree that lost something, wherever
//! and however, is not what its own tally says.

use px0_core::store::Result;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::{
    error::corrupt,
    keyspace::{self, Key, TALLY},
    view::View,
};

/// Bytes of a tally.
const BYTES: usize = 32;

/// What a tree holds, but for the tally itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Batches that were applied since there is a tally.
    pub(super) batches: u64,
    /// Keys that have a value.
    pub(super) entries: u64,
    /// The sum of the digests of all entries: their order does not matter, and one can be taken away again.
    digest: u128,
}

impl Tally {
    /// Counts the entries of a tree one by one. Takes as long as reading all of it.
    pub(super) fn count(view: &View<'_>) -> Result<Self> {
        let mut tally = Self::default();
        let own = key();
        for pair in view.scan(&Key::from_bytes(&[]))? {
            let (key, value) = pair?;
            if key != own.as_bytes() {
                tally.replace(&key, None, Some(&value));
            }
        }
        Ok(tally)
    }

    /// What the tree itself says it holds; `None` where no px0 has counted yet.
    pub(super) fn told(view: &View<'_>) -> Result<Option<Self>> {
        let Some(bytes) = view.value(&key())? else {
            return Ok(None);
        };
        let told = Self::from_bytes(&bytes);
        told.map(Some).ok_or_else(|| corrupt("the tally of the store is none"))
    }

    /// Notes that the value at `key` was replaced; `None` is no value.
    pub(super) fn replace(&mut self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) {
        if let Some(old) = old {
            self.digest = self.digest.wrapping_sub(digest(key, old));
            self.entries = self.entries.wrapping_sub(1);
        }
        if let Some(new) = new {
            self.digest = self.digest.wrapping_add(digest(key, new));
            self.entries = self.entries.wrapping_add(1);
        }
    }

    /// Whether both hold the same entries.
    pub(super) fn holds_the_same(&self, other: &Self) -> bool {
        (self.entries, self.digest) == (other.entries, other.digest)
    }

    /// As it is stored.
    pub(super) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&self.batches.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.entries.to_be_bytes());
        bytes[16..].copy_from_slice(&self.digest.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (batches, rest) = bytes.split_first_chunk()?;
        let (entries, digest) = rest.split_first_chunk()?;
        Some(Self {
            batches: u64::from_be_bytes(*batches),
            entries: u64::from_be_bytes(*entries),
            digest: u128::from_be_bytes(digest.try_into().ok()?),
        })
    }
}

/// Where it is stored.
pub(super) fn key() -> Key {
    keyspace::about(TALLY)
}

/// Of an entry. The product keeps the sum of all from being that of the same values at other keys.
fn digest(key: &[u8], value: &[u8]) -> u128 {
    // Any number with many bits set: a value whose digest is zero must not hide its key.
    const SHIFT: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let (key, value) = (XxHash3_128::oneshot(key), XxHash3_128::oneshot(value));
    (key | 1).wrapping_mul(value.wrapping_add(SHIFT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_put_and_taken_away_leaves_nothing() {
        let mut tally = Tally::default();
        tally.replace(b"a", None, Some(b"1"));
        let one = tally;
        tally.replace(b"b", None, Some(b"2"));
        tally.replace(b"b", Some(b"2"), Some(b"3"));
        assert!(!tally.holds_the_same(&one));
        tally.replace(b"b", Some(b"3"), None);
        assert!(tally.holds_the_same(&one));
    }

    #[test]
    fn a_key_is_not_part_of_its_value() {
        let of = |key: &[u8], value: &[u8]| {
            let mut tally = Tally::default();
            tally.replace(key, None, Some(value));
            tally
        };
        assert!(!of(b"ab", b"c").holds_the_same(&of(b"a", b"bc")));
    }

    #[test]
    fn values_that_change_places_are_missed() {
        let of = |values: [&[u8]; 2]| {
            let mut tally = Tally::default();
            tally.replace(b"a", None, Some(values[0]));
            tally.replace(b"b", None, Some(values[1]));
            tally
        };
        assert!(!of([b"1", b"2"]).holds_the_same(&of([b"2", b"1"])));
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let tally = Tally { batches: 3, entries: u64::MAX, digest: 7 };
        assert_eq!(Tally::from_bytes(&tally.to_bytes()), Some(tally));
        assert_eq!(Tally::from_bytes(&[0; 31]), None);
        assert_eq!(Tally::from_bytes(&[0; 33]), None);
    }
}
