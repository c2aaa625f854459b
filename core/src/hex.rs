//! Bytes as text: two digits each. `#[serde(with = "px0_core::hex")]` keeps bytes so.

use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The text of these bytes, in lower case.
pub fn text(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes that a text stands for, if it is one of [`text`].
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

/// For serde: bytes as a text.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(bytes))
}

/// For serde: bytes from a text.
///
/// # Errors
/// When it is none, or not one of [`text`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    bytes(&text).ok_or_else(|| D::Error::custom("bytes are not in hex"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_text_and_nothing_else_is_one() {
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&text(&every)), Some(every));
        assert_eq!(text(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(bytes(""), Some(Vec::new()));
        for strange in ["0", "0g", "+f", "AA", " 0", "é"] {
            assert_eq!(bytes(strange), None, "{strange}");
        }
    }
}
