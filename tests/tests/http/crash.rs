//! `kill -9` of the real server under 64 writers: what was acknowledged is kept, and the store is in order.
//!
//! `PX0_KILLS` says how often (CI: a few; the long run: 100).

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use px0_tests::{Client, PASSWORD, postgres::Database};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::maintain::px0;

const WRITERS: usize = 64;

fn kills() -> usize {
    std::env::var("PX0_KILLS").map_or(3, |kills| kills.parse().unwrap())
}

/// A px0 of its own process.
struct Server {
    child: Child,
    base: String,
}

type Variables<'a> = &'a [(&'static str, String)];

impl Server {
    async fn start(store: Variables<'_>) -> Self {
        let mut command = Command::new(px0());
        command
            .envs(store.iter().map(|(name, value)| (*name, value)))
            .env("PX0_HTTP__ADDR", "127.0.0.1:0")
            .env("PX0_EMAIL__MODE", "auto-verify")
            .env("PX0_RATE_LIMIT__ENABLED", "false")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let start = move || {
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let (_, base) = line.trim().rsplit_once("listens on ").expect("it starts");
            Self { child, base: base.to_owned() }
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was acknowledged: the template of each version.
type Acknowledged = Arc<Mutex<BTreeMap<u64, String>>>;

async fn write(client: Client, writer: usize, acknowledged: Acknowledged) {
    for number in 0.. {
        let template = format!("writer {writer}, {number}");
        let body = json!({ "template": template });
        let request = client.request(Method::POST, "/v1/prompts/p/versions").json(&body);
        // The end of the server is the end of the writer.
        let Ok(answer) = request.send().await else { return };
        let created = answer.status() == 201;
        let Ok(answer) = answer.json::<serde_json::Value>().await else { return };
        if created {
            let number = answer["version"]["version"].as_u64().unwrap();
            let before = acknowledged.lock().unwrap().insert(number, template);
            assert_eq!(before, None, "number {number} was given twice");
        }
    }
}

async fn nothing_acknowledged_is_lost(store: Variables<'_>) {
    let mut server = Server::start(store).await;
    let nobody = Client::at(&server.base);
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    nobody.post("/v1/auth/register", credentials.clone()).await.expect(201);
    let login = nobody.post("/v1/auth/login", credentials).await.expect(200);
    let token = login["token"].as_str().unwrap().to_owned();
    let ada = nobody.with_token(&token);
    let teams = ada.get("/v1/me/teams").await.expect(200);
    let path = format!("/v1/teams/{}/prompts", teams["teams"][0]["id"].as_str().unwrap());
    ada.post(&path, json!({ "name": "P" })).await.expect(201);

    let acknowledged = Acknowledged::default();
    for kill in 0..kills() {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let client = Client::at(&server.base).with_token(&token);
            writers.spawn(write(client, kill * WRITERS + writer, acknowledged.clone()));
        }
        // In the middle of it: some are acknowledged, others are not yet.
        let before = acknowledged.lock().unwrap().len();
        while acknowledged.lock().unwrap().len() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let pause = 37 * (kill as u64 % 11);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        server.kill();
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        let checked = Command::new(px0())
            .arg("fsck")
            .envs(store.iter().map(|(name, value)| (*name, value)))
            .output();
        let checked = checked.unwrap();
        assert!(
            checked.status.success(),
            "kill {kill}: {}",
            String::from_utf8_lossy(&checked.stdout)
        );
        server = Server::start(store).await;
        let ada = Client::at(&server.base).with_token(&token);
        let (mut kept, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page =
                ada.get(&format!("/v1/prompts/p/versions?limit=1000{cursor}")).await.expect(200);
            for version in page["versions"].as_array().unwrap() {
                let template = version["template"].as_str().unwrap().to_owned();
                kept.insert(version["version"].as_u64().unwrap(), template);
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let acknowledged = acknowledged.lock().unwrap();
        for (number, template) in &*acknowledged {
            assert_eq!(kept.get(number), Some(template), "kill {kill}: version {number} is lost");
        }
    }
    assert!(acknowledged.lock().unwrap().len() >= kills());
}

fn sled(folder: &Path) -> Vec<(&'static str, String)> {
    vec![("PX0_STORE__SLED__PATH", folder.join("data").display().to_string())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sled_a_killed_server_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    nothing_acknowledged_is_lost(&sled(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_killed_server_loses_nothing_acknowledged() {
    if Database::missing().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = Database::take().await;
    let mut store = sled(folder.path());
    store.push(("PX0_STORE__BACKEND", "postgres".to_owned()));
    store.push(("PX0_STORE__POSTGRES__URL", database.url()));
    nothing_acknowledged_is_lost(&store).await;
}
