//! How much of a store is durable, in a file `mark` beside it, at least each second: what a killed px0 left must have that much.
//!
//! The mark is written after what it tells of, so it never says too much. It has two places that are written in turns, each with a
//! digest: the other one is whole when px0 is killed in the middle of writing one.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use twox_hash::XxHash3_64;

use super::{
    disk::{if_there, sync_folder},
    wait,
};

/// The file in the data folder.
const NAME: &str = "mark";

/// What tells a place of this file from anything else, and the version of its format.
const MAGIC: [u8; 8] = *b"px0mark1";

/// Bytes of a place: what tells it, the number, and the digest of both.
const PLACE: usize = 24;

/// From one place to the other, in bytes: they are not in one sector of a disk.
const APART: u64 = 4096;

/// How often it is written while there are writes.
const EVERY: Duration = Duration::from_millis(500);

/// How many batches of a store are known to be durable; `None` when there is no mark, or none that can be read.
///
/// # Errors
/// The file system's.
pub(super) fn read(data: &Path) -> io::Result<Option<u64>> {
    let Some(file) = if_there(File::open(data.join(NAME)))? else {
        return Ok(None);
    };
    let place = |at| {
        let mut bytes = [0; PLACE];
        file.read_exact_at(&mut bytes, at).ok().and_then(|()| parse(&bytes))
    };
    Ok(place(0).max(place(APART)))
}

/// Copies the mark of a data folder into another one, if there is one.
///
/// # Errors
/// The file system's.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if_there(std::fs::copy(from.join(NAME), to.join(NAME))).map(drop)
}

fn parse(bytes: &[u8; PLACE]) -> Option<u64> {
    let (told, digest) = bytes.split_last_chunk::<8>()?;
    let number = told.strip_prefix(&MAGIC)?.try_into().ok()?;
    (XxHash3_64::oneshot(told).to_be_bytes() == *digest).then(|| u64::from_be_bytes(number))
}

fn place(batches: u64) -> [u8; PLACE] {
    let mut bytes = [0; PLACE];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&batches.to_be_bytes());
    let digest = XxHash3_64::oneshot(&bytes[..16]).to_be_bytes();
    bytes[16..].copy_from_slice(&digest);
    bytes
}

/// Writes the mark of an open store, on a thread of its own.
pub(super) struct Marker {
    durable: Arc<AtomicU64>,
    end: SyncSender<()>,
    thread: thread::JoinHandle<()>,
}

impl Marker {
    /// Begins with a store of which `batches` are durable: that is in both places once this is answered.
    ///
    /// # Errors
    /// The file cannot be written, or there is no thread.
    pub(super) fn start(data: &Path, batches: u64) -> io::Result<Self> {
        let file =
            File::options().create(true).truncate(false).write(true).open(data.join(NAME))?;
        let mut writes = Places { file, next: 0, written: None, failed: false };
        // Both places: the other one may tell of a store that was here before.
        for _ in 0..2 {
            writes.written = None;
            writes.write(batches);
        }
        sync_folder(data)?;
        let durable = Arc::new(AtomicU64::new(batches));
        let (end, ended) = sync_channel::<()>(0);
        let of_thread = durable.clone();
        let thread = thread::Builder::new().name("px0-mark".to_owned()).spawn(move || {
            loop {
                if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return writes.write(of_thread.load(Ordering::Acquire));
                }
                writes.write(of_thread.load(Ordering::Acquire));
            }
        })?;
        Ok(Self { durable, end, thread })
    }

    /// So many batches are durable now.
    pub(super) fn durable(&self, batches: u64) {
        self.durable.store(batches, Ordering::Release);
    }

    /// Writes it a last time, and ends the thread; leaves it behind when the disk does not answer.
    pub(super) fn stop(self) {
        drop(self.end);
        wait::goodbye(self.thread);
    }
}

struct Places {
    file: File,
    next: u64,
    written: Option<u64>,
    failed: bool,
}

impl Places {
    /// A mark that cannot be written is an old one: less is known, and nothing is wrong.
    fn write(&mut self, batches: u64) {
        if self.written == Some(batches) {
            return;
        }
        let written = self.file.write_all_at(&place(batches), self.next * APART);
        match written.and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.next = 1 - self.next;
                self.written = Some(batches);
                self.failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    tracing::warn!(%error, "the mark of the store cannot be written");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn the_higher_of_two_whole_places_counts() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(read(data.path()).unwrap(), None);
        let marker = Marker::start(data.path(), 7).unwrap();
        marker.durable(9);
        marker.stop();
        assert_eq!(read(data.path()).unwrap(), Some(9));
        let file = data.path().join(NAME);
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            fs::write(&file, damaged).unwrap();
            assert!(matches!(read(data.path()).unwrap(), Some(7 | 9)), "byte {at}");
        }
        fs::write(&file, b"px0mark1").unwrap();
        assert_eq!(read(data.path()).unwrap(), None);
    }

    #[test]
    fn a_store_that_took_the_place_of_another_has_its_own_mark() {
        let data = tempfile::tempdir().unwrap();
        for batches in [3, 5, 4] {
            let marker = Marker::start(data.path(), batches).unwrap();
            marker.durable(batches + 10);
            marker.stop();
            Marker::start(data.path(), batches).unwrap().stop();
            assert_eq!(read(data.path()).unwrap(), Some(batches));
        }
    }
}
