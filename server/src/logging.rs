//! The log of the process.

use std::io::{IsTerminal, stderr};

use px0_config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error: standard output is for what a command answers.
///
/// # Errors
/// When the filter of the settings cannot be read.
pub(crate) fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = EnvFilter::try_new(&settings.filter);
    let filter = filter.map_err(|error| format!("invalid value for `log.filter`: {error}"))?;
    let pretty = match settings.format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if pretty {
        builder.with_ansi(stderr().is_terminal()).with_target(false).init();
    } else {
        builder.json().flatten_event(true).with_target(false).init();
    }
    Ok(())
}
