//! px0's benches, and what they share: a load generator ([`load`]), a px0 to put under load ([`product`]), and attacks on one in a
//! process of its own (`attack`).
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

/// The allocator of the `px0` binary, for all that is compared.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(target_os = "linux")]
pub mod attack;
pub mod client;
pub mod filled;
pub mod load;
pub mod product;
pub mod subjects;
