//! `px0 export`, `px0 import` and `px0 fsck`: the program itself, on data that was made over HTTP.

use std::path::Path;

use px0_tests::{App, postgres::Database};
use serde_json::json;

use px0_tests::process::{postgres, run, said, sled};

/// The checksum that a command told.
fn checksum(told: &str) -> String {
    let (_, sum) = told.trim().rsplit_once("sha256 ").unwrap();
    assert_eq!(sum.len(), 64);
    sum.to_owned()
}

async fn filled() -> App {
    let app = App::start_on_sled().await;
    let ada = app.founder("ada").await;
    ada.prompt("P").await;
    ada.live("p", "Hello {{ name }}").await;
    ada.draft("p", "draft").await;
    ada.post("/v1/prompts/p/versions/2/tags", json!({ "tag": "next" })).await.expect(200);
    let payload = json!({ "variables": { "name": "Ada", "n": 1.50 } });
    ada.post("/v1/prompts/p/payloads", payload).await.expect(201);
    ada.key("read_render", &[]).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn data_moves_from_store_to_store_and_back() {
    let app = filled().await;
    let folder = app.stop().await;
    let at = |name: &str| folder.path().join(name);
    let (first, second) = (at("first.jsonl"), at("second.jsonl"));
    let file = |path: &Path| path.display().to_string();

    let told = said(&run(&["export", &file(&first)], &sled(&at("data"))).await, true);
    let sum = checksum(&told);
    let mut from = first;
    if Database::missing().is_none() {
        let database = Database::take().await;
        let told = said(&run(&["import", &file(&from)], &postgres(&database)).await, true);
        assert_eq!(checksum(&told), sum);
        said(&run(&["fsck"], &postgres(&database)).await, true);
        let told = said(&run(&["export", &file(&second)], &postgres(&database)).await, true);
        assert_eq!(checksum(&told), sum, "sled and Postgres keep the same");
        let full = said(&run(&["import", &file(&second)], &postgres(&database)).await, false);
        assert!(full.contains("import into an empty one"), "{full}");
        from = second;
    }
    said(&run(&["import", &file(&from)], &sled(&at("back"))).await, true);
    assert_eq!(said(&run(&["fsck"], &sled(&at("back"))).await, true), "the store is in order\n");
    let told = said(&run(&["export"], &sled(&at("back"))).await, true);
    assert_eq!(checksum(&told), sum);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_px0_is_exported_and_checked() {
    let app = filled().await;
    let data = sled(&app.folder().join("data"));
    let output = run(&["export"], &data).await;
    let told = said(&output, true);
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.lines().next().unwrap().contains("px0_archive"));
    assert!(told.starts_with(&format!("{} records", lines.lines().count() - 2)), "{told}");
    for secret in [px0_tests::PASSWORD, "sess_", "Bearer"] {
        assert!(!lines.contains(secret), "{secret}");
    }
    assert_eq!(said(&run(&["fsck"], &data).await, true), "the store is in order\n");
    app.login("ada@example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = sled(&folder.path().join("nothing"));
    let told = said(&run(&["export"], &nowhere).await, false);
    assert!(told.contains("there is no store at"), "{told}");
    let broken = folder.path().join("broken.jsonl");
    std::fs::write(
        &broken,
        "{\"px0_archive\":1,\"created_at\":\"2026-01-01T00:00:00Z\",\"source\":\"x\"}\n",
    )
    .unwrap();
    let told = said(&run(&["import", broken.to_str().unwrap()], &nowhere).await, false);
    assert!(told.contains("cut off"), "{told}");
    let told = said(&run(&["import", "/no/such/file"], &nowhere).await, false);
    assert!(told.contains("/no/such/file"), "{told}");
    let told = said(&run(&["import", "/dev/null"], &nowhere).await, false);
    assert!(told.contains("must be a file"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_cannot_be_used_is_named() {
    let open = async |url: String| {
        let settings =
            [("PX0_STORE__BACKEND", "postgres".to_owned()), ("PX0_STORE__POSTGRES__URL", url)];
        said(&run(&["fsck"], &settings).await, false)
    };
    assert!(open(String::new()).await.contains("set store.postgres.url"));
    let told = open("mysql://root:hunter2@localhost/px0".to_owned()).await;
    assert!(told.contains("is not a URL of Postgres") && !told.contains("hunter2"), "{told}");
    let told = open("postgres://px0:hunter2@127.0.0.1:1/px0".to_owned()).await;
    assert!(told.contains("postgres at 127.0.0.1:1/px0") && !told.contains("hunter2"), "{told}");
    if Database::missing().is_some() {
        return;
    }
    let database = Database::take().await;
    let told = open(format!("{}_is_not_there", database.url())).await;
    assert!(told.contains("does not exist"), "{told}");
    // One that a newer px0 has changed.
    database.open().await;
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', true, '', 0)";
    database.run(newer).await;
    let told = open(database.url()).await;
    assert!(told.contains("a newer px0 was here"), "{told}");
    database.run("DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    // One where px0 may not make its tables.
    database.run("DROP ROLE IF EXISTS px0_guest; CREATE ROLE px0_guest LOGIN; REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC").await;
    let told = open(database.url().replace("postgres@", "px0_guest@")).await;
    assert!(told.contains("permission denied"), "{told}");
}
