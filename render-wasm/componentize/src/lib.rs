//! Makes WebAssembly components: of a core module that wit-bindgen had a part in ([`component`]), and for build scripts of a whole
//! package of guests ([`Package`]).
//!
//! A guest is in a workspace of its own, built by a cargo of its own for `wasm32-unknown-unknown`, so that `cargo run` works on a
//! fresh clone with nothing but Rust.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What went wrong, for whoever builds or installs.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

const TARGET: &str = "wasm32-unknown-unknown";

/// The stack of the guests: deep templates recurse; half a mebibyte is far more than an honest one
/// needs, and what goes beyond runs off its lower end, which the sandbox reports as "too deeply nested".
const STACK: &str = "-Clink-arg=-zstack-size=524288";

/// The component that `bytes` are or, if they are a core module with a description of its interface, that becomes of them.
///
/// # Errors
/// They are neither, or the module does not fit its description.
pub fn component(bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    /// The fifth to eighth byte tell a core module (version 1, layer 0) from a component (layer 1).
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    if !bytes.starts_with(MODULE) {
        return Ok(bytes);
    }
    let mut encoder = wit_component::ComponentEncoder::default();
    let made = encoder.module(&bytes).and_then(|encoder| encoder.validate(true).encode());
    made.map_err(|error| format!("{error:#}").into())
}

/// A workspace with guests in it, as a build script sees it.
pub struct Package<'a> {
    /// The folder of its `Cargo.toml`.
    pub folder: &'a Path,
    /// Where cargo puts what it builds. Several packages may share it.
    pub target: &'a Path,
    /// Flags for the compiler on top of the stack's size.
    pub flags: &'a [&'a str],
}

impl Package<'_> {
    /// Builds it; answers with the folder that has a `.wasm` for each of its libraries.
    ///
    /// # Errors
    /// It could not be built.
    pub fn build(&self) -> Result<PathBuf, Error> {
        have_target()?;
        let mut cargo = Command::new(env::var_os("CARGO").ok_or("CARGO is not set")?);
        cargo
            .current_dir(self.folder)
            .args(["build", "--release", "--locked", "--lib", "--target", TARGET, "--target-dir"])
            .arg(self.target);
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
                || [
                    "RUSTFLAGS",
                    "RUSTC_WRAPPER",
                    "RUSTC_WORKSPACE_WRAPPER",
                    "TARGET",
                    "CLIPPY_ARGS",
                ]
                .contains(&name.as_str());
            if leaks {
                cargo.env_remove(name);
            }
        }
        let flags: Vec<_> = std::iter::once(STACK).chain(self.flags.iter().copied()).collect();
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        let status = cargo.status()?;
        if !status.success() {
            let folder = self.folder.display();
            return Err(format!("the guest in {folder} could not be built ({status})").into());
        }
        Ok(self.target.join(TARGET).join("release"))
    }
}

/// Makes the component that the library `library` in `built` is, and writes it to `file`.
///
/// # Errors
/// It is none, or a file cannot be read or written.
pub fn write(built: &Path, library: &str, file: &Path) -> Result<(), Error> {
    let bytes = fs::read(built.join(format!("{library}.wasm")))?;
    Ok(fs::write(file, component(bytes)?)?)
}

/// Sees to it that the compiler can make WebAssembly.
fn have_target() -> Result<(), Error> {
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
