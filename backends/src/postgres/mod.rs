//! Postgres: one database, any number of px0 in front of it.
//!
//! Rules that two writers at once could break are constraints of the schema (`migrations/`) or are kept under row locks, and the
//! locks are always taken in this order, so that nobody waits in a circle: organizations by id, teams, users, prompts. What
//! changes an organization's people, teams or keys, or adds a value of a plugin, locks the organization; what changes a prompt locks
//! the prompt.
//! Everything reads committed rows: each statement sees what was committed before it began, and what a lock protects
//! is read after the lock is had.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use px0_core::{
    page::Paged,
    store::{
        Refusal, Result, Store, StoreError, StoreState, Watcher,
        archive::{Sink, Source},
    },
};
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction, postgres::PgPoolOptions};
use uuid::Uuid;

mod accounts;
mod addresses;
mod administration;
mod archive;
mod check;
mod codes;
mod connect;
mod delete;
mod error;
mod feed;
mod keys;
mod locks;
mod members;
mod migrate;
mod plugins;
mod prompts;
mod requests;
mod rows;
mod settings;
mod tenancy;
mod turns;
mod versions;

pub use settings::PostgresSettings;

use connect::SetUp;
use error::{PgError, plain};
use feed::{Feed, Write};
use turns::Turns;

/// What the inside of this backend answers.
type PgResult<T> = std::result::Result<T, PgError>;

/// Postgres.
///
/// What was acknowledged is committed, and kept as the database keeps what is committed (`synchronous_commit`). While the
/// database cannot be reached, everything is [`StoreError::Unavailable`].
pub struct PgStore {
    pool: PgPool,
    feed: Arc<Feed>,
    turns: Arc<Turns>,
    /// Longest wait for a turn, and for a connection.
    patience: Duration,
    /// Longest time of one method.
    deadline: Duration,
    /// Where: without the secret in it.
    place: String,
}

impl PgStore {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be used: the URL is none, it does not answer or does not let px0 in,
    /// or a newer px0 has changed the schema.
    pub async fn open(settings: PostgresSettings) -> Result<Self> {
        let options = connect::options(&settings)?;
        if settings.statement_timeout_ms == 0 {
            return Err(StoreError::Unavailable(
                "store.postgres.statement_timeout_ms must be at least 1: a statement without a limit holds up all others".to_owned(),
            ));
        }
        let place = format!(
            "{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_else(|| options.get_username())
        );
        let unusable = |why: String| StoreError::Unavailable(format!("postgres at {place}: {why}"));
        let patience = Duration::from_millis(settings.acquire_timeout_ms);
        connect::look(&options, patience).await.map_err(unusable)?;
        let set_up = SetUp::of(&settings);
        let migration = Duration::from_millis(settings.migration_timeout_ms);
        migrate::migrate(&options, &set_up, migration).await.map_err(unusable)?;
        let feed = Arc::new(Feed::new(options.clone(), set_up.clone()));
        let statement = Duration::from_millis(settings.statement_timeout_ms);
        let deadline = patience + statement;
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections.get())
            .acquire_timeout(patience)
            // The pool's own look at a connection has no limit, and one that stalls would never come back.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let set_up = set_up.clone();
                Box::pin(async move { set_up.tell(connection).await })
            })
            .before_acquire(|connection, meta| Box::pin(connect::answers(connection, meta)))
            .after_release(move |connection, _| {
                Box::pin(connect::comes_back_clean(connection, statement + Duration::from_secs(1)))
            })
            .connect_with(options)
            .await
            .map_err(|error| unusable(plain(&error)))?;
        Ok(Self { pool, feed, turns: Arc::default(), patience, deadline, place })
    }

    /// The work of one method. Whatever the database, the network or those before in the queue do, it ends in time: a statement has its own
    /// limit in the database, which says nothing when its answers do not arrive.
    async fn pg<T>(&self, work: impl Future<Output = PgResult<T>> + Send) -> Result<T> {
        match tokio::time::timeout(self.deadline, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(StoreError::Unavailable(format!(
                "the database did not answer within {} ms (store.postgres.acquire_timeout_ms and statement_timeout_ms together)",
                self.deadline.as_millis()
            ))),
        }
    }

    /// The work of a method that takes as long as there is much.
    async fn pg_at_leisure<T>(&self, work: impl Future<Output = PgResult<T>> + Send) -> Result<T> {
        Ok(work.await?)
    }

    /// A transaction that writes; what it did is undone unless it is committed.
    async fn begin(&self) -> PgResult<Write> {
        Ok(Write::new(self.pool.begin().await?, self.feed.clone(), None))
    }

    /// A transaction that begins by locking the thing of this id, and waits for its turn at that before it takes a connection.
    async fn begin_at(&self, thing: Uuid) -> PgResult<Write> {
        let turn = self.turns.at(thing, self.patience).await?;
        Ok(Write::new(self.pool.begin().await?, self.feed.clone(), Some(turn)))
    }

    /// Lifts the limits of a transaction that may take as long as there is much: it walks or fills the whole store. Whoever waits for
    /// a lock does that before: waiting has its limit.
    async fn take_time(c: &mut Connection) -> PgResult<()> {
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *c).await?;
        sqlx::query("SET LOCAL lock_timeout = 0").execute(c).await?;
        Ok(())
    }

    /// A transaction that only reads, and sees one moment however many statements it takes.
    async fn one_moment(&self) -> PgResult<Transaction<'static, Postgres>> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(self.pool.begin_with(begin).await?)
    }
}

/// `Ok` when the rule holds.
fn rule(holds: bool, refusal: Refusal) -> PgResult<()> {
    if holds { Ok(()) } else { Err(refusal.into()) }
}

/// One row more than a page shows says whether there is another page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}

/// What the things of a page may weigh.
fn most_bytes<T>() -> i64 {
    i64::try_from(Paged::<T, ()>::BYTES).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for PgStore {
    async fn ping(&self) -> Result<StoreState> {
        self.pg(async {
            let row =
                sqlx::query("SELECT current_setting('transaction_read_only') = 'on' AS only_reads")
                    .fetch_one(&self.pool)
                    .await?;
            let only_reads: bool = row.try_get("only_reads")?;
            Ok(if only_reads { StoreState::ReadOnly } else { StoreState::Ready })
        })
        .await
    }

    async fn check(&self) -> Result<Vec<String>> {
        self.pg_at_leisure(async {
            let mut tx = self.one_moment().await?;
            Self::take_time(&mut tx).await?;
            check::check(&mut tx).await
        })
        .await
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) -> bool {
        self.feed.start(watcher)
    }

    async fn export(&self, to: &mut Sink<'_>) -> Result<()> {
        self.pg_at_leisure(self.hand_out(to)).await
    }

    async fn import(&self, from: &mut Source<'_>) -> Result<()> {
        self.pg_at_leisure(self.take_in(from)).await
    }

    fn summary(&self) -> String {
        format!("postgres at {}", self.place)
    }

    async fn close(&self) -> Result<()> {
        self.feed.stop();
        self.pool.close().await;
        Ok(())
    }
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

/// A connection within a transaction.
type Connection = PgConnection;
