//! px0 over HTTP, as its users see it.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop where it stands")]

mod bad_input;
mod guide;
mod life;
mod matrix;
mod openapi;
mod path;
