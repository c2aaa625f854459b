//! Reading what a plugin is made of.

use std::{fs, io, path::Path};

/// Reads a regular file of at most `most` bytes. Anything else is not even opened: who opens a pipe waits until somebody writes
/// into it, and a device may never end.
///
/// # Errors
/// It is not there, is no file, or is too large.
pub(crate) fn read(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let told = |error: io::Error| format!("{}: {error}", file.display());
    let about = fs::metadata(file).map_err(told)?;
    if !about.is_file() {
        return Err(format!("{} is no regular file", file.display()));
    }
    if about.len() > most {
        return Err(format!("{} is larger than {} MiB", file.display(), most >> 20));
    }
    fs::read(file).map_err(told)
}
