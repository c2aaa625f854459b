//! One sync at a time, on a thread of its own, so that one that never returns is noticed.
//!
//! sled writes on threads of its own, and when such a write fails (disk full, say) it may forget to wake who
//! waits for it.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{disk::Disk, error::Failure, open::Opened, wait};

/// How often to look whether sled has failed while we wait.
const LOOK: Duration = Duration::from_millis(200);

/// After this the disk counts as lost, whatever the reason.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes what was applied durable.
pub(super) struct Syncer {
    opened: Arc<Opened>,
    asked: SyncSender<()>,
    done: Receiver<Result<(), Failure>>,
    thread: thread::JoinHandle<()>,
}

impl Syncer {
    /// Starts the thread.
    pub(super) fn start(opened: Arc<Opened>, mut disk: Box<dyn Disk>) -> std::io::Result<Self> {
        let (asked, asks) = sync_channel::<()>(1);
        let (tell, done) = sync_channel(1);
        let store = opened.clone();
        let thread = thread::Builder::new().name("px0-sync".to_owned()).spawn(move || {
            for () in asks {
                let written = store.db.flush().map_err(Failure::from);
                let kept = written.and_then(|_| disk.sync().map_err(Failure::from));
                if tell.send(kept).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { opened, asked, done, thread })
    }

    /// Waits until all that was applied is durable.
    ///
    /// # Errors
    /// Why it is not, or may not be.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        let ended = || Failure::lasting("the sync thread ended");
        let deadline = Instant::now() + PATIENCE;
        self.asked.send(()).map_err(|_| ended())?;
        loop {
            match self.done.recv_timeout(LOOK) {
                Ok(kept) => return kept,
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
                Err(RecvTimeoutError::Timeout) => {
                    self.opened.config.global_error()?;
                    if Instant::now() > deadline {
                        let seconds = PATIENCE.as_secs();
                        let why = format!("the disk did not answer for {seconds} seconds");
                        return Err(Failure::lasting(why));
                    }
                }
            }
        }
    }

    /// Ends the thread, and leaves it behind if it is stuck in a sync.
    pub(super) fn stop(self) {
        drop(self.asked);
        drop(self.done);
        wait::goodbye(self.thread);
    }
}
