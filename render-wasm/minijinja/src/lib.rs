//! minijinja as px0 speaks it.
//!
//! - [`Template`] compiles and renders. It renders by the [`plan`] where there is one, and by minijinja's own interpreter
//!   where there is none, or where the plan finds something that it leaves to the interpreter;
//! - `rewrite` checks names and makes missing variables seen;
//! - `variables` are the variables, which the host has read ([`px0_document`]), `missing` what lacks of them;
//! - `names` lists all that a template may call, `callables`, `tojson`, `methods` and `operators` are those that differ
//!   from minijinja's;
//! - `lent` are functions that others lend to templates;
//! - `place` is where errors are.
//!
//! The guest is this crate behind the interface of `../wit`. It is a crate of its own so that tests and fuzzers run the same
//! code at full speed; the server never does.

mod assigned;
mod callables;
mod lent;
mod methods;
mod missing;
mod names;
mod operators;
mod place;
mod plan;
mod rewrite;
mod strict;
mod template;
mod tojson;
mod variables;

pub use lent::{Function, Lender};
pub use template::{Failure, RenderFailure, Template};
