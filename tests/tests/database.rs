//! What is between px0 and its Postgres, or in its way: a network that swallows what is sent, a pooler, and others at work.
#![allow(clippy::unwrap_used, missing_docs, reason = "in a test, a panic is how a failure is told")]

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use px0_backends::postgres::{PgStore, PostgresSettings};
use px0_core::{
    Timestamp,
    ids::OrgId,
    store::{Actor, Stamp, Store, StoreError, Tenancy},
};
use px0_tests::postgres::Database;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Hands on what it gets, until it is told to stall: then connections stay open, and nothing goes through those that were open.
struct Network {
    port: u16,
    /// How often it has stalled.
    stalls: watch::Sender<u32>,
}

impl Network {
    async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stalls, stalled) = watch::channel(0);
        tokio::spawn(async move {
            let address = Arc::new(address);
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(&*address).await.unwrap();
                let ((near_reads, near_writes), (far_reads, far_writes)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(hand_on(near_reads, far_writes, stalled.clone()));
                tokio::spawn(hand_on(far_reads, near_writes, stalled.clone()));
            }
        });
        Self { port, stalls }
    }

    fn stall(&self) {
        self.stalls.send_modify(|stalls| *stalls += 1);
    }
}

async fn hand_on(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut stalled: watch::Receiver<u32>,
) {
    stalled.borrow_and_update();
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            _ = stalled.changed() => {
                // Neither closed nor read from again.
                std::future::pending::<()>().await;
                return;
            }
        };
        match read {
            Ok(read) if read > 0 && to.write_all(&bytes[..read]).await.is_ok() => {}
            _ => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stalls_holds_nobody_up_for_long() {
    if Database::missing().is_some() {
        return;
    }
    let database = Database::take().await;
    let url = database.url();
    let (user, rest) = url.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let network = Network::to(address.to_owned()).await;
    let settings = PostgresSettings {
        url: format!("{user}@127.0.0.1:{}/{name}", network.port),
        max_connections: 4.try_into().unwrap(),
        acquire_timeout_ms: 1_000,
        statement_timeout_ms: 1_000,
        ..PostgresSettings::default()
    };
    let store = Arc::new(PgStore::open(settings).await.unwrap());
    let all = async || {
        let reads = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.org(OrgId::new()).await })
        });
        let mut answers = Vec::new();
        for read in reads.collect::<Vec<_>>() {
            answers.push(read.await.unwrap());
        }
        answers
    };
    assert!(all().await.into_iter().all(|answer| answer == Ok(None)));

    for _ in 0..3 {
        // Every connection of the pool, while it is idle, and those that are made just now.
        network.stall();
        let begun = Instant::now();
        for answer in all().await {
            assert!(matches!(answer, Ok(None) | Err(StoreError::Unavailable(_))), "{answer:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        // Now the network is well, but for the connections that it has swallowed.
        let again = async {
            while store.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(all().await.into_iter().all(|answer| answer == Ok(None)));
        };
        tokio::time::timeout(Duration::from_secs(10), again).await.expect("it passes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_waits_for_who_is_in_its_way_and_says_who_that_is() {
    if Database::missing().is_some() {
        return;
    }
    let database = Database::take().await;
    database.open().await.close().await.unwrap();
    let settings = |patience| PostgresSettings {
        statement_timeout_ms: 200,
        migration_timeout_ms: patience,
        ..database.settings()
    };
    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    let mut held = other.begin().await.unwrap();
    held.execute("SET application_name = 'a report'").await.unwrap();
    held.execute("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE").await.unwrap();

    let refused = PgStore::open(settings(500)).await.unwrap_err().to_string();
    for part in [
        "cannot be brought up to date, because others hold locks on it: process ",
        "(a report, user ",
        "idle in transaction",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let waiting = tokio::spawn(PgStore::open(settings(30_000)));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!waiting.is_finished());
    held.commit().await.unwrap();
    let store = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    store.unwrap().close().await.unwrap();
}

/// A PgBouncer before the database, as long as this is there.
struct Pooler {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    /// `None` without one on this machine, which must have it where Postgres must be tested.
    fn start(address: &str, mode: &str) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(Path::new);
        let Some(program) = program.into_iter().find(|program| program.exists()) else {
            assert!(
                std::env::var_os("PX0_REQUIRE_POSTGRES").is_none(),
                "install Debian's pgbouncer"
            );
            eprintln!("\n*** PgBouncer is NOT TESTED: there is none\n");
            return None;
        };
        let (host, port_of_database) = address.split_once(':').unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("pgbouncer.ini");
        // As docs/operate.md has it, but for the addresses.
        let text = format!(
            "[databases]\n* = host={host} port={port_of_database}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n"
        );
        // Everybody may read it: PgBouncer does not run as root.
        std::fs::write(&config, text.replace("* = ", "* = user=postgres ")).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(program);
        command.args(["-q", "-u", "postgres"]).arg(&config).stderr(Stdio::null());
        Some(Self { process: command.spawn().unwrap(), port, _folder: folder })
    }

    async fn open(&self, database: &Database) -> Result<PgStore, StoreError> {
        let (_, name) =
            database.url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let url = format!("postgres://postgres@127.0.0.1:{}/{name}", self.port);
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        PgStore::open(PostgresSettings { url, ..database.settings() }).await
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_is_used_by_sessions_and_refused_by_transactions() {
    if Database::missing().is_some() {
        return;
    }
    let database = Database::take().await;
    let url = database.url();
    let address = url.split_once('@').unwrap().1.split_once('/').unwrap().0;

    let Some(sessions) = Pooler::start(address, "session") else { return };
    let store = sessions.open(&database).await.unwrap();
    assert_eq!(store.org(OrgId::new()).await, Ok(None));
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    store.close().await.unwrap();

    let Some(transactions) = Pooler::start(address, "transaction") else { return };
    let refused = transactions.open(&database).await.unwrap_err().to_string();
    assert!(refused.contains("set pool_mode = session"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn much_is_deleted_in_steps_that_end_in_time() {
    if Database::missing().is_some() {
        return;
    }
    let database = Database::take().await;
    database.open().await.close().await.unwrap();
    database
        .run(
            "INSERT INTO orgs VALUES ('00000000-0000-0000-0000-000000000001', 'Acme', now());
             INSERT INTO teams VALUES ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', 'T', true, now());
             INSERT INTO prompts SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000002', 'p' || n, 'p' || n, '', '', '',
                    'active', now(), now(), CASE WHEN n = 1 THEN 200000 ELSE 20 END FROM generate_series(1, 2000) n;
             INSERT INTO versions SELECT gen_random_uuid(), p.id, n, 'draft', 'x', 'minijinja', NULL, NULL, NULL, now(), now(), NULL
                    FROM prompts p, generate_series(1, p.last_number) n",
        )
        .await;
    let settings = PostgresSettings { statement_timeout_ms: 1_500, ..database.settings() };
    let store = PgStore::open(settings).await.unwrap();
    let org = OrgId::from_uuid(uuid::Uuid::from_u128(1));
    let stamp = Stamp { by: Actor::Anonymous, at: Timestamp::now() };
    store.delete_org(stamp, org).await.unwrap();
    assert_eq!(store.org(org).await, Ok(None));
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let mut own = PgConnection::connect(&database.url()).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM versions) + (SELECT count(*) FROM prompts)";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&mut own).await.unwrap();
    assert_eq!(left, 0);
}
