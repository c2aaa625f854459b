//! How often is too often: counted in this process, by network and by account.
//!
//! A network (an IPv4 address, or a /64 of IPv6) is counted before an account: who makes up accounts pays with addresses. What is
//! counted for an account is counted for each network by itself, so that a stranger's tries lock nobody out.

mod table;

use std::{hash::Hash, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use px0_config::RateLimitSettings;
use px0_core::{Email, Error, error::Result, ids::UserId, network::Network};

use self::table::Table;

/// Counters of one kind, by key.
type Counters<K> = RateLimiter<K, Table<K>, DefaultClock>;

/// The counters.
pub struct Limiter {
    enabled: bool,
    logins_from: Counters<Network>,
    logins: Counters<(Network, Email)>,
    logins_from_anywhere: Counters<Email>,
    logins_from_known: Counters<Email>,
    codes_from: Counters<Network>,
    codes: Counters<(Network, Email)>,
    registrations_from: Counters<Network>,
    guesses_from: Counters<Network>,
    moves: Counters<UserId>,
    password_changes: Counters<UserId>,
}

impl Limiter {
    /// Counters with these limits.
    pub(crate) fn new(settings: &RateLimitSettings) -> Self {
        Self {
            enabled: settings.enabled,
            logins_from: per_minute(settings.logins_per_minute_from_address),
            logins: per_minute(settings.logins_per_minute),
            logins_from_anywhere: per_minute(settings.logins_per_minute_to_account),
            logins_from_known: per_minute(settings.logins_per_minute_from_known_addresses),
            codes_from: per_hour(settings.codes_per_hour_from_address),
            codes: per_hour(settings.codes_per_hour),
            registrations_from: per_hour(settings.registrations_per_hour),
            guesses_from: per_minute(settings.logins_per_minute_from_address),
            moves: per_hour(settings.codes_per_hour),
            password_changes: per_minute(settings.password_changes_per_minute),
        }
    }

    /// Counts a login, whether there is such an account or not; [`Limiter::login_to`] is to follow.
    pub(crate) fn login(&self, from: Network, email: &Email) -> Result<()> {
        self.count(&self.logins_from, &from)?;
        self.count(&self.logins, &(from, email.clone()))
    }

    /// Counts a login to an account from everywhere; apart from others if the account is known to log in from there.
    pub(crate) fn login_to(&self, email: &Email, is_known: bool) -> Result<()> {
        let counters = if is_known { &self.logins_from_known } else { &self.logins_from_anywhere };
        self.count(counters, email)
    }

    /// Counts a code that is asked for, whether it will be sent or not.
    pub(crate) fn code(&self, from: Network, email: &Email) -> Result<()> {
        self.count(&self.codes_from, &from)?;
        self.count(&self.codes, &(from, email.clone()))
    }

    /// Counts somebody's moving to an address, which is mailed a code.
    pub(crate) fn move_to(&self, from: Network, who: UserId, email: &Email) -> Result<()> {
        self.code(from, email)?;
        self.count(&self.moves, &who)
    }

    /// Counts a try of a mailed code.
    pub(crate) fn guess(&self, from: Network) -> Result<()> {
        self.count(&self.guesses_from, &from)
    }

    /// Counts a registration of somebody by themselves.
    pub(crate) fn registration(&self, from: Network) -> Result<()> {
        self.count(&self.registrations_from, &from)
    }

    /// Counts a change of a password. Only who has a session can try it, so no stranger can use it up.
    pub(crate) fn password_change(&self, who: UserId) -> Result<()> {
        self.count(&self.password_changes, &who)
    }

    fn count<K: Clone + Eq + Hash>(&self, counters: &Counters<K>, key: &K) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        counters
            .check_key(key)
            .map_err(|until| refuse(until.wait_time_from(DefaultClock::default().now())))
    }
}

fn per_minute<K: Hash>(most: NonZeroU32) -> Counters<K> {
    RateLimiter::new(Quota::per_minute(most), Table::default(), DefaultClock::default())
}

fn per_hour<K: Hash>(most: NonZeroU32) -> Counters<K> {
    RateLimiter::new(Quota::per_hour(most), Table::default(), DefaultClock::default())
}

fn refuse(wait: Duration) -> Error {
    Error::rate_limited(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}
