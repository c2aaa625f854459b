//! Each tenant's share of the machine.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use px0_core::ids::OrgId;
use tokio::sync::Semaphore;

/// From this many tenants on, those who run nothing are forgotten.
const REMEMBERED: usize = 1024;

/// What one tenant may have under way at the same time.
#[derive(Debug)]
pub(crate) struct Share {
    /// Permits for calls of any length.
    pub(crate) calls: Arc<Semaphore>,
    /// Permits for long calls.
    pub(crate) long: Semaphore,
}

/// The shares of all tenants: of renders, of checks and of schemas alike.
#[derive(Debug)]
pub(crate) struct Tenants {
    calls: usize,
    long: usize,
    shares: Mutex<HashMap<OrgId, Arc<Share>>>,
}

impl Tenants {
    /// Shares of `calls` calls, of which `long` may be long.
    pub(crate) fn new(calls: usize, long: usize) -> Self {
        Self { calls, long, shares: Mutex::default() }
    }

    /// The share of `tenant`.
    pub(crate) fn share(&self, tenant: OrgId) -> Arc<Share> {
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(&tenant) {
            return share.clone();
        }
        if shares.len() >= REMEMBERED {
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let share = Arc::new(share(self.calls, self.long));
        shares.insert(tenant, share.clone());
        share
    }
}

fn share(calls: usize, long: usize) -> Share {
    Share { calls: Arc::new(Semaphore::new(calls)), long: Semaphore::new(long) }
}
