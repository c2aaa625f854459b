//! Pages of lists: by cursor for what grows without end, by number for people.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::clock::Timestamp;

/// A part of a list: at most `limit` things after `after`, in the list's own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// At most this many, from 1.
    pub limit: usize,
    /// The place of the last thing that was seen, if any.
    pub after: Option<K>,
}

/// What a [`Page`] asked for: no more than that, and less when its things are large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T, K> {
    /// The things, in order.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<K>,
}

/// A thing in a list.
pub trait Weigh {
    /// About how many bytes of its answer grow with what its author wrote; 0 for what is bounded tightly.
    fn weight(&self) -> usize {
        0
    }
}

impl<T, K> Paged<T, K> {
    /// A page ends early, after at least one thing, when its things weigh more than this: a thousand things of a megabyte each
    /// must not be read, held and written in one go, while others wait.
    pub const BYTES: usize = 4 * 1024 * 1024;

    /// Takes a page from an ordered walk that begins after the page's cursor.
    pub fn take<E>(
        limit: usize,
        things: impl Iterator<Item = Result<T, E>>,
        place: impl Fn(&T) -> K,
    ) -> Result<Self, E>
    where
        T: Weigh,
    {
        let (mut items, mut bytes) = (Vec::new(), 0);
        for thing in things {
            let thing = thing?;
            bytes += thing.weight();
            if items.len() == limit || (bytes > Self::BYTES && !items.is_empty()) {
                return Ok(Self { next: items.last().map(place), items });
            }
            items.push(thing);
        }
        Ok(Self { items, next: None })
    }
}

/// A place in a list that has the newest first: by time of creation, then by id, both descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recent {
    /// When the thing was made.
    pub at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

impl fmt::Display for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.micros(), self.id.simple())
    }
}

impl FromStr for Recent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('.').ok_or(())?;
        Ok(Self {
            at: micros.parse().ok().and_then(Timestamp::from_micros).ok_or(())?,
            id: Uuid::try_parse(id).map_err(|_| ())?,
        })
    }
}

/// A page by number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Which page, from 1.
    pub page: usize,
    /// How many on a page, from 1.
    pub limit: usize,
}

/// What a [`Numbered`] page asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<T> {
    /// The things on the page, in order.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: usize,
}

impl Numbered {
    /// Cuts this page out of the whole list.
    pub fn cut<T>(self, all: Vec<T>) -> Counted<T> {
        let total = all.len();
        let skip = (self.page - 1).saturating_mul(self.limit);
        Counted { items: all.into_iter().skip(skip).take(self.limit).collect(), total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for usize {
        fn weight(&self) -> usize {
            self * 1024 * 1024
        }
    }

    #[test]
    fn a_place_survives_its_text_and_nothing_else_is_one() {
        let place = Recent { at: Timestamp::now(), id: Uuid::now_v7() };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", ".", "1", "x.y", "9223372036854775807.00000000000000000000000000000000"] {
            assert_eq!(text.parse::<Recent>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_page_says_whether_there_is_more() {
        let heavy = [3, 1, 1, 5, 9].map(Ok::<_, ()>);
        let page = |walk: &[Result<usize, ()>]| Paged::take(9, walk.iter().copied(), |n| *n);
        assert_eq!(page(&heavy), Ok(Paged { items: vec![3, 1], next: Some(1) }));
        assert_eq!(page(&heavy[3..]), Ok(Paged { items: vec![5], next: Some(5) }));
        assert_eq!(page(&heavy[4..]), Ok(Paged { items: vec![9], next: None }));

        let walk = || (1..=3).map(|n: usize| Ok::<_, ()>(n));
        assert_eq!(Paged::take(2, walk(), |n| *n), Ok(Paged { items: vec![1, 2], next: Some(2) }));
        assert_eq!(
            Paged::take(2, walk().take(2), |n| *n),
            Ok(Paged { items: vec![1, 2], next: None })
        );
        assert_eq!(
            Numbered { page: 2, limit: 2 }.cut(vec![1, 2, 3]),
            Counted { items: vec![3], total: 3 }
        );
    }
}
