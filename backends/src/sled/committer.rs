//! The one writer. Commands arrive in a queue; a thread takes up to [`GROUP`] of them, runs each on what the ones before it
//! will have done, applies the writes of all in atomic batches of whole commands, syncs once, and only then answers.
//!
//! A command that is refused or panics leaves nothing behind. When a batch cannot be applied or synced, nobody of
//! the group gets an answer of success, and no write is taken any more: what is on the disk is not known then.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    thread,
};

use ::sled::Batch;
use parking_lot::{Mutex, RwLock};
use px0_core::store::{Change, Result, StoreError, Told, Watcher};
use tokio::sync::{mpsc, oneshot};

use super::{
    disk::Disk,
    error::{Context, closed, unanswered},
    open::Opened,
    syncer::Syncer,
    tx::Tx,
    view::{View, Writes},
};

/// Most commands in a group: more would make the first wait without making the last faster.
const GROUP: usize = 256;

/// Most keys in a batch, unless one command has more: readers wait while a batch is applied, and each key takes some 10 µs.
const BATCH: usize = 256;

/// A group of this many staged bytes is full, so that large values do not make others wait either.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Commands that wait in the queue. Who comes when it is full waits outside.
const QUEUE: usize = 1024;

/// Answers a command; called once its writes are durable, else dropped.
type Answer = Box<dyn FnOnce() + Send>;
type Command = Box<dyn FnOnce(&mut Tx<'_>) -> Answer + Send>;

/// The store, as readers and the writer share it.
pub(super) struct Gate {
    /// Readers share it for as long as one method reads; the writer has it alone while it applies a batch, but not while it
    /// syncs. So nobody sees half of a command, and readers may see what is not durable yet.
    shared: RwLock<Option<Shared>>,
    /// Held by who walks the whole store: the committer waits, and readers do not, as they would for a committer that waits
    /// for `shared`.
    pause: Mutex<()>,
    failure: OnceLock<String>,
    watcher: OnceLock<Arc<dyn Watcher>>,
    on_commit: OnceLock<OnCommit>,
}

/// Who is told how many commands were made durable together.
pub(super) type OnCommit = Box<dyn Fn(usize) + Send + Sync>;

struct Shared {
    opened: Arc<Opened>,
    /// After a failure: what was there before the group that failed, which may be in the tree by half. Readers go on with
    /// what was acknowledged.
    before: Vec<Writes>,
    /// For each export that goes on: what keys held when it began that were changed since.
    moments: Vec<Moment>,
}

/// What keys held at one moment that were changed since: a group of one, as a [`View`] takes it.
pub(super) type Moment = Arc<Mutex<[Writes; 1]>>;

impl Gate {
    /// Notes from now on what keys that are changed held before.
    pub(super) fn remember(&self) -> Result<Moment> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let moment = Moment::default();
        let mut shared = self.shared.write();
        shared.as_mut().ok_or_else(closed)?.moments.push(moment.clone());
        Ok(moment)
    }

    /// Notes no more for that moment.
    pub(super) fn forget(&self, moment: &Moment) {
        if let Some(shared) = self.shared.write().as_mut() {
            shared.moments.retain(|other| !Arc::ptr_eq(other, moment));
        }
    }

    /// Reads for as long as it takes, while only writers wait.
    pub(super) fn walk<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        let _pause = self.pause.lock();
        let (opened, before) = {
            let shared = self.shared.read();
            let shared = shared.as_ref().ok_or_else(closed)?;
            (shared.opened.clone(), shared.before.clone())
        };
        read(&View::after(&opened.db, &before))
    }

    /// Reads as it was at a moment, from the tree as it is and what is remembered.
    pub(super) fn read_then<T>(
        &self,
        moment: &Moment,
        read: impl FnOnce(&View<'_>, &View<'_>, &Writes) -> Result<T>,
    ) -> Result<T> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let shared = self.shared.read();
        let db = &shared.as_ref().ok_or_else(closed)?.opened.db;
        let past = moment.lock();
        read(&View::of(db), &View::after(db, &*past), &past[0])
    }

    /// Tells of every change from now on; the first who asks is told.
    pub(super) fn watch(&self, watcher: Arc<dyn Watcher>) -> bool {
        let first = self.watcher.set(watcher.clone()).is_ok();
        if first {
            watcher.told(Told::Yes);
        }
        first
    }

    /// Tells how many commands were made durable together, each time from now on; the first who asks is told.
    pub(super) fn on_commit(&self, told: OnCommit) {
        let _ = self.on_commit.set(told);
    }

    fn tell(&self, changes: &BTreeSet<Change>) {
        if let Some(watcher) = self.watcher.get().filter(|_| !changes.is_empty()) {
            watcher.changed(&changes.iter().copied().collect::<Vec<_>>());
        }
    }

    /// Reads, at one moment.
    pub(super) fn read<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        let shared = self.shared.read();
        let shared = shared.as_ref().ok_or_else(closed)?;
        read(&View::after(&shared.opened.db, &shared.before))
    }

    /// Why there is no writing, if there is none.
    pub(super) fn failure(&self) -> Option<StoreError> {
        let why = self.failure.get()?;
        Some(StoreError::Unavailable(why.clone()))
    }

    fn fail(&self, why: String) {
        tracing::error!(%why, "the store takes no more writes; restart px0 once the disk is well");
        let _ = self.failure.set(format!("a write could not be kept: {why}"));
    }
}

/// The writer's end of the queue, and its thread.
pub(super) struct Committer {
    commands: mpsc::Sender<Command>,
    thread: thread::JoinHandle<()>,
}

impl Committer {
    /// Starts the writer on an open store.
    pub(super) fn start(opened: Opened, disk: impl Disk) -> Result<(Self, Arc<Gate>)> {
        let opened = Arc::new(opened);
        let gate = Arc::new(Gate {
            shared: RwLock::new(Some(Shared {
                opened: opened.clone(),
                before: Vec::new(),
                moments: Vec::new(),
            })),
            pause: Mutex::new(()),
            failure: OnceLock::new(),
            watcher: OnceLock::new(),
            on_commit: OnceLock::new(),
        });
        let syncer = Syncer::start(opened.clone(), disk).context("starting the sync thread")?;
        let (commands, queue) = mpsc::channel(QUEUE);
        let writer = Writer { opened, gate: gate.clone(), queue };
        let thread = thread::Builder::new()
            .name("px0-commit".to_owned())
            .spawn(move || writer.run(syncer))
            .context("starting the committer thread")?;
        Ok((Self { commands, thread }, gate))
    }

    /// The way to the queue.
    pub(super) fn queue(&self) -> Queue {
        Queue(self.commands.clone())
    }

    /// Lets the writer finish what is in the queue, and the store go. Blocks.
    pub(super) fn stop(self, gate: &Gate) -> Result<()> {
        drop(self.commands);
        let ended = self.thread.join();
        let shared = gate.shared.write().take();
        // sled panics when its last sync fails; ours has told of it.
        let ended = ended.and(catch_unwind(AssertUnwindSafe(|| drop(shared))));
        match (ended, gate.failure()) {
            (Ok(()), None) => Ok(()),
            (_, Some(failure)) => Err(failure),
            (Err(_), None) => Err(closed()),
        }
    }
}

/// Where commands go.
pub(super) struct Queue(mpsc::Sender<Command>);

impl Queue {
    /// Runs `command` atomically, and answers once its writes are durable.
    pub(super) async fn run<T: Send + 'static>(
        self,
        gate: &Gate,
        command: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if let Some(failure) = gate.failure() {
            return Err(failure);
        }
        let (tell, told) = oneshot::channel();
        let command: Command = Box::new(move |tx| {
            let result = command(tx);
            if result.is_err() {
                tx.rollback();
            }
            Box::new(move || {
                // Nobody listens any more when the request was given up; it is done all the same.
                let _ = tell.send(result);
            })
        });
        let sent = self.0.send(command).await;
        sent.map_err(|_| gate.failure().unwrap_or_else(closed))?;
        told.await.map_err(|_| gate.failure().unwrap_or_else(unanswered))?
    }
}

struct Writer {
    opened: Arc<Opened>,
    gate: Arc<Gate>,
    queue: mpsc::Receiver<Command>,
}

impl Writer {
    fn run(mut self, syncer: Syncer) {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            while let Some(first) = self.queue.blocking_recv() {
                // A failure drops the answers, and with `self` whatever is in the queue.
                let (batches, answers, changes) = self.group(first);
                if let Err(why) = self.commit(&batches, &syncer) {
                    self.gate.fail(why);
                    // Somebody may have read, and kept, what is not there any more.
                    self.gate.tell(&BTreeSet::from([Change::All]));
                    return;
                }
                // Before anybody hears that it is done.
                self.gate.tell(&changes);
                if let Some(on_commit) = self.gate.on_commit.get() {
                    on_commit(answers.len());
                }
                answers.into_iter().for_each(|answer| answer());
            }
        }));
        if ended.is_err() {
            self.gate.fail("the committer panicked".to_owned());
        }
        syncer.stop();
    }

    /// Runs the commands that are there, the first one first.
    fn group(&mut self, first: Command) -> (Vec<Writes>, Vec<Answer>, BTreeSet<Change>) {
        let (mut batches, mut answers) = (Vec::<Writes>::new(), Vec::new());
        let mut changes = BTreeSet::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(command) = next {
            let mut tx = Tx::new(View::after(&self.opened.db, &batches));
            // A command that panics has its answer dropped: its caller is told that it failed.
            if let Ok(answer) = catch_unwind(AssertUnwindSafe(|| command(&mut tx))) {
                let (staged, changed) = tx.into_writes();
                changes.extend(changed);
                let size = |write: &Option<Vec<u8>>| write.as_ref().map_or(0, Vec::len);
                bytes += staged.values().map(size).sum::<usize>();
                match batches.last_mut() {
                    Some(batch) if batch.len() + staged.len() <= BATCH => batch.extend(staged),
                    _ => batches.push(staged),
                }
                answers.push(answer);
            }
            let full = answers.len() >= GROUP || bytes >= GROUP_BYTES;
            next = if full { None } else { self.queue.try_recv().ok() };
        }
        (batches, answers, changes)
    }

    fn commit(&self, batches: &[Writes], syncer: &Syncer) -> Result<(), String> {
        let mut before = Vec::new();
        let mut kept = Ok(());
        for writes in batches.iter().filter(|writes| !writes.is_empty()) {
            kept = kept
                .and_then(|()| self.apply(writes, &mut before).map_err(|error| error.to_string()));
        }
        if kept.is_ok() && !before.is_empty() {
            kept = syncer.sync();
        }
        if kept.is_err() {
            rewind(&mut self.gate.shared.write(), before);
        }
        kept
    }

    /// Applies a batch, and notes what was there before it.
    fn apply(&self, writes: &Writes, before: &mut Vec<Writes>) -> ::sled::Result<()> {
        let db = &self.opened.db;
        let (mut batch, mut found) = (Batch::default(), Writes::new());
        for (key, write) in writes {
            found.insert(key.clone(), db.get(key)?.map(|value| value.to_vec()));
            match write {
                Some(value) => batch.insert(key.as_bytes(), value.as_slice()),
                None => batch.remove(key.as_bytes()),
            }
        }
        before.push(found);
        {
            let _pause = self.gate.pause.lock();
            let mut shared = self.gate.shared.write();
            for moment in shared.iter().flat_map(|shared| &shared.moments) {
                let past = &mut moment.lock()[0];
                for (key, value) in before.last().into_iter().flatten() {
                    past.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            db.apply_batch(batch).inspect_err(|_| rewind(&mut shared, std::mem::take(before)))?;
        }
        // sled splits a page that has grown when somebody next comes by, and that is a write: a reader must not be the one,
        // or it would fail once there is no writing.
        writes.keys().try_for_each(|key| db.contains_key(key).map(drop))
    }
}

/// Shows readers what was there before: `before` has one entry for each batch that was applied, or half applied.
fn rewind(shared: &mut Option<Shared>, mut before: Vec<Writes>) {
    // What an earlier batch found counts more than what a later one did; the last one of a view wins.
    before.reverse();
    match shared {
        Some(shared) if !before.is_empty() => shared.before = before,
        _ => {}
    }
}
