//! Figures about the sandbox, for telemetry.

/// Figures about the warm instances. Counters count from the start of the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Versions that have a place in the pool.
    pub versions: usize,
    /// Idle instances.
    pub instances: usize,
    /// Bytes that the idle instances are reckoned to hold.
    pub memory: usize,
    /// Renders that found a warm instance. A long one that began in the short lane counts for both lanes.
    pub hits: u64,
    /// Renders that had to make one, counted alike.
    pub misses: u64,
    /// Instances that had to make room for others.
    pub evictions: u64,
    /// Instances that were replaced for their age or size.
    pub retired: u64,
    /// Instances that were thrown away because they were stopped by a limit or crashed.
    pub discarded: u64,
}

/// Figures about the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The warm instances.
    pub pool: PoolStats,
    /// Renders that gave an answer: a text, or an error of the template.
    pub renders: u64,
    /// Instructions that those renders took in sum.
    pub fuel: u64,
    /// Guests whose code came with the binary.
    pub embedded: usize,
    /// Guests whose code was compiled, because there was none in the cache.
    pub compiled: usize,
    /// Guests whose code came from the cache.
    pub cached: usize,
}
