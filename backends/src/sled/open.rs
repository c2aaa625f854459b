//! Opening the data folder: one process at a time, never half made, never of a newer px0.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use ::sled::{Config, Db};
use px0_core::store::StoreError;

use super::{
    disk::sync_folder,
    error::{Context, corrupt, unusable},
    keyspace,
    view::View,
};

/// What is stored, and how. A px0 that reads another layout has another number, and a step from this one to it.
const SCHEMA: u32 = 1;

/// Pages that sled keeps in memory. Its default of 1 GiB is for a machine of its own.
const CACHE: u64 = 256 * 1024 * 1024;

/// How often sled moves the living out of half-empty parts of its file, without which the file only grows. It
/// also syncs then, which is of no use to us: nothing is acknowledged before our own sync.
const HOUSEKEEPING_MS: u64 = 500;

/// sled's I/O threads may hold its file for a moment after it was closed.
const LET_GO: Duration = Duration::from_secs(5);

/// An open data folder. Dropped, it can be opened again.
pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) config: Config,
    pub(super) folder: PathBuf,
    /// Last, so that the next process finds sled closed.
    _lock: File,
}

impl Opened {
    /// Opens the data folder at `path`, and makes it if it is not there.
    pub(super) fn at(path: &Path) -> Result<Self, StoreError> {
        make_folder(path).map_err(|error| unusable(path, error))?;
        let lock = lock(path)?;
        let folder = path.join("db");
        if !folder.exists() {
            create(path, &folder)?;
        }
        forget_half_snapshots(&folder).context("cleaning the data folder")?;
        let (db, config) = open(&folder)?;
        check_schema(path, &db)?;
        sync_folder(&folder).context("syncing the data folder")?;
        Ok(Self { db, config, folder, _lock: lock })
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if path.exists() {
        return Err(io::Error::other("is not a folder"));
    }
    private().recursive(true).create(path)?;
    match path.canonicalize()?.parent() {
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

/// Makes folders that only their owner can enter: there are password hashes inside.
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Keeps other processes out, with words of our own: sled's lock says only that there is one.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join("lock"))
        .map_err(|error| unusable(path, format!("cannot be written: {error}")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(unusable(
            path,
            "is in use by another px0; stop that one, or set store.sled.path (PX0_STORE__SLED__PATH) to another folder",
        )),
        Err(TryLockError::Error(error)) => {
            Err(unusable(path, format!("cannot be locked: {error}")))
        }
    }
}

/// Makes the store beside its place and then moves it there: sled cannot read what a killed process left
/// half made.
fn create(path: &Path, folder: &Path) -> Result<(), StoreError> {
    let draft = path.join("db.new");
    if draft.exists() {
        fs::remove_dir_all(&draft).context("removing a half-made store")?;
    }
    private()
        .create(&draft)
        .map_err(|error| unusable(path, format!("cannot be written: {error}")))?;
    {
        let (db, _) = open(&draft)?;
        db.insert(keyspace::about(keyspace::SCHEMA), SCHEMA.to_be_bytes().to_vec())
            .context("making the store")?;
        db.flush().context("making the store")?;
    }
    for name in ["db", "conf"] {
        let synced = File::open(draft.join(name)).and_then(|file| file.sync_all());
        synced.context("making the store")?;
    }
    sync_folder(&draft).context("making the store")?;
    fs::rename(&draft, folder).context("making the store")?;
    sync_folder(path).context("making the store")
}

/// sled takes the snapshot with the highest name, also one that it was killed in the middle of; it does
/// without any as well, so the half ones can go.
fn forget_half_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn open(folder: &Path) -> Result<(Db, Config), StoreError> {
    let deadline = Instant::now() + LET_GO;
    loop {
        let config =
            Config::new().path(folder).cache_capacity(CACHE).flush_every_ms(Some(HOUSEKEEPING_MS));
        match config.open() {
            Ok(db) => return Ok((db, config)),
            Err(error) if is_locked(&error) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error).context("opening the store"),
        }
    }
}

fn is_locked(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn check_schema(path: &Path, db: &Db) -> Result<(), StoreError> {
    let view = View::of(db);
    let Some(found) = view.value(&keyspace::about(keyspace::SCHEMA))? else {
        return Err(unusable(path, "has a database in it that is not px0's"));
    };
    let found: [u8; 4] =
        found.as_ref().try_into().map_err(|_| corrupt("the schema version is no number"))?;
    if view.has(&keyspace::about(keyspace::IMPORTING))? {
        return Err(unusable(
            path,
            "an import into it was not finished; remove it, and import again",
        ));
    }
    match u32::from_be_bytes(found) {
        SCHEMA => Ok(()),
        newer => Err(unusable(
            path,
            format!(
                "was written by a newer px0 (schema {newer}; this one reads {SCHEMA}); please upgrade px0"
            ),
        )),
    }
}
