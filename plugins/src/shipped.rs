//! The plugins that come with px0: built from `shipped/` by the build script, and loaded when they are first used.

use px0_core::{plugin::PluginId, render::EngineName};
use px0_render_wasm::{embedded, host::Embedded};

use crate::{
    LoadError,
    install::InstallError,
    load::{Code, Source},
    manifest::Manifest,
};

/// `plugin.toml` and component of each.
const SHIPPED: [(&str, Embedded); 4] = [
    (include_str!("../shipped/gotemplate/plugin.toml"), embedded!("gotemplate")),
    (include_str!("../shipped/json-guard/plugin.toml"), embedded!("json-guard")),
    (include_str!("../shipped/redact/plugin.toml"), embedded!("redact")),
    (include_str!("../shipped/token-budget/plugin.toml"), embedded!("token-budget")),
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
    let source = |(text, embedded): (&str, Embedded)| {
        let manifest = Manifest::parse(text)
            .map_err(|why| LoadError { plugin: "that comes with px0".to_owned(), why })?;
        Ok(Source { manifest, code: Code::Shipped(embedded) })
    };
    SHIPPED.into_iter().map(source).collect()
}
