//! Builds the plugins that come with px0: each of [`SHIPPED`] becomes a component in `OUT_DIR`, and beside it the code that it
//! compiles to.

use std::{env, path::PathBuf};

use px0_componentize::{Error, Package, write};
use px0_precompile::embed;

/// The folder of each in `shipped/`; its library is called the same.
const SHIPPED: [&str; 4] = ["gotemplate", "json-guard", "redact", "token-budget"];

fn main() -> Result<(), Error> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for part in ["build.rs", "wit", "sdk", "shipped", "gotemplate-core/src"] {
        println!("cargo::rerun-if-changed={}", here.join(part).display());
    }
    let (folder, target) = (here.join("shipped"), out.join("shipped"));
    let built = Package { folder: &folder, target: &target, flags: &[] }.build()?;
    for plugin in SHIPPED {
        let component = out.join(format!("{plugin}.wasm"));
        write(&built, &plugin.replace('-', "_"), &component)?;
        embed(&component, &component.with_extension("cwasm"))?;
    }
    Ok(())
}
