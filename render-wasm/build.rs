//! Builds the guests: each of [`GUESTS`] becomes a component without imports in `OUT_DIR`.
//!
//! A guest is a workspace of its own, built by a cargo of its own for `wasm32-unknown-unknown`, so
//! that `cargo run` works on a fresh clone with nothing but Rust.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

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

const TARGET: &str = "wasm32-unknown-unknown";

/// The stack of the guests: deep templates recurse; half a mebibyte is far more than an honest one
/// needs, and what goes beyond runs off its lower end, which the sandbox reports as "too deeply nested".
const STACK: &str = "-Clink-arg=-zstack-size=524288";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", here.join("wit").display());
    have_target()?;
    for guest in GUESTS {
        let folder = here.join(guest.folder);
        for part in ["src", "Cargo.toml", "Cargo.lock", "../document", "../minijinja"] {
            println!("cargo::rerun-if-changed={}", folder.join(part).display());
        }
        let module = build(&guest, &folder, &out.join("guests"))?;
        let bytes = wit_component::ComponentEncoder::default()
            .validate(true)
            .module(&fs::read(&module)?)?
            .encode()?;
        fs::write(out.join(guest.component), bytes)?;
    }
    Ok(())
}

/// Builds the guest in `folder`; answers where its module is.
fn build(guest: &Guest, folder: &Path, target_dir: &Path) -> Outcome<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("CARGO is not set")?);
    cargo
        .current_dir(folder)
        .args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(target_dir);
    // What this build was told about itself must not reach the other one: flags and profiles for
    // the host, clippy standing in for the compiler, another target folder.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let leaks = [
            "CARGO_BUILD_",
            "CARGO_PROFILE_",
            "CARGO_TARGET_",
            "CARGO_ENCODED_",
            "CARGO_FEATURE_",
            "CARGO_CFG_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
            || ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "TARGET", "CLIPPY_ARGS"]
                .contains(&name.as_str());
        if leaks {
            cargo.env_remove(name);
        }
    }
    let flags: Vec<_> = std::iter::once(STACK).chain(guest.flags.iter().copied()).collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let status = cargo.status()?;
    if !status.success() {
        return Err(
            format!("the guest in {} could not be built ({status})", folder.display()).into()
        );
    }
    Ok(target_dir.join(TARGET).join("release").join(format!("{}.wasm", guest.library)))
}

/// Sees to it that the compiler can make WebAssembly.
fn have_target() -> Outcome<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output()?.stdout;
    let library = Path::new(String::from_utf8(sysroot)?.trim()).join("lib/rustlib").join(TARGET);
    if library.exists() {
        return Ok(());
    }
    match Command::new("rustup").args(["target", "add", TARGET]).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "Rust cannot build for {TARGET}, which px0's template engines need: run `rustup target add {TARGET}`, \
             or install the package of your system with Rust's standard library for it"
        )
        .into()),
    }
}
