//! Reading JSON: one pass over the text that fills a tape.

mod string;

use crate::{Node, Tag};

/// How deep arrays and objects may nest. Deeper documents are either mistakes or attacks.
const MAX_DEPTH: usize = 128;

/// Numbers of up to this many digits are in the range of a double.
const MAX_DIGITS: usize = 300;

/// Why a text is not JSON, and where.
#[derive(Debug)]
pub(crate) struct ScanError {
    pub(crate) message: &'static str,
    pub(crate) offset: usize,
}

/// What a scan found.
pub(crate) struct Scanned {
    pub(crate) root: Node,
    pub(crate) nodes: Vec<u64>,
    pub(crate) side: String,
}

/// Reads `text`, which ends with a zero byte: no JSON has one, so the scan need not look for its end.
pub(crate) fn scan(text: &str) -> Result<Scanned, ScanError> {
    let mut scan = Scan {
        bytes: text.as_bytes(),
        text,
        side: String::new(),
        pending: Vec::with_capacity(64),
        nodes: Vec::with_capacity(text.len() / 16 + 8),
        open: Vec::with_capacity(16),
    };
    let root = scan.document()?;
    Ok(Scanned { root, nodes: scan.nodes, side: scan.side })
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
    nodes: Vec<u64>,
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
        let Some(Open { first, object }) = self.open.pop() else {
            return;
        };
        let start = self.nodes.len();
        let node = if object {
            self.sort(first);
            Node::new(Tag::Object, start, (self.pending.len() - first) / 2)
        } else {
            Node::new(Tag::Array, start, self.pending.len() - first)
        };
        self.nodes.extend(self.pending.drain(first..).map(Node::bits));
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
            &buffer[node.first() as usize..(node.first() + node.length()) as usize]
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
