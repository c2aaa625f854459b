//! px0's settings: `default.toml`, then a file, then the environment, each replacing what it names.
//!
//! Every key there is stands in [`DEFAULTS`], with a line of prose. A key that does not is refused
//! by name, with the nearest one that does: a misspelt limit must not be a limit that is not there.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};

mod address;
mod explain;
mod filter;
mod keys;
mod origin;
mod proxies;
mod settings;

pub use address::ListenAddr;
pub use proxies::TrustedProxies;
pub use settings::{
    AuthSettings, Backend, EmailMode, EmailSettings, HttpSettings, LimitSettings, LogFormat,
    LogSettings, RateLimitSettings, Settings, SmtpSecurity, SmtpSettings, StoreSettings,
    TelemetrySettings,
};

/// Every key with its default.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// What environment variables of ours begin with.
pub const PREFIX: &str = "PX0_";

/// The environment variable that names a configuration file.
pub const FILE_VARIABLE: &str = "PX0_CONFIG";

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration file {} is not TOML: {message}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// There is no such key.
    #[error("{source_name} has a key that px0 does not know: `{key}`{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// Where it stands.
        source_name: String,
        /// The key.
        key: String,
        /// The nearest known one.
        nearest: Option<String>,
    },
    /// A key of a former px0.
    #[error("{source_name} has the key `{key}`, which is no more: {instead}")]
    RetiredKey {
        /// Where it stands.
        source_name: String,
        /// The key.
        key: String,
        /// What to write.
        instead: &'static str,
    },
    /// A value that its key cannot have.
    #[error("{0}")]
    Value(String),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

impl Settings {
    /// Reads the settings: the defaults, then `file` (or the one that `PX0_CONFIG` names), then the environment.
    ///
    /// # Errors
    /// What stands where and is wrong, in a sentence for the operator.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Self::from_parts(file, &variables)
    }

    /// The same, with these environment variables instead of the process's own.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_parts(
        file: Option<&Path>,
        variables: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let known = keys::known()?;
        let named = variables
            .iter()
            .find(|(name, _)| name == FILE_VARIABLE)
            .map(|(_, path)| Path::new(path));
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(path) = file.or(named) {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
            // As it was read: what figment's own parser says of a file may repeat a line of it.
            let table = keys::read_file(&known, path, &text)?;
            figment = figment.merge(Serialized::defaults(table));
        }
        let ours = keys::check_variables(&known, variables)?;
        for (key, value) in ours {
            figment = figment.merge((key, value));
        }
        let settings: Self = figment.extract().map_err(|error| explain::value(&error, &known))?;
        settings.check()?;
        Ok(settings)
    }
}
