//! Variables as a flat tape instead of a tree.
//!
//! One pass over the JSON text fills one array of small nodes that point back into the text.
//! Nothing is allocated per value, a value that the template never asks for is never decoded, and
//! the place of every node in the document can be told afterwards ([`Tape::path`]), which is how a
//! missing variable gets its dotted name.

use std::cmp::Ordering;

/// How deep arrays and objects may nest. Deeper documents are either mistakes or attacks.
const MAX_DEPTH: usize = 128;

/// Objects of up to this many members are searched one by one, larger ones by halving.
const LINEAR: u32 = 8;

/// Numbers of up to this many digits are in the range of a double.
const MAX_DIGITS: usize = 300;

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
    #[inline(always)]
    fn new(tag: Tag, first: usize, length: usize) -> Node {
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

/// Why a text is not JSON, and where.
#[derive(Debug)]
pub struct ScanError {
    pub message: &'static str,
    pub offset: usize,
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
        // The end is a byte that no JSON has, so that the scan need not look for it.
        text.push('\0');
        let mut scan = Scan {
            bytes: text.as_bytes(),
            text: &text,
            side: String::new(),
            pending: Vec::with_capacity(64),
            nodes: Vec::with_capacity(length / 16 + 8),
            open: Vec::with_capacity(16),
        };
        match scan.document() {
            Ok(root) => {
                let (side, nodes) = (scan.side, scan.nodes);
                Ok(Tape { text, side, nodes, root })
            }
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

/// A container that is being read: its kind and where its nodes begin among the pending ones.
struct Open {
    first: usize,
    object: bool,
}

/// The scan. Where it is goes from call to call as a value: that is much faster than a field.
struct Scan<'t> {
    /// The text, and a zero at its end.
    bytes: &'t [u8],
    text: &'t str,
    side: String,
    /// Nodes whose container is not closed yet.
    pending: Vec<Node>,
    nodes: Vec<Node>,
    open: Vec<Open>,
}

type Step<T> = Result<T, ScanError>;

#[cold]
fn wrong<T>(message: &'static str, offset: usize) -> Step<T> {
    Err(ScanError { message, offset })
}

impl Scan<'_> {
    /// Reads the whole document without recursion, so that depth costs no stack.
    fn document(&mut self) -> Step<Node> {
        let mut at = 0;
        'value: loop {
            at = self.space(at);
            match self.bytes[at] {
                b'"' => at = self.string(at)?,
                b'-' | b'0'..=b'9' => at = self.number(at)?,
                b'{' => {
                    self.enter(true, at)?;
                    at = self.space(at + 1);
                    if self.bytes[at] == b'}' {
                        at += 1;
                        self.close();
                    } else {
                        at = self.key(at)?;
                        continue;
                    }
                }
                b'[' => {
                    self.enter(false, at)?;
                    at = self.space(at + 1);
                    if self.bytes[at] == b']' {
                        at += 1;
                        self.close();
                    } else {
                        continue;
                    }
                }
                b't' => at = self.word("true", Tag::True, at)?,
                b'f' => at = self.word("false", Tag::False, at)?,
                b'n' => at = self.word("null", Tag::Null, at)?,
                _ => return wrong("expected a value", at),
            }
            // A value is complete: go on in its container, which may be complete with it.
            loop {
                at = self.space(at);
                let Some(open) = self.open.last() else {
                    return match self.pending.pop() {
                        Some(root) if at == self.bytes.len() - 1 => Ok(root),
                        _ => wrong("unexpected text after the document", at),
                    };
                };
                match (self.bytes[at], open.object) {
                    (b',', true) => {
                        at = self.space(at + 1);
                        at = self.key(at)?;
                        continue 'value;
                    }
                    (b',', false) => {
                        at += 1;
                        continue 'value;
                    }
                    (b'}', true) | (b']', false) => {
                        at += 1;
                        self.close();
                    }
                    (_, true) => return wrong("expected `,` or `}`", at),
                    (_, false) => return wrong("expected `,` or `]`", at),
                }
            }
        }
    }

    #[inline(always)]
    fn space(&self, mut at: usize) -> usize {
        while matches!(self.bytes[at], b' ' | b'\n' | b'\r' | b'\t') {
            at += 1;
        }
        at
    }

    #[inline(always)]
    fn enter(&mut self, object: bool, at: usize) -> Step<()> {
        if self.open.len() == MAX_DEPTH {
            return wrong("nested deeper than 128 levels", at);
        }
        self.open.push(Open { first: self.pending.len(), object });
        Ok(())
    }

    #[inline(always)]
    fn key(&mut self, at: usize) -> Step<usize> {
        if self.bytes[at] != b'"' {
            return wrong("expected a name in quotes", at);
        }
        let at = self.string(at)?;
        let at = self.space(at);
        if self.bytes[at] != b':' {
            return wrong("expected `:`", at);
        }
        Ok(at + 1)
    }

    /// Moves the nodes of the innermost container to the tape.
    fn close(&mut self) {
        let Some(Open { first, object }) = self.open.pop() else { return };
        let start = self.nodes.len();
        let node = if object {
            self.sort(first);
            Node::new(Tag::Object, start, (self.pending.len() - first) / 2)
        } else {
            Node::new(Tag::Array, start, self.pending.len() - first)
        };
        self.nodes.extend_from_slice(&self.pending[first..]);
        self.pending.truncate(first);
        self.pending.push(node);
    }

    /// Sorts the members from `first` by key; of those with the same key the last one stays.
    fn sort(&mut self, first: usize) {
        if self.pending.len() - first <= 2 {
            return;
        }
        let (text, side) = (self.bytes, self.side.as_bytes());
        let key = |node: &Node| {
            let buffer = if node.tag() == Tag::Unescaped { side } else { text };
            &buffer[node.first() as usize..(node.first() + node.length) as usize]
        };
        let (pairs, _) = self.pending[first..].as_chunks_mut::<2>();
        if pairs.is_sorted_by(|left, right| key(&left[0]) < key(&right[0])) {
            return;
        }
        pairs.sort_by(|left, right| key(&left[0]).cmp(key(&right[0])));
        let mut kept = 0;
        for at in 1..pairs.len() {
            if key(&pairs[kept][0]) != key(&pairs[at][0]) {
                kept += 1;
            }
            pairs[kept] = pairs[at];
        }
        self.pending.truncate(first + 2 * (kept + 1));
    }

    fn word(&mut self, word: &str, tag: Tag, at: usize) -> Step<usize> {
        if !self.bytes[at..].starts_with(word.as_bytes()) {
            return wrong("expected a value", at);
        }
        self.pending.push(Node::new(tag, at, 0));
        Ok(at + word.len())
    }

    #[inline(always)]
    fn string(&mut self, at: usize) -> Step<usize> {
        let start = at + 1;
        let mut at = self.plain(start);
        loop {
            match self.bytes[at] {
                b'"' => {
                    self.pending.push(Node::new(Tag::Text, start, at - start));
                    return Ok(at + 1);
                }
                b'\\' => return self.escaped(start, at),
                0..=0x1f => return self.bad_byte(at),
                _ => at += 1,
            }
        }
    }

    /// Skips bytes of a string that mean themselves, eight at a time. May stop early.
    #[inline(always)]
    fn plain(&self, mut at: usize) -> usize {
        const ONES: u64 = u64::MAX / 255;
        const HIGHS: u64 = ONES << 7;
        while let Some(bytes) = self.bytes[at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*bytes);
            let (quote, escape) =
                (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
            // The highest bit of each byte that is a quote, a backslash, or less than 32.
            let special = ((quote.wrapping_sub(ONES) & !quote)
                | (escape.wrapping_sub(ONES) & !escape)
                | (word.wrapping_sub(ONES * 0x20) & !word))
                & HIGHS;
            if special != 0 {
                // The lowest marked byte is certain; those above it may be marked by its borrow.
                return at + special.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        at
    }

    #[cold]
    fn bad_byte<T>(&self, at: usize) -> Step<T> {
        let end = at == self.bytes.len() - 1;
        wrong(if end { "unexpected end" } else { "control character in a string" }, at)
    }

    /// Goes on with the string from `start`, which has an escape at `at`.
    fn escaped(&mut self, start: usize, mut at: usize) -> Step<usize> {
        let first = self.side.len();
        let mut plain = start;
        loop {
            match self.bytes[at] {
                b'"' => {
                    self.side.push_str(&self.text[plain..at]);
                    self.pending.push(Node::new(Tag::Unescaped, first, self.side.len() - first));
                    return Ok(at + 1);
                }
                b'\\' => {
                    self.side.push_str(&self.text[plain..at]);
                    let character;
                    (character, at) = self.escape(at + 1)?;
                    self.side.push(character);
                    plain = at;
                    at = self.plain(at);
                }
                0..=0x1f => return self.bad_byte(at),
                _ => at += 1,
            }
        }
    }

    fn escape(&self, at: usize) -> Step<(char, usize)> {
        let character = match self.bytes[at] {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(at + 1),
            _ => return wrong("unknown escape in a string", at),
        };
        Ok((character, at + 1))
    }

    fn unicode(&self, at: usize) -> Step<(char, usize)> {
        let (high, mut at) = self.hex(at)?;
        let mut code = high;
        if (0xd800..0xdc00).contains(&high) {
            if !self.bytes[at..].starts_with(b"\\u") {
                return wrong("lone surrogate in a string", at);
            }
            let low;
            (low, at) = self.hex(at + 2)?;
            if !(0xdc00..0xe000).contains(&low) {
                return wrong("lone surrogate in a string", at);
            }
            code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        }
        match char::from_u32(code) {
            Some(character) => Ok((character, at)),
            None => wrong("lone surrogate in a string", at),
        }
    }

    fn hex(&self, at: usize) -> Step<(u32, usize)> {
        let mut code = 0;
        for at in at..at + 4 {
            match self.bytes.get(at).and_then(|byte| (*byte as char).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return wrong("expected four hexadecimal digits", at),
            }
        }
        Ok((code, at + 4))
    }

    #[inline(always)]
    fn number(&mut self, start: usize) -> Step<usize> {
        let digits = start + usize::from(self.bytes[start] == b'-');
        let at = self.digits(digits)?;
        if at - digits > 1 && self.bytes[digits] == b'0' {
            return wrong("a number cannot begin with 0", digits);
        }
        if matches!(self.bytes[at], b'.' | b'e' | b'E') {
            return self.float(start, at);
        }
        if at - start > MAX_DIGITS && !finite(&self.text[start..at]) {
            return wrong("number out of range", at);
        }
        self.pending.push(Node::new(Tag::Int, start, at - start));
        Ok(at)
    }

    /// Goes on with the number from `start`, which has a fraction or an exponent at `at`.
    fn float(&mut self, start: usize, mut at: usize) -> Step<usize> {
        if self.bytes[at] == b'.' {
            at = self.digits(at + 1)?;
        }
        if matches!(self.bytes[at], b'e' | b'E') {
            at += 1;
            if matches!(self.bytes[at], b'+' | b'-') {
                at += 1;
            }
            let exponent = at;
            at = self.digits(at)?;
            // Only large exponents can take it out of range.
            if at - exponent > 2 && !finite(&self.text[start..at]) {
                return wrong("number out of range", at);
            }
        }
        if at - start > MAX_DIGITS && !finite(&self.text[start..at]) {
            return wrong("number out of range", at);
        }
        self.pending.push(Node::new(Tag::Float, start, at - start));
        Ok(at)
    }

    #[inline(always)]
    fn digits(&self, start: usize) -> Step<usize> {
        let mut at = start;
        while self.bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at == start { wrong("expected a digit", at) } else { Ok(at) }
    }
}

/// Whether a double can hold the number `text`.
fn finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}
