//! `px0 plugin new`: a plugin that works, to begin with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use px0_core::plugin::{Kind, PluginId};

use crate::{install::InstallError, shipped::check_id};

/// The files of the SDK and of the interface, which every project has a copy of, so that it depends on nothing of ours.
const SDK: &[(&str, &str)] = &[
    ("px0/sdk/Cargo.toml", include_str!("../sdk/Cargo.toml")),
    ("px0/sdk/README.md", include_str!("../sdk/README.md")),
    ("px0/sdk/src/engine.rs", include_str!("../sdk/src/engine.rs")),
    ("px0/sdk/src/error.rs", include_str!("../sdk/src/error.rs")),
    ("px0/sdk/src/excerpt.rs", include_str!("../sdk/src/excerpt.rs")),
    ("px0/sdk/src/filters.rs", include_str!("../sdk/src/filters.rs")),
    ("px0/sdk/src/functions.rs", include_str!("../sdk/src/functions.rs")),
    ("px0/sdk/src/hook.rs", include_str!("../sdk/src/hook.rs")),
    ("px0/sdk/src/instance.rs", include_str!("../sdk/src/instance.rs")),
    ("px0/sdk/src/kv.rs", include_str!("../sdk/src/kv.rs")),
    ("px0/sdk/src/lib.rs", include_str!("../sdk/src/lib.rs")),
    ("px0/sdk/src/log.rs", include_str!("../sdk/src/log.rs")),
    ("px0/wit/px0-plugin-0.1.0/plugin.wit", include_str!("../wit/px0-plugin-0.1.0/plugin.wit")),
    (".gitignore", "/target\n"),
];

/// The files of a plugin of one kind.
macro_rules! template {
    ($kind:literal) => {
        &[
            ("Cargo.toml", include_str!(concat!("../templates/", $kind, "/Cargo.toml.in"))),
            ("plugin.toml", include_str!(concat!("../templates/", $kind, "/plugin.toml.in"))),
            ("README.md", include_str!(concat!("../templates/", $kind, "/README.md.in"))),
            ("src/lib.rs", include_str!(concat!("../templates/", $kind, "/src/lib.rs"))),
        ]
    };
}

const ENGINE: &[(&str, &str)] = template!("engine");
const FILTERS: &[(&str, &str)] = template!("filters");
const HOOK: &[(&str, &str)] = template!("hook");

/// Ids that cargo takes for no name of a package.
const NOT_FOR_CARGO: [&str; 7] =
    ["alloc", "core", "proc-macro", "px0-plugin", "std", "test", "build"];

/// Writes a new plugin into a folder of its name below `into`; answers with the folder.
///
/// # Errors
/// There is something of that name already, cargo could not build it, or it cannot be written.
pub fn create(kind: Kind, id: &PluginId, into: &Path) -> Result<PathBuf, InstallError> {
    check_id(id)?;
    if NOT_FOR_CARGO.contains(&id.as_str()) {
        let why = format!("a package cannot be called {id}; choose another id");
        return Err(InstallError(why));
    }
    let folder = into.join(id.as_str());
    if folder.exists() {
        return Err(InstallError(format!("{} is there already", folder.display())));
    }
    let files = match kind {
        Kind::Engine => ENGINE,
        Kind::Filters => FILTERS,
        Kind::Hook => HOOK,
    };
    for (name, text) in files.iter().chain(SDK) {
        let file = folder.join(name);
        let failed = |error| InstallError(format!("{}: {error}", file.display()));
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&file, text.replace("{{name}}", id.as_str())).map_err(failed)?;
    }
    Ok(folder)
}
