//! What a panic says, and to whom.

use std::panic::{self, PanicHookInfo};

/// The driver of the embedded store panics over damaged files. The store catches that and says what is the matter in words of its own.
const DRIVER: &str = "/sled-";

/// Has panics say where they were and why in one line of the log, or of standard error where there is no log.
pub(crate) fn say_in_a_line() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        if place.contains(DRIVER) {
            tracing::debug!(place, what = words(panic), "the driver of the store panicked");
        } else if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!(place, what = words(panic), "panicked");
        } else {
            eprintln!("px0: panicked at {place}: {}", words(panic));
        }
    }));
}

fn words<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    panic.payload_as_str().unwrap_or("without a word")
}
