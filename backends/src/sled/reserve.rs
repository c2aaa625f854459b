//! Room that is kept for a bad day: a file of a set size, which is given up when a full disk would keep the store from opening.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::disk::{has_room, if_there};

/// Bytes that must be free beside the reserve before writes are taken again: one group of writes, and what the driver adds to it.
const ROOM: u64 = 16 * 1024 * 1024;

/// The reserve of a data folder.
#[derive(Clone, Debug)]
pub(super) struct Reserve {
    file: PathBuf,
    probe: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// That of a data folder, of so many bytes; 0 is none.
    pub(super) fn of(data: &Path, bytes: u64) -> Self {
        Self { file: data.join("reserve"), probe: data.join("reserve.probe"), bytes }
    }

    /// Takes the room, unless it is taken.
    ///
    /// # Errors
    /// The file system's; [`io::ErrorKind::StorageFull`] when there is no room, and then none is taken.
    pub(super) fn take(&self) -> io::Result<()> {
        if self.bytes == 0 {
            return self.release();
        }
        if self.file.metadata().is_ok_and(|there| there.len() == self.bytes) {
            return Ok(());
        }
        allocate(&self.file, self.bytes)
    }

    /// Gives the room up.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn release(&self) -> io::Result<()> {
        remove(&self.file)
    }

    /// Whether there is room for more than the reserve, and whether what is written is kept: takes some room, writes to it, and gives
    /// it up again.
    ///
    /// # Errors
    /// As [`Reserve::take`].
    pub(super) fn probe(&self) -> io::Result<()> {
        allocate(&self.probe, ROOM)?;
        let probe = File::options().write(true).open(&self.probe)?;
        let written = probe.write_all_at(&[1], ROOM - 1).and_then(|()| probe.sync_data());
        remove(&self.probe)?;
        written
    }

    /// Takes the room, and looks whether there is more. Without a reserve, nobody looks.
    ///
    /// # Errors
    /// As [`Reserve::take`].
    pub(super) fn begin(&self) -> io::Result<()> {
        self.take()?;
        if self.bytes > 0 { self.probe() } else { Ok(()) }
    }
}

/// A file that has its room: not only a length.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        has_room(folder, bytes)?;
    }
    let mut file = File::create(path)?;
    let allocated =
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            // Not every file system can do it without writing.
            Err(rustix::io::Errno::OPNOTSUPP) => fill(&mut file, bytes),
            other => other.map_err(io::Error::from),
        };
    let allocated = allocated.and_then(|()| file.sync_all());
    if allocated.is_err() {
        remove(path)?;
    }
    allocated
}

fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let zeros = [0; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let part = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    if_there(fs::remove_file(path)).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn it_has_its_room_until_it_is_given_up() {
        let data = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(data.path(), 1024 * 1024);
        for _ in 0..2 {
            reserve.take().unwrap();
            let file = data.path().join("reserve").metadata().unwrap();
            assert!(file.blocks() * 512 >= 1024 * 1024);
            reserve.probe().unwrap();
        }
        reserve.release().unwrap();
        reserve.release().unwrap();
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }

    #[test]
    fn another_size_is_another_reserve() {
        let data = tempfile::tempdir().unwrap();
        for bytes in [4096, 8192, 0] {
            Reserve::of(data.path(), bytes).take().unwrap();
            let there = data.path().join("reserve").metadata().map_or(0, |file| file.len());
            assert_eq!(there, bytes);
        }
    }
}
