//! What was acknowledged is kept when the process is killed.
//!
//! The test runs itself as a child, which writes from 64 tasks and tells of each acknowledged write by a line on its
//! output. It is killed in the middle of that; then the store is opened, proved, and compared with
//! what was told.
#![allow(clippy::unwrap_used)]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use px0_core::{
    ids::PromptId,
    lifecycle::Step,
    store::{Prompts, Store},
    tag::Selector,
    version::Version,
};

mod support;
use support::{body, draft, found, open, prompt_in, stamp};

const KILLS: u64 = 20;
const WRITERS: usize = 64;
const FOLDER: &str = "PX0_TEST_KILL_FOLDER";

/// The child. Does nothing in a run that is not one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let store = Arc::new(open(folder.as_ref()));
    let world = found(&store, &format!("{}@example.com", PromptId::new())).await;
    let mut tasks = Vec::new();
    for task in 0..WRITERS {
        let (store, world) = (store.clone(), world.clone());
        tasks.push(tokio::spawn(async move {
            let prompt = prompt_in(&store, &world, &format!("prompt {task}")).await;
            for round in 0_usize.. {
                // Every eighth does not fit under one key, nor into one page.
                let long = if round % 8 == 7 { 40_000 } else { 10 };
                let template = format!("{task} {round} {}", "x".repeat(long));
                let version = draft(&store, prompt.id, &template).await;
                tell(&version, "draft");
                store.step_version(stamp(), version.id, Step::Promote, None).await.unwrap();
                let live =
                    store.step_version(stamp(), version.id, Step::Promote, None).await.unwrap();
                tell(&live, "live");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// One line in one write, so that a kill cuts it off but never mixes it with another.
fn tell(version: &Version, what: &str) {
    let (prompt, number) = (version.prompt_id, version.number);
    let sum = version.body.template.len();
    let line = format!("ack {what} {prompt} {number} {} {sum}\n", version.id);
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_survives_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        kill_while_opening(folder.path(), Duration::from_millis(7 * kill));
        let acks = run_and_kill(folder.path(), Duration::from_millis(60 + 23 * kill));
        assert!(acks.len() > WRITERS, "kill {kill}: only {} writes", acks.len());
        acknowledged += acks.len();

        let store = open(folder.path());
        for ack in acks {
            let [what, prompt, number, id, sum] = ack.as_slice() else {
                panic!("not a line of ours: {ack:?}");
            };
            let selector = Selector::Number(number.parse().unwrap());
            let version = store.version(prompt.parse().unwrap(), &selector).await.unwrap();
            let version = version.unwrap_or_else(|| panic!("kill {kill}: lost {ack:?}"));
            assert_eq!(version.id.to_string(), *id);
            assert_eq!(version.body.template.len().to_string(), *sum);
            assert!(what == "draft" || version.published_at.is_some(), "kill {kill}: lost {ack:?}");
        }
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new(), "kill {kill}");
        // It does not only read: it goes on.
        let world = found(&store, &format!("{kill}@example.org")).await;
        let prompt = prompt_in(&store, &world, "after").await;
        store
            .create_version(stamp(), prompt.id, px0_core::ids::VersionId::new(), body("x"))
            .await
            .unwrap();
        store.close().await.unwrap();
    }
    eprintln!("{acknowledged} acknowledged writes, none lost in {KILLS} kills");
}

fn start(folder: &Path, output: Stdio) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(output)
        .spawn()
        .unwrap()
}

/// Kills the child while it starts: what it left must open again, too.
fn kill_while_opening(folder: &Path, after: Duration) {
    let mut child = start(folder, Stdio::null());
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Runs the child until `after` its first acknowledged writes, and kills it; gives what it told.
fn run_and_kill(folder: &Path, after: Duration) -> Vec<Vec<String>> {
    let mut child = start(folder, Stdio::piped());
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut acks, mut line) = (Vec::new(), String::new());
        while lines.read_line(&mut line).unwrap() > 0 {
            // The last line may be half of one: it does not count.
            if let Some(ack) = line.strip_prefix("ack ").and_then(|l| l.strip_suffix('\n')) {
                acks.push(ack.split(' ').map(str::to_owned).collect());
                let _ = tell.send(());
            }
            line.clear();
        }
        acks
    });
    for _ in 0..=WRITERS {
        told.recv_timeout(Duration::from_secs(60)).expect("the child writes something");
    }
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}
