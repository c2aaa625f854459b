//! Several px0 on one Postgres: what is changed through one is in force on all of them within a second.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use px0_tests::{Answer, App, Client, Home, postgres::Database};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use px0_tests::process::{Server, postgres, sled};

/// The contract's second.
const SOON: Duration = Duration::from_secs(1);

/// Asks until the answer is as it should be, which it must be soon.
async fn soon(
    what: &str,
    since: Instant,
    ask: impl AsyncFn() -> Answer,
    right: impl Fn(&Answer) -> bool,
) {
    loop {
        let asked = since.elapsed();
        let answer = ask().await;
        if right(&answer) {
            return;
        }
        assert!(asked < SOON, "{what}: after {asked:?} still {} {}", answer.status, answer.text);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same caller at another px0.
fn at(app: &App, who: &Client) -> Client {
    app.bearer(who.token())
}

/// The path that a service calls.
const RENDER: &str = "/v1/prompts/p/render";

/// Three of them, with a founder, her live prompt `p` that says `0`, and a key that renders it.
async fn replicas() -> Option<(Vec<App>, Home, Client)> {
    if Database::missing().is_some() {
        return None;
    }
    let first = App::start_on_postgres().await?;
    let mut all = vec![first];
    for _ in 0..2 {
        let other = all[0].replica().await;
        all.push(other);
    }
    let ada = all[0].founder("ada").await;
    ada.prompt("P").await;
    ada.live("p", "0").await;
    let key = ada.key("read_render", &[]).await;
    Some((all, ada, key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_through_one_is_in_force_on_all() {
    let Some((apps, ada, key)) = replicas().await else { return };
    for app in &apps {
        // Twice: the second comes from memory.
        for _ in 0..2 {
            assert_eq!(at(app, &key).post(RENDER, json!({})).await.expect(200)["rendered"], "0");
        }
    }
    for number in 1..=10 {
        let text = number.to_string();
        let one = at(&apps[number % 3], &ada);
        let draft =
            one.post("/v1/prompts/p/versions", json!({ "template": text })).await.expect(201);
        let path = format!("/v1/prompts/p/versions/{}/promote", draft["version"]["version"]);
        for _ in 0..2 {
            one.post(&path, json!({})).await.expect(200);
        }
        let done = Instant::now();
        // Whoever made the change sees it at once.
        let own = at(&apps[number % 3], &key).post(RENDER, json!({})).await.expect(200);
        assert_eq!(own["rendered"], text.as_str());
        for app in &apps {
            let ask = async || at(app, &key).post(RENDER, json!({})).await;
            soon("a promotion", done, ask, |answer| answer["rendered"] == text.as_str()).await;
        }
    }
    for number in ["1", "2", "3"] {
        ada.post(&format!("/v1/prompts/p/versions/{number}/tags"), json!({ "tag": "t" }))
            .await
            .expect(200);
        let done = Instant::now();
        let expected = (number.parse::<u32>().unwrap() - 1).to_string();
        for app in &apps {
            let ask =
                async || at(app, &key).post("/v1/prompts/p/versions/t/render", json!({})).await;
            soon("a tag", done, ask, |answer| answer["rendered"] == expected.as_str()).await;
        }
    }
    let bob = apps[0].member(&ada, &ada.team, "viewer").await;
    for app in &apps {
        at(app, &bob).post(RENDER, json!({})).await.expect(200);
    }
    ada.delete(&format!("/v1/orgs/{}/members/{}", ada.org, bob.id())).await.expect(204);
    let done = Instant::now();
    for app in &apps {
        let ask = async || at(app, &bob).post(RENDER, json!({})).await;
        soon("a removal", done, ask, |answer| answer.status == 404).await;
    }
    let keys = ada.get(&format!("/v1/api-keys?org_id={}", ada.org)).await.expect(200);
    let id = keys["api_keys"][0]["id"].as_str().unwrap();
    at(&apps[1], &ada).delete(&format!("/v1/api-keys/{id}")).await.expect(204);
    let done = Instant::now();
    for app in &apps {
        let ask = async || at(app, &key).post(RENDER, json!({})).await;
        soon("a revocation", done, ask, |answer| answer.status == 401).await;
    }
    for app in apps.into_iter().rev() {
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_hears_nothing_serves_nothing_old() {
    let Some((apps, ada, key)) = replicas().await else { return };
    let deaf = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'px0 listening'";
    for number in 1..=5 {
        for app in &apps {
            at(app, &key).post(RENDER, json!({})).await.expect(200);
        }
        apps[0].database().run(deaf).await;
        let text = number.to_string();
        ada.live("p", &text).await;
        let done = Instant::now();
        for app in &apps {
            let ask = async || at(app, &key).post(RENDER, json!({})).await;
            soon("unheard", done, ask, |answer| answer["rendered"] == text.as_str()).await;
        }
    }
    for app in apps.into_iter().rev() {
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_did_not_run_for_a_while_serves_nothing_old() {
    if Database::missing().is_some() {
        return;
    }
    let database = Database::take().await;
    let folder = tempfile::tempdir().unwrap();
    let start = async |name: &str| {
        let mut store = sled(&folder.path().join(name));
        store.extend(postgres(&database));
        Server::start(&store).await
    };
    let (one, other) = (start("one").await, start("other").await);
    let ada = Home::found(&one.base, "ada").await;
    ada.prompt("P").await;
    let key = ada.key("read_render", &[]).await;
    let there = Client::at(&other.base).with_token(key.token());
    for number in 0..3 {
        let text = number.to_string();
        ada.live("p", &text).await;
        tokio::time::sleep(SOON).await;
        for _ in 0..2 {
            assert_eq!(there.post(RENDER, json!({})).await.expect(200)["rendered"], text.as_str());
        }
        other.signal("STOP");
        ada.live("p", "new").await;
        tokio::time::sleep(SOON).await;
        // What asks it waits before it goes on, so that it may be read before what was told meanwhile.
        let asked: Vec<_> = (0..8)
            .map(|_| {
                let there = there.clone();
                tokio::spawn(async move { there.post(RENDER, json!({})).await })
            })
            .collect();
        tokio::time::sleep(SOON / 10).await;
        other.signal("CONT");
        for answer in asked {
            assert_eq!(answer.await.unwrap().expect(200)["rendered"], "new");
        }
    }
}

/// A way to a Postgres on which connections that listen can fall silent, without being closed.
struct Way {
    addr: SocketAddr,
    is_silent: Arc<AtomicBool>,
}

impl Way {
    async fn to(database: &Database) -> Self {
        let url = reqwest::Url::parse(&database.url()).unwrap();
        let to = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, is_silent) = (door.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let silent = is_silent.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = door.accept().await {
                let far = TcpStream::connect(&to).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                let listens = Arc::new(AtomicBool::new(false));
                tokio::spawn(carry(near_in, far_out, listens.clone(), silent.clone()));
                tokio::spawn(carry(far_in, near_out, listens, silent.clone()));
            }
        });
        Self { addr, is_silent }
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    listens: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
) {
    const NAME: &[u8] = b"px0 listening";
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if bytes[..count].windows(NAME.len()).any(|part| part == NAME) {
            listens.store(true, Ordering::Relaxed);
        }
        while listens.load(Ordering::Relaxed) && silent.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_database_falls_silent_serves_nothing_old() {
    let Some(one) = App::start_on_postgres().await else { return };
    let way = Way::to(one.database()).await;
    let other = one.replica_by_way_of(way.addr).await;
    let ada = one.founder("ada").await;
    ada.prompt("P").await;
    ada.live("p", "0").await;
    let key = ada.key("read_render", &[]).await;
    let ask = async || at(&other, &key).post(RENDER, json!({})).await;
    let ready = async || other.anonymous().get("/v1/health/ready").await;
    for number in 1..=2 {
        soon("hears", Instant::now(), ready, |answer| answer["status"] == "ready").await;
        // Until it keeps a copy.
        for _ in 0..20 {
            ask().await.expect(200);
            tokio::time::sleep(SOON / 20).await;
        }
        way.is_silent.store(true, Ordering::Relaxed);
        let text = number.to_string();
        ada.live("p", &text).await;
        let done = Instant::now();
        soon("unheard", done, ask, |answer| answer["rendered"] == text.as_str()).await;
        // It can be asked, and says that it does not hear.
        soon("says so", done, ready, |answer| answer.code() == "not_ready").await;
        let checks = ready().await.expect(503)["details"]["checks"].clone();
        assert_eq!(checks, json!({ "store": true, "engines": true, "changes": false }));
        way.is_silent.store(false, Ordering::Relaxed);
    }
    other.stop().await;
    one.stop().await;
}
