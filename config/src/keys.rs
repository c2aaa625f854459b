//! Which keys there are, and what to say of one that is not.

use std::{collections::BTreeMap, path::Path};

use figment::value::Value;
use toml::Table;

use crate::{ConfigError, DEFAULTS, FILE_VARIABLE, PREFIX, explain};

/// Keys, dotted, with their defaults.
pub(crate) type Known = BTreeMap<String, toml::Value>;

/// Every key, dotted, as [`DEFAULTS`] has them.
pub(crate) fn known() -> Result<Known, ConfigError> {
    let table = toml::from_str(DEFAULTS);
    let table = table.map_err(|error| ConfigError::Value(explain::syntax(&error, DEFAULTS)))?;
    Ok(flatten(&table))
}

/// Keys that were, and what to write instead.
const RETIRED: [(&str, &str); 1] = [(
    "http.trust_forwarded_for",
    "write `http.trusted_proxies = [\"127.0.0.1\"]` with the addresses or networks of the proxies \
     in front of px0 (PX0_HTTP__TRUSTED_PROXIES in the environment), or nothing if there are none",
)];

fn flatten(table: &Table) -> Known {
    fn walk(table: &Table, prefix: &str, keys: &mut Known) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => walk(inner, &key, keys),
                _ => {
                    keys.insert(key, value.clone());
                }
            }
        }
    }
    let mut keys = Known::new();
    walk(table, "", &mut keys);
    keys
}

/// What a file has, if it has no key that is not known.
pub(crate) fn read_file(known: &Known, path: &Path, text: &str) -> Result<Table, ConfigError> {
    let table: Table = toml::from_str(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        message: explain::syntax(&error, text),
    })?;
    match flatten(&table).into_keys().find(|key| !known.contains_key(key)) {
        Some(key) => Err(unknown(known, format!("the configuration file {}", path.display()), key)),
        None => Ok(table),
    }
}

/// The settings among the environment's variables, by dotted key.
///
/// A setting has two underscores between section and key. Other variables that begin with `PX0_` are
/// somebody else's (a shell that follows our guide has `PX0_ACCESS_TOKEN`), unless they are a known
/// key with its underscores wrong.
pub(crate) fn check_variables(
    known: &Known,
    variables: &[(String, String)],
) -> Result<Vec<(String, Value)>, ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|_| name != FILE_VARIABLE) else {
            continue;
        };
        let key = rest.to_lowercase().replace("__", ".");
        if let Some(default) = known.get(&key) {
            let value = value_of(value, default.is_str());
            ours.push((key, value));
        } else if rest.contains("__") {
            return Err(unknown(known, "the environment".to_owned(), key).in_variables(name));
        } else if let Some(meant) = known.keys().find(|known| plain(known) == plain(&key)) {
            return Err(ConfigError::UnknownKey {
                source_name: "the environment".to_owned(),
                key: name.clone(),
                nearest: Some(variable(meant)),
            });
        }
    }
    Ok(ours)
}

/// A value as it stands in a variable: a text where the key wants one (a password may look like a number), else what
/// figment's own environment provider makes of it.
fn value_of(text: &str, is_text: bool) -> Value {
    match text.parse() {
        Ok(value) if !is_text => value,
        _ => Value::from(text),
    }
}

fn plain(key: &str) -> String {
    key.replace(['.', '_'], "")
}

fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

fn unknown(known: &Known, source_name: String, key: String) -> ConfigError {
    if let Some((_, instead)) = RETIRED.iter().find(|(retired, _)| *retired == key) {
        return ConfigError::RetiredKey { source_name, key, instead };
    }
    let nearest = known.keys().max_by(|a, b| closeness(a, &key).total_cmp(&closeness(b, &key)));
    let nearest = nearest.filter(|known| closeness(known, &key) > 0.7).cloned();
    ConfigError::UnknownKey { source_name, key, nearest }
}

fn closeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}

impl ConfigError {
    /// The same in the words of environment variables.
    fn in_variables(self, name: &str) -> Self {
        match self {
            Self::UnknownKey { source_name, nearest, .. } => Self::UnknownKey {
                source_name,
                key: name.to_owned(),
                nearest: nearest.map(|key| variable(&key)),
            },
            Self::RetiredKey { source_name, instead, .. } => {
                Self::RetiredKey { source_name, key: name.to_owned(), instead }
            }
            other => other,
        }
    }
}
