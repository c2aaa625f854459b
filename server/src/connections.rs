//! How many connections there may be, and who has to make room.
//!
//! Every open connection has a [`Place`]. One address may have so many, and all together so many. When all places are taken, the
//! address that has most of them gives one up: the connection that has been idle longest, or, where none is idle, busy longest. So
//! nobody keeps others out by having many, whatever they do with them.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use px0_core::network::Network;
use tokio::sync::Notify;

/// Addresses with most connections that are looked at when one has to make room.
const LOOKED_AT: usize = 64;

/// Who has so many connections keeps those that are busy.
const FEW: usize = 32;

/// How often at most the log says that connections are refused.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The open connections of a listener.
pub(crate) struct Connections {
    most: usize,
    most_of_one: usize,
    /// Addresses that many people are behind: they may have as many connections as there are.
    is_proxy: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    open: Mutex<Open>,
    refused: AtomicU64,
    evicted: AtomicU64,
    begun: Instant,
}

#[derive(Default)]
struct Open {
    count: usize,
    next: u64,
    peers: HashMap<Network, HashMap<u64, Arc<Activity>>>,
    /// The same addresses by how many connections they have.
    by_count: BTreeSet<(usize, Network)>,
    told: Option<Instant>,
}

/// What a connection is doing.
#[derive(Default)]
pub(crate) struct Activity {
    /// Requests that were begun and not answered.
    running: AtomicU32,
    /// When the last request began or ended, in milliseconds since the listener began.
    changed_at: AtomicU64,
    give_up: Notify,
}

impl Connections {
    /// At most `most` connections, of which one address has at most `most_of_one`, unless `is_proxy` says so.
    pub(crate) fn new(
        most: usize,
        most_of_one: usize,
        is_proxy: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one,
            is_proxy: Box::new(is_proxy),
            open: Mutex::default(),
            refused: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            begun: Instant::now(),
        })
    }

    /// A place for a connection from `peer`, if it may have one.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let is_proxy = (self.is_proxy)(peer);
        let peer = Network::of(peer);
        let mut open = self.open.lock();
        let has = open.peers.get(&peer).map_or(0, HashMap::len);
        let is_full = has >= self.most_of_one && !is_proxy;
        if is_full || (open.count >= self.most && !self.make_room(&mut open, peer, has)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            if open.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                open.told = Some(Instant::now());
                tracing::warn!(
                    open = open.count,
                    of_the_same_address = has,
                    "connections are refused: there are as many as http.max_connections or http.max_connections_per_address allow"
                );
            }
            return None;
        }
        let activity = Arc::new(Activity { changed_at: self.now().into(), ..Activity::default() });
        let id = open.next;
        open.next += 1;
        open.add(peer, id, activity.clone());
        Some(Place { connections: self.clone(), peer, id, activity })
    }

    /// Has an address with more connections than `peer`, who has `has`, give one up; answers whether there is room then. One that is
    /// idle goes first; when those who have most are all busy, it is the one that has been busy longest, unless they have few.
    fn make_room(&self, open: &mut Open, peer: Network, has: usize) -> bool {
        // Nobody gets a place by taking it from who has no more.
        let greedy =
            open.by_count.iter().rev().filter(|(count, other)| *count > has && *other != peer);
        let greedy: Vec<_> = greedy.copied().take(LOOKED_AT).collect();
        let idle = greedy.iter().find_map(|(_, other)| Some((*other, open.longest(*other, true)?)));
        let busy = || {
            let (count, greediest) = *greedy.first()?;
            let is_many = count > FEW.max(has + 1);
            Some((greediest, open.longest(greediest, false)?)).filter(|_| is_many)
        };
        let Some((other, id)) = idle.or_else(busy) else { return false };
        if let Some(activity) = open.peers.get(&other).and_then(|theirs| theirs.get(&id)) {
            activity.give_up.notify_one();
        }
        open.remove(other, id);
        self.evicted.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        self.open.lock().count as u64
    }

    /// Connections that were refused, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Idle connections that were closed to make room for others, since the start.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Open {
    /// The connection of `peer` that has been idle, or busy, longest.
    fn longest(&self, peer: Network, idle: bool) -> Option<u64> {
        let theirs =
            self.peers.get(&peer)?.iter().filter(|(_, activity)| activity.is_idle() == idle);
        let since = |(id, activity): &(&u64, &Arc<Activity>)| {
            (activity.changed_at.load(Ordering::Relaxed), **id)
        };
        theirs.min_by_key(since).map(|(id, _)| *id)
    }

    fn add(&mut self, peer: Network, id: u64, activity: Arc<Activity>) {
        let connections = self.peers.entry(peer).or_default();
        self.by_count.remove(&(connections.len(), peer));
        connections.insert(id, activity);
        self.by_count.insert((connections.len(), peer));
        self.count += 1;
    }

    /// Removes a connection; one that had to make room is gone already.
    fn remove(&mut self, peer: Network, id: u64) {
        let Some(connections) = self.peers.get_mut(&peer) else { return };
        let before = connections.len();
        if connections.remove(&id).is_none() {
            return;
        }
        self.count -= 1;
        self.by_count.remove(&(before, peer));
        if connections.is_empty() {
            self.peers.remove(&peer);
        } else {
            self.by_count.insert((before - 1, peer));
        }
    }
}

impl Activity {
    fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }
}

/// A connection's place; dropped, it is free.
pub(crate) struct Place {
    connections: Arc<Connections>,
    peer: Network,
    id: u64,
    activity: Arc<Activity>,
}

impl Place {
    /// For the requests of the connection.
    pub(crate) fn requests(&self) -> Requests {
        Requests { connections: self.connections.clone(), activity: self.activity.clone() }
    }

    /// Waits until the connection has to make room.
    pub(crate) async fn wanted(&self) {
        self.activity.give_up.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.lock().remove(self.peer, self.id);
    }
}

/// Tells when a connection has requests.
#[derive(Clone)]
pub(crate) struct Requests {
    connections: Arc<Connections>,
    activity: Arc<Activity>,
}

impl Requests {
    /// A request begins; it ends when its answer is made.
    pub(crate) fn begin(&self) -> Running {
        self.activity.running.fetch_add(1, Ordering::Relaxed);
        self.activity.changed_at.store(self.connections.now(), Ordering::Relaxed);
        Running(self.clone())
    }
}

/// A request that is under way.
pub(crate) struct Running(Requests);

impl Drop for Running {
    fn drop(&mut self) {
        let Requests { connections, activity } = &self.0;
        activity.changed_at.store(connections.now(), Ordering::Relaxed);
        activity.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn connections(most: usize, most_of_one: usize) -> Arc<Connections> {
        Connections::new(most, most_of_one, |peer| peer == address(9))
    }

    #[test]
    fn one_address_has_so_many_and_a_proxy_as_many_as_there_are() {
        let connections = connections(10, 2);
        let first = connections.enter(address(1)).expect("there is room");
        let _second = connections.enter(address(1)).expect("there is room");
        assert!(connections.enter(address(1)).is_none());
        drop(first);
        assert!(connections.enter(address(1)).is_some());
        let of_proxy: Vec<_> = (0..8).filter_map(|_| connections.enter(address(9))).collect();
        assert_eq!((of_proxy.len(), connections.open(), connections.refused()), (8, 9, 1));
    }

    #[tokio::test]
    async fn who_has_most_makes_room_by_what_is_idle_longest() {
        let connections = connections(4, 4);
        let places: Vec<_> = (0..3).filter_map(|_| connections.enter(address(1))).collect();
        let other = connections.enter(address(2)).expect("there is room");
        // The first is busy, so the second has been idle longest.
        let busy = places[0].requests().begin();
        std::thread::sleep(Duration::from_millis(2));
        drop(places[2].requests().begin());
        let newcomer = connections.enter(address(3)).expect("the greediest makes room");
        tokio::time::timeout(Duration::from_secs(1), places[1].wanted())
            .await
            .expect("it has to go");
        assert_eq!((connections.open(), connections.evicted()), (4, 1));
        // Whoever has as many as anybody gets none by it.
        assert!(connections.enter(address(1)).is_none());
        drop((busy, other, newcomer, places));
        assert_eq!(connections.open(), 0);
    }

    #[tokio::test]
    async fn who_works_is_sent_away_only_for_having_many() {
        let few = connections(2, 2);
        let places: Vec<_> = (0..2).filter_map(|_| few.enter(address(1))).collect();
        let _running: Vec<_> = places.iter().map(|place| place.requests().begin()).collect();
        assert!(few.enter(address(2)).is_none());

        let many = connections(FEW + 2, FEW + 2);
        let places: Vec<_> = (0..FEW + 2).filter_map(|_| many.enter(address(1))).collect();
        let _running: Vec<_> = places.iter().map(|place| place.requests().begin()).collect();
        let _newcomer = many.enter(address(2)).expect("the busiest make room");
        tokio::time::timeout(Duration::from_secs(1), places[0].wanted())
            .await
            .expect("busy longest");
    }

    #[test]
    fn somebody_with_fewer_makes_room_if_only_they_are_idle() {
        let connections = connections(5, 5);
        let busy: Vec<_> = (0..3).filter_map(|_| connections.enter(address(1))).collect();
        let _running: Vec<_> = busy.iter().map(|place| place.requests().begin()).collect();
        let _idle: Vec<_> = (0..2).filter_map(|_| connections.enter(address(2))).collect();
        let _newcomer = connections.enter(address(3)).expect("there is room");
        assert_eq!((connections.open(), connections.evicted()), (5, 1));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let connections = connections(10, 1);
        let _one = connections.enter("2001:db8::1".parse().expect("an address"));
        assert!(connections.enter("2001:db8::2".parse().expect("an address")).is_none());
        assert!(connections.enter("2001:db8:0:1::1".parse().expect("an address")).is_some());
    }
}
