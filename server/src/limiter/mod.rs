//! How often is too often: counted in this process, by account or by address.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use px0_config::RateLimitSettings;
use px0_core::{Email, Error, error::Result, ids::UserId};

use crate::error::rate_limited;

/// With more counters than this, those of who has been quiet long enough are forgotten now and then.
const SWEEP_ABOVE: usize = 10_000;

/// So many calls apart: a sweep looks at every counter.
const SWEEP_EVERY: u32 = 1_024;

/// The counters.
pub struct Limiter {
    enabled: bool,
    logins: DefaultKeyedRateLimiter<Email>,
    codes: DefaultKeyedRateLimiter<Email>,
    moves: DefaultKeyedRateLimiter<UserId>,
    registrations: DefaultKeyedRateLimiter<IpAddr>,
    guesses: DefaultKeyedRateLimiter<IpAddr>,
    calls: AtomicU32,
}

impl Limiter {
    /// Counters with these limits.
    pub(crate) fn new(settings: &RateLimitSettings) -> Self {
        let hourly = |most: NonZeroU32| RateLimiter::keyed(Quota::per_hour(most));
        Self {
            enabled: settings.enabled,
            logins: RateLimiter::keyed(Quota::per_minute(settings.logins_per_minute)),
            codes: hourly(settings.codes_per_hour),
            moves: RateLimiter::keyed(Quota::per_hour(settings.codes_per_hour)),
            guesses: RateLimiter::keyed(Quota::per_minute(settings.logins_per_minute)),
            calls: AtomicU32::new(0),
            registrations: RateLimiter::keyed(Quota::per_hour(settings.registrations_per_hour)),
        }
    }

    /// Counts a login to an account, whether there is one or not.
    pub(crate) fn login(&self, email: &Email) -> Result<()> {
        self.count(&self.logins, email)
    }

    /// Counts a code that is asked for, whether it will be sent or not.
    pub(crate) fn code(&self, email: &Email) -> Result<()> {
        self.count(&self.codes, email)
    }

    /// Counts somebody's moving to an address, which is mailed a code: against them and against the address.
    pub(crate) fn move_to(&self, who: UserId, email: &Email) -> Result<()> {
        self.count(&self.moves, &who)?;
        self.code(email)
    }

    /// Counts a try at a password reset from an address: each costs the hashing of a password.
    pub(crate) fn guess(&self, from: IpAddr) -> Result<()> {
        self.count(&self.guesses, &network(from))
    }

    /// Counts a registration from an address.
    pub(crate) fn registration(&self, from: IpAddr) -> Result<()> {
        self.count(&self.registrations, &network(from))
    }

    fn count<K: Clone + Eq + std::hash::Hash>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if calls.is_multiple_of(SWEEP_EVERY) && limiter.len() > SWEEP_ABOVE {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter
            .check_key(key)
            .map_err(|until| refuse(until.wait_time_from(DefaultClock::default().now())))
    }
}

fn refuse(wait: std::time::Duration) -> Error {
    rate_limited(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

/// Somebody who has an IPv6 address has 2⁶⁴ of them: count their network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
