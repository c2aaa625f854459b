//! Making written data durable: sled's own `flush` waits for the pages to reach the disk (`sync_file_range`), but not for
//! the disk's cache nor for the length of a grown file. Without that it is not kept.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
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
}

/// sled's files.
pub(super) struct Files {
    /// A handle of our own from before the first write: the kernel reports a failed write once to each.
    log: File,
    blobs: PathBuf,
    synced: BTreeSet<OsString>,
}

impl Files {
    /// The files of the store in `folder`, which is open.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            log: File::options().read(true).write(true).open(folder.join("db"))?,
            blobs: folder.join("blobs"),
            synced: BTreeSet::new(),
        })
    }

    /// sled writes pages that are too large for its log as files of their own and never syncs them. Our values are too
    /// small for that, so there should be none; should there be one, it counts.
    fn sync_blobs(&mut self) -> io::Result<()> {
        let mut present = BTreeSet::new();
        let mut fresh = false;
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            let name = entry.file_name();
            if !self.synced.contains(&name) {
                match File::open(entry.path()) {
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
            sync_folder(&self.blobs)?;
        }
        self.synced = present;
        Ok(())
    }
}

impl Disk for Files {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_blobs()?;
        self.log.sync_data()
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
