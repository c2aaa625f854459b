//! A disk that fails under the real server, on sled: nothing is acknowledged that is not kept, and reads go on.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use px0_tests::{Client, Home};
use serde_json::json;

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

async fn a_failing_disk(fault: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(&folder.path().join("data"));
    let flag = folder.path().join("fault");
    let mut faulty = store.clone();
    faulty.push(("LD_PRELOAD", shim(folder.path()).display().to_string()));
    faulty.push(("PX0_FAULT", flag.display().to_string()));

    let mut server = Server::start(&faulty).await;
    let ada = Home::found(&server.base, "ada").await;
    ada.prompt("P").await;
    ada.live("p", "kept").await;
    let key = ada.key("read_render", &[]).await;
    let rendered = async || {
        let answer = key.post("/v1/prompts/p/render", json!({})).await.expect(200);
        assert_eq!(answer["rendered"], "kept");
    };
    let new = json!({ "template": "not kept" });
    let refused = async || {
        let answer = ada.post("/v1/prompts/p/versions", new.clone()).await.expect(503);
        assert_eq!(answer.code(), "unavailable");
    };
    rendered().await;

    std::fs::write(&flag, fault).unwrap();
    refused().await;
    std::fs::remove_file(&flag).unwrap();
    // The disk is well again, but what it kept is not known before the store is opened anew.
    refused().await;
    ada.get("/v1/health").await.expect(503);
    rendered().await;
    let versions = ada.get("/v1/prompts/p/versions").await.expect(200);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 1, "only what is kept is seen");

    server.kill();
    assert_eq!(said(&run(&["fsck"], &store).await, true), "the store is in order\n");
    let server = Server::start(&store).await;
    let ada = Client::at(&server.base).with_token(ada.token());
    ada.post("/v1/prompts/p/versions", new).await.expect(201);
    ada.post("/v1/prompts/p/render", json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_reads_go_on() {
    let no_space = 28;
    a_failing_disk(&format!("write {no_space}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_disk_refuses_writes_and_reads_go_on() {
    let io_error = 5;
    a_failing_disk(&format!("sync {io_error}")).await;
}
