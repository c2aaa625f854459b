//! Plugins, as the rest of px0 speaks with them: what is installed, what it may do, and what becomes of those that mean harm.
#![allow(clippy::unwrap_used, missing_docs, reason = "in a test, a panic is how a failure is told")]

mod grants;
mod hostile;
mod installing;
mod lending;
mod world;
