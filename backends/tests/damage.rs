//! A store that was damaged on the disk is refused, or holds all that it held: nothing is lost in silence.
//!
//! Files of closed and of killed stores get a bit flipped or are cut, by a seed; `PX0_DAMAGE_TRIALS` says how often.
#![allow(clippy::unwrap_used)]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Once,
};

use px0_backends::{SledSettings, SledStore};
use px0_core::store::{Result, Store, archive::Record};

mod support;
use support::{draft, found, open, prompt_in};

/// Trials of each kind of store.
fn trials() -> u64 {
    std::env::var("PX0_DAMAGE_TRIALS").map_or(10, |trials| trials.parse().unwrap())
}

/// What differs between the stores: prompts, and versions of each.
const SIZES: [(usize, usize); 3] = [(1, 1), (12, 8), (150, 12)];

/// Numbers that look random and are always the same (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Damage to a file of a data folder.
#[derive(Debug)]
enum Damage {
    Flip { file: PathBuf, byte: u64, bit: u64 },
    Cut { file: PathBuf, to: u64 },
}

impl Damage {
    /// Of a file with something in it; the larger, the likelier. Every fourth is in the store's last megabyte, where it was written last.
    fn choose(data: &Path, numbers: &mut Numbers) -> Self {
        let files = files(data).into_iter().filter(|(name, bytes)| {
            !bytes.is_empty() && !name.starts_with("lock") && !name.starts_with("reserve")
        });
        let files: Vec<_> = files.collect();
        let weight = |bytes: &[u8]| 1 + bytes.len() as u64 / 64;
        let mut place = numbers.below(files.iter().map(|(_, bytes)| weight(bytes)).sum());
        let (file, bytes) = files
            .iter()
            .find(|(_, bytes)| {
                let found = place < weight(bytes);
                place = place.wrapping_sub(weight(bytes));
                found
            })
            .unwrap();
        let (file, length) = (file.clone(), bytes.len() as u64);
        let from = if numbers.below(4) == 0 { length.saturating_sub(1 << 20) } else { 0 };
        let byte = from + numbers.below(length - from);
        match numbers.below(3) {
            0 => Self::Cut { file, to: byte },
            _ => Self::Flip { file, byte, bit: numbers.below(8) },
        }
    }

    fn inflict(&self, data: &Path) {
        match self {
            Self::Flip { file, byte, bit } => {
                let path = data.join(file);
                let mut bytes = fs::read(&path).unwrap();
                bytes[usize::try_from(*byte).unwrap()] ^= 1 << bit;
                fs::write(path, bytes).unwrap();
            }
            Self::Cut { file, to } => {
                File::options().write(true).open(data.join(file)).unwrap().set_len(*to).unwrap();
            }
        }
    }

    fn file(&self) -> &Path {
        let (Self::Flip { file, .. } | Self::Cut { file, .. }) = self;
        file
    }
}

/// All files below a folder, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut below = vec![folder.to_owned()];
    while let Some(folder) = below.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { below.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    let named = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path.strip_prefix(folder).unwrap().to_owned(), bytes)
    };
    found.into_iter().map(named).collect()
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for (name, bytes) in files(from) {
        fs::create_dir_all(to.path().join(&name).parent().unwrap()).unwrap();
        fs::write(to.path().join(name), bytes).unwrap();
    }
    to
}

async fn contents(store: &SledStore) -> Vec<String> {
    let mut records = Vec::new();
    let mut sink = |record: Record| -> Result<()> {
        records.push(serde_json::to_string(&record).unwrap());
        Ok(())
    };
    store.export(&mut sink).await.unwrap();
    records
}

async fn fill(store: &SledStore, (prompts, versions): (usize, usize)) {
    let world = found(store, "ada@example.com").await;
    for number in 0..prompts {
        let prompt = prompt_in(store, &world, &format!("prompt {number}")).await;
        for version in 0..versions {
            // Some do not fit under one key.
            let length = if version % 4 == 3 { 9000 } else { 100 };
            let template = format!("{version} {}", "x".repeat(length));
            draft(store, prompt.id, &template).await;
        }
    }
}

/// What a store held, and its data folder as it was left.
struct Left {
    folder: tempfile::TempDir,
    held: Vec<String>,
}

impl Left {
    async fn closed(size: (usize, usize)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        fill(&store, size).await;
        let held = contents(&store).await;
        store.close().await.unwrap();
        Self { folder, held }
    }

    /// As if it had been killed a moment after its last write.
    async fn killed(size: (usize, usize)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        fill(&store, size).await;
        let held = contents(&store).await;
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let left = copy(folder.path());
        store.close().await.unwrap();
        Self { folder: left, held }
    }
}

/// The driver panics over damage; that is caught, and is not to be shown here either.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("/sled-")) {
                shown(panic);
            }
        }));
    });
}

/// How often a damaged store was refused.
async fn try_damage(left: &Left, seed: u64) -> u64 {
    quiet();
    let mut numbers = Numbers(seed);
    let mut refused = 0;
    for trial in 0..trials() {
        let damaged = copy(left.folder.path());
        let damage = Damage::choose(damaged.path(), &mut numbers);
        let whole = fs::read(damaged.path().join(damage.file())).unwrap();
        damage.inflict(damaged.path());
        let before = files(damaged.path());
        // To look at it changes nothing, whatever comes of it.
        let settings = SledSettings { path: damaged.path().to_owned(), ..SledSettings::default() };
        if let Ok(copy) = SledStore::open_copy(settings.clone(), None) {
            assert_eq!(contents(&copy).await, left.held, "trial {trial}: {damage:?}");
            copy.close().await.unwrap();
        }
        assert_eq!(files(damaged.path()), before, "trial {trial}: {damage:?}");
        match SledStore::open(settings.clone()) {
            Ok(store) => {
                assert_eq!(contents(&store).await, left.held, "trial {trial}: {damage:?}");
                assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
                store.close().await.unwrap();
            }
            Err(error) => {
                refused += 1;
                let said = error.to_string();
                assert!(said.contains("px0 import"), "trial {trial}: {damage:?}: {said}");
                let named = damaged.path().join(damage.file()).display().to_string();
                assert!(said.contains(&named), "trial {trial}: {damage:?}: {said}");
                // What was damaged is put back, and all is well.
                fs::write(damaged.path().join(damage.file()), whole).unwrap();
                let store = SledStore::open(settings).unwrap();
                assert_eq!(contents(&store).await, left.held, "trial {trial}: {damage:?}");
                store.close().await.unwrap();
            }
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_closed_store_is_told() {
    let mut all = 0;
    for (size, seed) in SIZES.into_iter().zip([0x5eed, 0xbad, 0xface]) {
        let left = Left::closed(size).await;
        let refused = try_damage(&left, seed).await;
        eprintln!("{size:?}: {refused} of {} refused, none lost in silence", trials());
        all += refused;
    }
    // Where nothing is written, damage does nothing.
    assert!(all > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_killed_store_is_told() {
    let mut all = 0;
    for (size, seed) in SIZES.into_iter().zip([0xdead, 0xf00d, 0xcafe]) {
        let left = Left::killed(size).await;
        let refused = try_damage(&left, seed).await;
        eprintln!("{size:?}: {refused} of {} refused, none lost in silence", trials());
        all += refused;
    }
    assert!(all > 0);
}
