//! Reading the tree: as it is, or as it will be once the commands before this one are applied.

use std::{collections::BTreeMap, ops::Bound};

use ::sled::{IVec, Tree};
use px0_core::store::StoreError;
use serde::de::DeserializeOwned;

use super::{
    error::{Context, corrupt},
    keyspace::{self, Key},
    record::{self, Record},
};

/// Writes that are not in the tree yet; `None` deletes.
pub(super) type Writes = BTreeMap<Key, Option<Vec<u8>>>;

/// What can be read at one moment.
pub(super) struct View<'a> {
    tree: &'a Tree,
    /// The writes of earlier commands of the same group, oldest first; none for readers.
    group: &'a [Writes],
    /// The writes of this command.
    pub(super) own: Writes,
}

/// A key and its value.
pub(super) type Pair = (Vec<u8>, IVec);

impl<'a> View<'a> {
    /// The tree as it is.
    pub(super) fn of(tree: &'a Tree) -> Self {
        Self { tree, group: &[], own: Writes::new() }
    }

    /// The tree as it will be after `group`.
    pub(super) fn after(tree: &'a Tree, group: &'a [Writes]) -> Self {
        Self { group, ..Self::of(tree) }
    }

    /// The value at a key.
    pub(super) fn value(&self, key: &Key) -> Result<Option<IVec>, StoreError> {
        let earlier = || self.group.iter().rev().find_map(|writes| writes.get(key));
        let staged = self.own.get(key).or_else(earlier);
        match staged {
            Some(write) => Ok(write.as_deref().map(IVec::from)),
            None => self.tree.get(key).context("reading the store"),
        }
    }

    /// Whether there is something at a key.
    pub(super) fn has(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.value(key)?.is_some())
    }

    /// The record at a key.
    pub(super) fn get<R: Record>(&self, key: &Key) -> Result<Option<R>, StoreError> {
        self.value(key)?.map(|value| self.open(key, &value)).transpose()
    }

    /// The record at a key to which something else in the store led.
    pub(super) fn must<R: Record>(&self, key: &Key) -> Result<R, StoreError> {
        self.get(key)?.ok_or_else(|| corrupt("an index entry leads to nothing"))
    }

    /// The record that `value` is, or of whose parts it tells.
    fn open<T: DeserializeOwned>(&self, key: &Key, value: &[u8]) -> Result<T, StoreError> {
        let Some(count) = record::parts(value)? else {
            return record::decode(value);
        };
        let mut whole = Vec::new();
        for number in 0..count {
            let part = self.value(&keyspace::part(key, number))?;
            whole.extend_from_slice(&part.ok_or_else(|| corrupt("a part of a value is lost"))?);
        }
        record::decode(&whole)
    }

    /// What is at the keys that begin with `prefix`, in order.
    pub(super) fn scan(
        &self,
        prefix: &Key,
    ) -> Result<impl Iterator<Item = Result<Pair, StoreError>> + use<>, StoreError> {
        self.walk(prefix, Bound::Included(prefix))
    }

    /// What is at the keys that begin with `prefix` and come after `place`, in order.
    pub(super) fn scan_after(
        &self,
        prefix: &Key,
        place: Option<&Key>,
    ) -> Result<impl Iterator<Item = Result<Pair, StoreError>> + use<>, StoreError> {
        self.walk(prefix, place.map_or(Bound::Included(prefix), Bound::Excluded))
    }

    fn walk(
        &self,
        prefix: &Key,
        from: Bound<&Key>,
    ) -> Result<impl Iterator<Item = Result<Pair, StoreError>> + use<>, StoreError> {
        let begins = prefix.clone();
        let tree = self
            .tree
            .range::<&[u8], _>((from.map(Key::as_bytes), Bound::Unbounded))
            .map(|pair| pair.map(|(key, value)| (key.to_vec(), value)).context("reading the store"))
            .take_while(move |pair| match pair {
                Ok((key, _)) => key.starts_with(begins.as_bytes()),
                Err(_) => true,
            });
        let mut staged = self
            .group
            .iter()
            .chain([&self.own])
            .flat_map(|writes| {
                writes
                    .range((from.cloned(), Bound::Unbounded::<Key>))
                    .take_while(|(key, _)| key.as_bytes().starts_with(prefix.as_bytes()))
            })
            .peekable();
        if staged.peek().is_none() {
            return Ok(Either::Tree(tree));
        }
        let mut merged = tree.collect::<Result<BTreeMap<_, _>, _>>()?;
        for (key, write) in staged {
            match write {
                Some(value) => merged.insert(key.as_bytes().to_vec(), value.as_slice().into()),
                None => merged.remove(key.as_bytes()),
            };
        }
        Ok(Either::Merged(merged.into_iter()))
    }

    /// The records at the keys that begin with `prefix`, in order.
    pub(super) fn records<R: Record>(&self, prefix: &Key) -> Result<Vec<R>, StoreError> {
        self.scan(prefix)?
            .map(|pair| {
                let (key, value) = pair?;
                self.open(&Key::from_bytes(&key), &value)
            })
            .collect()
    }
}

/// A walk of the tree, or of what the tree and the staged writes are together.
enum Either<A> {
    Tree(A),
    Merged(std::collections::btree_map::IntoIter<Vec<u8>, IVec>),
}

impl<A: Iterator<Item = Result<Pair, StoreError>>> Iterator for Either<A> {
    type Item = Result<Pair, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Tree(walk) => walk.next(),
            Self::Merged(pairs) => pairs.next().map(Ok),
        }
    }
}
