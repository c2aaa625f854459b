//! How much memory large bodies may take, and who has how much of it.
//!
//! A body of more than [`SMALL`] bytes needs [`Room`] before any of it is read, and keeps it until the answer: what was read is in
//! memory for as long. One caller has at most a quarter of all room. Who finds none waits, first for what the same caller holds,
//! then for what others do; so a caller with many large bodies waits for itself.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use px0_core::{Code, Error, caller::Caller, error::Result};
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use uuid::Uuid;

/// Bodies of at most so many bytes need no room: no more than a connection takes anyway.
pub(crate) const SMALL: usize = 16 * 1024;

/// Room is counted in units of so many bytes.
const UNIT: usize = 1024;

/// How long to wait for room; after that the caller is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// With so many callers, those who hold nothing are forgotten.
const REMEMBERED: usize = 1024;

/// The room for large bodies.
pub(crate) struct Bodies {
    all: Arc<Semaphore>,
    of_one: usize,
    callers: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
    waiting: AtomicUsize,
}

/// Room for one body.
pub(crate) struct Room {
    _of_caller: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Bodies {
    /// Room for bodies of `memory` bytes in sum, each of at most `largest`.
    pub(crate) fn new(memory: usize, largest: usize) -> Self {
        let of_one = (memory / 4).max(largest).div_ceil(UNIT);
        Self {
            all: Arc::new(Semaphore::new(memory.max(largest).div_ceil(UNIT))),
            of_one,
            callers: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Room for a body of at most `bytes` bytes that `caller` sends.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when there is none for too long.
    pub(crate) async fn room(&self, caller: &Caller, bytes: usize) -> Result<Room> {
        let of_caller = self.of(caller);
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(Error::internal)?;
        let wait = async {
            // Nobody closes them.
            let of_caller = of_caller.acquire_many_owned(units).await.map_err(Error::internal)?;
            let _waits = Waits::of(&self.waiting);
            let of_all = self.all.clone().acquire_many_owned(units).await;
            Ok(Room { _of_caller: of_caller, _of_all: of_all.map_err(Error::internal)? })
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| {
            let message = "too many large bodies are on their way; please try again";
            Err(Error::new(Code::Unavailable, message).with_details(json!({ "retry_after": 1 })))
        })
    }

    /// The same, if it is there now.
    pub(crate) fn try_room(&self, caller: &Caller, bytes: usize) -> Option<Room> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        let of_caller = self.of(caller).try_acquire_many_owned(units).ok()?;
        let of_all = self.all.clone().try_acquire_many_owned(units).ok()?;
        Some(Room { _of_caller: of_caller, _of_all: of_all })
    }

    /// Whether somebody waits for what others hold.
    pub(crate) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn of(&self, caller: &Caller) -> Arc<Semaphore> {
        // Keys of one organization count as one caller.
        let id = match caller {
            Caller::Person(person) => person.user.id.uuid(),
            Caller::Key(key) => key.org_id.uuid(),
            Caller::Anonymous => Uuid::nil(),
        };
        let mut callers = self.callers.lock();
        if callers.len() >= REMEMBERED {
            callers.retain(|_, room| {
                Arc::strong_count(room) > 1 || room.available_permits() < self.of_one
            });
        }
        callers.entry(id).or_insert_with(|| Arc::new(Semaphore::new(self.of_one))).clone()
    }
}

/// Counts who waits, also when they go away.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
