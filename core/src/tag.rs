//! Tags of versions, and the words by which a version is asked for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// A tag: `[A-Za-z0-9][A-Za-z0-9._-]{0,49}`, not all digits (that is a version number), and none of
/// the reserved words `live`, `latest` and `diff` in any case. Tags that differ in case are different tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TagName(String);

impl TagName {
    /// Parses a tag.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when it is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |message| Err(Error::field(Code::InvalidField, "tag", message));
        let mut bytes = text.bytes();
        let starts = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !starts
            || text.len() > 50
            || !bytes.all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        {
            return refuse(
                "tag must have 1 to 50 letters, digits, dots, underscores or hyphens, and start with a letter or digit",
            );
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return refuse("tag must not be a number: numbers name versions");
        }
        if ["live", "latest", "diff"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return refuse("tag must not be one of the reserved words live, latest and diff");
        }
        Ok(Self(text.to_owned()))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TagName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Which version of a prompt is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The one live version.
    Live,
    /// The highest number that is not archived.
    Latest,
    /// By number.
    Number(u32),
    /// By tag.
    Tag(TagName),
}

impl Selector {
    /// What `text` selects; `None` when it is a word that can never name a version.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "live" => Some(Self::Live),
            "latest" => Some(Self::Latest),
            _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().map(Self::Number)
            }
            _ => TagName::parse(text).ok().map(Self::Tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_and_tags_never_overlap() {
        for text in ["live", "latest", "LIVE", "Latest", "diff", "12", "0"] {
            assert!(TagName::parse(text).is_err(), "{text}");
        }
        assert_eq!(Selector::parse("12"), Some(Selector::Number(12)));
        assert_eq!(Selector::parse("live"), Some(Selector::Live));
        assert_eq!(Selector::parse("LIVE"), None);
        assert_eq!(Selector::parse("99999999999999"), None);
        assert!(matches!(Selector::parse("v1.2-rc_3"), Some(Selector::Tag(_))));
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["", " ", "a b", "-a", ".a", "_a", "a/b", "é", &"a".repeat(51)] {
            assert!(TagName::parse(text).is_err(), "{text}");
        }
        assert!(TagName::parse(&"a".repeat(50)).is_ok());
    }
}
