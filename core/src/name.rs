//! Names and descriptions that people give to things.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// A name: trimmed, 1 to 100 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Longest name, in characters.
    pub const MAX: usize = 100;

    /// Parses a name; `field` is what the caller called it, for the error.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when it is empty, too long, or has control characters.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Error> {
        let name = text.trim();
        if name.chars().any(char::is_control) {
            return Err(refuse(field, "must not have control characters"));
        }
        match name.chars().count() {
            1..=Self::MAX => Ok(Self(name.to_owned())),
            _ => Err(refuse(field, "must have 1 to 100 characters")),
        }
    }

    /// The name that the store or the program itself made, cut to what a name may be.
    pub fn made(text: &str) -> Self {
        let clean: String = text.chars().filter(|c| !c.is_control()).take(Self::MAX).collect();
        match clean.trim() {
            "" => Self("unnamed".to_owned()),
            name => Self(name.to_owned()),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse("name", &text).map_err(serde::de::Error::custom)
    }
}

/// A free text of at most 2,000 characters; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Description(String);

impl Description {
    /// Longest description, in characters.
    pub const MAX: usize = 2000;

    /// Parses a description; `field` is what the caller called it, for the error.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when it is too long.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Error> {
        if text.chars().count() > Self::MAX {
            return Err(refuse(field, "must have at most 2000 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn refuse(field: &'static str, rule: &str) -> Error {
    Error::field(Code::InvalidField, field, format!("{field} {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded_in_characters() {
        assert_eq!(Name::parse("name", "  a b ").expect("a name").as_str(), "a b");
        assert!(Name::parse("name", &"é".repeat(100)).is_ok());
        for bad in ["", "   ", "a\nb", "a\0", &"é".repeat(101)] {
            assert!(Name::parse("name", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn descriptions_may_be_empty_and_have_lines() {
        assert!(Description::parse("description", "").is_ok());
        assert!(Description::parse("description", "a\nb").is_ok());
        assert!(Description::parse("description", &"é".repeat(2000)).is_ok());
        assert!(Description::parse("description", &"é".repeat(2001)).is_err());
    }
}
