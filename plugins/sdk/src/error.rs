//! What can go wrong in every kind of plugin.

use std::{error::Error, fmt};

use serde::Deserialize;

/// Why a plugin did not do what it was asked. The text is one sentence, shown to people of the
/// organization with the plugin's name and version in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginError {
    /// The settings cannot be used. Only `configure` answers so.
    Settings(String),
    /// Anything else.
    Failed(String),
}

impl PluginError {
    /// The settings cannot be used, because `reason`.
    pub fn settings(reason: impl Into<String>) -> PluginError {
        PluginError::Settings(reason.into())
    }

    /// It did not work, because `reason`.
    pub fn failed(reason: impl Into<String>) -> PluginError {
        PluginError::Failed(reason.into())
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PluginError::Settings(reason) | PluginError::Failed(reason) => f.write_str(reason),
        }
    }
}

impl Error for PluginError {}

/// JSON that cannot be read, or a value that cannot be written as such.
impl From<serde_json::Error> for PluginError {
    fn from(error: serde_json::Error) -> PluginError {
        PluginError::failed(error.to_string())
    }
}

/// Why a function gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// There is no function of that name.
    Unknown,
    /// The arguments are not what it takes: one sentence, which the author of the template reads.
    Arguments(String),
    /// It could not do its work: one sentence, which the author of the template reads.
    Failed(String),
}

impl CallError {
    /// The arguments are not what the function takes, because `reason`.
    pub fn arguments(reason: impl Into<String>) -> CallError {
        CallError::Arguments(reason.into())
    }

    /// It did not work, because `reason`.
    pub fn failed(reason: impl Into<String>) -> CallError {
        CallError::Failed(reason.into())
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Unknown => f.write_str("there is no such function"),
            CallError::Arguments(reason) | CallError::Failed(reason) => f.write_str(reason),
        }
    }
}

impl Error for CallError {}

/// The settings of a plugin that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSettings;

/// By hand: plugins that derive nothing need no derive.
impl<'de> Deserialize<'de> for NoSettings {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Empty;

        impl<'de> serde::de::Visitor<'de> for Empty {
            type Value = NoSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no settings")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<NoSettings, A::Error> {
                match map.next_key::<String>()? {
                    None => Ok(NoSettings),
                    Some(name) => {
                        Err(serde::de::Error::custom(format!("there is no setting `{name}`")))
                    }
                }
            }
        }

        from.deserialize_map(Empty)
    }
}

/// Reads settings, a JSON object.
#[cfg(any(feature = "filters", feature = "hook"))]
pub(crate) fn settings<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, PluginError> {
    // In two steps, because errors of the first kind of reading end in a line and a column that
    // no admin has ever seen.
    serde_json::from_str::<serde_json::Value>(json)
        .and_then(serde_json::from_value)
        .map_err(|error| PluginError::settings(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_settings_are_an_empty_object() {
        assert_eq!(serde_json::from_str::<NoSettings>("{}").unwrap(), NoSettings);
        let error = serde_json::from_value::<NoSettings>(serde_json::json!({"a": 1})).unwrap_err();
        assert_eq!(error.to_string(), "there is no setting `a`");
    }

    #[cfg(any(feature = "filters", feature = "hook"))]
    #[test]
    fn what_is_wrong_with_settings_has_no_place() {
        #[derive(Debug, serde::Deserialize)]
        struct Limits {
            #[allow(dead_code)]
            max: u32,
        }
        assert_eq!(
            settings::<Limits>(r#"{"max": "many"}"#).unwrap_err(),
            PluginError::settings("invalid type: string \"many\", expected u32"),
        );
        assert_eq!(
            settings::<Limits>("{}").unwrap_err(),
            PluginError::settings("missing field `max`"),
        );
    }
}
