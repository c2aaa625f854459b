//! `plugin.toml`: what a plugin says about itself.

use std::path::{Path, PathBuf};

use px0_core::{
    json::JsonText,
    plugin::{Kind, Permission, PluginId},
};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::file;

/// The name of the file.
pub(crate) const FILE: &str = "plugin.toml";

/// What the component of an installed plugin is called.
pub(crate) const COMPONENT: &str = "plugin.wasm";

/// Why a `plugin.toml` cannot be used: a sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ManifestError(String);

/// Largest `plugin.toml`, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name.
    pub id: PluginId,
    /// Its version.
    pub version: Version,
    /// The version of the interface that it was made for.
    pub api: Version,
    /// What it is.
    pub kind: Kind,
    /// What it is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// What it would like to use.
    #[serde(default)]
    pub wants: Vec<Permission>,
    /// The file of its component, seen from this one. None: `plugin.wasm` where it is installed, and where cargo puts it while it
    /// is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<PathBuf>,
    /// The SHA-256 of that file in hex; installed plugins have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The JSON Schema of its settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<toml::Table>,
    /// Calls that `px0 plugin check` makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<Sample>,
}

/// A call that `px0 plugin check` makes, and what it expects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sample {
    /// Settings of a hook or of filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<toml::Table>,
    /// The source of a template, for an engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Variables: of an engine's render, or what a hook sees before one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<toml::Table>,
    /// The function that is called, for filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<toml::Value>,
    /// The text that a hook sees after a render.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Parameters for the model, as a hook sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_params: Option<toml::Table>,
    /// What comes out: the text of a render, the value of a call, or what a hook lets pass or puts instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives: Option<toml::Value>,
    /// The code with which a hook refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses: Option<String>,
}

impl Manifest {
    /// Reads the `plugin.toml` in `folder`.
    ///
    /// # Errors
    /// It is not there, is no TOML, or says what a plugin cannot say.
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        let file = folder.join(FILE);
        let wrong = |why: String| ManifestError(format!("{}: {why}", file.display()));
        let bytes = file::read(&file, LARGEST).map_err(ManifestError)?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Reads the text of a `plugin.toml`.
    ///
    /// # Errors
    /// It is no TOML, or says what a plugin cannot say.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| explain(&error, text))?;
        let forbidden = |kind: Kind, want: Permission| {
            let lacks_it = match want {
                Permission::Log => kind == Kind::Engine,
                Permission::Kv => kind != Kind::Hook,
            };
            manifest.kind == kind && lacks_it && manifest.wants.contains(&want)
        };
        for kind in Kind::ALL {
            for want in [Permission::Log, Permission::Kv] {
                if forbidden(kind, want) {
                    return Err(format!(
                        "wants: a plugin of the kind {} cannot have {}",
                        kind.as_str(),
                        want.as_str()
                    ));
                }
            }
        }
        if manifest.settings.is_some() && manifest.kind == Kind::Engine {
            return Err("settings: an engine has none".to_owned());
        }
        let outside = |part: std::path::Component<'_>| {
            !matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir)
        };
        let component = manifest.component.as_deref().unwrap_or(Path::new(COMPONENT));
        if component.components().any(outside) {
            return Err("component: it must be in the folder of the plugin, or below".to_owned());
        }
        if component.extension().is_some_and(|extension| extension == "cwasm") {
            return Err("component: a .cwasm is machine code, which px0 never takes from others; name the .wasm".to_owned());
        }
        Ok(manifest)
    }

    /// The JSON Schema of its settings.
    ///
    /// # Errors
    /// It has what JSON does not: a date, or a number that is none.
    pub(crate) fn settings_schema(&self) -> Result<Option<JsonText>, String> {
        let Some(settings) = &self.settings else { return Ok(None) };
        let text = serde_json::to_string(settings).map_err(|error| format!("settings: {error}"))?;
        JsonText::parse(&text)
            .map(Some)
            .map_err(|error| format!("settings: they cannot be kept as JSON: {error}"))
    }

    /// Its name with its version.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.id, self.version)
    }
}

/// Where and why a text is no manifest, in one line.
fn explain(error: &toml::de::Error, text: &str) -> String {
    let message = error.message();
    let wrong_type = message.strip_prefix("invalid type: ");
    let reason = match wrong_type.and_then(|rest| rest.split_once(", expected ")) {
        Some((found, expected)) => format!("expected {expected}, but found {found}"),
        None => message.lines().collect::<Vec<_>>().join(", "),
    };
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {reason}", before.matches('\n').count() + 1),
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "id = \"a\"\nversion = \"1.0.0\"\napi = \"0.1.0\"\nkind = \"hook\"\n";

    #[test]
    fn little_is_needed() {
        let manifest = Manifest::parse(MINIMAL).expect("a manifest");
        assert_eq!(manifest.component, None);
        assert_eq!(manifest.settings_schema(), Ok(None));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (text, why) in [
            ("id = \"a\"".to_owned(), "missing field `version`"),
            (format!("{MINIMAL}surprise = 1"), "unknown field `surprise`"),
            (MINIMAL.replace("\"a\"", "\"../a\""), "a plugin's id begins with"),
            (MINIMAL.replace("1.0.0", "one"), "unexpected character"),
            (MINIMAL.replace("hook", "virus"), "unknown variant `virus`"),
            (format!("{MINIMAL}wants = [\"network\"]"), "unknown variant `network`"),
            (
                format!("{}wants = [\"kv\"]", MINIMAL.replace("hook", "filters")),
                "a plugin of the kind filters cannot have kv",
            ),
            (format!("{}[settings]", MINIMAL.replace("hook", "engine")), "an engine has none"),
            (format!("{MINIMAL}component = \"../a.wasm\""), "must be in the folder"),
            (format!("{MINIMAL}component = \"/a.wasm\""), "must be in the folder"),
            (format!("{MINIMAL}component = \"a.cwasm\""), "machine code"),
        ] {
            let told = Manifest::parse(&text).expect_err(&text);
            assert!(told.contains(why), "{told}");
        }
    }
}
