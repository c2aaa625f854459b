//! What the files of a store were when px0 closed it: their names, lengths and digests, in a file `sealed` beside them.
//!
//! The driver repairs what it finds: it cuts a damaged log where the damage begins, and says nothing. So a sealed store is compared
//! with its seal before the driver opens it. The seal is broken (removed) before the first write.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind, Read, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::{
    disk::{if_there, sync_folder},
    tally::Tally,
};

/// The file in the data folder.
const NAME: &str = "sealed";

/// The version of the format, and what tells a seal from any other file.
const FORMAT: &str = "px0 seal 1";

/// How much of a file is read at once.
const CHUNK: usize = 1024 * 1024;

/// The files of a closed store, by their paths in its folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    /// What the store held.
    tally: Tally,
    files: BTreeMap<PathBuf, Contents>,
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    length: u64,
    /// XXH3-64, in hex.
    digest: String,
}

/// How a store differs from its seal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The file, within the folder of the store.
    pub(super) file: PathBuf,
    /// What became of it: goes on where the name of the file ends.
    pub(super) how: String,
}

impl Seal {
    /// What is in the folder of a store now, which holds this, and is durable once this is answered. Reads all of it.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn of(folder: &Path, tally: Tally) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for name in names(folder)? {
            let path = folder.join(&name);
            File::open(&path)?.sync_all()?;
            files.insert(name, Contents::of(&path)?);
        }
        sync_folder(folder)?;
        Ok(Self { tally, files })
    }

    /// What the store held.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// How the folder of a store differs from this; `None` if it does not. Reads all of it.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn broken(&self, folder: &Path) -> io::Result<Option<Broken>> {
        let broken = |file: &Path, how: String| Ok(Some(Broken { file: file.to_owned(), how }));
        for (file, sealed) in &self.files {
            let found = match Contents::of(&folder.join(file)) {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return broken(file, "is gone".to_owned());
                }
                Err(error) => {
                    let file = folder.join(file);
                    return Err(io::Error::new(
                        error.kind(),
                        format!("{}: {error}", file.display()),
                    ));
                }
            };
            if found.length != sealed.length {
                let (was, is) = (sealed.length, found.length);
                return broken(file, format!("had {was} bytes and has {is} now"));
            }
            if found.digest != sealed.digest {
                return broken(file, "has other contents now".to_owned());
            }
        }
        let strange = names(folder)?.into_iter().find(|name| !self.files.contains_key(name));
        match strange {
            Some(file) => broken(&file, "has appeared".to_owned()),
            None => Ok(None),
        }
    }

    /// Reads the seal in a data folder. `None` when there is none, or when it is no seal px0 made: then nothing is known.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn read(data: &Path) -> io::Result<Option<Self>> {
        let Some(text) = if_there(fs::read(data.join(NAME)))? else {
            return Ok(None);
        };
        let seal = parse(&text);
        if seal.is_none() {
            let file = data.join(NAME);
            tracing::warn!(
                file = %file.display(),
                "the seal of the store cannot be read; the store is looked at as after a crash"
            );
        }
        Ok(seal)
    }

    /// Writes it into a data folder, durably: there is a whole one, or none.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn write(&self, data: &Path) -> io::Result<()> {
        let files = serde_json::to_string(self).map_err(io::Error::other)?;
        let text = format!("{FORMAT}\n{files}\n");
        let text = format!("{text}{:016x}\n", XxHash3_64::oneshot(text.as_bytes()));
        let draft = data.join("sealed.new");
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, data.join(NAME))?;
        sync_folder(data)
    }

    /// Copies the seal of a data folder into another one, if there is one.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
        if_there(fs::copy(from.join(NAME), to.join(NAME))).map(drop)
    }

    /// Removes the seal of a data folder, durably, if there is one.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn remove(data: &Path) -> io::Result<()> {
        match if_there(fs::remove_file(data.join(NAME)))? {
            Some(()) => sync_folder(data),
            None => Ok(()),
        }
    }
}

fn parse(text: &[u8]) -> Option<Seal> {
    let text = std::str::from_utf8(text).ok()?;
    let (sealed, digest) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let sealed = format!("{sealed}\n");
    if format!("{:016x}", XxHash3_64::oneshot(sealed.as_bytes())) != digest {
        return None;
    }
    serde_json::from_str(sealed.strip_prefix(FORMAT)?).ok()
}

impl Contents {
    fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hasher, mut length) = (XxHash3_64::new(), 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    length += read as u64;
                    std::hash::Hasher::write(&mut hasher, &chunk[..read]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let digest = format!("{:016x}", std::hash::Hasher::finish(&hasher));
        Ok(Self { length, digest })
    }
}

/// The files in a folder and in those below it, by their paths within it.
pub(super) fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    let mut below = vec![PathBuf::new()];
    while let Some(within) = below.pop() {
        for entry in fs::read_dir(folder.join(&within))? {
            let entry = entry?;
            let name = within.join(entry.file_name());
            if entry.file_type()?.is_dir() { below.push(name) } else { names.push(name) }
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn store() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir_all(data.path().join("db/blobs")).unwrap();
        fs::write(data.path().join("db/db"), vec![7; 3 * CHUNK + 1]).unwrap();
        fs::write(data.path().join("db/blobs/1"), "blob").unwrap();
        data
    }

    fn sealed(data: &Path) -> Seal {
        Seal::of(&data.join("db"), Tally::default()).unwrap().write(data).unwrap();
        Seal::read(data).unwrap().unwrap()
    }

    #[test]
    fn a_store_that_nobody_touched_is_as_it_was() {
        let data = store();
        assert_eq!(sealed(data.path()).broken(&data.path().join("db")).unwrap(), None);
        Seal::remove(data.path()).unwrap();
        Seal::remove(data.path()).unwrap();
        assert_eq!(Seal::read(data.path()).unwrap(), None);
    }

    #[test]
    fn whatever_changed_is_named() {
        type Change = fn(&Path);
        let changes: [(&str, &str, Change); 4] = [
            ("db", "had 3145729 bytes and has 5 now", |db| {
                fs::write(db.join("db"), "other").unwrap()
            }),
            ("db", "has other contents now", |db| {
                let mut bytes = fs::read(db.join("db")).unwrap();
                bytes[2 * CHUNK] ^= 1;
                fs::write(db.join("db"), bytes).unwrap();
            }),
            ("blobs/1", "is gone", |db| fs::remove_file(db.join("blobs/1")).unwrap()),
            ("blobs/2", "has appeared", |db| fs::write(db.join("blobs/2"), "").unwrap()),
        ];
        for (file, how, change) in changes {
            let data = store();
            let (seal, db) = (sealed(data.path()), data.path().join("db"));
            change(&db);
            let broken = seal.broken(&db).unwrap().unwrap();
            assert_eq!((broken.file.as_path(), broken.how.as_str()), (Path::new(file), how));
        }
    }

    #[test]
    fn a_seal_that_was_damaged_is_none() {
        let data = store();
        sealed(data.path());
        let file = data.path().join(NAME);
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&file, &damaged).unwrap();
            assert_eq!(Seal::read(data.path()).unwrap(), None, "byte {at}");
            fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(Seal::read(data.path()).unwrap(), None, "cut at {at}");
        }
    }
}
