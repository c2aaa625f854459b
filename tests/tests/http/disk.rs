//! A disk that fails under the real server, on sled: nothing is acknowledged that is not kept, and reads go on.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use insta::assert_json_snapshot;
use px0_tests::{Answer, Client, Home};
use serde_json::json;
use tempfile::TempDir;

use px0_tests::process::{Server, run, said, sled};

/// Compiles the failing disk. Rust does not build without a C compiler's linker, so there is one.
fn shim(folder: &Path) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/fault.c");
    let shim = folder.join("fault.so");
    let mut cc = Command::new("cc");
    let compiled = cc.args(["-shared", "-fPIC", source, "-ldl", "-o"]).arg(&shim).status();
    assert!(compiled.unwrap().success());
    shim
}

/// A px0 on a disk that fails while the file `fault` says so.
struct Faulty {
    server: Server,
    ada: Home,
    key: Client,
    store: Vec<(&'static str, String)>,
    fault: PathBuf,
    _folder: TempDir,
}

impl Faulty {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = sled(&folder.path().join("data"));
        let fault = folder.path().join("fault");
        let mut faulty = store.clone();
        faulty.push(("LD_PRELOAD", shim(folder.path()).display().to_string()));
        faulty.push(("PX0_FAULT", fault.display().to_string()));
        let server = Server::start(&faulty).await;
        let ada = Home::found(&server.base, "ada").await;
        ada.prompt("P").await;
        ada.live("p", "kept").await;
        let key = ada.key("read_render", &[]).await;
        Self { server, ada, key, store, fault, _folder: folder }
    }

    async fn renders(&self) {
        let answer = self.key.post("/v1/prompts/p/render", json!({})).await.expect(200);
        assert_eq!(answer["rendered"], "kept");
    }

    async fn write(&self) -> Answer {
        self.ada.post("/v1/prompts/p/versions", json!({ "template": "new" })).await
    }

    /// A write is refused, and what only reads goes on.
    async fn only_reads(&self) {
        let refused = self.write().await.expect(503);
        assert_eq!((refused.code(), refused.header("retry-after")), ("read_only", "5"));
        self.ada.get("/v1/health").await.expect(200);
        assert_eq!(self.ada.get("/v1/health/ready").await.expect(200)["status"], "read_only");
        self.renders().await;
        let versions = self.ada.get("/v1/prompts/p/versions").await.expect(200);
        let count = versions["versions"].as_array().unwrap().len();
        assert_eq!(count, 1, "only what is kept is seen");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_passes_by_itself() {
    let no_space = 28;
    let px0 = Faulty::start().await;
    px0.renders().await;
    std::fs::write(&px0.fault, format!("write {no_space}")).unwrap();
    let mut told = px0.write().await.expect(503).body;
    told["details"]["request_id"] = "[id]".into();
    assert_json_snapshot!(told);
    for _ in 0..3 {
        px0.only_reads().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    std::fs::remove_file(&px0.fault).unwrap();
    let begun = Instant::now();
    let mut tries = 0;
    let written = loop {
        let answer = px0.write().await;
        tries += 1;
        if answer.status == 201 {
            break answer;
        }
        assert_eq!(answer.expect(503).code(), "read_only");
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays read-only");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(tries > 0);
    // What was refused has left no number behind.
    assert_eq!(written["version"]["version"], 2);
    assert_eq!(px0.ada.get("/v1/health/ready").await.expect(200)["status"], "ready");
    px0.renders().await;
    assert!(px0.server.stop().await.success());
    assert_eq!(said(&run(&["fsck"], &px0.store).await, true), "the store is in order\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn px0_ends_well_while_the_disk_is_full() {
    let no_space = 28;
    let px0 = Faulty::start().await;
    std::fs::write(&px0.fault, format!("write {no_space}")).unwrap();
    px0.only_reads().await;
    assert!(px0.server.stop().await.success());
    let server = Server::start(&px0.store).await;
    let ada = Client::at(&server.base).with_token(px0.ada.token());
    ada.post("/v1/prompts/p/render", json!({})).await.expect(200);
    ada.post("/v1/prompts/p/versions", json!({ "template": "new" })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_disk_takes_no_writes_until_px0_is_started_again() {
    let io_error = 5;
    let px0 = Faulty::start().await;
    std::fs::write(&px0.fault, format!("sync {io_error}")).unwrap();
    px0.only_reads().await;
    std::fs::remove_file(&px0.fault).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The disk is well again, but what it kept is not known before the store is opened anew.
    px0.only_reads().await;

    let Faulty { mut server, ada, store, .. } = px0;
    server.kill();
    assert_eq!(said(&run(&["fsck"], &store).await, true), "the store is in order\n");
    let server = Server::start(&store).await;
    let ada = Client::at(&server.base).with_token(ada.token());
    ada.post("/v1/prompts/p/versions", json!({ "template": "new" })).await.expect(201);
    ada.post("/v1/prompts/p/render", json!({})).await.expect(200);
}
