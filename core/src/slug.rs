//! Slugs: the names by which services call prompts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Code, Error},
    name::Name,
};

/// A prompt's name in a URL: `[a-z0-9_]{1,100}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Longest slug, in bytes.
    pub const MAX: usize = 100;

    /// Normalizes a slug that a caller gave: lower-cased, every other run of characters one `_`, none at the ends.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when nothing is left, or more than 100 characters are.
    pub fn given(text: &str) -> Result<Self, Error> {
        match normalize(text) {
            slug if slug.is_empty() => {
                Err(refuse("slug must have at least one letter a-z or digit"))
            }
            slug if slug.len() > Self::MAX => Err(refuse("slug must have at most 100 characters")),
            slug => Ok(Self(slug)),
        }
    }

    /// Makes a slug from a prompt's name.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when nothing is left of it: the caller should give a slug.
    pub fn from_name(name: &Name) -> Result<Self, Error> {
        // A name has at most 100 characters, but lower-casing may make more of them.
        let mut slug = normalize(name.as_str());
        slug.truncate(Self::MAX);
        let slug = slug.trim_end_matches('_');
        if slug.is_empty() {
            return Err(refuse(
                "no slug can be made from this name; please give a slug of letters a-z and digits",
            ));
        }
        Ok(Self(slug.to_owned()))
    }

    /// The slug that `text` is, if it is one already: for looking up, where nothing is normalized.
    pub fn exact(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        (fits && plain).then(|| Self(text.to_owned()))
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn normalize(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    if slug.ends_with('_') {
        slug.pop();
    }
    slug
}

fn refuse(message: &'static str) -> Error {
    Error::field(Code::InvalidField, "slug", message)
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::exact(&text).ok_or_else(|| serde::de::Error::custom("not a slug"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_other_run_becomes_one_underscore() {
        for (given, slug) in [
            ("Support Reply", "support_reply"),
            ("  --Hello,   World!-- ", "hello_world"),
            ("a__b", "a_b"),
            ("Größe 2", "gr_e_2"),
            ("_x_", "x"),
        ] {
            assert_eq!(Slug::given(given).expect(given).as_str(), slug);
        }
        assert!(Slug::given("日本語").is_err());
        assert!(Slug::given("").is_err());
        assert!(Slug::given(&"a".repeat(101)).is_err());
    }

    proptest! {
        #[test]
        fn a_slug_is_its_own_slug(text in "\\PC{0,120}") {
            if let Ok(slug) = Slug::given(&text) {
                prop_assert_eq!(Slug::exact(slug.as_str()), Some(slug.clone()));
                prop_assert_eq!(&Slug::given(slug.as_str()).expect("again"), &slug);
            }
        }

        #[test]
        fn a_name_makes_a_slug_or_says_why(text in "\\PC{1,100}") {
            if let Ok(slug) = Name::parse("name", &text).and_then(|name| Slug::from_name(&name)) {
                prop_assert!(Slug::exact(slug.as_str()).is_some());
            }
        }
    }
}
