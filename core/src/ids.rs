//! Newtype ids: a team's id cannot be passed where a prompt's is wanted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Not a UUID in its hyphenated form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid id")]
pub struct InvalidId;

/// Parses the hyphenated form only (36 characters), in any case: the braced, URN and bare forms of
/// the `uuid` crate would give one thing several names.
fn parse(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != 36 {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: UUID v7, so that newer ids sort after older ones.
            #[expect(clippy::new_without_default, reason = "a default id would be a lie")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that `uuid` is.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID behind it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

id! {
    /// A person.
    UserId,
    /// An organization, the tenant.
    OrgId,
    /// A team of an organization.
    TeamId,
    /// A request to join a team.
    JoinRequestId,
    /// An API key (not its secret).
    KeyId,
    /// A prompt.
    PromptId,
    /// A version of a prompt.
    VersionId,
    /// A sample payload of a prompt.
    PayloadId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = UserId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        for other in [
            id.uuid().simple().to_string(),
            id.uuid().urn().to_string(),
            id.uuid().braced().to_string(),
            String::new(),
        ] {
            assert_eq!(other.parse::<UserId>(), Err(InvalidId), "{other}");
        }
    }

    #[test]
    fn newer_ids_sort_after_older_ones() {
        let ids: Vec<_> = (0..1000).map(|_| VersionId::new()).collect();
        assert!(ids.is_sorted());
    }
}
