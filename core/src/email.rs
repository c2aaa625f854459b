//! E-mail addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// An e-mail address: trimmed, lower-cased, at most 254 bytes (RFC 5321's limit for a path).
///
/// What is accepted is what mail is delivered to in practice: `local@domain`, a local part of at most 64
/// bytes without spaces, quotes or control characters, and a domain of dot-separated labels with at
/// least one dot. International domains are accepted in either form; whether mail arrives is
/// proved by the code that is sent there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Longest address, in bytes.
    pub const MAX: usize = 254;

    /// Parses an address.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when it is not one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let address = text.trim().to_lowercase();
        if address.len() > Self::MAX {
            return Err(Self::refuse("email must have at most 254 characters"));
        }
        match address.split_once('@') {
            Some((local, domain)) if is_local(local) && is_domain(domain) => Ok(Self(address)),
            _ => Err(Self::refuse("email must be an address such as name@example.com")),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }

    fn refuse(message: &'static str) -> Error {
        Error::field(Code::InvalidField, "email", message)
    }
}

fn is_local(local: &str) -> bool {
    (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
}

fn is_domain(domain: &str) -> bool {
    let mut labels = domain.split('.');
    domain.contains('.')
        && labels.all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_do_not_make_another_address() {
        let email = Email::parse("  Ada.Lovelace+px0@Example.COM\n").expect("an address");
        assert_eq!(email.as_str(), "ada.lovelace+px0@example.com");
        assert_eq!(email.local(), "ada.lovelace+px0");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@{}.com", "a".repeat(64), "b".repeat(190));
        for text in [
            "",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.d",
            "a@b..c",
            "a@-b.c",
            ".a@b.c",
            "a@@b.c",
            "a@b.c,d@e.f",
            "a\0@b.c",
            "<a@b.c>",
            long.as_str(),
        ] {
            let error = Email::parse(text).expect_err(text);
            assert_eq!(error.code, Code::InvalidField, "{text}");
        }
    }
}
