//! Making written data durable: sled's own `flush` waits for the pages to reach the disk (`sync_file_range`), but not for
//! the disk's cache nor for the length of a grown file. Without that it is not kept.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// What has to be made durable after sled has written.
pub(super) trait Disk: Send + 'static {
    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    /// The disk's. What was written may be lost then, also when a later call succeeds.
    fn sync(&mut self) -> io::Result<()>;

    /// Has what is read from now on come from the disk, and not from what the system keeps of it in memory.
    ///
    /// # Errors
    /// The disk's.
    fn forget(&mut self) -> io::Result<()>;
}

/// sled's files. All that a sync needs is open from the start: a process that has no file descriptors left can still write.
pub(super) struct Files {
    /// A handle of our own from before the first write: the kernel reports a failed write once to each.
    log: File,
    blobs: Folder,
    synced: BTreeSet<OsString>,
}

impl Files {
    /// The files of the store in `folder`, which is open.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            log: File::options().read(true).write(true).open(folder.join("db"))?,
            blobs: Folder::open(folder.join("blobs"))?,
            synced: BTreeSet::new(),
        })
    }

    /// sled writes pages that are too large for its log as files of their own and never syncs them. Our values are too
    /// small for that, so there should be none; should there be one, it counts.
    fn sync_blobs(&mut self) -> io::Result<()> {
        let mut present = BTreeSet::new();
        let mut fresh = false;
        for name in self.blobs.names()? {
            if !self.synced.contains(&name) {
                match File::open(self.blobs.path.join(&name)) {
                    Ok(file) => file.sync_data()?,
                    // sled removed it meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                fresh = true;
            }
            present.insert(name);
        }
        if fresh {
            sync_folder(&self.blobs.path)?;
        }
        self.synced = present;
        Ok(())
    }
}

/// A folder that can be listed again and again without opening anything.
struct Folder {
    path: PathBuf,
    #[cfg(unix)]
    open: rustix::fs::Dir,
}

impl Folder {
    fn open(path: PathBuf) -> io::Result<Self> {
        #[cfg(unix)]
        let open = rustix::fs::Dir::new(std::os::fd::OwnedFd::from(File::open(&path)?))?;
        Ok(Self {
            #[cfg(unix)]
            open,
            path,
        })
    }

    /// The names of what is in it.
    #[cfg(unix)]
    fn names(&mut self) -> io::Result<Vec<OsString>> {
        use std::os::unix::ffi::OsStringExt as _;
        self.open.rewind();
        let mut names = Vec::new();
        while let Some(entry) = self.open.read() {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    #[cfg(not(unix))]
    fn names(&mut self) -> io::Result<Vec<OsString>> {
        let entries = std::fs::read_dir(&self.path)?;
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }
}

impl Disk for Files {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_blobs()?;
        self.log.sync_data()
    }

    fn forget(&mut self) -> io::Result<()> {
        self.sync()?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&self.log, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }
}

/// What is done with a file or folder; `None` when it is not there.
///
/// # Errors
/// All others.
pub(super) fn if_there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// Sees that an ordinary user could write so many bytes to where a folder is: to try would fill the disk for everybody.
///
/// # Errors
/// [`ErrorKind::StorageFull`], and the file system's.
pub(super) fn has_room(folder: &Path, bytes: u64) -> io::Result<()> {
    let there = rustix::fs::statvfs(folder)?;
    let free = there.f_bavail.saturating_mul(there.f_frsize);
    if free < bytes { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
