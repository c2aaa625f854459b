//! Taking turns: of those who would wait for one lock of the database, a few wait there, and the others here.
//!
//! Who waits in the database holds one of the few connections of the pool. Without turns, a tenant whose writes all want one prompt
//! would hold all of them, and nobody else could write or read.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use px0_core::store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::PgResult;

/// How many wait for one thing in the database: the one whose turn it is, and the next.
const AT_ONCE: usize = 2;

/// The things that somebody wants now, and who waits for each, in the order in which they came.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Uuid, Weak<Semaphore>>>);

/// A turn; it is over when this is dropped.
pub(super) struct Turn {
    turns: Arc<Turns>,
    thing: Uuid,
    permit: Option<OwnedSemaphorePermit>,
    queue: Option<Arc<Semaphore>>,
}

impl Turns {
    /// Waits for a turn at a thing, for so long at most.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not come.
    pub(super) async fn at(self: &Arc<Self>, thing: Uuid, patience: Duration) -> PgResult<Turn> {
        let queue = {
            let mut things = self.0.lock();
            let queue = things.get(&thing).and_then(Weak::upgrade);
            queue.unwrap_or_else(|| {
                let queue = Arc::new(Semaphore::new(AT_ONCE));
                things.insert(thing, Arc::downgrade(&queue));
                queue
            })
        };
        // From here on it is cleaned up after who is given up while waiting, too.
        let mut turn =
            Turn { turns: self.clone(), thing, permit: None, queue: Some(queue.clone()) };
        match tokio::time::timeout(patience, queue.acquire_owned()).await {
            Ok(permit) => {
                // It is never closed.
                turn.permit = permit.ok();
                Ok(turn)
            }
            Err(_) => {
                let why = "others who write to the same thing took too long";
                Err(StoreError::Unavailable(why.to_owned()).into())
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permit = None;
        let mut things = self.turns.0.lock();
        self.queue = None;
        if things.get(&self.thing).is_some_and(|queue| queue.strong_count() == 0) {
            things.remove(&self.thing);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_few_have_their_turn_and_others_have_theirs_elsewhere() {
        let turns = Arc::<Turns>::default();
        let (thing, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let at = async |thing| turns.at(thing, SOON).await.ok();
        let first = at(thing).await.unwrap();
        let _second = at(thing).await.unwrap();
        assert!(at(thing).await.is_none());
        let _other = at(other).await.unwrap();
        drop(first);
        let _third = at(thing).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_left_of_those_who_are_done_or_gave_up() {
        let turns = Arc::<Turns>::default();
        let thing = Uuid::from_u128(1);
        let held = [turns.at(thing, SOON).await, turns.at(thing, SOON).await];
        assert!(turns.at(thing, SOON).await.is_err());
        let given_up = tokio::time::timeout(SOON, turns.at(thing, Duration::MAX)).await;
        assert!(given_up.is_err());
        assert_eq!(turns.0.lock().len(), 1);
        drop(held);
        assert_eq!(turns.0.lock().len(), 0);
    }
}
