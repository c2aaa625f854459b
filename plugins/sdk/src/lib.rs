//! Plugins for px0.
//!
//! A plugin is a WebAssembly component of one of three kinds, each behind a feature of this crate:
//!
//! | feature   | trait               | what it is                                                      |
//! |-----------|---------------------|-----------------------------------------------------------------|
//! | `engine`  | [`engine::Engine`]  | a template language                                             |
//! | `filters` | [`filters::Filters`]| functions that templates may call                               |
//! | `hook`    | [`hook::Hook`]      | a rule that is asked before or after a render, or at promotion  |
//!
//! Implement the trait, name the type in [`px0_plugin!`], and build for `wasm32-unknown-unknown`.
//! On the host itself everything compiles, too, and what px0 would offer has a stand-in ([`log`]
//! writes to standard error, `kv` keeps values in memory), so that plugins have ordinary unit tests.
//!
//! ```
//! # #[cfg(feature = "hook")] {
//! use px0_plugin::{
//!     PluginError,
//!     hook::{Hook, Point, Subject, Verdict},
//!     px0_plugin,
//! };
//!
//! #[derive(serde::Deserialize)]
//! struct MaxChars {
//!     max_chars: usize,
//! }
//!
//! impl Hook for MaxChars {
//!     type Settings = MaxChars;
//!     const POINTS: &[Point] = &[Point::AfterRender];
//!
//!     fn configure(settings: MaxChars) -> Result<Self, PluginError> {
//!         Ok(settings)
//!     }
//!
//!     fn after_render(&self, _: &Subject, text: &str) -> Result<Verdict, PluginError> {
//!         match text.chars().count() {
//!             count if count <= self.max_chars => Ok(Verdict::Pass),
//!             count => Ok(Verdict::refuse("too_long", format!("the text has {count} characters"))),
//!         }
//!     }
//! }
//!
//! px0_plugin!(hook: MaxChars);
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop where it stands"))]

#[cfg(feature = "engine")]
pub mod engine;
mod error;
#[cfg(feature = "engine")]
mod excerpt;
#[cfg(feature = "filters")]
pub mod filters;
#[cfg(any(feature = "engine", feature = "filters"))]
pub mod functions;
#[cfg(feature = "hook")]
pub mod hook;
#[cfg(any(feature = "engine", feature = "filters", feature = "hook"))]
mod instance;
#[cfg(feature = "hook")]
pub mod kv;
#[cfg(any(feature = "filters", feature = "hook"))]
pub mod log;

pub use error::{CallError, NoSettings, PluginError};
pub use serde_json;

/// Makes a plugin of a type: `px0_plugin!(engine: MyLanguage)`, `px0_plugin!(filters: MyFunctions)`
/// or `px0_plugin!(hook: MyRule)`. Once in a crate.
#[macro_export]
macro_rules! px0_plugin {
    (engine: $plugin:ty) => {
        $crate::__px0_plugin_engine!($plugin);
    };
    (filters: $plugin:ty) => {
        $crate::__px0_plugin_filters!($plugin);
    };
    (hook: $plugin:ty) => {
        $crate::__px0_plugin_hook!($plugin);
    };
}

/// Exports `$plugin` through `$module::Exported`. Only in WebAssembly: the names of the exports are
/// none that a linker for the host knows what to do with.
#[doc(hidden)]
#[macro_export]
macro_rules! __px0_plugin_export {
    ($module:ident, $export:ident, $plugin:ty) => {
        const _: () = {
            type Exported = $crate::$module::Exported<$plugin>;
            #[cfg(target_family = "wasm")]
    $crate::$module::bindings::$export!(Exported with_types_in $crate::$module::bindings);
            #[cfg(not(target_family = "wasm"))]
            const _: fn() = $crate::$module::exportable::<Exported>;
        };
    };
}

/// What the macros of the kinds say whose feature is off.
macro_rules! without {
    ($($feature:literal $name:ident)*) => {$(
        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $name {
            ($plugin:ty) => {
                compile_error!(concat!("px0-plugin needs its feature `", $feature, "` for this"));
            };
        }
    )*};
}

without! {
    "engine" __px0_plugin_engine
    "filters" __px0_plugin_filters
    "hook" __px0_plugin_hook
}
