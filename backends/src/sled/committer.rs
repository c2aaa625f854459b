//! The one writer. Commands arrive in a queue; a thread takes up to [`GROUP`] of them, runs each on what the ones before it
//! will have done, applies the writes of all in atomic batches of whole commands, syncs once, and only then answers.
//!
//! A command that is refused or panics leaves nothing behind. When a batch cannot be applied or synced, nobody of
//! the group gets an answer of success, and no write is taken any more: what is on the disk is not known then. Where that can pass (the
//! disk is full), the store is opened again once there is room, and takes writes when it is proved to hold what was acknowledged
//! (`mend`); else an operator has to look.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock, Weak},
    thread,
    time::Duration,
};

use ::sled::Batch;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use px0_core::store::{Change, Result, StoreError, Told, Watcher};
use tokio::sync::{mpsc, oneshot};

use super::{
    disk::Disk,
    error::{Context, Failure, closed, unanswered},
    mark::Marker,
    open::{Data, Opened, guarded},
    syncer::Syncer,
    tally::{self, Tally},
    tx::Tx,
    view::{View, Writes},
    wait,
};

mod mend;

/// Most commands in a group: more would make the first wait without making the last faster.
const GROUP: usize = 256;

/// Most keys in a batch, unless one command has more: readers wait while a batch is applied, and each key takes some 10 µs.
const BATCH: usize = 256;

/// A group of this many staged bytes is full, so that large values do not make others wait either.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Commands that wait in the queue. Who comes when it is full waits outside.
const QUEUE: usize = 1024;

/// How long to wait for the last reader of a store that is being closed.
const LAST_READER: Duration = Duration::from_secs(5);

/// How long a reader waits, on a thread that others need as well, while the store is opened again.
const REOPENING: Duration = Duration::from_secs(2);

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
    failure: RwLock<Option<Failure>>,
    watcher: OnceLock<Arc<dyn Watcher>>,
    on_commit: OnceLock<OnCommit>,
}

/// Who is told how many commands were made durable together.
pub(super) type OnCommit = Box<dyn Fn(usize) + Send + Sync>;

struct Shared {
    /// `None` for the moment in which it is opened again.
    opened: Option<Arc<Opened>>,
    /// After a failure: what was there before the group that failed, which may be in the tree by half. Readers go on with
    /// what was acknowledged.
    before: Vec<Writes>,
    /// For each export that goes on: what keys held when it began that were changed since.
    moments: Vec<Moment>,
}

impl Shared {
    fn opened(&self) -> Result<&Arc<Opened>> {
        self.opened.as_ref().ok_or_else(reopening)
    }
}

fn reopening() -> StoreError {
    StoreError::Unavailable("the store is being opened again".to_owned())
}

/// What keys held at one moment that were changed since: a group of one, as a [`View`] takes it.
pub(super) type Moment = Arc<Mutex<[Writes; 1]>>;

impl Gate {
    /// Notes from now on what keys that are changed held before.
    pub(super) fn remember(&self) -> Result<Moment> {
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
            let shared = self.shared()?;
            let shared = shared.as_ref().ok_or_else(closed)?;
            (shared.opened()?.clone(), shared.before.clone())
        };
        guarded(|| read(&View::after(&opened.db, &before)))
    }

    /// Reads as it was at a moment, from the tree as it is and what is remembered.
    pub(super) fn read_then<T>(
        &self,
        moment: &Moment,
        read: impl FnOnce(&View<'_>, &View<'_>, &Writes) -> Result<T>,
    ) -> Result<T> {
        let shared = self.shared()?;
        let shared = shared.as_ref().ok_or_else(closed)?;
        let (db, before) = (&shared.opened()?.db, &shared.before);
        let past = moment.lock();
        if before.is_empty() {
            return guarded(|| read(&View::of(db), &View::after(db, &*past), &past[0]));
        }
        // What was noted is older than what was there before the writes that failed.
        let then = Vec::from_iter(before.iter().chain(&*past).cloned());
        guarded(|| read(&View::after(db, before), &View::after(db, &then), &past[0]))
    }

    /// What readers share. They wait while a batch is applied, and not for long while the store is opened again.
    fn shared(&self) -> Result<RwLockReadGuard<'_, Option<Shared>>> {
        self.shared.try_read_for(REOPENING).ok_or_else(reopening)
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
        let shared = self.shared()?;
        let shared = shared.as_ref().ok_or_else(closed)?;
        guarded(|| read(&View::after(&shared.opened()?.db, &shared.before)))
    }

    /// Why there is no writing, if there is none.
    pub(super) fn failure(&self) -> Option<StoreError> {
        self.failure.read().clone().map(StoreError::from)
    }

    fn fail(&self, failure: Failure) {
        let why = &failure.why;
        if failure.passes {
            tracing::error!(%why, "the store takes no writes; it will by itself once that has passed");
        } else {
            tracing::error!(%why, "the store takes no more writes; restart px0 once the disk is well");
        }
        *self.failure.write() = Some(failure);
    }

    fn is_well_again(&self) {
        tracing::info!("the store takes writes again");
        *self.failure.write() = None;
    }

    /// Takes the store away from readers, and waits for the last one. Answers whether it is closed with nothing left to write.
    ///
    /// # Errors
    /// What the driver still had to write is not on the disk.
    fn close(&self) -> Result<bool, Failure> {
        let shared = self.shared.write().take();
        let Some(opened) = shared.and_then(|shared| shared.opened) else {
            return Ok(false);
        };
        let (last, config) = (Arc::downgrade(&opened), opened.config.clone());
        // sled panics when its last sync fails.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(opened)));
        config.global_error()?;
        dropped.map_err(|_| Failure::lasting("the last sync failed"))?;
        Ok(is_gone(&last))
    }
}

/// Waits until nobody has the store open any more; `false` when somebody stays.
fn is_gone(opened: &Weak<Opened>) -> bool {
    wait::until(LAST_READER, || opened.strong_count() == 0)
}

/// Makes what a store is synced with, each time it is opened.
pub(super) type Disks = Box<dyn Fn(&Opened) -> Result<Box<dyn Disk>> + Send>;

/// The writer's end of the queue, and its thread.
pub(super) struct Committer {
    commands: mpsc::Sender<Command>,
    /// Gives the data folder back, and what is in it.
    thread: thread::JoinHandle<(Data, Tally)>,
}

impl Committer {
    /// Starts the writer on the store in a data folder. `full` says why it begins without writing.
    pub(super) fn start(
        data: Data,
        disks: Disks,
        full: Option<Failure>,
    ) -> Result<(Self, Arc<Gate>)> {
        let opened = Arc::new(data.open()?);
        let mut disk = disks(&opened)?;
        // What a crash left may not be on the disk, and the mark will say that it is.
        disk.sync().context("syncing the store")?;
        let syncer = Syncer::start(opened.clone(), disk).context("starting the sync thread")?;
        let tally = opened.tally;
        let marker = Marker::start(data.path(), tally.batches).context("writing the mark")?;
        let gate = Arc::new(Gate {
            shared: RwLock::new(Some(Shared {
                opened: Some(opened.clone()),
                before: Vec::new(),
                moments: Vec::new(),
            })),
            pause: Mutex::new(()),
            failure: RwLock::default(),
            watcher: OnceLock::new(),
            on_commit: OnceLock::new(),
        });
        let (commands, queue) = mpsc::channel(QUEUE);
        let open = Some(Open { opened, syncer });
        let writer =
            Writer { data, disks, open, is_sound: true, gate: gate.clone(), queue, tally, marker };
        let thread = thread::Builder::new()
            .name("px0-commit".to_owned())
            .spawn(move || writer.run(full))
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
        let (data, tally) = self.thread.join().map_err(|_| closed())?;
        let is_closed = gate.close();
        let failure = gate.failure.read().clone();
        match (failure, is_closed) {
            // What was acknowledged is kept; the next start looks at all of it.
            (Some(Failure { passes: true, .. }), _) => Ok(()),
            (Some(failure), _) | (None, Err(failure)) => Err(failure.into()),
            (None, Ok(false)) => {
                tracing::warn!(
                    "somebody still reads the store, so it is not sealed; the next start takes longer"
                );
                Ok(())
            }
            (None, Ok(true)) => {
                if let Err(error) = data.seal(tally) {
                    tracing::warn!(%error, "the store was closed and is not sealed; the next start takes longer");
                }
                Ok(())
            }
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
    data: Data,
    disks: Disks,
    /// `None` for the moment in which it is opened again.
    open: Option<Open>,
    /// Whether what is open holds what was acknowledged, and nothing else.
    is_sound: bool,
    gate: Arc<Gate>,
    queue: mpsc::Receiver<Command>,
    /// What the store holds of what was acknowledged.
    tally: Tally,
    marker: Marker,
}

/// A store that is open to be written.
struct Open {
    opened: Arc<Opened>,
    syncer: Syncer,
}

impl Writer {
    fn run(mut self, full: Option<Failure>) -> (Data, Tally) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.serve(full)));
        if ended.is_err() {
            self.gate.fail(Failure::lasting("the committer panicked"));
        }
        // Nobody waits for an answer any more, but that there is none.
        drop(self.queue);
        if let Some(open) = self.open {
            open.syncer.stop();
        }
        self.marker.stop();
        (self.data, self.tally)
    }

    /// Takes commands until the store is closed, or there is no writing any more.
    fn serve(&mut self, full: Option<Failure>) {
        if let Some(failure) = full {
            self.gate.fail(failure);
            if !self.mend() {
                return;
            }
        }
        while let Some(first) = self.queue.blocking_recv() {
            let (batches, answers, changes) = self.group(first);
            if let Err(failure) = self.commit(&batches) {
                let passes = failure.passes;
                self.is_sound = false;
                self.gate.fail(failure);
                // Somebody may have read, and kept, what is not there any more.
                self.gate.tell(&BTreeSet::from([Change::All]));
                // Only now: who gets no answer is told why.
                drop(answers);
                if passes && self.mend() {
                    continue;
                }
                return;
            }
            // Before anybody hears that it is done.
            self.gate.tell(&changes);
            if let Some(on_commit) = self.gate.on_commit.get() {
                on_commit(answers.len());
            }
            answers.into_iter().for_each(|answer| answer());
        }
    }

    /// Runs the commands that are there, the first one first.
    fn group(&mut self, first: Command) -> (Vec<Writes>, Vec<Answer>, BTreeSet<Change>) {
        let (mut batches, mut answers) = (Vec::<Writes>::new(), Vec::new());
        let mut changes = BTreeSet::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(command) = next {
            let Some(Open { opened, .. }) = &self.open else { break };
            let mut tx = Tx::new(View::after(&opened.db, &batches));
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

    fn commit(&mut self, batches: &[Writes]) -> Result<(), Failure> {
        let Some(Open { opened, syncer }) = &self.open else {
            return Err(Failure::lasting("the store is not open"));
        };
        let (mut before, mut tally) = (Vec::new(), self.tally);
        let mut kept = Ok(());
        for writes in batches.iter().filter(|writes| !writes.is_empty()) {
            kept = kept
                .and_then(|()| Ok(self.gate.apply(&opened.db, writes, &mut tally, &mut before)?));
        }
        if kept.is_ok() && !before.is_empty() {
            kept = syncer.sync();
        }
        match kept {
            Ok(()) => {
                self.tally = tally;
                self.marker.durable(tally.batches);
            }
            Err(_) => rewind(&mut self.gate.shared.write(), before),
        }
        kept
    }
}

impl Gate {
    /// Applies a batch, counts it, and notes what was there before it.
    fn apply(
        &self,
        db: &::sled::Db,
        writes: &Writes,
        tally: &mut Tally,
        before: &mut Vec<Writes>,
    ) -> ::sled::Result<()> {
        let (batch, found, counted) = stage(db, writes, *tally)?;
        before.push(found);
        {
            let _pause = self.pause.lock();
            let mut shared = self.shared.write();
            for moment in shared.iter().flat_map(|shared| &shared.moments) {
                let past = &mut moment.lock()[0];
                for (key, value) in before.last().into_iter().flatten() {
                    past.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            db.apply_batch(batch).inspect_err(|_| rewind(&mut shared, std::mem::take(before)))?;
        }
        *tally = counted;
        settle(db, writes)
    }
}

/// A batch of these writes, which counts them; what was there before it; and what is there after it.
fn stage(db: &::sled::Db, writes: &Writes, tally: Tally) -> ::sled::Result<(Batch, Writes, Tally)> {
    let (mut batch, mut found, mut counted) = (Batch::default(), Writes::new(), tally);
    for (key, write) in writes {
        let old = db.get(key)?;
        counted.replace(key.as_bytes(), old.as_deref(), write.as_deref());
        found.insert(key.clone(), old.map(|value| value.to_vec()));
        match write {
            Some(value) => batch.insert(key.as_bytes(), value.as_slice()),
            None => batch.remove(key.as_bytes()),
        }
    }
    counted.batches += 1;
    batch.insert(tally::key().as_bytes(), &counted.to_bytes());
    found.insert(tally::key(), Some(tally.to_bytes().to_vec()));
    Ok((batch, found, counted))
}

/// To be called after a batch of these writes was applied. sled splits a page that has grown when somebody next comes by, and that is a
/// write: a reader must not be the one, or it would fail once there is no writing.
fn settle(db: &::sled::Db, writes: &Writes) -> ::sled::Result<()> {
    writes.keys().try_for_each(|key| db.contains_key(key).map(drop))
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
