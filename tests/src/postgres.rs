//! A Postgres to test on: one that is given, or a throwaway cluster of this process.

use std::{
    ffi::OsString,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use px0_backends::postgres::{PgStore, PostgresSettings};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

/// The server that tests use, or why there is none.
static SERVER: LazyLock<Result<Server, String>> = LazyLock::new(|| {
    if let Ok(url) = std::env::var("PX0_TEST_POSTGRES_URL") {
        return Ok(Server { url: url.trim_end_matches('/').to_owned(), _cluster: None });
    }
    Cluster::start().map(|(url, cluster)| Server { url, _cluster: Some(cluster) })
});

/// Databases that no test uses at present.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A server, by the URL of its databases without their names.
struct Server {
    url: String,
    _cluster: Option<Cluster>,
}

/// A database of one test's own; it is empty when it is taken.
pub struct Database(String);

impl Database {
    /// Why no database can be had, if none can.
    ///
    /// # Panics
    /// When there must be one: `PX0_REQUIRE_POSTGRES` is set, as in CI.
    pub fn missing() -> Option<&'static str> {
        let why = SERVER.as_ref().err()?;
        let required = std::env::var_os("PX0_REQUIRE_POSTGRES").is_some();
        assert!(!required, "Postgres must be tested, and cannot be: {why}");
        Some(why)
    }

    /// Takes one.
    pub async fn take() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let free = FREE.lock().pop();
        let name = free.unwrap_or_else(|| {
            format!("px0_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
        });
        let database = Self(name);
        let mut admin = PgConnection::connect(&url("postgres")).await.unwrap();
        let query = "SELECT count(*) FROM pg_database WHERE datname = $1";
        let there: i64 =
            sqlx::query_scalar(query).bind(&database.0).fetch_one(&mut admin).await.unwrap();
        if there == 0 {
            let create = format!("CREATE DATABASE {}", database.0);
            admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
            return database;
        }
        database.empty().await;
        database
    }

    /// Removes all that a store put into it.
    pub async fn empty(&self) {
        // Everything else hangs on these.
        self.run(
            "DO $$ BEGIN IF to_regclass('about') IS NOT NULL THEN
                 DELETE FROM users; DELETE FROM orgs; DELETE FROM about;
             END IF; END $$",
        )
        .await;
    }

    /// Its URL.
    pub fn url(&self) -> String {
        url(&self.0)
    }

    /// How a store on it is opened.
    pub fn settings(&self) -> PostgresSettings {
        let max_connections = 8.try_into().unwrap();
        PostgresSettings { url: self.url(), max_connections, ..PostgresSettings::default() }
    }

    /// Does something to it that px0 does not do.
    pub async fn run(&self, statements: &'static str) {
        let mut own = PgConnection::connect(&self.url()).await.unwrap();
        own.execute(statements).await.unwrap();
    }

    /// A store on it.
    pub async fn open(&self) -> PgStore {
        PgStore::open(self.settings()).await.unwrap()
    }
}

/// The URL of a database of this name.
fn url(name: &str) -> String {
    format!("{}/{name}", SERVER.as_ref().unwrap().url)
}

impl Drop for Database {
    fn drop(&mut self) {
        FREE.lock().push(std::mem::take(&mut self.0));
    }
}

/// A cluster that ends with this process, however that ends.
struct Cluster {
    /// It stops the cluster when its input, which this process holds, is closed.
    _keeper: Child,
    _folder: TempDir,
}

impl Cluster {
    /// Makes and starts one, and answers its URL.
    fn start() -> Result<(String, Self), String> {
        let bin = binaries().ok_or(
            "there is no initdb: install Debian's `postgresql`, or set PX0_TEST_POSTGRES_URL to a server where \
             databases can be made",
        )?;
        // In memory where the machine has such a place: what is tested is what it answers, not its disk.
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
        let folder = folder.map_err(|error| error.to_string())?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.map_err(|error| error.to_string())?.port();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()))?;
        }
        let data = folder.path().join("data");
        // Another order than that of bytes: px0's must not depend on it.
        let locale = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"];
        let init = |locale: &[&str]| {
            let options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];
            run(as_postgres(&bin.join("initdb")).arg("-D").arg(&data).args(options).args(locale))
        };
        init(&locale).or_else(|_| {
            run(as_postgres(Path::new("rm")).arg("-rf").arg(&data))?;
            init(&["--locale=C.UTF-8"])
        })?;
        let script = r#""$@" >/dev/null 2>&1 & pid=$!; read -r _; kill -INT $pid; wait $pid; rm -rf "$PX0_DATA""#;
        let mut keeper = as_postgres(Path::new("sh"));
        keeper.args(["-c", script, "keeper"]).arg(bin.join("postgres"));
        keeper.arg("-D").arg(&data).arg("-k").arg(folder.path());
        keeper.args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        for setting in [
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=300",
            "shared_buffers=64MB",
        ] {
            keeper.args(["-c", setting]);
        }
        keeper.env("PX0_DATA", &data).stdin(Stdio::piped());
        let keeper = keeper.spawn().map_err(|error| error.to_string())?;
        let started = Instant::now();
        let ready = || {
            let mut ask = Command::new(bin.join("pg_isready"));
            run(ask.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])).is_ok()
        };
        while !ready() {
            if started.elapsed() > Duration::from_secs(60) {
                return Err("the cluster does not start".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let url = format!("postgres://postgres@127.0.0.1:{port}");
        Ok((url, Self { _keeper: keeper, _folder: folder }))
    }
}

/// Where the server's programs are: on the path, or where Debian has them, the newest first.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort_by_key(|path| std::cmp::Reverse(version_of(path)));
    folders.extend(versions);
    // Behind a link to one of them, all of them are.
    let real =
        |folder: PathBuf| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned());
    let all = |bin: &PathBuf| ["postgres", "pg_isready"].iter().all(|name| bin.join(name).exists());
    folders.into_iter().filter_map(real).find(all)
}

fn version_of(bin: &Path) -> Option<u32> {
    bin.parent()?.file_name()?.to_str()?.parse().ok()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

/// A command as somebody who may run Postgres, which root may not.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said: OsString = command.get_program().to_owned();
    Err(format!("{}: {}", said.display(), String::from_utf8_lossy(&output.stderr).trim()))
}
