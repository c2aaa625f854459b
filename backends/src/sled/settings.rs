use std::path::PathBuf;

use serde::Deserialize;

/// Where the embedded store keeps its data.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SledSettings {
    /// The data folder. It is made, for its owner only, when it is not there; one process uses it at a time.
    pub path: PathBuf,
}

impl Default for SledSettings {
    fn default() -> Self {
        Self { path: PathBuf::from("./px0-data") }
    }
}
