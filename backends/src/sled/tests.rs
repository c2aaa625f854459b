//! What only shows with a disk that fails, or a command that does.
#![allow(clippy::unwrap_used)]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use px0_core::{
    ids::OrgId,
    name::Name,
    store::{Store, StoreError, StoreState, Thing},
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
    is_full: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
}

impl Disk for Weak {
    fn sync(&mut self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "as the test wants it");
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("as the test wants it"));
        }
        if self.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        self.sync()
    }
}

fn open(path: &std::path::Path, disk: &Weak) -> SledStore {
    let path = path.to_owned();
    let settings = SledSettings { path, reserve: 64 * 1024 };
    let disk = disk.clone();
    SledStore::open_on(settings, Box::new(move |_| Ok(Box::new(disk.clone())))).unwrap()
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
        let refused = Err(StoreError::ReadOnly(String::new()));
        assert_eq!(put(&store).await, refused);
        // The disk is well again, but what it kept is not known.
        fault.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(put(&store).await, refused);
        assert_eq!(store.ping().await, Ok(StoreState::ReadOnly));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_passes_and_leaves_nothing_of_what_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Weak::default();
    let store = open(folder.path(), &disk);
    let mut kept = vec![put(&store).await.unwrap()];
    for _ in 0..3 {
        disk.is_full.store(true, Ordering::SeqCst);
        // Two batches, and a key that both change: only what was there before the first may be left.
        let (twice, many) = (org(), (0..300).map(|_| org()).collect::<Vec<_>>());
        let first = store.write(move |tx| {
            tx.insert(&twice)?;
            many.iter().try_for_each(|org| tx.insert(org))
        });
        let (first, second) = tokio::join!(first, put(&store));
        let refused = StoreError::ReadOnly(String::new());
        assert_eq!((first, second), (Err(refused), Err(StoreError::ReadOnly(String::new()))));
        let seen = |store: &SledStore| {
            let orgs = store.read(|view| view.records::<Org>(&Key::from_bytes(b"O"))).unwrap();
            orgs.into_iter().map(|org| org.id).collect::<std::collections::BTreeSet<_>>()
        };
        let expected = |kept: &[OrgId]| kept.iter().copied().collect();
        assert_eq!(seen(&store), expected(&kept), "reads go on with what was acknowledged");
        assert_eq!(store.ping().await, Ok(StoreState::ReadOnly));

        disk.is_full.store(false, Ordering::SeqCst);
        let again = async {
            loop {
                match put(&store).await {
                    Ok(id) => return id,
                    Err(error) => assert!(matches!(error, StoreError::ReadOnly(_)), "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        kept.push(tokio::time::timeout(Duration::from_secs(30), again).await.unwrap());
        assert_eq!(store.ping().await, Ok(StoreState::Ready));
        assert_eq!(seen(&store), expected(&kept));
        assert_eq!(tally_problems(&store).await, Vec::<String>::new());
    }
    store.close().await.unwrap();
    let store = open(folder.path(), &disk);
    kept.iter().for_each(|id| drop(store.read(|view| view.org(*id)).unwrap()));
}

/// What the tally of a store says that is not so. The organizations of these tests lack what others have.
async fn tally_problems(store: &SledStore) -> Vec<String> {
    let problems = store.check().await.unwrap();
    problems.into_iter().filter(|problem| problem.contains("tally")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_closed_while_the_disk_is_full_has_all_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Weak::default();
    let store = open(folder.path(), &disk);
    let kept = put(&store).await.unwrap();
    disk.is_full.store(true, Ordering::SeqCst);
    assert!(put(&store).await.is_err());
    store.close().await.unwrap();
    disk.is_full.store(false, Ordering::SeqCst);
    let store = open(folder.path(), &disk);
    store.read(|view| view.org(kept)).unwrap();
    put(&store).await.unwrap();
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
