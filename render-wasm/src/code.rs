//! Compiled code: what the binary carries, and what is kept between starts.
//!
//! Compiling a component takes a second and more; loading its code takes milliseconds. Loaded code runs with all rights of this
//! process, so there are only two places that it comes from:
//!
//! - **the binary**, for the guests and the plugins that come with px0 ([`Embedded`]);
//! - **the cache folder**, for plugins that were installed ([`component`]). There, only what this process itself wrote is loaded: a
//!   file of its own user, readable by nobody else, in a folder of which the same is true, whose checksum holds. Anything else is
//!   not an error but simply not there: the component is compiled again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Error, component::Component};

/// Bytes of the checksum in front of the code.
const CHECKSUM: usize = 32;

/// A component that the binary carries, with the code that the build made of it.
#[derive(Clone, Copy)]
pub struct Embedded {
    component: &'static [u8],
    code: &'static [u8],
}

impl Embedded {
    /// A component and its code. No code means that the build could not compile for its target.
    ///
    /// # Safety
    /// `code` is empty, or what [`px0_precompile::embed`] made, and it is constant data of the program.
    #[expect(unsafe_code, reason = "who names the code vouches for it")]
    pub const unsafe fn new(component: &'static [u8], code: &'static [u8]) -> Self {
        Self { component, code }
    }

    /// The component as WebAssembly.
    pub const fn component(&self) -> &'static [u8] {
        self.component
    }

    /// Whether the build compiled it, so that it can be loaded in milliseconds.
    pub const fn is_compiled(&self) -> bool {
        !self.code.is_empty()
    }

    /// Loads it; `None` when this machine cannot run what the build made, so that it must be compiled here.
    pub fn load(&self, engine: &Engine) -> Option<Component> {
        if !self.is_compiled() {
            return None;
        }
        // SAFETY: deserializing trusts its input to be what wasmtime made of a component, which `Embedded::new` was promised.
        // The engine itself refuses code of other settings or for other processors.
        #[expect(unsafe_code, reason = "the code is part of this program")]
        let component = unsafe { Component::deserialize(engine, self.code) };
        self.give_back();
        component
            .inspect_err(|error| {
                let error = format!("{error:#}");
                tracing::warn!(
                    error,
                    "the code that comes with px0 does not run here and will be compiled"
                );
            })
            .ok()
    }
}

impl Embedded {
    /// Gives the memory back that the code took while it was read: the engine has its own copy. Only whole pages can be given back.
    #[cfg(target_os = "linux")]
    fn give_back(&self) {
        use rustix::{mm, param::page_size};

        let std::ops::Range { start, end } = self.code.as_ptr_range();
        let to_page = start.align_offset(page_size());
        let whole = self.code.len().saturating_sub(to_page + end.addr() % page_size());
        let first = start.wrapping_add(to_page).cast_mut().cast();
        // SAFETY: the pages are constant data of the program, so they come from its file again, the same, when somebody reads them.
        #[expect(unsafe_code, reason = "the call takes a bare address")]
        let given = unsafe { mm::madvise(first, whole, mm::Advice::LinuxDontNeed) };
        if let Err(error) = given {
            tracing::debug!(%error, "the memory of embedded code is not given back");
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn give_back(&self) {}
}

/// The component `name` of the build script of the crate that says this, as an [`Embedded`].
#[macro_export]
macro_rules! embedded {
    ($name:literal) => {{
        // SAFETY: the build script has the code made by `px0_precompile::embed`, and what a macro includes is constant.
        #[expect(unsafe_code, reason = "the code is part of this program")]
        unsafe {
            $crate::host::Embedded::new(
                include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
                include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".cwasm")),
            )
        }
    }};
}

/// Compiles `guest`, or takes its code from `folder`, where it is kept under `name`; says whether it had to be compiled.
///
/// # Errors
/// It is no component that the engine takes.
pub fn component(
    engine: &Engine,
    name: &str,
    guest: &[u8],
    folder: Option<&Path>,
) -> Result<(Component, bool), Error> {
    let key = key(engine, guest);
    let file = folder.map(|folder| folder.join(format!("{name}-{}.cwasm", hex(&key[..8]))));
    if let Some(component) = file.as_deref().and_then(|file| load(engine, &key, file)) {
        return Ok((component, false));
    }
    let component = Component::new(engine, guest)?;
    if let Some(file) = &file
        && let Err(error) = store(&component, &key, file)
    {
        tracing::warn!(file = %file.display(), %error, "compiled code could not be kept");
    }
    if let Some(file) = file {
        forget_others(name, &file);
    }
    Ok((component, true))
}

/// Removes the code of `name` that an older px0 left beside `file`.
fn forget_others(name: &str, file: &Path) {
    let Some(entries) = file.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else {
        return;
    };
    for other in entries.flatten().map(|entry| entry.path()) {
        let is_code = other.extension().is_some_and(|extension| extension == "cwasm");
        let file_name = other.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_of_name = file_name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        if is_code && is_of_name && other != file {
            // Nothing depends on it; what cannot be removed stays.
            let _ = std::fs::remove_file(other);
        }
    }
}

/// What code must have been made from, and by what, to be usable.
fn key(engine: &Engine, guest: &[u8]) -> [u8; CHECKSUM] {
    let mut compatibility = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    let mut key = Sha256::new();
    key.update(b"px0 compiled code 1\0");
    key.update(env!("CARGO_PKG_VERSION"));
    key.update(compatibility.finish().to_le_bytes());
    key.update(guest);
    key.finalize().into()
}

/// The checksum of `code` under `key`: code that was made from something else never has it.
fn checksum(key: &[u8], code: &[u8]) -> [u8; CHECKSUM] {
    let mut checksum = Sha256::new();
    checksum.update(key);
    checksum.update(code);
    checksum.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn load(engine: &Engine, key: &[u8], file: &Path) -> Option<Component> {
    let bytes = private::read(file)?;
    let (sum, code) = bytes.split_at_checked(CHECKSUM)?;
    if sum != checksum(key, code) {
        tracing::warn!(file = %file.display(), "compiled code is damaged and will be made again");
        return None;
    }
    // SAFETY: deserializing trusts its input to be what `Component::serialize` gave. It is: the file
    // and its folder belong to this user alone (`private::read`), and the checksum ties it to this
    // guest, this engine and its configuration.
    #[expect(
        unsafe_code,
        reason = "the one exception: loading the code that this program compiled and kept itself"
    )]
    let component = unsafe { Component::deserialize(engine, code) };
    component
        .inspect_err(
            |error| tracing::warn!(file = %file.display(), %error, "compiled code cannot be used"),
        )
        .ok()
}

fn store(component: &Component, key: &[u8], file: &Path) -> Result<(), Error> {
    let code = component.serialize()?;
    let mut bytes = Vec::with_capacity(CHECKSUM + code.len());
    bytes.extend_from_slice(&checksum(key, &code));
    bytes.extend_from_slice(&code);
    private::write(file, &bytes).map_err(Error::new)
}

/// Files that only this user can read or write.
#[cfg(unix)]
mod private {
    use std::{
        fs::{self, DirBuilder, File, OpenOptions},
        io::{self, Read, Write},
        os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        path::Path,
        sync::atomic::{AtomicU64, Ordering},
    };

    /// The bytes of `file`, if it and its folder belong to this user alone.
    pub(super) fn read(file: &Path) -> Option<Vec<u8>> {
        let folder = file.parent()?;
        let user = rustix::process::geteuid().as_raw();
        let is_ours = |metadata: &fs::Metadata, mode: u32| {
            metadata.uid() == user && metadata.permissions().mode() & 0o777 & !mode == 0
        };
        let of_folder = fs::symlink_metadata(folder).ok()?;
        if !(of_folder.is_dir() && is_ours(&of_folder, 0o700)) {
            return None;
        }
        // The open file is asked, not its name: the name could be given to another one in between.
        let mut open = File::open(file).ok()?;
        let metadata = open.metadata().ok()?;
        if !(metadata.is_file() && is_ours(&metadata, 0o600)) {
            tracing::warn!(file = %file.display(), "compiled code is not this user's alone and will be made again");
            return None;
        }
        let mut bytes = Vec::new();
        open.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Writes `file` whole or not at all.
    pub(super) fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        // Two loaders of one process may write the same file: each has a draft of its own.
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let draft = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let partial = file.with_extension(format!("{}-{draft}.part", std::process::id()));
        let written = create(&partial).and_then(|mut open| {
            open.write_all(bytes)?;
            open.sync_all()?;
            fs::rename(&partial, file)
        });
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        written
    }

    fn create(file: &Path) -> io::Result<File> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
    }
}

/// Elsewhere nothing is kept: there is no simple way to tell whose a file is.
#[cfg(not(unix))]
mod private {
    use std::{io, path::Path};

    pub(super) fn read(_: &Path) -> Option<Vec<u8>> {
        None
    }

    pub(super) fn write(_: &Path, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        path::{Path, PathBuf},
    };

    use super::*;
    use crate::engine::Machine;

    /// The smallest component there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    /// Whether a start with the code in `folder` had to compile.
    fn compiles(folder: &Path) -> bool {
        let engine = &Machine::get().expect("the engine can be made").engine;
        component(engine, "empty", EMPTY, Some(folder)).expect("the component is valid").1
    }

    /// A folder with the code of one start, and its file.
    fn kept() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let parent = tempfile::tempdir().expect("there is a folder for temporary files");
        let folder = parent.path().join("data/code");
        assert!(compiles(&folder), "there is nothing yet");
        let mut entries = fs::read_dir(&folder).expect("the folder was made");
        let file = entries.next().expect("a file was kept").expect("it can be read").path();
        assert!(entries.next().is_none(), "nothing else is left behind");
        (parent, folder, file)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn code_is_kept_for_this_user_alone() {
        let (_parent, folder, file) = kept();
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert!(!compiles(&folder));
        let engine = &Machine::get().expect("the engine can be made").engine;
        assert!(
            component(engine, "empty", EMPTY, None).expect("the component is valid").1,
            "no folder, no code"
        );
    }

    #[test]
    fn damaged_code_is_made_again() {
        let (_parent, folder, file) = kept();
        let whole = fs::read(&file).expect("it can be read");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for damaged in [&flipped, &whole[..whole.len() - 1], &whole[..CHECKSUM], b"short", b""] {
            fs::write(&file, damaged).expect("it can be written");
            assert!(compiles(&folder), "{} bytes", damaged.len());
            assert!(!compiles(&folder), "it was made again");
        }
    }

    #[test]
    fn code_under_another_key_is_not_taken() {
        let (_parent, folder, file) = kept();
        let whole = fs::read(&file).expect("it can be read");
        let mut forged = checksum(b"another key", &whole[CHECKSUM..]).to_vec();
        forged.extend_from_slice(&whole[CHECKSUM..]);
        fs::write(&file, forged).expect("it can be written");
        assert!(compiles(&folder));
    }

    #[test]
    fn code_that_others_can_touch_is_not_trusted() {
        let (_parent, folder, file) = kept();
        for open in [0o660, 0o606, 0o644] {
            fs::set_permissions(&file, fs::Permissions::from_mode(open)).expect("it is ours");
            assert!(compiles(&folder), "{open:o}");
            assert_eq!(mode(&file), 0o600, "it was replaced");
        }
        for open in [0o777, 0o770, 0o755] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(open)).expect("it is ours");
            assert!(compiles(&folder), "{open:o}");
            assert_eq!(mode(&folder), 0o700, "it was closed");
        }
    }

    #[test]
    fn a_link_to_a_folder_is_not_followed() {
        let (parent, folder, _) = kept();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).expect("it can be made");
        assert!(compiles(&link));
    }
}
