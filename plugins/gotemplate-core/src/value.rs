//! What a template computes with.

use std::sync::Arc;

use crate::place::Place;

/// A value. Copies are cheap: they share what is big.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The constant `nil`, or a null inside of a container. Whoever takes a null out of a container
    /// gets [`Value::Missing`] for it.
    Nil,
    /// A variable that is absent or null: false, and written down once it is used.
    Missing(Place),
    Bool(bool),
    Int(Int),
    Float(f64),
    /// Bytes, as in Go: a slice of a text may end within a character.
    String(Arc<[u8]>),
    List(List),
    Map(Arc<Map>),
}

impl Value {
    /// The string that `bytes` are.
    pub(crate) fn string(bytes: impl Into<Arc<[u8]>>) -> Value {
        Value::String(bytes.into())
    }

    /// Whether `if` takes the branch.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Nil | Value::Missing(_) => false,
            Value::Bool(truth) => *truth,
            Value::Int(int) => int.value != 0,
            Value::Float(float) => *float != 0.0,
            Value::String(bytes) => !bytes.is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::Map(map) => !map.entries().is_empty(),
        }
    }

    /// The name of the type in Go.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Nil | Value::Missing(_) => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(int) => match int.kind {
                IntKind::Int => "int",
                IntKind::Int64 => "int64",
                IntKind::Uint8 => "uint8",
            },
            Value::Float(_) => "float64",
            Value::String(_) => "string",
            Value::List(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
        }
    }
}

/// A whole number, and which of Go's types it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Int {
    pub(crate) value: i64,
    pub(crate) kind: IntKind,
}

/// The types of whole numbers that can come up. They differ in what `%T` and errors call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntKind {
    /// Constants, lengths, positions.
    Int,
    /// The numbers among the variables.
    Int64,
    /// One byte of a string.
    Uint8,
}

impl Int {
    /// An `int`.
    pub(crate) fn plain(value: i64) -> Int {
        Int { value, kind: IntKind::Int }
    }

    /// The `int` that a length or a position is.
    pub(crate) fn count(count: usize) -> Int {
        Int::plain(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// A list, or a part of one.
#[derive(Clone, Debug)]
pub(crate) struct List {
    whole: Arc<Whole>,
    // 32 bits are enough for a document of a few MiB, and values stay small: rendering recurses.
    start: u32,
    end: u32,
    /// As far as a slice of it may reach: in Go it may go beyond the end, up to the capacity.
    capacity_end: u32,
}

/// The list that others are parts of.
#[derive(Debug)]
struct Whole {
    items: Vec<Value>,
    place: Place,
}

fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl List {
    /// All of these.
    pub(crate) fn new(items: Vec<Value>, place: Place) -> List {
        let len = narrow(items.len());
        List { whole: Arc::new(Whole { items, place }), start: 0, end: len, capacity_end: len }
    }

    /// The items; a null among them is [`Value::Nil`].
    pub(crate) fn items(&self) -> &[Value] {
        self.whole.items.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The item at `index`.
    pub(crate) fn get(&self, index: usize) -> Option<Value> {
        match self.items().get(index)? {
            Value::Nil => Some(Value::Missing(self.whole.place.item(self.start as usize + index))),
            value => Some(value.clone()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How long a slice of it can be.
    pub(crate) fn capacity(&self) -> usize {
        (self.capacity_end - self.start) as usize
    }

    /// The part `[from:to:capacity]`, which must be in order and within the capacity.
    pub(crate) fn slice(&self, from: usize, to: usize, capacity: usize) -> List {
        List {
            start: self.start + narrow(from),
            end: self.start + narrow(to),
            capacity_end: self.start + narrow(capacity),
            ..self.clone()
        }
    }
}

/// An object.
#[derive(Debug)]
pub(crate) struct Map {
    /// Sorted by the bytes of the key, each key once.
    entries: Vec<(Arc<str>, Value)>,
    place: Place,
}

impl Map {
    /// Of the entries with the same key, the last one counts.
    pub(crate) fn new(mut entries: Vec<(Arc<str>, Value)>, place: Place) -> Map {
        // Stable, so that the last one stays the last one.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.reverse();
        entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        entries.reverse();
        Map { entries, place }
    }

    /// In the order of the keys; a null among the values is [`Value::Nil`].
    pub(crate) fn entries(&self) -> &[(Arc<str>, Value)] {
        &self.entries
    }

    /// What is under `key`, or that it is missing.
    pub(crate) fn get(&self, key: &Arc<str>) -> Value {
        let found = self.entries.binary_search_by(|(name, _)| name.cmp(key));
        match found.ok().and_then(|at| self.entries.get(at)) {
            None | Some((_, Value::Nil)) => Value::Missing(self.place.key(key.clone())),
            Some((_, value)) => value.clone(),
        }
    }
}
