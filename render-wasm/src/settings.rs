//! What the sandbox may use: every limit with the reason for its default.

use std::{path::PathBuf, time::Duration};

use px0_core::render::EngineName;
use serde::{Deserialize, Deserializer};

use crate::{engine::MAX_MEMORY, lane};

/// How far apart renders are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Renders of one version follow each other in the same instance, which stays warm.
    #[default]
    Version,
    /// Every render has an instance of its own, which is thrown away after it.
    Render,
}

/// The settings of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenderSettings {
    /// WebAssembly instructions per render, about 5 million in a millisecond. A chat prompt of 1.5 KB
    /// takes about 0.4 million, so this is an order of magnitude above honest use.
    /// Never more than [`RenderSettings::MAX_FUEL`].
    pub fuel: u64,
    /// Instructions on top for every byte of the variables, because reading them is the guest's work
    /// too, and a document of 1 MiB costs several times a whole render. Text takes 7 for a byte; many
    /// small numbers, escapes, or keys that must be sorted take up to 130.
    pub fuel_per_variable_byte: u64,
    /// Instructions for reading and checking one template. A dense one of 64 KiB takes about 40 million.
    pub compile_fuel: u64,
    /// Instructions for one schema check. Compiling a regular expression with Unicode classes is the
    /// dearest honest thing and takes about 20 million.
    pub schema_fuel: u64,
    /// Bytes of memory that one instance may have. Four times the largest honest render: variables of
    /// 1 MiB, read, and a text of 1 MiB.
    pub memory: usize,
    /// Milliseconds of running time for one render: the backstop behind fuel, for a slow machine.
    /// Waiting for its turn does not count, nor does what others run meanwhile: on a machine that is busy with short renders
    /// a long one may take thirty times as long by the clock.
    pub deadline_ms: u64,
    /// Bytes of text that one render may give.
    pub output: usize,
    /// Bytes that idle warm instances may have in sum. The version that was used longest ago goes first.
    pub pool_memory: usize,
    /// Idle instances kept per version. None: as many as the machine has cores, because more can
    /// never run at the same time.
    pub instances_per_version: Option<usize>,
    /// Renders after which an instance is replaced, so that nothing can pile up in it for ever.
    pub renders_per_instance: u32,
    /// Bytes of memory above which an instance is not kept: one huge render must not stay resident.
    pub retire_above: usize,
    /// Whether renders share warm instances of their version.
    pub isolation: Isolation,
    /// Renders of one tenant that may be under way at the same time; others of the same tenant wait.
    /// Each may hold up to `memory`, so this bounds what one tenant can make the process hold.
    pub concurrent_per_tenant: usize,
    /// Of those, how many may be long ones at the same time (more than 800,000 instructions). None: half of
    /// the cores, so that a tenant of endless loops leaves room for the others.
    pub long_per_tenant: Option<usize>,
    /// The engine of versions that name none.
    pub default_engine: EngineName,
    /// The folder that keeps compiled code which is not part of the binary, so that a second start need not compile.
    /// It belongs to this process alone (mode 0700). None, which settings write as an empty text: compile at every start.
    #[serde(deserialize_with = "folder")]
    pub cache_dir: Option<PathBuf>,
}

/// A folder; empty is none.
fn folder<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let folder = PathBuf::deserialize(from)?;
    Ok((!folder.as_os_str().is_empty()).then_some(folder))
}

impl RenderSettings {
    /// The most fuel that may be set: 50 million, about 10 ms. Beyond that a single render would hold
    /// up its neighbours, and the deadline would be the limit, which depends on the machine.
    pub const MAX_FUEL: u64 = 50_000_000;

    /// The running time of one render.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// Idle instances kept per version.
    pub(crate) fn kept_per_version(&self) -> usize {
        self.instances_per_version.unwrap_or_else(cores)
    }

    /// Long renders of one tenant at the same time.
    pub(crate) fn long_renders(&self) -> usize {
        self.long_per_tenant.unwrap_or_else(lane::threads).max(1)
    }

    /// Which setting makes no sense, if one does not, and what it must be.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let must = |name, rule: String| Some((name, format!("must be {rule}")));
        let zero = |name| must(name, "more than 0".to_owned());
        /// Bytes that the guest has before any template.
        const MIN_MEMORY: usize = 2 * 1024 * 1024;
        match () {
            () if self.fuel == 0 => zero("fuel"),
            () if self.fuel > Self::MAX_FUEL => {
                must("fuel", format!("at most {}, not {}", Self::MAX_FUEL, self.fuel))
            }
            () if self.compile_fuel == 0 => zero("compile_fuel"),
            () if self.schema_fuel == 0 => zero("schema_fuel"),
            () if !(MIN_MEMORY..=MAX_MEMORY).contains(&self.memory) => {
                must("memory", format!("from {MIN_MEMORY} to {MAX_MEMORY}, not {}", self.memory))
            }
            () if self.deadline_ms == 0 => zero("deadline_ms"),
            () if self.output == 0 => zero("output"),
            () if self.output > self.memory => must(
                "output",
                format!("at most render.memory ({}), not {}", self.memory, self.output),
            ),
            () if self.renders_per_instance == 0 => zero("renders_per_instance"),
            () if self.concurrent_per_tenant == 0 => zero("concurrent_per_tenant"),
            () => None,
        }
    }
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self {
            fuel: 5_000_000,
            fuel_per_variable_byte: 150,
            compile_fuel: 100_000_000,
            schema_fuel: 100_000_000,
            memory: 16 * 1024 * 1024,
            deadline_ms: 100,
            output: 1024 * 1024,
            pool_memory: 96 * 1024 * 1024,
            instances_per_version: None,
            renders_per_instance: 10_000,
            retire_above: 4 * 1024 * 1024,
            isolation: Isolation::Version,
            concurrent_per_tenant: 16,
            long_per_tenant: None,
            default_engine: EngineName::default(),
            cache_dir: None,
        }
    }
}

/// The cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
