//! The plugins that come with px0: built from `shipped/` by the build script, and loaded when they are first used.

use px0_render_wasm::{embedded, host::Embedded};

use crate::{
    LoadError,
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
