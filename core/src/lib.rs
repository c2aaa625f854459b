//! # px0-core
//!
//! What px0 is about, and nothing of how it is served or stored: the domain types, the rules, the
//! storage traits with their laws, the workflows written against those traits, and the in-memory
//! store that is the reference for every other one. Core knows no HTTP, no SQL and no wasm.
//!
//! - Parsed values: [`Email`], [`Slug`], [`Name`], [`TagName`], [`ids`].
//! - Who may do what: [`access`], one table.
//! - What a version goes through: [`lifecycle`].
//! - What a backend promises: [`store`], and its reference in [`memory`].
//! - What the product does: [`workflows`].

pub mod access;
pub mod cache;
pub mod caller;
pub mod clock;
pub mod email;
pub mod error;
pub mod hex;
pub mod ids;
pub mod json;
pub mod key;
pub mod lifecycle;
pub mod mailed;
pub mod memory;
pub mod name;
pub mod network;
pub mod page;
pub mod password;
pub mod plugin;
pub mod prompt;
pub mod render;
pub mod secret;
pub mod slug;
pub mod store;
pub mod tag;
pub mod tenancy;
pub mod user;
pub mod version;
pub mod workflows;

/// The target of the spans that traces are made of. They are made only within a request that is traced, and no log has them.
pub const SPANS: &str = "px0::span";

pub use clock::Timestamp;
pub use email::Email;
pub use error::{Code, Error};
pub use name::{Description, Name};
pub use slug::Slug;
pub use tag::TagName;
