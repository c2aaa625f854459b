//! The embedded store: sled, made durable.
//!
//! One tree, one writer, one batch, one sync. Readers read sled directly; all writes go as commands to one
//! thread (`committer`), which checks and applies them in groups and acknowledges what has reached the disk. What
//! is stored where is in `keyspace` and `records`; what leads to what is derived, never written by hand, so that
//! [`Store::check`] can prove it.
//!
//! sled 0.34 alone would not do: its `flush_async` hangs under concurrent writers, its `flush` does not wait for the
//! disk's cache, and what was not flushed is lost when the process is killed.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use px0_core::store::{
    Refusal, Result, Store, StoreError, StoreState, Watcher,
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
mod keep;
mod keys;
mod keyspace;
mod lines;
mod mark;
mod members;
mod open;
mod plugins;
mod prompts;
mod record;
mod records;
mod requests;
mod reserve;
mod seal;
mod search;
mod settings;
mod syncer;
mod tally;
mod tenancy;
#[cfg(test)]
mod tests;
mod tx;
mod versions;
mod view;
mod wait;

pub use settings::SledSettings;

use committer::{Committer, Disks, Gate};
use disk::Files;
use error::{Context, Failure, closed};
use open::Data;
use tx::Tx;
use view::View;

/// The embedded store, in a data folder.
///
/// What was acknowledged is kept, also when the process is killed or the machine loses power. A reader may see a
/// write that is not acknowledged yet. When a write cannot be kept, it and all later ones are [`StoreError::ReadOnly`], and reads go on
/// with what was acknowledged: until there is room again when the disk was full, else until px0 is started again.
pub struct SledStore {
    path: PathBuf,
    gate: Arc<Gate>,
    committer: Mutex<Option<Committer>>,
}

impl SledStore {
    /// Opens the data folder, and makes it when it is not there. Blocks while all of it is read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the folder cannot be used: another px0 uses it, it cannot be written, a newer
    /// px0 wrote it, or it does not hold what it held when it was last used.
    pub fn open(settings: SledSettings) -> Result<Self> {
        Self::open_on(settings, files())
    }

    fn open_on(settings: SledSettings, disks: Disks) -> Result<Self> {
        let data = Data::take(&settings)?;
        let full = match data.reserve().begin().map_err(Failure::from) {
            Err(failure) if failure.passes => Some(failure),
            Err(Failure { why, .. }) => {
                tracing::warn!(%why, "there is no reserve for a full disk");
                None
            }
            Ok(()) => None,
        };
        let (committer, gate) = Committer::start(data, disks, full)?;
        Ok(Self { path: settings.path, gate, committer: Mutex::new(Some(committer)) })
    }

    /// Opens a copy of a data folder that no px0 uses: nothing is written to it. The copy is made in a folder of its own in `scratch`, and
    /// goes with what this answers. Without a `scratch`, that is beside the data folder where the file system lets the copy share
    /// its blocks, and else where the system keeps temporary files.
    ///
    /// # Errors
    /// As [`SledStore::open`], and when there is no room for the copy.
    pub fn open_copy(settings: SledSettings, scratch: Option<&Path>) -> Result<Self> {
        let data = Data::copy(&settings, scratch)?;
        let (committer, gate) = Committer::start(data, files(), None)?;
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
    async fn ping(&self) -> Result<StoreState> {
        self.read(|view| view.has(&keyspace::about(keyspace::SCHEMA)))?;
        Ok(if self.gate.failure().is_some() { StoreState::ReadOnly } else { StoreState::Ready })
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

/// The files of a store that is opened.
fn files() -> Disks {
    Box::new(|opened| Ok(Box::new(Files::of(&opened.folder).context("opening the store")?)))
}

/// `Ok` when the rule holds.
fn rule(holds: bool, refusal: Refusal) -> Result<()> {
    if holds { Ok(()) } else { Err(refusal.into()) }
}
