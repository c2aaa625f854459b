//! `kill -9` of the real server under 64 writers: what was acknowledged is kept, and the store is in order.
//!
//! `PX0_KILLS` says how often (CI: a few; the long run: 100).

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use px0_tests::{Client, Home, postgres::Database};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use px0_tests::process::{Server, Variables, postgres, px0, sled};

const WRITERS: usize = 64;

fn kills() -> usize {
    std::env::var("PX0_KILLS").map_or(3, |kills| kills.parse().unwrap())
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
    let ada = Home::found(&server.base, "ada").await;
    ada.prompt("P").await;
    let token = ada.token().to_owned();

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sled_a_killed_server_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    nothing_acknowledged_is_lost(&sled(&folder.path().join("data"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_killed_server_loses_nothing_acknowledged() {
    if Database::missing().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = Database::take().await;
    // px0 also keeps compiled code in the data folder.
    let mut store = sled(&folder.path().join("data"));
    store.extend(postgres(&database));
    nothing_acknowledged_is_lost(&store).await;
}
