//! Builds the guests: each of [`GUESTS`] becomes a component in `OUT_DIR`, and beside it the code that it compiles to.

use std::{
    env,
    path::{Path, PathBuf},
};

use px0_componentize::{Error, Package, write};
use px0_precompile::embed;

/// A guest: its folder, its library, the component it becomes, and flags for it alone.
struct Guest {
    folder: &'static str,
    library: &'static str,
    component: &'static str,
    flags: &'static [&'static str],
}

const GUESTS: [Guest; 2] = [
    Guest {
        folder: "guest",
        library: "px0_minijinja_guest",
        component: "minijinja.wasm",
        // Small functions called from the interpreter loop pay for inlining more than on the host:
        // here every call settles the fuel, too.
        flags: &["-Cllvm-args=-inline-threshold=300"],
    },
    Guest {
        folder: "schema-guest",
        library: "px0_schema_guest",
        component: "schema.wasm",
        // Some dependency asks for random bytes; the guest answers with constants.
        flags: &["--cfg", "getrandom_backend=\"custom\""],
    },
];

fn main() -> Result<(), Error> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", here.join("wit").display());
    for guest in GUESTS {
        let folder = here.join(guest.folder);
        watch(&folder);
        let target = out.join("guests");
        let built = Package { folder: &folder, target: &target, flags: guest.flags }.build()?;
        let component = out.join(guest.component);
        write(&built, guest.library, &component)?;
        embed(&component, &component.with_extension("cwasm"))?;
    }
    Ok(())
}

/// Has the script run again when something of the guest changes.
fn watch(folder: &Path) {
    for part in ["src", "Cargo.toml", "Cargo.lock", "../document", "../minijinja"] {
        println!("cargo::rerun-if-changed={}", folder.join(part).display());
    }
}
