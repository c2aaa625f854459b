//! # px0-backends
//!
//! The storage traits of `px0_core::store` on real storage. Each backend has the same drawers:
//! `settings` (how it is configured), `error` (the driver's errors become ours), and one file for
//! each trait: `accounts`, `tenancy`, `keys`, `prompts`.
//!
//! - [`sled`]: embedded, in a folder; what px0 runs on when nothing else is said.
//! - [`postgres`]: a database, for several px0 at once.

pub mod postgres;
pub mod sled;

pub use crate::{
    postgres::{PgStore, PostgresSettings},
    sled::{SledSettings, SledStore},
};
