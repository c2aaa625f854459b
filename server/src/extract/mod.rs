//! From requests to values that handlers can trust.
//!
//! The order of checks of the contract is the order of a handler's arguments: the route's [`admit`] has looked at
//! the caller (401, 403 for machines); then [`Query`] (400), then [`Granted`] (path 400, 404, 403), then
//! [`Body`] (415, 413, 400).

use px0_core::Error;

mod admit;
mod body;
mod granted;
mod path;
mod peer;
mod query;

pub(crate) use admit::{Route, admit, bearer};
pub(crate) use body::{Body, Fields, FromFields};
pub(crate) use granted::{Granted, ToRender};
pub(crate) use path::{OneId, PathValues};
pub(crate) use peer::{Peer, PeerAddr};
pub(crate) use query::{FromQuery, LAST_PAGE, NumberedQuery, Params, Query, page, refuse};

/// Something is asked for that only a route's [`admit`] leaves.
fn not_admitted() -> Error {
    Error::internal("a handler runs outside of a route")
}
