//! Go's `text/template` as px0 speaks it.
//!
//! - [`Template`] compiles and renders; [`Functions`] are what the host offers templates to call;
//! - `lexer` makes tokens of a source, `parser` a tree (`ast`) of the tokens, `literal` values of
//!   the constants among them;
//! - `exec` renders the tree, `funcs` are the built-in functions, `format` is Go's `fmt`;
//! - `json` reads the variables, `value` is what they become, `place` where they are, and
//!   `missing` the names of those that lacked;
//! - `names` finds what a template takes from its variables.
//!
//! There is no clock, no randomness and no input or output in here: the same template and the same
//! variables always give the same text.
//!
//! ```
//! use px0_gotemplate_core::{NoFunctions, Template};
//!
//! let template = Template::compile("Hello {{.user.name}}!", &NoFunctions)?;
//! let text = template.render(r#"{"user": {"name": "Ada"}}"#, 1024, &NoFunctions)?;
//! assert_eq!(text, "Hello Ada!");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ast;
mod buffer;
mod builtin;
mod compare;
mod error;
mod escape;
mod exec;
mod format;
mod funcs;
mod functions;
mod json;
mod lexer;
mod literal;
mod missing;
mod names;
mod parser;
mod place;
mod template;
mod token;
mod value;

pub use error::{RenderError, TemplateError};
pub use functions::{Arity, Functions, NoFunctions};
pub use template::Template;
