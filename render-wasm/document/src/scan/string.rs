//! Reading strings.

use super::{Scan, Step, wrong};
use crate::{Node, Tag};

impl Scan<'_> {
    #[inline(always)]
    pub(super) fn string(&mut self, at: usize) -> Step<usize> {
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
}
