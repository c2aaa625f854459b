//! px0's plugins: WebAssembly components that add template languages, functions for templates, and rules.
//!
//! Anyone may write one, so none is trusted: each runs in a store of its own with bounded instructions, memory and time, imports
//! nothing but what its interface has and the operator granted, and works for one organization an instance. The interface is in
//! `wit/`, a folder for each version of it.
//!
//! - [`Plugins`] are those that are installed: what core asks hooks ([`px0_core::plugin::Host`]) and what the sandbox asks about
//!   functions and engines ([`px0_render_wasm::Plugins`]);
//! - `manifest` reads a `plugin.toml`, `load` a plugin, `shipped` has those that come with px0;
//! - `api` are the versions of the interface;
//! - `hook` and `filters` speak it, on top of `cell`, which is where calls run; `log` and `kv` are what can be granted;
//! - `strikes` remembers who failed;
//! - [`install`], [`check`] and [`scaffold`] are `px0 plugin add`, `check` and `new`.

mod api;
mod cell;
pub mod check;
mod file;
mod filters;
mod hook;
mod host;
pub mod install;
mod kv;
mod lending;
mod load;
mod log;
mod manifest;
pub mod scaffold;
mod settings;
mod shipped;
mod strikes;

pub use host::{Plugins, PluginsError};
pub use load::LoadError;
pub use manifest::{Manifest, ManifestError};
pub use settings::{Grant, PluginSettings};
