//! JSON that px0 keeps but does not interpret.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Serialize,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The text of one JSON value, kept as it was sent: numbers keep their digits, objects their order.
///
/// It never becomes a tree on the host; what reads it is the sandbox.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// Takes a value that serde has checked to be JSON.
    pub fn from_raw(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }

    /// Parses a text.
    ///
    /// # Errors
    /// When it is not one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).map(Self::from_raw)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every reader of JSON can be expected to take it: at most 128 levels deep, numbers within what a double holds, and
    /// no half of a surrogate pair (RFC 8259, sections 8.2 and 9, leave all three to the reader).
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn readable(&self) -> Result<(), serde_json::Error> {
        serde_json::from_str::<Readable>(&self.0).map(drop)
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for JsonText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Cannot fail for what was JSON once.
        serde_json::from_str::<&RawValue>(&self.0)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self::from_raw(&raw))
    }
}

/// Any value, read as a tree of values would be, but kept nowhere.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

/// Bytes that are looked at in one go: as many as common machines compare at once.
const STRIDE: usize = 16;

/// Whether a byte cannot stand in a JSON string as it is (RFC 8259, section 7).
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Writes `text` as a JSON string. Long texts have few bytes to escape, so it looks for them in strides and copies
/// what lies between.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        if let Some(stride) = bytes[at..].first_chunk::<STRIDE>()
            && !stride.iter().fold(false, |found, byte| found | is_special(*byte))
        {
            at += STRIDE;
            continue;
        }
        let end = bytes.len().min(at + STRIDE);
        for (place, byte) in (at..end).zip(&bytes[at..end]) {
            if is_special(*byte) {
                out.extend_from_slice(&bytes[copied..place]);
                escape(out, *byte);
                copied = place + 1;
            }
        }
        at = end;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            const DIGITS: [u8; 16] = *b"0123456789abcdef";
            let (high, low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Whether a JSON text has a NUL in one of its strings, escaped (`\u0000`) or not.
pub fn has_nul(text: &[u8]) -> bool {
    if text.contains(&0) {
        return true;
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| b == b'\\') {
        let escape = &rest[at + 1..];
        if escape.starts_with(b"u0000") {
            return true;
        }
        // Skip the escaped character, so that `\\u0000` is a backslash and a word.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_however_it_is_written() {
        assert!(has_nul(br#"{"a":"x\u0000"}"#));
        assert!(has_nul(b"\0"));
        assert!(has_nul(br#""\\\u0000""#));
        assert!(!has_nul(br#""\\u0000""#));
        assert!(!has_nul(br#""\u0001\n\\""#));
        assert!(!has_nul(b"\"\\"));
    }

    #[test]
    fn a_text_is_written_as_serde_writes_it() {
        let written = |text: &str| {
            let mut out = b"before".to_vec();
            write_text(&mut out, text);
            assert_eq!(
                String::from_utf8(out).expect("UTF-8"),
                format!("before{}", serde_json::to_string(text).expect("text"))
            );
        };
        written("");
        for byte in 0..=0x80_u8 {
            // Alone, at the end of a stride, and behind it.
            for before in [0, 1, 15, 16, 17, 40] {
                written(&format!(
                    "{}{}{}",
                    "ä".repeat(before / 2),
                    char::from(byte),
                    "b".repeat(before)
                ));
            }
        }
        let mut runner = proptest::test_runner::TestRunner::default();
        let texts = "(\\PC|[\\x00-\\x7f]|[a-z ]{0,40}){0,20}";
        let any: proptest::string::RegexGeneratorStrategy<String> =
            proptest::string::string_regex(texts).expect("a pattern");
        runner
            .run(&any, |text| {
                written(&text);
                Ok(())
            })
            .expect("each is the same");
    }

    #[test]
    fn the_text_is_kept_as_it_was() {
        let text = r#"{"b": 1.0, "a": 123456789012345678901234567890}"#;
        let json = JsonText::parse(text).expect("json");
        assert_eq!(serde_json::to_string(&json).expect("text"), text);
        assert!(json.is_object());
        assert!(JsonText::parse("{").is_err());
    }

    #[test]
    fn what_some_readers_refuse_is_told_apart() {
        let readable = |text: &str| JsonText::parse(text).expect("json").readable().is_ok();
        assert!(readable(r#"{"a": [1.5, 12345678901234567890, "\ud83d\ude00"]}"#));
        assert!(readable(&format!("{}{}", "[".repeat(127), "]".repeat(127))));
        for text in [
            r#""\ud800""#,
            r#"{"\ud800":1}"#,
            "1e400",
            &format!("{}{}", "[".repeat(128), "]".repeat(128)),
        ] {
            assert!(!readable(text), "{text}");
        }
    }
}
