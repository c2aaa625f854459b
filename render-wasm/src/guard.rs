//! What one instance may have, and what it was refused.

use wasmtime::{ResourceLimiter, Result};

use crate::{lend::Lent, meter::Meter};

/// Entries that a table may have. The guests' function tables have about two thousand.
const TABLE_ENTRIES: usize = 20_000;

/// The data of a store: watches over the memory of its instance, and has what is lent to it.
pub struct Guard {
    limit: usize,
    memory: usize,
    denied: bool,
    pub(crate) lent: Option<Lent>,
    pub(crate) meter: Meter,
}

impl Guard {
    /// A guard that allows `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, memory: 0, denied: false, lent: None, meter: Meter::default() }
    }

    /// Bytes of memory that the instance has.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Whether the instance asked for more memory than it may have since the last call of
    /// [`Guard::forget`]. To the guest this looks like a machine without memory, and it crashes; only
    /// the guard knows why.
    pub fn denied(&self) -> bool {
        self.denied
    }

    /// Forgets what was denied, and what was spent: a new call begins.
    pub fn forget(&mut self) {
        self.denied = false;
        self.meter = Meter::default();
    }
}

impl ResourceLimiter for Guard {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let allowed = desired <= self.limit && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.memory = desired;
        } else {
            self.denied = true;
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let allowed = desired <= TABLE_ENTRIES;
        self.denied |= !allowed;
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        // A component is a handful of core instances: the guest and wit-component's shims.
        8
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }
}
