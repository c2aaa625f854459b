//! What px0 says when it is ready.

use std::fmt;

use px0_core::render::EngineName;
use serde::Serialize;

/// Where px0 is and what it has: four lines for people ([`fmt::Display`]), or fields for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Its version.
    pub version: &'static str,
    /// Where the API is: `http://127.0.0.1:8000`.
    pub url: String,
    /// What it stores on.
    pub store: String,
    /// The engines that it has.
    pub engines: Vec<EngineName>,
    /// Where its metrics are, if they are served.
    pub metrics: Option<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, url, store, engines, metrics } = self;
        let engines: Vec<_> = engines.iter().map(EngineName::as_str).collect();
        writeln!(f, "px0 {version} listens on {url}")?;
        writeln!(f, "stores on {store}")?;
        writeln!(f, "engines: {}", engines.join(", "))?;
        match metrics {
            Some(metrics) => write!(f, "metrics on {metrics}"),
            None => f.write_str("metrics are not served"),
        }
    }
}
