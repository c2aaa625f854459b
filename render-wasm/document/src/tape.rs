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
    /// `null`.
    Null,
    /// `false`.
    False,
    /// `true`.
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

/// One value of the document: eight bytes, because a document may be nothing but values. In the lower half the tag, in its
/// lowest four bits, and above it where its text or its nodes begin; in the upper half how many bytes, nodes or pairs they are.
#[derive(Clone, Copy, Debug)]
pub struct Node(u64);

/// How large a document may be: what fits in the 28 bits of a beginning.
const MAX_BYTES: usize = 1 << 28;

impl Node {
    /// A node of `length` bytes, nodes or pairs from `first`.
    #[inline(always)]
    pub(crate) fn new(tag: Tag, first: usize, length: usize) -> Node {
        Node((length as u64) << 32 | (first as u64) << 4 | tag as u64)
    }

    /// The node as the number that goes into the guest.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// What it is.
    #[inline(always)]
    pub fn tag(self) -> Tag {
        TAGS[(self.0 & 15) as usize % TAGS.len()]
    }

    /// Where its text or its nodes begin.
    #[inline(always)]
    pub fn first(self) -> u32 {
        self.0 as u32 >> 4
    }

    /// How many bytes its text has, how many nodes a list, how many pairs an object.
    #[inline(always)]
    pub fn length(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A document that was read.
pub struct Tape {
    /// Its text.
    pub text: String,
    /// What strings with escapes say.
    pub side: String,
    /// Its nodes, those of a container side by side.
    pub nodes: Vec<u64>,
    /// The document itself.
    pub root: u64,
}

impl Tape {
    /// Reads `text`: no larger than 256 MiB, no deeper than 128 levels.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(text: &str) -> Result<Tape, String> {
        if text.len() >= MAX_BYTES {
            return Err("too large".to_owned());
        }
        let length = text.len();
        let mut ended = String::with_capacity(length + 1);
        ended.push_str(text);
        ended.push('\0');
        let scanned = scan(&ended);
        ended.truncate(length);
        match scanned {
            Ok(Scanned { root, nodes, side }) => {
                Ok(Tape { text: ended, side, nodes, root: root.bits() })
            }
            Err(ScanError { mut message, offset }) => {
                let offset = offset.min(length);
                if offset == length && message.starts_with("expected") {
                    message = "unexpected end";
                }
                let (line, column) = line_and_column(text, offset);
                Err(format!("{message} at line {line} column {column}"))
            }
        }
    }

    /// The document itself.
    pub fn root(&self) -> Node {
        Node(self.root)
    }

    /// The node at `index`.
    #[inline(always)]
    pub fn node(&self, index: u32) -> Node {
        Node(self.nodes[index as usize])
    }

    /// The text of a string or a number.
    #[inline(always)]
    pub fn text(&self, node: Node) -> &str {
        let buffer = if node.tag() == Tag::Unescaped { &self.side } else { &self.text };
        let first = node.first() as usize;
        &buffer[first..first + node.length() as usize]
    }

    /// The value of `key` in the object `object`.
    pub fn member(&self, object: Node, key: &str) -> Option<u32> {
        let (first, pairs) = (object.first(), object.length());
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
            if range(self.root()).contains(&wanted) {
                names.push(self.name_in(self.root(), wanted));
                break;
            }
            for (at, node) in self.nodes.iter().copied().map(Node).enumerate() {
                if range(node).contains(&wanted) {
                    names.push(self.name_in(node, wanted));
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
    let (first, length) = (node.first(), node.length());
    match node.tag() {
        Tag::Array => first..first + length,
        Tag::Object => first..first + 2 * length,
        _ => 0..0,
    }
}

/// Line and column, both from 1, of the byte `at` in `text`.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // Characters are counted by the bytes that begin them.
    let column = before[start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    (line + 1, column + 1)
}
