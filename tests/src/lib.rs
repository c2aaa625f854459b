//! A world for tests from the outside: a px0 of its own for each, spoken to over a real socket.
//!
//! ```no_run
//! # async fn example() {
//! use px0_tests::App;
//! let app = App::start().await;
//! let ada = app.founder("ada").await;
//! let answer = ada.post("/v1/orgs", serde_json::json!({ "name": "Acme" })).await;
//! assert_eq!(answer.status, 201);
//! # }
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test may stop where it stands"
)]

mod app;
mod client;
pub mod plugin;
pub mod postgres;
pub mod process;
mod team;

pub use app::{App, PASSWORD, compiled};
pub use client::{Answer, Client};
pub use team::Home;
