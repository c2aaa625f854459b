//! Writing: a command stages what it wants changed, and the committer makes it so, whole or not at all.

use std::ops::Deref;

use px0_core::store::{Change, StoreError};

use super::{
    keyspace::{self, Key},
    record::{self, Record},
    view::{View, Writes},
};

/// Longest value under one key. sled keeps up to 17 neighbours in a page, writes a page of more than 128 KiB as
/// a file of its own, and rewrites the whole page for every tenth change in it: small values keep
/// pages in the log, where one sync covers them, and rewriting cheap.
const PART: usize = 4096;

/// A command at work: reads see what it staged, and what the commands before it did.
pub(super) struct Tx<'a> {
    view: View<'a>,
    changes: Vec<Change>,
}

impl<'a> Deref for Tx<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl<'a> Tx<'a> {
    /// A command that begins with what `view` sees.
    pub(super) fn new(view: View<'a>) -> Self {
        Self { view, changes: Vec::new() }
    }

    /// Forgets what was staged: the command was refused.
    pub(super) fn rollback(&mut self) {
        self.view.own.clear();
        self.changes.clear();
    }

    /// What was staged, and what copies of it must know.
    pub(super) fn into_writes(self) -> (Writes, Vec<Change>) {
        (self.view.own, self.changes)
    }

    /// Whoever keeps copies is to be told of this.
    pub(super) fn changed(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Stores a new record.
    pub(super) fn insert<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        self.note(record, false)?;
        self.put_record(record)?;
        for (key, value) in record.indexes() {
            self.put(key, value);
        }
        Ok(())
    }

    /// Stores `new` in the place of `old`, which is the same thing as it was before.
    pub(super) fn replace<R: Record>(&mut self, old: &R, new: &R) -> Result<(), StoreError> {
        self.note(old, false)?;
        self.note(new, false)?;
        self.put_record(new)?;
        let (before, after) = (old.indexes(), new.indexes());
        for (key, _) in &before {
            if !after.iter().any(|(kept, _)| kept == key) {
                self.delete(key.clone());
            }
        }
        for entry in after {
            if !before.contains(&entry) {
                self.put(entry.0, entry.1);
            }
        }
        Ok(())
    }

    /// Removes a record.
    pub(super) fn remove<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        self.note(record, true)?;
        let key = record.key();
        self.shrink(&key, 0)?;
        self.delete(key);
        for (key, _) in record.indexes() {
            self.delete(key);
        }
        Ok(())
    }

    /// Removes the record at a key, if there is one.
    pub(super) fn remove_at<R: Record>(&mut self, key: &Key) -> Result<(), StoreError> {
        match self.get::<R>(key)? {
            Some(record) => self.remove(&record),
            None => Ok(()),
        }
    }

    /// Notes something about the store itself, or takes the note away.
    pub(super) fn mark(&mut self, about: &str, value: Option<&[u8]>) {
        self.view.own.insert(keyspace::about(about), value.map(Into::into));
    }

    /// Removes these keys, whatever they are.
    pub(super) fn drop_all(&mut self, keys: Vec<Key>) {
        keys.into_iter().for_each(|key| self.delete(key));
    }

    /// Stages a value as it is.
    pub(super) fn put(&mut self, key: Key, value: Vec<u8>) {
        self.view.own.insert(key, Some(value));
    }

    fn delete(&mut self, key: Key) {
        self.view.own.insert(key, None);
    }

    fn note<R: Record>(&mut self, record: &R, gone: bool) -> Result<(), StoreError> {
        record.changes(&self.view, gone)?.into_iter().for_each(|change| self.changed(change));
        Ok(())
    }

    fn put_record<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        let (key, value) = (record.key(), record::encode(record)?);
        if value.len() <= PART {
            self.shrink(&key, 0)?;
            self.put(key, value);
            return Ok(());
        }
        let mut count = 0_u32;
        for part in value.chunks(PART) {
            self.put(keyspace::part(&key, count), part.to_vec());
            count += 1;
        }
        self.shrink(&key, count)?;
        let mut value = vec![record::PARTS];
        value.extend(count.to_be_bytes());
        self.put(key, value);
        Ok(())
    }

    /// Deletes the parts of the value at `key` from `keep` on.
    fn shrink(&mut self, key: &Key, keep: u32) -> Result<(), StoreError> {
        let before = match self.value(key)? {
            Some(value) => record::parts(&value)?.unwrap_or(0),
            None => 0,
        };
        for number in keep..before {
            self.delete(keyspace::part(key, number));
        }
        Ok(())
    }
}
