//! The backends that are held to the laws.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use px0_backends::{
    postgres::PgStore,
    sled::{SledSettings, SledStore},
};
use px0_core::{
    memory::MemoryStore,
    store::{SharedStore, Store as _},
};
use px0_tests::postgres::Database;
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::Mutex, task::block_in_place};

/// A kind of store.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// What its tests are called by.
    fn name(&self) -> &'static str;

    /// A place of one test's own, with nothing in it.
    async fn place(&self) -> Box<dyn Place>;
}

/// Where one test's store lives.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens the store; a former one is closed.
    async fn open(&self) -> SharedStore;

    /// Whether what is there is there still after it is opened again.
    fn keeps(&self) -> bool;

    /// Takes everything out of a store that stays open, where that is quicker than a new place. Answers whether it did.
    async fn empty(&self) -> bool {
        false
    }
}

/// Every backend that is held to the laws. Without a Postgres to test on, a run says so, loudly; in CI it fails.
pub(crate) fn all() -> Vec<&'static dyn Backend> {
    match Database::missing() {
        None => vec![&Memory, &Sled, &Postgres],
        Some(why) => {
            eprintln!("\n*** Postgres is NOT TESTED: {why}\n");
            vec![&Memory, &Sled]
        }
    }
}

/// The backend that the others are compared with in the model.
pub(crate) static REFERENCE: Memory = Memory;

/// The threads that all tests share: real ones, so that what races, races.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
    });
    &RUNTIME
}

pub(crate) struct Memory;

#[async_trait]
impl Backend for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn place(&self) -> Box<dyn Place> {
        Box::new(Self)
    }
}

#[async_trait]
impl Place for Memory {
    async fn open(&self) -> SharedStore {
        Arc::new(MemoryStore::new())
    }

    fn keeps(&self) -> bool {
        false
    }
}

struct Sled;

struct Folder {
    dir: TempDir,
    store: Mutex<Option<Arc<SledStore>>>,
}

#[async_trait]
impl Backend for Sled {
    fn name(&self) -> &'static str {
        "sled"
    }

    async fn place(&self) -> Box<dyn Place> {
        Box::new(Folder { dir: scratch(), store: Mutex::new(None) })
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> SharedStore {
        let mut place = self.store.lock().await;
        if let Some(former) = place.take() {
            former.close().await.unwrap();
        }
        let settings = SledSettings { path: self.dir.path().join("data"), reserve: 0 };
        let store = block_in_place(|| SledStore::open(settings)).unwrap();
        let store = Arc::new(store);
        *place = Some(store.clone());
        store
    }

    fn keeps(&self) -> bool {
        true
    }
}

struct Postgres;

struct Base {
    database: Database,
    store: Mutex<Option<Arc<PgStore>>>,
}

#[async_trait]
impl Backend for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn place(&self) -> Box<dyn Place> {
        Box::new(Base { database: Database::take().await, store: Mutex::new(None) })
    }
}

#[async_trait]
impl Place for Base {
    async fn open(&self) -> SharedStore {
        let mut place = self.store.lock().await;
        if let Some(former) = place.take() {
            former.close().await.unwrap();
        }
        let store = Arc::new(self.database.open().await);
        *place = Some(store.clone());
        store
    }

    fn keeps(&self) -> bool {
        true
    }

    async fn empty(&self) -> bool {
        self.database.empty().await;
        true
    }
}

/// A folder that goes with its test. In memory where the machine has such a place: these tests ask
/// what a backend answers, thousands of times; that it waits for the disk is asked elsewhere.
fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}
