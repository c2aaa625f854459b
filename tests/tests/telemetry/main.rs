//! What operators see: a px0 of its own process, and parts that receive what it tells.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop where it stands"
)]

mod faults;
mod otlp;
mod receiver;
mod scrape;
mod secrets;
