//! # px0-server
//!
//! px0 over HTTP: the only crate that sees all the others.
//!
//! - [`start`] puts the product together from its settings and serves it;
//! - [`router`] has every route on one screen; the handlers are in [`v1`], one file a group;
//! - `extract` turns requests into values that handlers can trust, in the order of checks of the contract;
//! - `middleware` is what every request goes through;
//! - [`maintain`] is what `px0 export`, `import` and `fsck` do; `control` is how they reach a running px0;
//! - [`telemetry`] is what operators see of it;
//! - [`answer`] writes rendered texts; `error` gives every failure its status and its body.

pub mod answer;
pub mod app;
mod bodies;
mod connections;
mod control;
mod descriptors;
mod error;
mod extract;
mod host;
mod limiter;
mod listen;
mod mail;
pub mod maintain;
mod middleware;
mod one_address;
mod openapi;
pub mod operator;
mod patient;
pub mod router;
mod routes;
mod serve;
pub mod start;
mod summary;
pub mod telemetry;
mod v1;

pub use app::App;
pub use listen::ListenError;
pub use start::{Running, StartError, start, start_with};
pub use summary::Summary;
pub use telemetry::Telemetry;

/// The HTTP status of a kind of failure, for the documentation.
pub const fn status_of(class: px0_core::error::Class) -> u16 {
    error::status(class).as_u16()
}
