//! The plugins that come with px0: built from `shipped/` by the build script, and loaded when they are first used.

use px0_core::{plugin::PluginId, render::EngineName};

use crate::{LoadError, install::InstallError, load::Source, manifest::Manifest};

/// `plugin.toml` and component of each.
const SHIPPED: [(&str, &[u8]); 4] = [
    (
        include_str!("../shipped/gotemplate/plugin.toml"),
        include_bytes!(concat!(env!("OUT_DIR"), "/gotemplate.wasm")),
    ),
    (
        include_str!("../shipped/json-guard/plugin.toml"),
        include_bytes!(concat!(env!("OUT_DIR"), "/json-guard.wasm")),
    ),
    (
        include_str!("../shipped/redact/plugin.toml"),
        include_bytes!(concat!(env!("OUT_DIR"), "/redact.wasm")),
    ),
    (
        include_str!("../shipped/token-budget/plugin.toml"),
        include_bytes!(concat!(env!("OUT_DIR"), "/token-budget.wasm")),
    ),
];

/// Whose name no plugin can have.
pub(crate) const BUILT_IN: &str = "the name of the engine that is built in";

/// Whether this is the name of the engine that is built in.
pub(crate) fn is_built_in(id: &PluginId) -> bool {
    id.as_str() == EngineName::DEFAULT
}

/// Refuses an id that px0 itself has given away.
///
/// # Errors
/// To whom.
pub(crate) fn check_id(id: &PluginId) -> Result<(), InstallError> {
    let taken = |by: &str| Err(InstallError(format!("{id} is {by}; choose another id")));
    if is_built_in(id) {
        return taken(BUILT_IN);
    }
    match shipped()?.iter().any(|shipped| shipped.manifest.id == *id) {
        true => taken("the id of a plugin that comes with px0"),
        false => Ok(()),
    }
}

/// All of them.
///
/// # Errors
/// One is not as it should be, which a test would have told.
pub(crate) fn shipped() -> Result<Vec<Source>, LoadError> {
    let source = |(text, bytes): (&str, &'static [u8])| {
        let manifest = Manifest::parse(text)
            .map_err(|why| LoadError { plugin: "that comes with px0".to_owned(), why })?;
        Ok(Source { manifest, bytes: bytes.into() })
    };
    SHIPPED.into_iter().map(source).collect()
}
