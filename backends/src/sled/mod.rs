//! The embedded store: sled, made durable.
//!
//! One tree, one writer, one batch, one sync. Readers read sled directly; all writes go as commands to one
//! thread (`committer`), which checks and applies them in groups and acknowledges what has reached the disk. What
//! is stored where is in `keyspace` and `records`; what leads to what is derived, never written by hand, so that
//! [`Store::check`] can prove it.
//!
//! sled 0.34 alone would not do: its `flush_async` hangs under concurrent writers, its `flush` does not wait for the
//! disk's cache, and what was not flushed is lost when the process is killed.

use std::{fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use px0_core::store::{
    Refusal, Result, Store, StoreError, Watcher,
    archive::{Sink, Source},
};

mod accounts;
mod administration;
mod archive;
mod cascade;
mod check;
mod committer;
mod disk;
mod error;
mod keys;
mod keyspace;
mod lines;
mod members;
mod open;
mod plugins;
mod prompts;
mod record;
mod records;
mod requests;
mod search;
mod settings;
mod syncer;
mod tenancy;
#[cfg(test)]
mod tests;
mod tx;
mod versions;
mod view;

pub use settings::SledSettings;

use committer::{Committer, Gate};
use disk::{Disk, Files};
use error::{Context, closed};
use open::Opened;
use tx::Tx;
use view::View;

/// The embedded store, in a data folder.
///
/// What was acknowledged is kept, also when the process is killed or the machine loses power. A reader may see a
/// write that is not acknowledged yet. When a write cannot be kept (the disk is full or broken), it
/// and all later ones are [`StoreError::Unavailable`] until px0 is started again; reads go on, with what was acknowledged.
pub struct SledStore {
    path: PathBuf,
    gate: Arc<Gate>,
    committer: Mutex<Option<Committer>>,
}

impl SledStore {
    /// Opens the data folder, and makes it when it is not there. Blocks while sled reads its log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the folder cannot be used: another px0 uses it, it cannot be written, or a newer
    /// px0 wrote it; [`StoreError::Broken`] when sled cannot read what is in it.
    pub fn open(settings: SledSettings) -> Result<Self> {
        Self::open_on(settings, |opened| Files::of(&opened.folder).context("opening the store"))
    }

    fn open_on<D: Disk>(
        settings: SledSettings,
        disk: impl FnOnce(&Opened) -> Result<D>,
    ) -> Result<Self> {
        let opened = Opened::at(&settings.path)?;
        let disk = disk(&opened)?;
        let (committer, gate) = Committer::start(opened, disk)?;
        Ok(Self { path: settings.path, gate, committer: Mutex::new(Some(committer)) })
    }

    /// Calls `told` with how many writes were made durable together, each time from now on. The first one is the only one. It is called
    /// by the thread that writes: it is to take no time.
    pub fn on_commit(&self, told: impl Fn(usize) + Send + Sync + 'static) {
        self.gate.on_commit(Box::new(told));
    }

    /// Runs `command` as one atomic step and answers once it is durable.
    async fn write<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let queue = self.committer.lock().as_ref().map(Committer::queue);
        let queue = queue.ok_or_else(closed)?;
        queue.run(&self.gate, command).await
    }

    /// Reads here and now: for a few keys, which are nearly always in memory.
    fn read<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        self.gate.read(read)
    }

    /// Reads on a thread that may block: for lists, whose pages may have to come from the disk.
    async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Gate) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let gate = self.gate.clone();
        let read = tokio::task::spawn_blocking(move || read(&gate));
        read.await.map_err(|error| StoreError::broken("reading a list", error))?
    }
}

#[async_trait]
impl Store for SledStore {
    async fn ping(&self) -> Result<()> {
        if let Some(failure) = self.gate.failure() {
            return Err(failure);
        }
        self.read(|view| view.has(&keyspace::about("schema")).map(drop))
    }

    async fn check(&self) -> Result<Vec<String>> {
        self.list(|gate| gate.walk(check::check)).await
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) -> bool {
        self.gate.watch(watcher)
    }

    async fn export(&self, to: &mut Sink<'_>) -> Result<()> {
        archive::export(&self.gate, to)
    }

    async fn import(&self, from: &mut Source<'_>) -> Result<()> {
        self.take_in(from).await
    }

    fn summary(&self) -> String {
        format!("sled at {}", self.path.display())
    }

    async fn close(&self) -> Result<()> {
        let committer = self.committer.lock().take();
        let Some(committer) = committer else {
            return Ok(());
        };
        let gate = self.gate.clone();
        let stopped = tokio::task::spawn_blocking(move || committer.stop(&gate));
        stopped.await.map_err(|error| StoreError::broken("closing the store", error))?
    }
}

impl Drop for SledStore {
    /// Waits for what is being written, as [`Store::close`] does.
    fn drop(&mut self) {
        if let Some(committer) = self.committer.get_mut().take()
            && let Err(error) = committer.stop(&self.gate)
        {
            tracing::warn!(%error, "the store did not close well");
        }
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

/// `Ok` when the rule holds.
fn rule(holds: bool, refusal: Refusal) -> Result<()> {
    if holds { Ok(()) } else { Err(refusal.into()) }
}
