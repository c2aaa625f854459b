use std::path::PathBuf;

use serde::Deserialize;

/// Where the embedded store keeps its data.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SledSettings {
    /// The data folder. It is made, for its owner only, when it is not there; one process uses it at a time.
    pub path: PathBuf,
    /// Bytes of a file in it that has no other use than its room, which is given up when the disk is full and px0 has to start. 0: none.
    pub reserve: u64,
}

impl Default for SledSettings {
    fn default() -> Self {
        Self { path: PathBuf::from("./px0-data"), reserve: 32 * 1024 * 1024 }
    }
}
