//! What only shows with a disk that fails, or a command that does.
#![allow(clippy::unwrap_used)]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use px0_core::{
    ids::OrgId,
    name::Name,
    store::{Store, StoreError, Thing},
    tenancy::Org,
};

use super::{
    SledSettings, SledStore,
    disk::Disk,
    keyspace::{self, Key},
};

/// A disk that can be made to fail, and counts its syncs.
#[derive(Clone, Default)]
struct Weak {
    fails: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
}

impl Disk for Weak {
    fn sync(&mut self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "as the test wants it");
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

fn open(path: &std::path::Path, disk: &Weak) -> SledStore {
    let path = path.to_owned();
    SledStore::open_on(SledSettings { path }, |_| Ok(disk.clone())).unwrap()
}

fn org() -> Org {
    Org { id: OrgId::new(), name: Name::made("org"), created_at: px0_core::Timestamp::now() }
}

async fn put(store: &SledStore) -> Result<OrgId, StoreError> {
    let org = org();
    store.write(move |tx| tx.insert(&org).map(|()| org.id)).await
}

#[tokio::test]
async fn a_failed_sync_is_never_acknowledged_and_the_last() {
    for panics in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Weak::default();
        let store = open(folder.path(), &disk);
        let kept = put(&store).await.unwrap();
        let fault = if panics { &disk.panics } else { &disk.fails };
        fault.store(true, Ordering::SeqCst);
        let unavailable = Err(StoreError::Unavailable(String::new()));
        assert_eq!(put(&store).await, unavailable);
        // The disk is well again, but what it kept is not known.
        fault.store(false, Ordering::SeqCst);
        assert_eq!(put(&store).await, unavailable);
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
        let orgs = store.read(|view| view.records::<Org>(&Key::from_bytes(b"O"))).unwrap();
        assert!(
            orgs.into_iter().map(|org| org.id).eq([kept]),
            "only what was acknowledged is seen"
        );
        assert!(store.close().await.is_err());
        // What was not acknowledged may be there or not; what was is.
        let store = open(folder.path(), &disk);
        assert_eq!(store.read(|view| view.org(kept)).unwrap().id, kept);
    }
}

#[tokio::test]
async fn a_command_that_panics_or_is_refused_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &Weak::default());
    let (first, second) = (org(), org());
    let ids = [first.id, second.id];
    let panics = store.write(move |tx| -> Result<(), StoreError> {
        tx.insert(&first)?;
        panic!("as the test wants it")
    });
    assert!(matches!(panics.await, Err(StoreError::Unavailable(_))));
    let refused = store.write(move |tx| -> Result<(), StoreError> {
        tx.insert(&second)?;
        Err(Thing::User.into())
    });
    assert_eq!(refused.await, Err(Thing::User.into()));
    let there = ids.map(|id| store.read(|view| view.has(&keyspace::org(id))).unwrap());
    assert_eq!(there, [false, false]);
    put(&store).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn one_sync_is_for_many() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Weak::default();
    let store = Arc::new(open(folder.path(), &disk));
    let writes = (0..500).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { put(&store).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap().unwrap();
    }
    let syncs = disk.syncs.load(Ordering::SeqCst);
    assert!(syncs < 100, "{syncs} syncs for 500 writes");
    // What changes nothing needs no sync.
    store.write(|_| Ok(())).await.unwrap();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), syncs);
}

#[tokio::test]
async fn what_is_in_the_queue_is_done_before_closing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path(), &Weak::default()));
    let writes = (0..100).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { put(&store).await })
    });
    let writes: Vec<_> = writes.collect();
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut kept = Vec::new();
    for write in writes {
        match write.await.unwrap() {
            Ok(id) => kept.push(id),
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_))),
        }
    }
    assert!(!kept.is_empty());
    let store = open(folder.path(), &Weak::default());
    for id in kept {
        store.read(|view| view.org(id)).unwrap();
    }
}
