//! The WebAssembly engine of the process: what code may do, how it is compiled, and where its instances are put.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Enabled, Engine, Error, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::lane::LongLane;

/// Stack of a call: what WebAssembly may use and room for the host's side of the call.
const CALL_STACK: usize = 1024 * 1024;

/// Instances that there may be at the same time, idle ones included. Each has a place of its own, 4 GiB of addresses apart
/// from the next; 16 TiB of the 128 that a process has, and no memory until they are used.
const PLACES: u32 = 4096;

/// Places that were used and are left ready for the next instance: what a chat prompt touches of its memory, tables and
/// stack is made clean, instead of being given back and asked for again. At most 16 MiB in sum.
const READY: u32 = 32;
const READY_MEMORY: usize = 448 * 1024;
const READY_TABLES: usize = 32 * 1024;
const READY_STACK: usize = 32 * 1024;

/// The largest memory that settings may allow an instance.
pub(crate) const MAX_MEMORY: usize = 1024 * 1024 * 1024;

/// The engine and its places.
pub struct Machine {
    /// What all compiled code and all instances belong to.
    pub engine: Engine,
    /// Where long calls run.
    pub long: LongLane,
    places: Arc<Semaphore>,
}

impl Machine {
    /// The one of this process.
    ///
    /// # Errors
    /// This computer cannot run the guests.
    pub fn get() -> Result<&'static Machine, Error> {
        static MACHINE: OnceLock<Machine> = OnceLock::new();
        static MAKING: Mutex<()> = Mutex::new(());
        // One at a time: the threads of a second one could not be ended everywhere.
        let _making = MAKING.lock();
        if let Some(machine) = MACHINE.get() {
            return Ok(machine);
        }
        let machine = Machine {
            engine: engine()?,
            long: LongLane::new()?,
            places: Arc::new(Semaphore::new(PLACES as usize)),
        };
        Ok(MACHINE.get_or_init(|| machine))
    }

    /// Whether there are places that nobody has.
    pub fn has_places(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// A place for an instance, if there is one that nobody has.
    pub fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// A place for an instance, which keeps it for as long as it lives. When all are taken, `make_room` is asked to drop
    /// idle ones, and whoever waited longest has the next one: every running instance ends by its deadline, and none is kept
    /// while [`Machine::has_places`] says no.
    pub async fn place(&self, make_room: impl Fn()) -> Result<OwnedSemaphorePermit, Error> {
        if let Some(place) = self.try_place() {
            return Ok(place);
        }
        make_room();
        // Nobody closes it.
        self.places.clone().acquire_owned().await.map_err(Error::new)
    }
}

/// Makes the engine, for code of [`px0_precompile::config`].
fn engine() -> Result<Engine, Error> {
    let mut config = px0_precompile::config();
    config.async_stack_size(CALL_STACK);
    let mut places = PoolingAllocationConfig::default();
    places
        .total_memories(PLACES)
        .total_stacks(PLACES)
        .total_component_instances(PLACES)
        // A component is one instance and one table; what wit-component adds is as small.
        .total_core_instances(4 * PLACES)
        .total_tables(4 * PLACES)
        .max_memory_size(MAX_MEMORY)
        .max_unused_warm_slots(READY)
        .linear_memory_keep_resident(READY_MEMORY)
        .table_keep_resident(READY_TABLES)
        .async_stack_keep_resident(READY_STACK)
        // Where Linux can tell which pages were written to, only these are made clean.
        .pagemap_scan(Enabled::Auto);
    let mut pooling = config.clone();
    pooling.allocation_strategy(InstanceAllocationStrategy::Pooling(places));
    Engine::new(&pooling).or_else(|error| {
        // Where addresses are rationed (`ulimit -v`), each instance asks for its own.
        tracing::warn!(%error, "no addresses for all instances at once; fresh ones will take longer");
        Engine::new(&config)
    })
}
