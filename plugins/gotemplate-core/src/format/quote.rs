//! Quoted text, and the characters of bytes that may not be text.

use std::fmt::Write;

/// The first character, `None` if the bytes are not one, and what follows it. Like Go, this takes
/// one byte at a time of what is not UTF-8.
pub(crate) fn next_char(bytes: &[u8]) -> Option<(Option<char>, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first.is_ascii() {
        return Some((Some(char::from(*first)), rest));
    }
    for len in 2..=4 {
        let Some((head, rest)) = bytes.split_at_checked(len) else { break };
        if let Ok(text) = str::from_utf8(head) {
            return Some((text.chars().next(), rest));
        }
    }
    Some((None, rest))
}

/// How many characters there are, as [`next_char`] counts them.
pub(super) fn count_chars(bytes: &[u8]) -> usize {
    match str::from_utf8(bytes) {
        Ok(text) => text.chars().count(),
        Err(_) => {
            let mut count = 0;
            let mut rest = bytes;
            while let Some((_, after)) = next_char(rest) {
                rest = after;
                count += 1;
            }
            count
        }
    }
}

/// Whether Go prints the character as it is: letters, marks, numbers, punctuation, symbols and
/// the ASCII space.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    // Rust escapes the same characters, and marks at the beginning, so this one is not there.
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().nth(1) == Some(c)
}

/// Whether the text can stand between backquotes.
pub(super) fn can_backquote(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    text.chars().all(|c| c == '\t' || c >= ' ' && !matches!(c, '`' | '\x7f' | '\u{feff}'))
}

/// The text in double quotes.
pub(super) fn string(bytes: &[u8], ascii: bool) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    let mut rest = bytes;
    while let Some((c, after)) = next_char(rest) {
        match (c, rest.first()) {
            (Some(c), _) => push_escaped(&mut quoted, c, '"', ascii),
            (None, byte) => push_byte(&mut quoted, byte.copied().unwrap_or_default()),
        }
        rest = after;
    }
    quoted.push('"');
    quoted
}

/// The character in single quotes.
pub(super) fn character(c: char, ascii: bool) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, c, '\'', ascii);
    quoted.push('\'');
    quoted
}

fn push_byte(to: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(to, "\\x{byte:02x}");
}

fn push_escaped(to: &mut String, c: char, quote: char, ascii: bool) {
    match c {
        _ if c == quote || c == '\\' => to.extend(['\\', c]),
        _ if is_print(c) && (!ascii || c.is_ascii()) => to.push(c),
        '\x07' => to.push_str("\\a"),
        '\x08' => to.push_str("\\b"),
        '\x0c' => to.push_str("\\f"),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        '\x0b' => to.push_str("\\v"),
        _ => {
            let code = u32::from(c);
            let _ = match code {
                0..0x20 | 0x7f => write!(to, "\\x{code:02x}"),
                0..0x10000 => write!(to, "\\u{code:04x}"),
                _ => write!(to, "\\U{code:08x}"),
            };
        }
    }
}
