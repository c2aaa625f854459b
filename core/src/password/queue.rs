//! A queue that takes turns: one of each address, again and again, however many each has in it.

use std::collections::{HashMap, VecDeque};

use super::HashLimits;
use crate::network::Network;

/// Why something cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Too much waits from this address.
    FromOne,
    /// Too much waits in all.
    InAll,
}

/// What waits, by the address it came from. Every step takes the same time, however much waits in all.
pub(super) struct FairQueue<T> {
    limits: HashLimits,
    waiting: HashMap<Network, VecDeque<(u64, T)>>,
    /// Those from which something waits, in the order of their turns.
    turns: VecDeque<Network>,
    len: usize,
    next: u64,
}

impl<T> FairQueue<T> {
    pub(super) fn new(limits: HashLimits) -> Self {
        let (waiting, turns) = Default::default();
        Self { limits, waiting, turns, len: 0, next: 0 }
    }

    /// Has something wait. Answers its number, by which it can be taken back, and what has to make room for it: when the queue is
    /// full, the newest of the address that has most in it.
    pub(super) fn push(&mut self, from: Network, what: T) -> Result<(u64, Option<T>), Full> {
        let mine = self.waiting.get(&from).map_or(0, VecDeque::len);
        if mine >= self.limits.from_one {
            return Err(Full::FromOne);
        }
        let made_room = if self.len >= self.limits.in_all {
            Some(self.make_room(mine).ok_or(Full::InAll)?)
        } else {
            None
        };
        if mine == 0 {
            self.turns.push_back(from);
        }
        let number = self.next;
        self.next += 1;
        self.len += 1;
        self.waiting.entry(from).or_default().push_back((number, what));
        Ok((number, made_room))
    }

    /// Takes the newest of the address that has most waiting, if that is more than who has `mine` will have. It looks at every
    /// address, of which there are at most as many as things may wait.
    fn make_room(&mut self, mine: usize) -> Option<T> {
        let most = self.waiting.iter().max_by_key(|(_, theirs)| theirs.len());
        let (&fullest, theirs) = most.filter(|(_, theirs)| theirs.len() > mine + 1)?;
        let &(number, _) = theirs.back()?;
        self.take_back(fullest, number)
    }

    /// What has its turn.
    pub(super) fn pop(&mut self) -> Option<T> {
        let from = self.turns.pop_front()?;
        let mine = self.waiting.get_mut(&from)?;
        let (_, what) = mine.pop_front()?;
        self.len -= 1;
        if mine.is_empty() {
            self.waiting.remove(&from);
        } else {
            self.turns.push_back(from);
        }
        Some(what)
    }

    /// Takes back what nobody waits for any more, if it had no turn yet.
    pub(super) fn take_back(&mut self, from: Network, number: u64) -> Option<T> {
        let mine = self.waiting.get_mut(&from)?;
        let at = mine.iter().position(|(other, _)| *other == number)?;
        let (_, what) = mine.remove(at)?;
        self.len -= 1;
        if mine.is_empty() {
            self.waiting.remove(&from);
            self.turns.retain(|other| *other != from);
        }
        Some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    fn queue(from_one: usize, in_all: usize) -> FairQueue<&'static str> {
        FairQueue::new(HashLimits { from_one, in_all })
    }

    #[test]
    fn addresses_take_turns() {
        let mut queue = queue(3, 9);
        for what in ["a1", "a2", "a3"] {
            queue.push(from(1), what).expect("room");
        }
        queue.push(from(2), "b1").expect("room");
        queue.push(from(3), "c1").expect("room");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "a3"]);
    }

    #[test]
    fn so_much_waits_from_one_address_and_in_all() {
        let mut queue = queue(2, 3);
        assert_eq!(queue.push(from(1), "a1"), Ok((0, None)));
        assert_eq!(queue.push(from(1), "a2"), Ok((1, None)));
        assert_eq!(queue.push(from(1), "a3"), Err(Full::FromOne));
        assert_eq!(queue.push(from(2), "b1"), Ok((2, None)));
        assert_eq!(queue.push(from(2), "b2"), Err(Full::InAll), "nobody has more");
        assert_eq!(queue.push(from(1), "a3"), Err(Full::FromOne));
        queue.pop();
        assert_eq!(queue.push(from(2), "b2"), Ok((3, None)));
    }

    #[test]
    fn who_has_most_makes_room_for_who_has_less() {
        let mut queue = queue(3, 3);
        for what in ["a1", "a2", "a3"] {
            queue.push(from(1), what).expect("room");
        }
        assert_eq!(queue.push(from(2), "b1"), Ok((3, Some("a3"))));
        assert_eq!(queue.push(from(2), "b2"), Err(Full::InAll));
        assert_eq!(queue.push(from(3), "c1"), Ok((4, Some("a2"))));
        assert_eq!(queue.push(from(4), "d1"), Err(Full::InAll), "everybody has one");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ["a1", "b1", "c1"]);
    }

    #[test]
    fn what_was_taken_back_makes_room_and_has_no_turn() {
        let mut queue = queue(1, 2);
        let (a, _) = queue.push(from(1), "a").expect("room");
        queue.push(from(2), "b").expect("room");
        assert_eq!(queue.take_back(from(1), a), Some("a"));
        assert_eq!(queue.take_back(from(1), a), None);
        queue.push(from(1), "again").expect("room");
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some("b"), Some("again"), None]);
    }
}
