//! A disk that is really full: a small file system of the test's own, in a mount namespace.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use px0_tests::{
    Client, Home,
    process::{Server, Variables},
};
use serde_json::json;
use tempfile::TempDir;

/// A file system in memory, with its own processes; it goes with them.
struct Disk {
    holder: Child,
    folder: TempDir,
}

impl Disk {
    fn new(mebibytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount =
            format!(r#"mount -t tmpfs -o size={mebibytes}m none "$0" && echo mounted && exec cat"#);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user"]).args(["sh", "-c", &mount]).arg(folder.path());
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "mounted\n", "a file system can be mounted in a namespace");
        Self { holder, folder }
    }

    /// A place on it, as its own processes name it.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same, as all others name it.
    fn outside(&self, name: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(self.path(name).strip_prefix("/").unwrap())
    }

    /// What runs a program where it is mounted, but for the program.
    fn enter(&self) -> String {
        let holder = self.holder.id();
        format!("nsenter --target {holder} --user --mount --preserve-credentials")
    }

    async fn serve(&self, store: Variables<'_>) -> Server {
        Server::start_by(&format!(r#"exec {} "$0""#, self.enter()), store).await
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut filler = File::create(self.outside("filler")).unwrap();
        for size in [1 << 20, 4096, 1] {
            let part = vec![1; size];
            let full = loop {
                if let Err(error) = filler.write_all(&part) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull);
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.outside("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Writes until one is refused; answers how many were not.
async fn write_until_full(ada: &Home) -> usize {
    let new = json!({ "template": "x".repeat(60_000) });
    for count in 0..2000 {
        let answer = ada.post("/v1/prompts/p/versions", new.clone()).await;
        if answer.status != 201 {
            assert_eq!(answer.expect(503).code(), "read_only");
            return count;
        }
    }
    panic!("the disk is never full");
}

async fn readiness(client: &Client) -> String {
    client.get("/v1/health").await.expect(200);
    client.get("/v1/health/ready").await.expect(200)["status"].as_str().unwrap().to_owned()
}

/// Writes until one is taken, within a few seconds.
async fn writes_again(client: &Client) -> u64 {
    let begun = Instant::now();
    loop {
        let answer = client.post("/v1/prompts/p/versions", json!({ "template": "new" })).await;
        if answer.status == 201 {
            return answer["version"]["version"].as_u64().unwrap();
        }
        assert_eq!(answer.expect(503).code(), "read_only");
        assert!(begun.elapsed() < Duration::from_secs(20), "it stays read-only");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn px0_lives_through_a_full_disk_and_starts_on_one() {
    let disk = Disk::new(160);
    let store = vec![
        ("PX0_STORE__BACKEND", "sled".to_owned()),
        ("PX0_STORE__SLED__PATH", disk.path("data").display().to_string()),
        ("PX0_TELEMETRY__ADDR", String::new()),
    ];
    let server = disk.serve(&store).await;
    let ada = Home::found(&server.base, "ada").await;
    ada.prompt("P").await;
    ada.live("p", "kept").await;
    let key = ada.key("read_render", &[]).await;
    let renders = async |client: &Client| {
        let answer = client.post("/v1/prompts/p/render", json!({})).await.expect(200);
        assert_eq!(answer["rendered"], "kept");
    };

    disk.fill();
    let written = write_until_full(&ada).await;
    assert_eq!(readiness(&ada).await, "read_only");
    renders(&key).await;
    disk.make_room();
    // What was refused has left no number behind.
    assert_eq!(writes_again(&ada).await, written as u64 + 2);
    assert_eq!(readiness(&ada).await, "ready");

    disk.fill();
    let written = written + 1 + write_until_full(&ada).await;
    assert!(server.stop().await.success(), "a full disk is no failure of px0's");

    let server = disk.serve(&store).await;
    let (ada, key) = (
        Client::at(&server.base).with_token(ada.token()),
        Client::at(&server.base).with_token(key.token()),
    );
    assert_eq!(readiness(&ada).await, "read_only");
    renders(&key).await;
    let refused =
        ada.post("/v1/prompts/p/versions", json!({ "template": "new" })).await.expect(503);
    assert_eq!(refused.code(), "read_only");
    disk.make_room();
    // The write that was refused last may be there: px0 was stopped before it could take it back.
    let next = written as u64 + 2;
    assert!((next..=next + 1).contains(&writes_again(&ada).await));
    assert_eq!(readiness(&ada).await, "ready");
    assert!(server.stop().await.success());
}
