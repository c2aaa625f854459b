//! Variables as a flat tape instead of a tree.
//!
//! One pass over the JSON text fills one array of small nodes that point back into the text.
//! Nothing is allocated per value, a value that the template never asks for is never decoded, and
//! the place of every node in the document can be told afterwards ([`Tape::path`]), which is how a
//! missing variable gets its dotted name.

use std::cmp::Ordering;

use crate::scan::{ScanError, Scanned, scan};

/// Objects of up to this many members are searched one by one, larger ones by halving.
const LINEAR: u32 = 8;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Tag {
    Null,
    False,
    True,
    /// A number without fraction and exponent: its text.
    Int,
    /// Another number: its text.
    Float,
    /// A string without escapes: its text.
    Text,
    /// A string that had escapes: its text, in the side buffer.
    Unescaped,
    /// A list: its nodes.
    Array,
    /// An object: its pairs of nodes (key, value), sorted by key, each key once.
    Object,
}

const TAGS: [Tag; 9] = [
    Tag::Null,
    Tag::False,
    Tag::True,
    Tag::Int,
    Tag::Float,
    Tag::Text,
    Tag::Unescaped,
    Tag::Array,
    Tag::Object,
];

/// One value of the document: eight bytes, because a document may be nothing but values.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The tag in the lowest four bits; above them where its text or its nodes begin.
    head: u32,
    /// How many bytes, nodes or pairs they are.
    length: u32,
}

/// How large a document may be: what fits in the 28 bits of a beginning.
const MAX_BYTES: usize = 1 << 28;

impl Node {
    /// A node of `length` bytes, nodes or pairs from `first`.
    #[inline(always)]
    pub fn new(tag: Tag, first: usize, length: usize) -> Node {
        Node { head: (first as u32) << 4 | tag as u32, length: length as u32 }
    }

    /// What it is.
    #[inline(always)]
    pub fn tag(self) -> Tag {
        TAGS[(self.head & 15) as usize % TAGS.len()]
    }

    /// Where its text or its nodes begin.
    #[inline(always)]
    pub fn first(self) -> u32 {
        self.head >> 4
    }

    /// How many nodes a list has, or pairs an object.
    #[inline(always)]
    pub fn length(self) -> u32 {
        self.length
    }
}

/// A document that was read.
pub struct Tape {
    text: String,
    side: String,
    nodes: Vec<Node>,
    root: Node,
}

impl Tape {
    /// Reads `text`.
    pub fn read(mut text: String) -> Result<Tape, (ScanError, String)> {
        if text.len() >= MAX_BYTES {
            return Err((ScanError { message: "too large", offset: 0 }, text));
        }
        let length = text.len();
        text.push('\0');
        match scan(&text) {
            Ok(Scanned { root, nodes, side }) => Ok(Tape { text, side, nodes, root }),
            Err(mut error) => {
                text.pop();
                error.offset = error.offset.min(length);
                if error.offset == length && error.message.starts_with("expected") {
                    error.message = "unexpected end";
                }
                Err((error, text))
            }
        }
    }

    /// The document itself.
    pub fn root(&self) -> Node {
        self.root
    }

    /// The node at `index`.
    #[inline(always)]
    pub fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    /// The text of a string or a number.
    pub fn text(&self, node: Node) -> &str {
        let buffer = if node.tag() == Tag::Unescaped { &self.side } else { &self.text };
        let first = node.first() as usize;
        &buffer[first..first + node.length as usize]
    }

    /// The value of `key` in the object `object`.
    pub fn member(&self, object: Node, key: &str) -> Option<u32> {
        let (first, pairs) = (object.first(), object.length);
        let key_of = |pair: u32| self.text(self.node(first + 2 * pair));
        let pair = if pairs <= LINEAR {
            (0..pairs).find(|&pair| key_of(pair) == key)?
        } else {
            let (mut low, mut high) = (0, pairs);
            loop {
                if low == high {
                    return None;
                }
                let middle = low + (high - low) / 2;
                match key_of(middle).cmp(key) {
                    Ordering::Less => low = middle + 1,
                    Ordering::Greater => high = middle,
                    Ordering::Equal => break middle,
                }
            }
        };
        Some(first + 2 * pair + 1)
    }

    /// The dotted name of the node at `index`: keys and positions from the root down to it.
    ///
    /// This searches the whole tape: it is for error answers only.
    pub fn path(&self, index: u32) -> String {
        let mut names = Vec::new();
        let mut wanted = index;
        'up: loop {
            if range(self.root).contains(&wanted) {
                names.push(self.name_in(self.root, wanted));
                break;
            }
            for (at, node) in self.nodes.iter().enumerate() {
                if range(*node).contains(&wanted) {
                    names.push(self.name_in(*node, wanted));
                    wanted = at as u32;
                    continue 'up;
                }
            }
            break;
        }
        names.reverse();
        names.join(".")
    }

    /// What the container `parent` calls its child at `index`.
    fn name_in(&self, parent: Node, index: u32) -> String {
        if parent.tag() == Tag::Object {
            self.text(self.node(index - 1)).to_string()
        } else {
            (index - parent.first()).to_string()
        }
    }
}

/// The nodes that a container holds.
fn range(node: Node) -> std::ops::Range<u32> {
    let (first, length) = (node.first(), node.length);
    match node.tag() {
        Tag::Array => first..first + length,
        Tag::Object => first..first + 2 * length,
        _ => 0..0,
    }
}
