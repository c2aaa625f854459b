//! How much memory large bodies may take, and who has how much of it.
//!
//! A body of more than [`SMALL`] bytes needs [`Room`] before any of it is read, and keeps it until the answer: what was read is in
//! memory for as long. One caller has at most a quarter of all room, and so has one address, for who makes up callers. Who finds none
//! waits, first for what the same address and caller hold, then for what others do; so who sends many large bodies waits for themselves.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use px0_core::{Code, Error, caller::Caller, error::Result, network::Network};
use serde_json::json;
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
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
    shares: Mutex<HashMap<Sender, Arc<Semaphore>>>,
    waiting: AtomicUsize,
}

/// Who has a share of the room.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Sender {
    Address(Network),
    /// A person, or the organization of a key.
    Caller(Uuid),
}

/// Room for one body.
#[derive(Debug)]
pub(crate) struct Room {
    _of_address: OwnedSemaphorePermit,
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
            shares: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Room for a body of at most `bytes` bytes that `caller` sends from an address.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when there is none for too long.
    pub(crate) async fn room(&self, from: Network, caller: &Caller, bytes: usize) -> Result<Room> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(Error::internal)?;
        let (of_address, of_caller) = self.shares(from, caller);
        let at_once = || {
            Some(Room {
                _of_address: of_address.clone().try_acquire_many_owned(units).ok()?,
                _of_caller: of_caller.clone().try_acquire_many_owned(units).ok()?,
                _of_all: self.all.clone().try_acquire_many_owned(units).ok()?,
            })
        };
        if let Some(room) = at_once() {
            return Ok(room);
        }
        let wait = async {
            // Nobody closes them.
            let closed = |error: AcquireError| Error::internal(error);
            let of_address = of_address.acquire_many_owned(units).await.map_err(closed)?;
            let of_caller = of_caller.acquire_many_owned(units).await.map_err(closed)?;
            let _waits = Waits::of(&self.waiting);
            let of_all = self.all.clone().acquire_many_owned(units).await.map_err(closed)?;
            Ok(Room { _of_address: of_address, _of_caller: of_caller, _of_all: of_all })
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| {
            let message = "too many large bodies are on their way; please try again";
            Err(Error::new(Code::Unavailable, message).with_details(json!({ "retry_after": 1 })))
        })
    }

    /// Whether somebody waits for what others hold.
    pub(crate) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// What an address and a caller may have.
    fn shares(&self, from: Network, caller: &Caller) -> (Arc<Semaphore>, Arc<Semaphore>) {
        let id = match caller {
            Caller::Person(person) => person.user.id.uuid(),
            Caller::Key(key) => key.org_id.uuid(),
            Caller::Anonymous => Uuid::nil(),
        };
        let mut shares = self.shares.lock();
        if shares.len() >= REMEMBERED {
            // A share that is used, or waited for, is held by more than this map.
            shares.retain(|_, share| {
                Arc::strong_count(share) > 1 || share.available_permits() < self.of_one
            });
        }
        let mut share = |sender| {
            let new = || Arc::new(Semaphore::new(self.of_one));
            shares.entry(sender).or_insert_with(new).clone()
        };
        (share(Sender::Address(from)), share(Sender::Caller(id)))
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
