//! Changes, told to every px0 on the database: by `NOTIFY` within the transaction that makes them, so that none is told
//! that was not made, and none made that is not told.

use std::{
    collections::BTreeSet,
    ops::{Deref, DerefMut},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use px0_core::store::{Change, Told, Watcher};
use sqlx::{
    PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    task::JoinHandle,
    time::{timeout, timeout_at},
};

use super::{PgResult, connect::SetUp, turns::Turn};

/// What is listened to.
const CHANNEL: &str = "px0_changes";

/// This often, and whenever it begins, a listener tells itself something: what comes back by the same way proves that it hears,
/// and that it has heard whatever was told before.
const BEAT: Duration = Duration::from_millis(400);

/// For so long after a beat copies may be used. A change that was made before the next beat is heard with it, so this
/// and what a beat takes must be less than the second within which a change is in force everywhere.
const LEASE: Duration = Duration::from_millis(800);

/// A database that is busy may take so long to answer. Nothing is kept in memory meanwhile, because the lease ends before.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries to get a lost connection back.
const AGAIN: Duration = Duration::from_millis(200);

/// Who is told, and the task that listens for what others do.
pub(super) struct Feed {
    options: PgConnectOptions,
    set_up: SetUp,
    watcher: OnceLock<Arc<dyn Watcher>>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Feed {
    pub(super) fn new(options: PgConnectOptions, set_up: SetUp) -> Self {
        let options = options.application_name("px0 listening");
        Self { options, set_up, watcher: OnceLock::new(), listening: Mutex::default() }
    }

    /// Begins to listen, for the first who asks.
    pub(super) fn start(&self, watcher: Arc<dyn Watcher>) -> bool {
        if self.watcher.set(watcher.clone()).is_err() {
            return false;
        }
        let listening = tokio::spawn(listen(self.options.clone(), self.set_up.clone(), watcher));
        *self.listening.lock() = Some(listening);
        true
    }

    pub(super) fn stop(&self) {
        if let Some(listening) = self.listening.lock().take() {
            listening.abort();
        }
        if let Some(watcher) = self.watcher.get() {
            watcher.told(Told::No);
        }
    }

    fn tell(&self, changes: &[Change]) {
        if let Some(watcher) = self.watcher.get() {
            watcher.changed(changes);
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Listens for as long as it is let; while it cannot, nothing is told. It says so once each time.
async fn listen(options: PgConnectOptions, set_up: SetUp, watcher: Arc<dyn Watcher>) {
    let mut said = false;
    loop {
        // A channel for each connection: what comes late on the last one's is not taken for this one's.
        let own = format!("px0_beat_{}", uuid::Uuid::new_v4().simple());
        let why = match timeout(PATIENCE, connect(&options, &set_up, &own)).await {
            Ok(Ok(mut listener)) => hear(&mut listener, &own, &*watcher, &mut said).await,
            Ok(Err(error)) => error.to_string(),
            Err(_) => NO_ANSWER.to_owned(),
        };
        watcher.told(Told::No);
        if !said {
            tracing::warn!(
                why,
                "changes on the database cannot be heard; nothing is kept in memory meanwhile"
            );
        }
        said = true;
        tokio::time::sleep(AGAIN).await;
    }
}

const NO_ANSWER: &str = "it does not answer";

async fn connect(
    options: &PgConnectOptions,
    set_up: &SetUp,
    own: &str,
) -> sqlx::Result<PgListener> {
    // A connection of its own: the pool's may all be busy.
    let set_up = set_up.clone();
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).after_connect(
        move |connection, _| {
            let set_up = set_up.clone();
            Box::pin(async move { set_up.tell(connection).await })
        },
    );
    let pool = pool.connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    // A connection that came back by itself would not say what was missed.
    listener.eager_reconnect(false);
    listener.listen_all([CHANNEL, own]).await?;
    Ok(listener)
}

/// Hears until the connection is lost; answers how. `said` is whether it was said that nothing is heard.
async fn hear(
    listener: &mut PgListener,
    own: &str,
    watcher: &dyn Watcher,
    said: &mut bool,
) -> String {
    loop {
        let begun = Instant::now();
        let beat = sqlx::query("SELECT pg_notify($1, '')").bind(own).execute(&mut *listener);
        match timeout(PATIENCE, beat).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return NO_ANSWER.to_owned(),
        }
        let mut heard = false;
        loop {
            let until = begun + if heard { BEAT } else { PATIENCE };
            match timeout_at(until.into(), listener.try_recv()).await {
                Ok(Ok(Some(told))) if told.channel() == own => {
                    // Notifications come in the order of their commits.
                    watcher.told(Told::Until(begun + LEASE));
                    heard = true;
                    if std::mem::take(said) {
                        tracing::info!("changes on the database are heard again");
                    }
                }
                Ok(Ok(Some(told))) => {
                    watcher.changed(&[told.payload().parse().unwrap_or(Change::All)]);
                }
                Ok(Ok(None)) => return "it was closed".to_owned(),
                Ok(Err(error)) => return error.to_string(),
                Err(_) if heard => break,
                Err(_) => return "what is told does not arrive".to_owned(),
            }
        }
    }
}

/// A transaction that writes, and tells what it changed when it is committed.
pub(super) struct Write {
    tx: Transaction<'static, Postgres>,
    feed: Arc<Feed>,
    changes: BTreeSet<Change>,
    /// Until the connection is given back.
    _turn: Option<Turn>,
}

impl Write {
    pub(super) fn new(
        tx: Transaction<'static, Postgres>,
        feed: Arc<Feed>,
        turn: Option<Turn>,
    ) -> Self {
        Self { tx, feed, changes: BTreeSet::new(), _turn: turn }
    }

    /// Whoever keeps copies is to be told of this.
    pub(super) fn changed(&mut self, change: Change) {
        self.changes.insert(change);
    }

    /// Makes it so, and tells.
    pub(super) async fn commit(mut self) -> PgResult<()> {
        if !self.changes.is_empty() {
            let said: Vec<_> = self.changes.iter().map(Change::to_string).collect();
            sqlx::query("SELECT pg_notify($1, said) FROM unnest($2::text[]) AS said")
                .bind(CHANNEL)
                .bind(said)
                .execute(&mut *self.tx)
                .await?;
        }
        let changes: Vec<_> = self.changes.into_iter().collect();
        let done = self.tx.commit().await;
        // Those here know before the writer hears that it is done; and if nobody knows whether it is, as if it were.
        if !changes.is_empty() {
            self.feed.tell(&changes);
        }
        Ok(done?)
    }
}

impl Deref for Write {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}
