//! The variables of a render: JSON that the host reads and the guest looks up.
//!
//! The host reads the text once ([`Tape::read`]), into flat arrays that are copied into the guest as they are. There nothing is
//! built of them: the template's lookups decode what they ask for, and what is never asked for is never decoded.
//! This crate is built for both, so both mean the same by a node.

mod scan;
mod tape;

pub use tape::{Node, Tag, Tape};
