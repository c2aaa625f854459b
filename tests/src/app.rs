use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use px0_backends::postgres::PostgresSettings;
use px0_config::{Backend, EmailMode, Settings, TrustedProxies};
use px0_core::store::SharedStore;
use px0_server::Running;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Client, Home, client, postgres::Database};

/// The password of everybody in these tests.
pub const PASSWORD: &str = "Corr3ct-horse";

/// A px0 of its own, with an empty store and an outbox.
pub struct App {
    base: String,
    folder: Arc<TempDir>,
    database: Option<Arc<Database>>,
    running: Option<Running>,
    http: reqwest::Client,
    people: AtomicUsize,
}

impl App {
    /// Starts one on the memory store.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one on sled.
    pub async fn start_on_sled() -> Self {
        Self::start_with(|settings| settings.store.backend = Backend::Sled).await
    }

    /// Starts one on Postgres, or answers `None` where there is none to test on.
    pub async fn start_on_postgres() -> Option<Self> {
        if Database::missing().is_some() {
            return None;
        }
        Some(Self::start_on_database(Arc::new(Database::take().await)).await)
    }

    async fn start_on_database(database: Arc<Database>) -> Self {
        let mut app = Self::start_with(|settings| {
            settings.store.backend = Backend::Postgres;
            settings.store.postgres = database.settings();
        })
        .await;
        app.database = Some(database);
        app
    }

    /// Another px0 on the same Postgres.
    pub async fn replica(&self) -> Self {
        Self::start_on_database(self.database.clone().unwrap()).await
    }

    /// Another px0 on the same Postgres, which it reaches at another address.
    pub async fn replica_by_way_of(&self, addr: std::net::SocketAddr) -> Self {
        let postgres = self.database().settings();
        let mut url = reqwest::Url::parse(&postgres.url).unwrap();
        url.set_host(Some(&addr.ip().to_string())).unwrap();
        url.set_port(Some(addr.port())).unwrap();
        let mut app = Self::start_with(|settings| {
            settings.store.backend = Backend::Postgres;
            settings.store.postgres = PostgresSettings { url: url.into(), ..postgres };
        })
        .await;
        app.database = self.database.clone();
        app
    }

    /// The Postgres that it runs on.
    pub fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    /// Starts one with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut settings = Settings::from_parts(None, &[]).unwrap();
        settings.http.addr = "127.0.0.1:0".parse().unwrap();
        settings.telemetry.addr = None;
        settings.store.backend = Backend::Memory;
        settings.store.sled.path = folder.path().join("data");
        settings.email.mode = EmailMode::File;
        settings.email.outbox = folder.path().join("outbox");
        settings.rate_limit.enabled = false;
        // A machine that builds or tests other things meanwhile may take its time.
        settings.http.timeout_ms = 300_000;
        settings.render.cache_dir = Some(compiled());
        change(&mut settings);
        let running = px0_server::start(settings).await.unwrap();
        let base = format!("http://{}", running.addr);
        let http = client::http().timeout(Duration::from_secs(60)).build().unwrap();
        Self {
            base,
            folder,
            database: None,
            running: Some(running),
            http,
            people: AtomicUsize::new(0),
        }
    }

    /// Where it listens: `http://127.0.0.1:…`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The lines it says at its start.
    pub fn summary(&self) -> String {
        self.running.as_ref().unwrap().summary().to_string()
    }

    /// Has it look at its folder of plugins again.
    pub async fn reload(&self) {
        self.running.as_ref().unwrap().reload().await.unwrap();
    }

    /// The store that it runs on.
    pub fn store(&self) -> &SharedStore {
        self.running.as_ref().unwrap().store()
    }

    /// Waits until all that it needs is there.
    pub async fn ready(&self) {
        while self.anonymous().get("/v1/health/ready").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes the store away from under the server.
    pub async fn close_store(&self) {
        self.running.as_ref().unwrap().store().close().await.unwrap();
    }

    /// Ends a test whose store cannot be looked at any more.
    pub fn abandon(mut self) {
        self.running = None;
    }

    /// A folder that goes when the test ends.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Somebody without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(self.http.clone(), self.base.clone(), None)
    }

    /// Somebody with this token.
    pub fn bearer(&self, token: &str) -> Client {
        Client::new(self.http.clone(), self.base.clone(), Some(token.to_owned()))
    }

    /// Somebody who registered by themselves, verified their address and logged in, with their organization.
    pub async fn founder(&self, name: &str) -> Home {
        let email = format!("{name}@example.com");
        let anonymous = self.anonymous();
        let credentials = json!({ "email": email, "password": PASSWORD });
        let before = self.mails(&email, "verification").len();
        let user =
            anonymous.post("/v1/auth/register", credentials).await.expect(201).body["user"].clone();
        let code = self.mailed_after(before, &email, "verification").await;
        anonymous
            .post("/v1/auth/verify-email", json!({ "email": email, "code": code }))
            .await
            .expect(200);
        let client = self.login(&email).await;
        Home::of(client, user).await
    }

    /// Gives back the code that was mailed to an address, unless addresses need no proof.
    pub async fn prove(&self, email: &str) {
        let code = self.mailed(email, "verification").await;
        let proof = json!({ "email": email, "code": code });
        self.anonymous().post("/v1/auth/verify-email", proof).await.expect(200);
    }

    /// Somebody whom `admin` registers into a team, who proved their address and logged in.
    pub async fn member(&self, admin: &Home, team: &str, role: &str) -> Home {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let email = format!("{role}{number}@example.com");
        let new = json!({ "email": email, "password": PASSWORD, "team_id": team });
        let user = admin.post("/v1/auth/register", new).await.expect(201).body["user"].clone();
        self.prove(&email).await;
        let id = user["id"].as_str().unwrap();
        if role != "editor" {
            let path = format!("/v1/teams/{team}/members/{id}/role");
            admin.put(&path, json!({ "role": role })).await.expect(200);
        }
        Home::of(self.login(&email).await, user).await
    }

    /// Trusts what clients say of their address: they are like proxies on this machine.
    pub fn behind_a_proxy(settings: &mut Settings) {
        settings.http.trusted_proxies = TrustedProxies::parse(["127.0.0.1"]).unwrap();
    }

    /// Logs somebody in.
    pub async fn login(&self, email: &str) -> Client {
        let credentials = json!({ "email": email, "password": PASSWORD });
        let answer = self.anonymous().post("/v1/auth/login", credentials).await.expect(200);
        self.bearer(answer.body["token"].as_str().unwrap())
    }

    /// The code in the newest mail of a kind to somebody: waits until there is one, because mail is sent off the
    /// request path.
    pub async fn mailed(&self, to: &str, kind: &str) -> String {
        self.mailed_after(0, to, kind).await
    }

    /// The code in the newest mail of a kind to somebody, once there are more than so many.
    pub async fn mailed_after(&self, before: usize, to: &str, kind: &str) -> String {
        for _ in 0..500 {
            let mails = self.mails(to, kind);
            if let Some(mail) = mails.last().filter(|_| mails.len() > before) {
                return mail["code"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {kind} mail to {to}");
    }

    /// All mails of a kind to somebody, oldest first.
    pub fn mails(&self, to: &str, kind: &str) -> Vec<Value> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.folder.path().join("outbox"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        files.sort();
        files
            .iter()
            .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
            .filter(|mail: &Value| mail["to"] == to && mail["kind"] == kind)
            .collect()
    }

    /// Stops it and waits until its store is closed.
    pub async fn stop(mut self) -> Arc<TempDir> {
        let running = self.running.take().unwrap();
        assert_eq!(running.store().check().await.unwrap(), [""; 0], "the store is out of order");
        running.stop().await.unwrap();
        self.folder.clone()
    }
}

/// The end of every test: nothing is out of order in the store.
impl Drop for App {
    fn drop(&mut self) {
        // Connections to a database belong to the test's runtime, which stands still here: `stop` looks at those.
        let unseen = std::thread::panicking() || self.database.is_some();
        let Some(running) = self.running.take().filter(|_| !unseen) else {
            return;
        };
        // A runtime of its own: the test's cannot be waited for from within.
        let check = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(running.store().check()).unwrap()
        });
        assert_eq!(check.join().unwrap(), [""; 0], "the store is out of order");
    }
}

/// Where the code of plugins that tests install is kept between tests: beside what cargo built, so that it goes with it.
pub fn compiled() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.parent().unwrap().join("px0-tests-compiled")
}
