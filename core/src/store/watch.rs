//! What changed, for whoever keeps a copy: the render path reads from memory what nobody has changed since.

use std::{fmt, str::FromStr, time::Instant};

use crate::ids::OrgId;

/// What a copy may be out of date about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// An API key of this organization went, or reaches less.
    Keys(OrgId),
    /// A prompt of this organization, a version or a tag of one: made, changed, moved or gone.
    Prompts(OrgId),
    /// What this organization decided about a plugin.
    Plugins(OrgId),
    /// Anything.
    All,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(org) => write!(f, "keys:{org}"),
            Self::Prompts(org) => write!(f, "prompts:{org}"),
            Self::Plugins(org) => write!(f, "plugins:{org}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// What another px0 says, perhaps a newer one: what is not understood is [`Change::All`].
impl FromStr for Change {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let change = text.split_once(':').and_then(|(what, org)| match (what, org.parse()) {
            ("keys", Ok(org)) => Some(Self::Keys(org)),
            ("prompts", Ok(org)) => Some(Self::Prompts(org)),
            ("plugins", Ok(org)) => Some(Self::Plugins(org)),
            _ => None,
        });
        Ok(change.unwrap_or(Self::All))
    }
}

/// Whether changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// They are not.
    No,
    /// They are, until something else is said.
    Yes,
    /// Every change so far was told, and copies may be used until this moment: whoever hears nothing for longer, or did not
    /// run meanwhile, cannot know. (A machine that was suspended has a clock that was, too, and gets the rest of it.)
    Until(Instant),
}

/// Somebody who keeps copies.
pub trait Watcher: Send + Sync + 'static {
    /// These changed. A store says so before it acknowledges its own write, and within a second of another process's.
    fn changed(&self, changes: &[Change]);

    /// Whether changes are told at present. While they are not, no copy may be used; once they are again, none from before.
    fn told(&self, told: Told);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_survives_its_text_and_what_is_strange_is_anything() {
        let org = OrgId::new();
        for change in [Change::Keys(org), Change::Prompts(org), Change::Plugins(org), Change::All] {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for strange in ["", "users:1", "keys:x", "prompts"] {
            assert_eq!(strange.parse(), Ok(Change::All));
        }
    }
}
