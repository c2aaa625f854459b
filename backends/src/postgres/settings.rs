use std::{fmt, num::NonZeroU32};

use serde::Deserialize;

/// How Postgres is reached.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:5432/database`; the parameters are those of libpq. Has a secret in it.
    pub url: String,
    /// Most connections at once.
    pub max_connections: NonZeroU32,
    /// Longest wait for a free connection, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// Longest time of one statement, in milliseconds.
    pub statement_timeout_ms: u64,
    /// How long a start waits, in milliseconds, for others who hold locks on what it has to bring up to date.
    pub migration_timeout_ms: u64,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            max_connections: NonZeroU32::MIN.saturating_add(15),
            acquire_timeout_ms: 3_000,
            statement_timeout_ms: 5_000,
            migration_timeout_ms: 60_000,
        }
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout_ms", &self.acquire_timeout_ms)
            .field("statement_timeout_ms", &self.statement_timeout_ms)
            .field("migration_timeout_ms", &self.migration_timeout_ms)
            .finish_non_exhaustive()
    }
}
