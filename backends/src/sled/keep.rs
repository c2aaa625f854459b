//! A copy of the store as a crash left it, until what the driver made of it is proved.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{
    disk::{has_room, if_there, sync_folder},
    seal,
};

/// What is left free beside a copy, in bytes: the driver writes when it opens a store.
const SPARE: u64 = 64 * 1024 * 1024;

/// A copy of the store in a data folder.
pub(super) struct Kept(PathBuf);

/// Where the store is, in a data folder: what a crash left that came while it was put in order, if there was one.
pub(super) fn store_of(data: &Path) -> PathBuf {
    let kept = place(data);
    if kept.is_dir() { kept } else { data.join("db") }
}

/// Where the copy is, in the data folder. Whatever is there is whole.
fn place(data: &Path) -> PathBuf {
    data.join("db.kept")
}

/// Where it is while it is made, and what is on its way out.
const LEFTOVERS: [&str; 2] = ["db.kept.new", "db.old"];

impl Kept {
    /// Copies the store in a data folder.
    ///
    /// # Errors
    /// The file system's; one of [`has_no_room`] when there is none for a copy.
    pub(super) fn copy(data: &Path) -> io::Result<Self> {
        let draft = data.join(LEFTOVERS[0]);
        let copied = copy_folder(&data.join("db"), &draft, Blocks::SharedOrCopied);
        if let Err(error) = copied.and_then(|()| fs::rename(&draft, place(data))) {
            remove(&draft)?;
            return Err(error);
        }
        sync_folder(data)?;
        Ok(Self(data.to_owned()))
    }

    /// The store is in order: from here on the copy is none, also after a crash.
    ///
    /// # Errors
    /// The file system's: then the copy may take the place of the store at the next start.
    pub(super) fn forget(self) -> io::Result<()> {
        let data = self.0;
        fs::rename(place(&data), data.join(LEFTOVERS[1]))?;
        sync_folder(&data)?;
        remove_leftovers(&data);
        Ok(())
    }

    /// Puts it in the place of what the driver made of the store.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn put_back(self) -> io::Result<()> {
        put_back(&self.0)
    }

    /// After a crash that came while the store was put in order: puts back what was kept, unless `is_stale` says that somebody put a whole
    /// store in its place meanwhile. Nothing was acknowledged since it was kept.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn put_back_after_crash(
        data: &Path,
        is_stale: impl FnOnce() -> io::Result<bool>,
    ) -> io::Result<()> {
        remove_leftovers(data);
        if !place(data).is_dir() {
            return Ok(());
        }
        if data.join("db").is_dir() && is_stale()? {
            return Self(data.to_owned()).forget();
        }
        put_back(data)
    }
}

/// Whether there was no room for something.
pub(super) fn has_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn put_back(data: &Path) -> io::Result<()> {
    if_there(fs::rename(data.join("db"), data.join(LEFTOVERS[1])))?;
    fs::rename(place(data), data.join("db"))?;
    sync_folder(data)?;
    remove_leftovers(data);
    Ok(())
}

/// Nothing depends on them; what cannot be removed now is the next time.
fn remove_leftovers(data: &Path) {
    for name in LEFTOVERS {
        if let Err(error) = remove(&data.join(name)) {
            tracing::warn!(name, %error, "a copy of the store that is of no use any more cannot be removed");
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    if_there(fs::remove_dir_all(folder)).map(drop)
}

/// How a copy comes to its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// It shares those of the original until one of them is written to: takes no time and no room, and not every file system can do it.
    Shared,
    /// It shares them, or else has its own.
    SharedOrCopied,
}

/// Copies a folder, durably.
///
/// # Errors
/// The file system's; [`ErrorKind::StorageFull`] before anything is copied when there is no room for it.
pub(super) fn copy_folder(from: &Path, to: &Path, blocks: Blocks) -> io::Result<()> {
    super::open::private().create(to)?;
    let names = seal::names(from)?;
    let mut rest = Vec::new();
    for name in &names {
        if let Some(within) = name.parent().filter(|within| !within.as_os_str().is_empty()) {
            super::open::private().recursive(true).create(to.join(within))?;
        }
        match reflink_copy::reflink(from.join(name), to.join(name)) {
            Ok(()) => {}
            Err(error) if blocks == Blocks::Shared || error.kind() == ErrorKind::NotFound => {
                return Err(error);
            }
            Err(_) => rest.push(name),
        }
    }
    let mut bytes = 0;
    for name in &rest {
        bytes += from.join(name).metadata()?.len();
    }
    if bytes > 0 {
        has_room(to, bytes.saturating_add(SPARE))?;
    }
    for name in rest {
        fs::copy(from.join(name), to.join(name))?;
    }
    for name in &names {
        File::open(to.join(name))?.sync_all()?;
    }
    for folder in names.iter().filter_map(|name| name.parent()) {
        sync_folder(&to.join(folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn data() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir_all(data.path().join("db/blobs")).unwrap();
        fs::write(data.path().join("db/db"), "log").unwrap();
        data
    }

    fn log(data: &tempfile::TempDir) -> String {
        fs::read_to_string(data.path().join("db/db")).unwrap()
    }

    #[test]
    fn what_was_kept_is_put_back() {
        let data = data();
        let kept = Kept::copy(data.path()).unwrap();
        fs::write(data.path().join("db/db"), "cut").unwrap();
        fs::write(data.path().join("db/snap"), "new").unwrap();
        kept.put_back().unwrap();
        assert_eq!(log(&data), "log");
        assert_eq!(seal::names(data.path()).unwrap(), [Path::new("db/db")]);
    }

    #[test]
    fn what_was_kept_and_is_of_no_use_any_more_is_gone() {
        let data = data();
        Kept::copy(data.path()).unwrap().forget().unwrap();
        assert_eq!(seal::names(data.path()).unwrap(), [Path::new("db/db")]);
    }

    #[test]
    fn a_crash_while_the_store_is_put_in_order_changes_nothing() {
        let data = data();
        let db = data.path().join("db");
        drop(Kept::copy(data.path()).unwrap());
        fs::write(db.join("db"), "cut").unwrap();
        Kept::put_back_after_crash(data.path(), || Ok(false)).unwrap();
        assert_eq!(log(&data), "log");
        // In the middle of putting it back.
        drop(Kept::copy(data.path()).unwrap());
        fs::rename(&db, data.path().join("db.old")).unwrap();
        Kept::put_back_after_crash(data.path(), || Ok(false)).unwrap();
        assert_eq!(log(&data), "log");
        // Half a copy is none, and neither is one that is being removed.
        for name in LEFTOVERS {
            fs::create_dir(data.path().join(name)).unwrap();
        }
        Kept::put_back_after_crash(data.path(), || Ok(false)).unwrap();
        assert_eq!(seal::names(data.path()).unwrap(), [Path::new("db/db")]);
    }

    #[test]
    fn a_store_that_was_put_in_its_place_meanwhile_stays() {
        let data = data();
        drop(Kept::copy(data.path()).unwrap());
        fs::write(data.path().join("db/db"), "restored").unwrap();
        Kept::put_back_after_crash(data.path(), || Ok(true)).unwrap();
        assert_eq!(log(&data), "restored");
        assert_eq!(seal::names(data.path()).unwrap(), [Path::new("db/db")]);
    }

    #[test]
    fn a_copy_is_whole() {
        let data = data();
        let (from, to) = (data.path().join("db"), data.path().join("to"));
        fs::write(from.join("blobs/1"), "blob").unwrap();
        copy_folder(&from, &to, Blocks::SharedOrCopied).unwrap();
        assert_eq!(seal::names(&to).unwrap(), seal::names(&from).unwrap());
        assert_eq!(fs::read_to_string(to.join("blobs/1")).unwrap(), "blob");
    }

    #[test]
    fn there_is_no_copy_without_room() {
        let data = data();
        let log = File::create(data.path().join("db/db")).unwrap();
        log.set_len(1 << 43).unwrap();
        let (from, to) = (data.path().join("db"), data.path().join("to"));
        // A file system that shares blocks needs no room.
        match copy_folder(&from, &to, Blocks::SharedOrCopied) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::StorageFull),
            Ok(()) => assert_eq!(to.join("db").metadata().unwrap().len(), 1 << 43),
        }
    }
}
