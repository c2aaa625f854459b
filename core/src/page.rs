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

/// What a [`Page`] asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T, K> {
    /// The things, in order.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<K>,
}

impl<T, K> Paged<T, K> {
    /// Takes up to one thing more than `limit` from an ordered walk that begins after the page's cursor.
    pub fn take<E>(
        limit: usize,
        things: impl Iterator<Item = Result<T, E>>,
        place: impl Fn(&T) -> K,
    ) -> Result<Self, E> {
        let mut items = things.take(limit + 1).collect::<Result<Vec<_>, E>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(place) } else { None };
        Ok(Self { items, next })
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
        let walk = || (1..=3).map(Ok::<_, ()>);
        assert_eq!(Paged::take(3, walk(), |n| *n), Ok(Paged { items: vec![1, 2, 3], next: None }));
        assert_eq!(Paged::take(2, walk(), |n| *n), Ok(Paged { items: vec![1, 2], next: Some(2) }));
        assert_eq!(
            Numbered { page: 2, limit: 2 }.cut(vec![1, 2, 3]),
            Counted { items: vec![3], total: 3 }
        );
    }
}
