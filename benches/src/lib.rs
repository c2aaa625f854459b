//! px0's benches, and what they share: a load generator ([`load`]) and a px0 to put under load ([`product`]).
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

pub mod filled;
pub mod load;
pub mod product;
