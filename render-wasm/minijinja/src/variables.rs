//! The variables as the template sees them: objects and lists that decode their members on access.

use std::{fmt, sync::Arc};

use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr},
};

use px0_document::{Node, Tag, Tape};

use crate::missing::Missing;

/// The value at `index`; null becomes a [`Missing`] that knows its name.
pub(crate) fn value(tape: &Arc<Tape>, index: u32) -> Value {
    let node = tape.node(index);
    match node.tag() {
        Tag::Null => Missing::null(tape, index),
        Tag::Object => {
            Value::from_object(Map { tape: tape.clone(), at: Some(index), node, lenient: false })
        }
        Tag::Array => Value::from_object(List { tape: tape.clone(), at: index, node }),
        _ => scalar(tape, node),
    }
}

fn scalar(tape: &Tape, node: Node) -> Value {
    match node.tag() {
        Tag::False => Value::from(false),
        Tag::True => Value::from(true),
        Tag::Int => integer(tape.text(node)),
        Tag::Float => tape.text(node).parse::<f64>().map_or(Value::UNDEFINED, Value::from),
        Tag::Text | Tag::Unescaped => Value::from(tape.text(node)),
        Tag::Null | Tag::Object | Tag::Array => Value::from(()),
    }
}

/// The value at `node` as the template's own: nothing in it is a variable, so nothing in it can be missing.
pub(crate) fn own(tape: &Tape, node: Node) -> Value {
    let nodes = |step: u32| {
        (0..node.length()).map(move |item| tape.node(node.first() + step * item + (step - 1)))
    };
    match node.tag() {
        Tag::Array => nodes(1).map(|item| own(tape, item)).collect(),
        Tag::Object => {
            let names =
                (0..node.length()).map(|pair| tape.text(tape.node(node.first() + 2 * pair)));
            names.zip(nodes(2)).map(|(name, value)| (name.to_owned(), own(tape, value))).collect()
        }
        _ => scalar(tape, node),
    }
}

/// A number without fraction: exact as far as 128 bits go, the nearest double beyond.
fn integer(text: &str) -> Value {
    if let Ok(small) = text.parse::<i64>() {
        return Value::from(small);
    }
    match text.parse::<i128>() {
        Ok(large) => Value::from(large),
        Err(_) => text.parse::<f64>().map_or(Value::UNDEFINED, Value::from),
    }
}

/// Like [`value`], but null is a plain null: for printing a whole object or list.
fn plain(tape: &Arc<Tape>, index: u32) -> Value {
    if tape.node(index).tag() == Tag::Null { Value::from(()) } else { value(tape, index) }
}

/// The variables, an object, as the root of the lookup. Every name is found here, if only as missing.
pub(crate) fn root(tape: &Arc<Tape>) -> Value {
    Value::from_object(Map { tape: tape.clone(), at: None, node: tape.root(), lenient: false })
}

/// An object of the variables.
pub(crate) struct Map {
    tape: Arc<Tape>,
    /// Where it is; `None` is the root.
    at: Option<u32>,
    node: Node,
    /// Whether a member that is not there is undefined, as in minijinja, instead of missing.
    lenient: bool,
}

impl Map {
    /// The same object, with members that are not there undefined instead of missing.
    pub(crate) fn lenient(&self) -> Value {
        Value::from_object(Map { tape: self.tape.clone(), lenient: true, ..*self })
    }

    /// The member, if it is there and not null or, with `null`, if it is there at all.
    pub(crate) fn member(&self, key: &str) -> Option<Value> {
        self.tape.member(self.node, key).map(|index| value(&self.tape, index))
    }

    /// The members with plain nulls, for printing.
    pub(crate) fn plain(&self) -> impl Iterator<Item = (&str, Value)> {
        self.pairs().map(|pair| (self.tape.text(self.tape.node(pair)), plain(&self.tape, pair + 1)))
    }

    fn pairs(&self) -> impl Iterator<Item = u32> + use<> {
        let first = self.node.first();
        (0..self.node.length()).map(move |pair| first + 2 * pair)
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.plain().map(|(key, value)| (Value::from(key), value))).finish()
    }
}

impl Object for Map {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => self.get_value_by_str(key),
            None if key.is_number() => self.get_value_by_str(&key.to_string()),
            None => None,
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match self.member(key) {
            None if self.lenient => None,
            None => Some(Missing::absent(&self.tape, self.at, key)),
            some => some,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let this = self.clone();
        Enumerator::KeyValueIter(Box::new(self.pairs().map(move |pair| {
            (Value::from(this.tape.text(this.tape.node(pair))), value(&this.tape, pair + 1))
        })))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.node.length() as usize)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A list of the variables.
pub(crate) struct List {
    tape: Arc<Tape>,
    at: u32,
    node: Node,
}

impl List {
    /// The items with plain nulls, for printing.
    pub(crate) fn plain(&self) -> impl Iterator<Item = Value> {
        (self.node.first()..self.node.first() + self.node.length())
            .map(|index| plain(&self.tape, index))
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.plain()).finish()
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_usize() {
            Some(index) if index < self.node.length() as usize => {
                Some(value(&self.tape, self.node.first() + index as u32))
            }
            _ if key.is_number() => {
                Some(Missing::absent(&self.tape, Some(self.at), &key.to_string()))
            }
            _ => key.as_str().map(|key| Missing::absent(&self.tape, Some(self.at), key)),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.node.length() as usize)
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.node.length() as usize)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
