//! A table of counters that never grows: what a limiter remembers of ever-new keys has a fixed size.
//!
//! A key's hash says in which set of a few places its counter is. When a set is full, the counter that will soonest be as if it had
//! never been makes room. So a call takes the same short time however many keys there were, nothing has to be swept, and who would
//! have a counter forgotten must fill a set with counters of more tries. The hash has a secret of this process, so nobody can aim.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    marker::PhantomData,
};

use governor::{nanos::Nanos, state::StateStore};
use parking_lot::Mutex;

/// Places in a set.
const WAYS: usize = 8;

/// Sets under one lock; the memory of these is taken when the first of them is used.
const SETS: usize = 128;

/// Locks.
const SHARDS: usize = 64;

/// How many counters there are: 65,536, in 1 MiB.
#[cfg(test)]
pub(super) const COUNTERS: usize = WAYS * SETS * SHARDS;

/// A counter: the hash of its key, and until when tries count, in nanoseconds since the limiter began. All zeros: none.
type Place = [u64; 2];

/// The counters of a limiter.
pub(super) struct Table<K> {
    hasher: RandomState,
    shards: Box<[Mutex<Vec<Place>>]>,
    keys: PhantomData<fn(&K)>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards, keys: PhantomData }
    }
}

impl<K: Hash> StateStore for Table<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let hash = self.hasher.hash_one(key).max(1);
        // Truncation is what is wanted: any bits of a hash will do.
        #[allow(clippy::cast_possible_truncation)]
        let bits = hash as usize;
        let (shard, set) = (bits % SHARDS, bits / SHARDS % SETS);
        let mut places = self.shards[shard].lock();
        if places.is_empty() {
            *places = vec![[0; 2]; SETS * WAYS];
        }
        let set = &mut places[set * WAYS..][..WAYS];
        let found = set.iter().position(|[of, _]| *of == hash);
        let (answer, until) = measure(found.map(|at| Nanos::new(set[at][1])))?;
        let soonest = || set.iter().enumerate().min_by_key(|(_, [_, until])| *until);
        let at = found.or_else(|| Some(soonest()?.0)).unwrap_or(0);
        set[at] = [hash, until.as_u64()];
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::{Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware};

    use super::*;

    type Limiter = RateLimiter<u64, Table<u64>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    fn limiter(per_minute: u32) -> Limiter {
        let quota = Quota::per_minute(per_minute.try_into().expect("some"));
        RateLimiter::new(quota, Table::default(), FakeRelativeClock::default())
    }

    #[test]
    fn a_key_has_its_tries_and_has_them_again() {
        let limiter = limiter(3);
        for key in [1, 2] {
            for _ in 0..3 {
                assert!(limiter.check_key(&key).is_ok());
            }
            assert!(limiter.check_key(&key).is_err());
        }
        limiter.clock().advance(Duration::from_secs(20));
        assert!(limiter.check_key(&1).is_ok());
        assert!(limiter.check_key(&1).is_err());
    }

    #[test]
    fn a_counter_that_is_used_up_outlives_ever_new_keys() {
        let limiter = limiter(10);
        while limiter.check_key(&u64::MAX).is_ok() {}
        for key in 0..20 * COUNTERS as u64 {
            assert!(limiter.check_key(&key).is_ok());
        }
        assert!(limiter.check_key(&u64::MAX).is_err());
    }
}
