//! Go's `fmt`: how values are written.
//!
//! - [`Printer`] writes values by a verb and its [`Flags`];
//! - `printf` reads formats;
//! - `integer`, `float` and `quote` write numbers and quoted text.

mod float;
mod integer;
mod printer;
mod printf;
mod quote;

pub(crate) use printer::Printer;
pub(crate) use printf::printf;
pub(crate) use quote::{is_print, next_char};

/// What stands between the `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    /// Pad on the right.
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%#v`: as it would stand in a Go program.
    go_syntax: bool,
}
