//! Noticing that everybody seems to come from one address: a proxy that px0 was not told of. Then strangers share limits.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use px0_core::{Email, network::Network};

/// Logins to so many accounts, all from loopback and none from elsewhere, are not one person at this machine.
const MANY: usize = 20;

/// Looks out for it until it was warned of, or somebody came from another address.
pub struct OneAddress {
    is_over: AtomicBool,
    hasher: RandomState,
    /// Hashes of the accounts that logins from loopback were to: at most [`MANY`].
    accounts: Mutex<HashSet<u64>>,
}

impl OneAddress {
    pub(crate) fn new() -> Self {
        Self {
            is_over: AtomicBool::new(false),
            hasher: RandomState::new(),
            accounts: Mutex::default(),
        }
    }

    /// Somebody who is not trusted says that they ask for another.
    pub(crate) fn forwarded_by(&self, connection: IpAddr) {
        if connection.to_canonical().is_loopback() {
            self.warn("a proxy on this machine sends x-forwarded-for");
        }
    }

    /// Somebody would log in.
    pub(crate) fn login(&self, from: Network, email: &Email) {
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        if !from.is_loopback() {
            self.is_over.store(true, Ordering::Relaxed);
            return;
        }
        let mut accounts = self.accounts.lock();
        accounts.insert(self.hasher.hash_one(email));
        let many = accounts.len() >= MANY;
        drop(accounts);
        if many {
            self.warn("logins to many accounts all come from this machine");
        }
    }

    fn warn(&self, why: &str) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "everybody seems to come from one loopback address, so strangers share rate limits ({why}): \
                 if there is a proxy in front of px0, put its address into http.trusted_proxies"
            );
        }
    }
}
