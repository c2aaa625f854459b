//! A failure that passes: wait for room, open the store again, prove it, and go on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::error::TryRecvError;

use super::{Open, Syncer, Writer, is_gone, settle, stage};
use crate::sled::{
    error::Failure,
    open::{Opened, guarded},
    tally::{self, Tally},
    view::{View, Writes},
};

/// How often it is looked whether a failure has passed.
const PROBE_EVERY: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 1000 });

/// How soon it is noticed that the store is being closed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Writer {
    /// Waits until the store takes writes again; `false` when it never will, or is being closed.
    pub(super) fn mend(&mut self) -> bool {
        let mut said = String::new();
        while self.wait() {
            match self.try_to_mend() {
                Ok(()) => {
                    self.gate.is_well_again();
                    return true;
                }
                Err(Failure { why, passes: true }) => {
                    if why != said {
                        tracing::warn!(%why, "the store does not take writes yet");
                        said = why;
                    }
                }
                Err(failure) => {
                    self.gate.fail(failure);
                    return false;
                }
            }
        }
        false
    }

    /// Waits, and refuses what comes meanwhile; `false` when the store is being closed.
    fn wait(&mut self) -> bool {
        let until = Instant::now() + PROBE_EVERY;
        loop {
            match self.queue.try_recv() {
                // Its caller is told why there is no answer.
                Ok(command) => drop(command),
                Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) if Instant::now() >= until => return true,
                Err(TryRecvError::Empty) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn try_to_mend(&mut self) -> Result<(), Failure> {
        // Cheap things first: this is tried again each second.
        self.data.reserve().take()?;
        self.data.reserve().probe()?;
        if !self.is_sound {
            self.open_again()?;
            self.prove()?;
            self.is_sound = true;
        }
        // It was given up if there was too little room to open the store.
        Ok(self.data.reserve().take()?)
    }

    /// Closes the store, whose driver remembers the failure, and opens it again. Readers wait for that, if it does not take long.
    fn open_again(&mut self) -> Result<(), Failure> {
        let open = self.open.take();
        let opened = open.map(|Open { opened, syncer }| {
            // A sync that waits for what will never be written is woken by another one.
            let _ = catch_unwind(AssertUnwindSafe(|| opened.db.flush()));
            syncer.stop();
            opened
        });
        let _pause = self.gate.pause.lock();
        let mut shared = self.gate.shared.write();
        let Some(shared) = shared.as_mut() else {
            return Err(Failure::lasting("the store is closed"));
        };
        shared.opened = None;
        if let Some(opened) = opened {
            let last = Arc::downgrade(&opened);
            // What the driver could not write makes it panic.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
            if !is_gone(&last) {
                return Err(Failure::lasting("the driver of the store hangs"));
            }
        }
        let opened = Arc::new(self.data.open_again()?);
        let syncer = Syncer::start(opened.clone(), (self.disks)(&opened)?)?;
        shared.opened = Some(opened.clone());
        self.open = Some(Open { opened, syncer });
        Ok(())
    }

    /// Holds what is on the disk against what was acknowledged, and takes back what was not. Readers go on meanwhile.
    fn prove(&mut self) -> Result<(), Failure> {
        let Some(Open { opened, syncer }) = &self.open else {
            return Err(Failure::lasting("the store is not open"));
        };
        let mut disk = (self.disks)(opened)?;
        disk.forget()?;
        let told = opened.tally;
        let lost = |what: &str| {
            let log = opened.folder.join("db");
            Failure::lasting(format!("{} {what}", log.display()))
        };
        if told.batches < self.tally.batches {
            return Err(lost("holds less than was acknowledged"));
        }
        let found = guarded(|| Tally::count(&View::of(&opened.db)));
        if !found.is_ok_and(|found| found.holds_the_same(&told)) {
            return Err(lost("does not hold what it says it holds"));
        }
        if told != self.tally {
            let mut before = Writes::new();
            if let Some(shared) = self.gate.shared.read().as_ref() {
                // Of several batches, the oldest comes last, and what was there before it counts.
                before.extend(shared.before.iter().flat_map(Clone::clone));
            }
            let undone = undo(opened, before)?;
            if !undone.holds_the_same(&self.tally) {
                return Err(lost("does not hold what was acknowledged"));
            }
            syncer.sync()?;
            self.tally = undone;
        }
        self.marker.durable(self.tally.batches);
        if let Some(shared) = self.gate.shared.write().as_mut() {
            shared.before.clear();
        }
        Ok(())
    }
}

/// Puts back what was there before writes that were not acknowledged; answers what the store holds then.
fn undo(opened: &Opened, mut before: Writes) -> Result<Tally, Failure> {
    before.remove(&tally::key());
    let (batch, _, tally) = stage(&opened.db, &before, opened.tally)?;
    opened.db.apply_batch(batch)?;
    settle(&opened.db, &before)?;
    Ok(tally)
}
