//! Acknowledged writes and reads per second: `cargo test --release -p px0-backends --test figures -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use px0_backends::SledStore;
use px0_core::{
    Slug,
    ids::{OrgId, VersionId},
    lifecycle::Step,
    prompt::PromptRef,
    store::{Prompts, Reach, Store},
    tag::Selector,
    version::BodyChange,
};

mod support;
use support::{body, draft, found, open, prompt_in, stamp};

const TIME: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures for a while"]
async fn figures() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let world = found(&store, "ada@example.com").await;
    for writers in [1, 64, 256] {
        let begin = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|task| {
                let (store, world) = (store.clone(), world.clone());
                tokio::spawn(async move {
                    let name = format!("{writers} {task}");
                    let prompt = prompt_in(&store, &world, &name).await;
                    let mut times = Vec::new();
                    while begin.elapsed() < TIME {
                        let start = Instant::now();
                        let body = body(&"x".repeat(1000));
                        let made = store.create_version(stamp(), prompt.id, VersionId::new(), body);
                        made.await.unwrap();
                        times.push(start.elapsed());
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        report(&format!("{writers} writers"), times, begin.elapsed());
    }

    let prompt = prompt_in(&store, &world, "hot").await;
    let version = draft(&store, prompt.id, &"x".repeat(1500)).await;
    for _ in 0..2 {
        store.step_version(stamp(), version.id, Step::Promote, None).await.unwrap();
    }
    read(&store, world.org.id, "resolve").await;

    let before = size(folder.path());
    let change = |round: u32| BodyChange {
        template: Some(format!("{round} {}", "x".repeat(1000)).into()),
        ..BodyChange::default()
    };
    let writers: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let version = draft(&store, prompt.id, "x").await.id;
                for round in 0..1000 {
                    let made = store.update_version(stamp(), version, change(round));
                    made.await.unwrap();
                }
            })
        })
        .collect();
    read(&store, world.org.id, "resolve beside 64 writers").await;
    for writer in writers {
        writer.await.unwrap();
    }
    let mib = |bytes: u64| bytes / 1024 / 1024;
    let after = size(folder.path());
    eprintln!("64,000 overwrites of 1 KB: {} MiB grew to {} MiB", mib(before), mib(after));
    tokio::time::sleep(Duration::from_secs(5)).await;
    eprintln!("and 5 s later: {} MiB", mib(size(folder.path())));

    store.close().await.unwrap();
    let start = Instant::now();
    let store = open(folder.path());
    eprintln!("opened again in {:?}", start.elapsed());
    drop(store);
}

async fn read(store: &SledStore, org: OrgId, what: &str) {
    let name = PromptRef::Slug(Slug::exact("hot").unwrap());
    let reach = Reach { orgs: vec![org], teams: Vec::new() };
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < TIME / 3 {
        let start = Instant::now();
        let found = store.resolve(&reach, &name, &Selector::Live).await.unwrap();
        assert!(found.1.is_some());
        times.push(start.elapsed());
    }
    report(what, times, begin.elapsed());
}

/// What the database takes on the disk.
fn size(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("db/db")).unwrap().len()
}

fn report(what: &str, mut times: Vec<Duration>, took: Duration) {
    times.sort();
    let rate = times.len() as f64 / took.as_secs_f64();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    eprintln!("{what}: {rate:.0}/s, p50 {:?}, p99 {:?}", at(50), at(99));
}
