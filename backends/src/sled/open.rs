//! Opening the data folder: one process at a time, never half made, never of a newer px0, and never less than was in it.
//!
//! The driver repairs what it finds, and cannot be asked to only look. So a store that px0 closed is compared with its seal before the
//! driver opens it; and of one that was left open by a crash, a copy is kept until it is proved that all is there that the mark says.

use std::{
    env,
    fs::{self, DirBuilder, File, TryLockError},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use ::sled::{Batch, Config, Db};
use px0_core::store::StoreError;
use tempfile::TempDir;

use super::{
    disk::sync_folder,
    error::{Context, corrupt, damaged, is_locked, is_unreadable, unusable},
    keep::{Blocks, Kept, copy_folder, has_no_room, store_of},
    keyspace, mark,
    reserve::Reserve,
    seal::Seal,
    settings::SledSettings,
    tally::{self, Tally},
    view::View,
    wait,
};

/// What is stored, and how. A px0 that reads another layout has another number, and a step from this one to it.
const SCHEMA: u32 = 2;

/// The layout without a [`Tally`].
const UNCOUNTED: u32 = 1;

/// Pages that sled keeps in memory. Its default of 1 GiB is for a machine of its own.
const CACHE: u64 = 256 * 1024 * 1024;

/// How often sled moves the living out of half-empty parts of its file, without which the file only grows. It
/// also syncs then, which is of no use to us: nothing is acknowledged before our own sync.
const HOUSEKEEPING_MS: u64 = 500;

/// sled's I/O threads may hold its file for a moment after it was closed.
const LET_GO: Duration = Duration::from_secs(5);

/// A data folder that no other process can open as long as this is there.
pub(super) struct Data {
    path: PathBuf,
    reserve: Reserve,
    copy: Option<Copied>,
    _lock: File,
}

/// What a data folder is that is the copy of another one.
struct Copied {
    of: PathBuf,
    /// The copy itself goes when this is dropped.
    _folder: TempDir,
}

/// An open store. Dropped, it can be opened again.
pub(super) struct Opened {
    pub(super) db: Db,
    pub(super) config: Config,
    pub(super) folder: PathBuf,
    /// What it says it holds.
    pub(super) tally: Tally,
}

impl Data {
    /// Takes a data folder, and makes it if it is not there.
    pub(super) fn take(settings: &SledSettings) -> Result<Self, StoreError> {
        let path = &settings.path;
        make_folder(path).map_err(|error| unusable(path, error))?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(|error| unusable(path, format!("cannot be written: {error}")))?;
        let reserve = Reserve::of(path, settings.reserve);
        Ok(Self { _lock: lock_or_say(path, lock)?, path: path.clone(), reserve, copy: None })
    }

    /// Copies a data folder that no px0 uses, without writing to it, into a folder of its own in `scratch`. Without one, that is
    /// beside it where the copy can share its blocks, and else where the system keeps temporary files.
    pub(super) fn copy(
        settings: &SledSettings,
        scratch: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let path = &settings.path;
        let unreadable = |error| unusable(path, format!("cannot be read: {error}"));
        let lock = File::open(path.join("lock")).map_err(unreadable)?;
        let lock = lock_or_say(path, lock)?;
        let folder = match scratch {
            Some(scratch) => copied(path, scratch, Blocks::SharedOrCopied),
            None => copied(path, &path.join(".."), Blocks::Shared)
                .or_else(|_| copied(path, &env::temp_dir(), Blocks::SharedOrCopied)),
        }?;
        Ok(Self {
            path: folder.path().to_owned(),
            reserve: Reserve::of(folder.path(), 0),
            copy: Some(Copied { of: path.clone(), _folder: folder }),
            _lock: lock,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, for people: what is a copy is as good as the original.
    fn shown(&self) -> &Path {
        self.copy.as_ref().map_or(&self.path, |copy| &copy.of)
    }

    /// The room that it keeps.
    pub(super) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    fn store(&self) -> PathBuf {
        self.path.join("db")
    }

    /// Opens the store, and makes it if there is none. Blocks while all of it is read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what to do when the folder cannot be used, or does not hold what it held.
    pub(super) fn open(&self) -> Result<Opened, StoreError> {
        let folder = self.store();
        let seal = Seal::read(&self.path).context("reading the seal of the store")?;
        let compare = || match &seal {
            Some(seal) => seal.broken(&folder).map(Some),
            None => Ok(None),
        };
        Kept::put_back_after_crash(&self.path, || Ok(matches!(compare()?, Some(None))))
            .context("looking at the data folder")?;
        if !folder.exists() {
            let mark = mark::read(&self.path).context("reading the mark of the store")?;
            if seal.is_some() || mark.is_some() {
                let what = format!("{} is gone", self.shown().join("db").display());
                return Err(damaged(self.shown(), &what, true));
            }
            create(&self.path, &folder)?;
            return self.drive(false);
        }
        match (compare().context("comparing the store with its seal")?, &seal) {
            (Some(None), _) => self.open_sealed(),
            (Some(Some(broken)), Some(seal)) => {
                let file = self.shown().join("db").join(&broken.file);
                let what = format!("{} {} since px0 closed it", file.display(), broken.how);
                self.open_left(Some((seal.tally(), &what)))
            }
            _ => self.open_left(None),
        }
    }

    /// Opens what is as px0 left it.
    fn open_sealed(&self) -> Result<Opened, StoreError> {
        Seal::remove(&self.path).context("breaking the seal of the store")?;
        self.drive(false)
    }

    /// Opens what was left open, or changed since it was closed: with all that was in it, or not at all. `sealed` is what it held when it
    /// was closed, and what became of it.
    fn open_left(&self, sealed: Option<(Tally, &str)>) -> Result<Opened, StoreError> {
        let mark = mark::read(&self.path).context("reading the mark of the store")?;
        let prove = |is_kept| {
            let refused = |what: &str| match sealed {
                Some((_, became)) => damaged(self.shown(), became, is_kept),
                None => damaged(self.shown(), &format!("{} {what}", self.log()), is_kept),
            };
            let opened = self.drive(is_kept)?;
            let sealed = sealed.map(|(tally, _)| tally);
            match proved(&opened, sealed, mark) {
                Ok(()) => Ok(opened),
                Err(what) => Err(refused(&what)),
            }
        };
        if self.copy.is_some() {
            return prove(true);
        }
        let kept = match Kept::copy(&self.path) {
            Ok(kept) => kept,
            Err(error) if has_no_room(&error) && sealed.is_none() => {
                let folder = self.path.display();
                tracing::warn!(
                    %folder,
                    "the disk is full: no copy of the store is kept while it is put in order"
                );
                return prove(false);
            }
            Err(error) => {
                let why = format!(
                    "its store has to be put in order, and cannot be copied before: {error}"
                );
                return Err(unusable(&self.path, why));
            }
        };
        let opened = prove(true);
        match &opened {
            Ok(_) => {
                if let Some((_, became)) = sealed {
                    tracing::warn!("{became}; all that was in the store is there all the same");
                    Seal::remove(&self.path).context("breaking the seal of the store")?;
                }
                kept.forget().context("forgetting the copy of the store")?;
            }
            Err(_) => kept.put_back().context("putting the store back as it was")?,
        }
        opened
    }

    /// Opens the store again that was open until now. Its contents are not looked at.
    pub(super) fn open_again(&self) -> Result<Opened, StoreError> {
        self.drive(false)
    }

    /// Has the driver open the store; on a full disk, in the room of the reserve. `is_kept` says whether there is a copy of it.
    fn drive(&self, is_kept: bool) -> Result<Opened, StoreError> {
        match self.drive_once(is_kept) {
            Err(error) if is_no_room(&error) => {
                self.reserve.release().context("giving up the reserve")?;
                tracing::warn!("the disk is full: the store is opened in the room of its reserve");
                self.drive_once(is_kept)
            }
            opened => opened,
        }
    }

    fn drive_once(&self, is_kept: bool) -> Result<Opened, StoreError> {
        let folder = self.store();
        forget_half_snapshots(&folder).context("cleaning the data folder")?;
        // The driver panics over some damage, and answers errors over other.
        let driven = guarded(|| {
            let (db, config) = open(&folder).context("opening the store")?;
            let tally = check_schema(self.shown(), &db)?;
            sync_folder(&folder).context("syncing the data folder")?;
            Ok(Opened { db, config, folder: folder.clone(), tally })
        });
        driven.map_err(|error| match is_unreadable(&error) {
            true => {
                let what = format!("{} cannot be read any more", self.log());
                damaged(self.shown(), &what, is_kept)
            }
            false => error,
        })
    }

    /// The driver's file, for people.
    fn log(&self) -> String {
        self.shown().join("db").join("db").display().to_string()
    }

    /// Seals the store, which was closed with nothing left to write, and holds this. Blocks while all of it is read.
    ///
    /// # Errors
    /// The file system's; the store is in order all the same.
    pub(super) fn seal(&self, tally: Tally) -> io::Result<()> {
        if self.copy.is_some() {
            return Ok(());
        }
        let folder = self.store();
        // Nobody else uses the folder: once the driver's own lock can be had, the last of its threads has let go.
        let log = File::open(folder.join("db"))?;
        if !wait::until(LET_GO, || log.try_lock().is_ok()) {
            log.try_lock()?;
        }
        Seal::of(&folder, tally)?.write(&self.path)
    }
}

/// Whether all is there: what was sealed, or else what was durable when the mark was written; and every entry that the store says it
/// holds. Reads all of it.
///
/// # Errors
/// What is not: goes on where the name of the file ends.
fn proved(opened: &Opened, sealed: Option<Tally>, mark: Option<u64>) -> Result<(), String> {
    let told = opened.tally;
    if sealed.is_some_and(|sealed| sealed != told) {
        return Err("does not hold what was in it".to_owned());
    }
    match mark {
        Some(mark) if told.batches < mark => {
            let is = told.batches;
            return Err(format!("ends after {is} of the {mark} writes that were kept in it"));
        }
        None if told.batches > 0 => tracing::warn!(
            "there is no mark of the store: nobody knows whether the last writes before a crash are there"
        ),
        _ => {}
    }
    match guarded(|| Tally::count(&View::of(&opened.db))) {
        Ok(found) if found.holds_the_same(&told) => Ok(()),
        Ok(found) => {
            let (is, was) = (found.entries, told.entries);
            Err(format!("has lost something: {is} of {was} entries are there"))
        }
        Err(_) => Err("cannot be read any more".to_owned()),
    }
}

/// Runs what reads through the driver; a panic of it is an error like any other.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let read = catch_unwind(AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(corrupt("the store's file is damaged")))
}

/// A copy of what a data folder has to be opened with, in a folder of its own.
fn copied(data: &Path, scratch: &Path, blocks: Blocks) -> Result<TempDir, StoreError> {
    let copied = tempfile::Builder::new().prefix("px0-copy-").tempdir_in(scratch);
    let copied = copied.and_then(|folder| {
        copy_folder(&store_of(data), &folder.path().join("db"), blocks)?;
        mark::copy(data, folder.path())?;
        Seal::copy(data, folder.path())?;
        Ok(folder)
    });
    copied.map_err(|error| {
        let place = scratch.display();
        let why = if has_no_room(&error) { "there is no room for it".to_owned() } else { error.to_string() };
        unusable(
            data,
            format!(
                "is only read, so its store is copied, and that cannot be done in {place}: {why}; name another folder with --scratch"
            ),
        )
    })
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
pub(super) fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Keeps other processes out, with words of our own: sled's lock says only that there is one.
fn lock_or_say(path: &Path, lock: File) -> Result<File, StoreError> {
    match lock.try_lock() {
        Ok(()) => Ok(lock),
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
        let (db, _) = open(&draft).context("making the store")?;
        let mut tally = Tally::default();
        note_schema(&db, &mut tally)?;
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

fn open(folder: &Path) -> ::sled::Result<(Db, Config)> {
    let deadline = Instant::now() + LET_GO;
    loop {
        let config =
            Config::new().path(folder).cache_capacity(CACHE).flush_every_ms(Some(HOUSEKEEPING_MS));
        match config.open() {
            Err(error) if is_locked(&error) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            opened => return opened.map(|db| (db, config)),
        }
    }
}

/// Whether a file could not grow.
fn is_no_room(error: &StoreError) -> bool {
    let StoreError::Broken { source, .. } = error else {
        return false;
    };
    let source: &(dyn std::error::Error + 'static) = source.as_ref();
    match source.downcast_ref() {
        Some(::sled::Error::Io(error)) => has_no_room(error),
        _ => source.downcast_ref().is_some_and(has_no_room),
    }
}

/// Checks that this px0 can read the store, and brings it to this layout; answers what it holds.
fn check_schema(path: &Path, db: &Db) -> Result<Tally, StoreError> {
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
        SCHEMA => Tally::told(&view)?.ok_or_else(|| corrupt("the tally of the store is gone")),
        UNCOUNTED => {
            let mut tally = Tally::count(&view)?;
            note_schema(db, &mut tally)?;
            Ok(tally)
        }
        newer => Err(unusable(
            path,
            format!(
                "was written by a newer px0 (schema {newer}; this one reads {SCHEMA}); please upgrade px0"
            ),
        )),
    }
}

/// Notes the layout and the tally in one step.
fn note_schema(db: &Db, tally: &mut Tally) -> Result<(), StoreError> {
    let (key, value) = (keyspace::about(keyspace::SCHEMA), SCHEMA.to_be_bytes());
    let old = db.get(&key).context("reading the store")?;
    tally.replace(key.as_bytes(), old.as_deref(), Some(&value));
    let mut batch = Batch::default();
    batch.insert(key.as_bytes(), &value);
    batch.insert(tally::key().as_bytes(), &tally.to_bytes());
    db.apply_batch(batch).context("noting the layout of the store")?;
    db.flush().context("noting the layout of the store")?;
    Ok(())
}
