//! Lines in the operator's log. Granted to plugins whose `plugin.toml` wants `log`.
//!
//! What is longer than 1,024 bytes is cut, and after 20 lines of one call no more are written. Do not
//! write variables or rendered texts: they are the tenants'. Outside of WebAssembly the lines go to
//! standard error.

/// Writes a line for whoever develops the plugin.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// Writes a line about what normally happens.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Writes a line about what should not happen.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Writes a line about what must not happen.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}

/// How much a line matters.
#[derive(Clone, Copy, Debug)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

// Both worlds import the same interface; one of those that are there is enough.
#[cfg(all(target_family = "wasm", feature = "hook"))]
use crate::hook::bindings::px0::plugin::log as host;

#[cfg(all(target_family = "wasm", feature = "filters", not(feature = "hook")))]
use crate::filters::bindings::px0::plugin::log as host;

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str) {
    let level = match level {
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::write(level, message);
}
