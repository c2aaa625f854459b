//! What an operator decides about plugins.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use px0_core::{
    plugin::{Permission, PluginId},
    render::EngineName,
};
use serde::{Deserialize, Deserializer};

use crate::cell::Limits;

/// The settings of plugins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginSettings {
    /// The folder that plugins are installed in, one folder each. None: only those that come with px0.
    #[serde(deserialize_with = "path")]
    pub path: Option<PathBuf>,
    /// The plugins that organizations have which decided nothing about them. A hook in this list is a rule for everybody.
    pub enabled: BTreeSet<PluginId>,
    /// What plugins may use of what they want. What is not in here, they do not get.
    pub grant: BTreeSet<Grant>,
    /// WebAssembly instructions for one call of a hook.
    pub fuel: u64,
    /// Instructions on top for every byte of what a hook is asked about: looking at it is its work. A tokenizer takes up to 1,000 for
    /// a byte of a language that it does not know well.
    pub fuel_per_byte: u64,
    /// Instructions for making an instance ready: what it does when it starts, and `configure`. A tokenizer reads its tables then.
    pub start_fuel: u64,
    /// Bytes of memory that one instance may have.
    pub memory: usize,
    /// Milliseconds of running time for one call of a hook. Waiting for the store does not count.
    pub deadline_ms: u64,
    /// Bytes that idle instances of one hook may have in sum, of all organizations together.
    pub pool_memory: usize,
    /// Calls of hooks that one organization may have under way at the same time; others of it wait. Each may hold up to `memory`.
    pub concurrent_per_tenant: usize,
    /// How many values of hooks the store is asked for at once, of all organizations together: a store with few connections needs the
    /// rest of them for requests that no plugin makes.
    #[serde(skip)]
    pub values_at_once: usize,
    /// What `render.default_engine` says: it must be there.
    #[serde(skip)]
    pub default_engine: EngineName,
}

/// Something that a plugin may use: `my-rule:kv`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Grant {
    /// Which plugin.
    pub plugin: PluginId,
    /// What.
    pub permission: Permission,
}

impl TryFrom<String> for Grant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unclear = || format!("`{text}` is no grant: write `plugin:log` or `plugin:kv`");
        let (plugin, permission) = text.split_once(':').ok_or_else(unclear)?;
        let permission = match permission {
            "log" => Permission::Log,
            "kv" => Permission::Kv,
            _ => return Err(unclear()),
        };
        Ok(Self { plugin: plugin.to_owned().try_into()?, permission })
    }
}

/// A folder; empty is none.
fn path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(from)?;
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

impl PluginSettings {
    /// What calls may use, where a text has at most `text` bytes.
    pub(crate) fn limits(&self, text: usize) -> Limits {
        Limits {
            fuel: self.fuel,
            fuel_per_byte: self.fuel_per_byte,
            start_fuel: self.start_fuel,
            memory: self.memory,
            deadline: Duration::from_millis(self.deadline_ms),
            pool_memory: self.pool_memory,
            text,
        }
    }

    /// Which setting makes no sense, if one does not, and what it must be.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        /// The least memory that anything runs in.
        const MIN_MEMORY: usize = 2 * 1024 * 1024;
        /// The largest memory that the machine has a place for.
        const MAX_MEMORY: usize = 1024 * 1024 * 1024;
        let must = |name, rule: String| Some((name, format!("must be {rule}")));
        let zero = |name| must(name, "more than 0".to_owned());
        match () {
            () if self.fuel == 0 => zero("fuel"),
            () if self.start_fuel == 0 => zero("start_fuel"),
            () if self.deadline_ms == 0 => zero("deadline_ms"),
            () if self.concurrent_per_tenant == 0 => zero("concurrent_per_tenant"),
            () if !(MIN_MEMORY..=MAX_MEMORY).contains(&self.memory) => {
                must("memory", format!("from {MIN_MEMORY} to {MAX_MEMORY}, not {}", self.memory))
            }
            () => None,
        }
    }
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            path: None,
            enabled: PluginId::parse("gotemplate").into_iter().collect(),
            grant: BTreeSet::new(),
            fuel: 50_000_000,
            fuel_per_byte: 1500,
            start_fuel: 1_000_000_000,
            memory: 64 * 1024 * 1024,
            deadline_ms: 1000,
            pool_memory: 64 * 1024 * 1024,
            concurrent_per_tenant: 8,
            values_at_once: usize::MAX,
            default_engine: EngineName::default(),
        }
    }
}
