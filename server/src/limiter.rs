//! How often is too often: counted in this process, by account or by address.

use std::{net::IpAddr, num::NonZeroU32};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use px0_config::RateLimitSettings;
use px0_core::{Email, Error, error::Result};

use crate::error::rate_limited;

/// After so many calls the counters of those who have been quiet long enough are forgotten.
const SWEEP_ABOVE: usize = 10_000;

/// The counters.
pub struct Limiter {
    enabled: bool,
    logins: DefaultKeyedRateLimiter<Email>,
    codes: DefaultKeyedRateLimiter<Email>,
    registrations: DefaultKeyedRateLimiter<IpAddr>,
}

impl Limiter {
    /// Counters with these limits.
    pub(crate) fn new(settings: &RateLimitSettings) -> Self {
        let hourly = |most: NonZeroU32| RateLimiter::keyed(Quota::per_hour(most));
        Self {
            enabled: settings.enabled,
            logins: RateLimiter::keyed(Quota::per_minute(settings.logins_per_minute)),
            codes: hourly(settings.codes_per_hour),
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
        if limiter.len() > SWEEP_ABOVE {
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
