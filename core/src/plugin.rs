//! Plugins, as far as an organization has a say: which it uses, and with which settings; and the [`Host`] that runs them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{Code, Error},
    ids::OrgId,
    json::JsonText,
    page::Weigh,
};

mod host;

pub use host::{
    Benched, HookError, Host, Installed, Kind, MAX_SAMPLE_BYTES, MAX_SAMPLES, NoPlugins,
    Permission, PluginFailure, Point, Sample, SettingsError, Subject, decision,
};

/// The name of a plugin: `[a-z][a-z0-9-]{0,63}`. It does not depend on whether the plugin is installed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginId(Arc<str>);

impl PluginId {
    /// Longest id, in bytes.
    pub const MAX: usize = 64;

    /// Reads an id.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when it is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if begins && plain && text.len() <= Self::MAX {
            return Ok(Self(text.into()));
        }
        let message = format!(
            "a plugin's id begins with a letter a-z, has letters a-z, digits and -, and at most {} of them",
            Self::MAX
        );
        Err(Error::field(Code::InvalidField, "id", message))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PluginId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).map_err(|error| format!("{}, but found `{text}`", error.message))
    }
}

impl From<PluginId> for String {
    fn from(id: PluginId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// What happens to a render, or a promotion, when a hook fails to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It fails, too: nothing passes unseen.
    #[default]
    Refuse,
    /// It goes on as if the hook had let it pass.
    Pass,
}

impl OnFailure {
    /// Every answer to that.
    pub const ALL: [Self; 2] = [Self::Refuse, Self::Pass];

    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Pass => "pass",
        }
    }
}

/// What an organization decided about a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgPlugin {
    /// Whose decision it is.
    pub org_id: OrgId,
    /// About which plugin.
    pub plugin: PluginId,
    /// What it was when that was decided. A hook that is not installed any more must not be passed over in silence.
    pub kind: Kind,
    /// Whether it is used.
    pub enabled: bool,
    /// What happens when it fails; only hooks are asked.
    pub on_failure: OnFailure,
    /// Its settings, a JSON object; `None` is the same as an empty one.
    pub settings: Option<JsonText>,
    /// When this was last decided.
    pub updated_at: Timestamp,
}

impl Weigh for OrgPlugin {
    fn weight(&self) -> usize {
        self.settings.as_ref().map_or(0, |settings| settings.as_str().len())
    }
}

/// What an organization decided about all plugins, sorted by id; of those that are not in it, nothing.
pub type OrgPlugins = Vec<OrgPlugin>;

/// The key of a value that a hook keeps: 1 to 128 bytes, no NUL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ValueKey(String);

impl ValueKey {
    /// Longest key, in bytes.
    pub const MAX: usize = 128;

    /// The key that `text` is, if it is one.
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=Self::MAX).contains(&text.len()) && !text.contains('\0');
        fits.then_some(Self(text))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ValueKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(text).ok_or("a key has 1 to 128 bytes and no NUL")
    }
}

impl From<ValueKey> for String {
    fn from(key: ValueKey) -> Self {
        key.0
    }
}

/// Longest value that a hook may keep, in bytes.
pub const MAX_VALUE: usize = 16 * 1024;

/// Most values that a hook may keep for one organization.
pub const MAX_VALUES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_words() {
        for good in ["a", "json-guard", "redact2", &"a".repeat(64)] {
            assert_eq!(PluginId::parse(good).expect("an id").as_str(), good);
        }
        for bad in ["", "A", "2a", "-a", "a_b", "a.b", "../a", "é", &"a".repeat(65)] {
            assert!(PluginId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_short_texts() {
        assert!(ValueKey::parse("a key, é").is_some());
        for bad in ["".to_owned(), "a\0b".to_owned(), "a".repeat(129)] {
            assert!(ValueKey::parse(bad).is_none());
        }
    }
}
