//! JSON that px0 keeps but does not interpret.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
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
        serde_json::from_str::<serde_json::Value>(&self.0).map(drop)
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
        for text in [r#""\ud800""#, "1e400", &format!("{}{}", "[".repeat(128), "]".repeat(128))] {
            assert!(!readable(text), "{text}");
        }
    }
}
