//! Connections: how they are made, set up and looked at, with the database itself or a pooler behind them.

use std::time::Duration;

use px0_core::store::StoreError;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    pool::PoolConnectionMetadata, postgres::PgConnectOptions, raw_sql,
};

use super::{PostgresSettings, error::plain};

/// A connection that does not answer so long is no good.
const PING: Duration = Duration::from_millis(400);

/// A connection that was used so lately is good.
const LATELY: Duration = Duration::from_secs(1);

/// What every connection is told first. By statements and not as parameters of its start: poolers do not hand those on.
#[derive(Clone)]
pub(super) struct SetUp(String);

impl SetUp {
    /// As the settings say.
    pub(super) fn of(settings: &PostgresSettings) -> Self {
        let limit = settings.statement_timeout_ms;
        // Who waits for a lock is told that; a statement's limit of the same length would come first.
        let lock = (limit / 2).max(1);
        Self(format!(
            "SET statement_timeout = {limit}; SET lock_timeout = {lock}; SET idle_in_transaction_session_timeout = 60000; \
             SET default_transaction_isolation = 'read committed'"
        ))
    }

    /// Tells a connection.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn tell(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        connection.execute(raw_sql(AssertSqlSafe(self.0.clone()))).await?;
        // A statement whose client is gone ends soon. Not every system that Postgres runs on can look.
        if let Err(error) = connection.execute("SET client_connection_check_interval = 500").await {
            tracing::debug!(%error, "the database does not look whether its clients are there");
        }
        Ok(())
    }
}

/// Where the settings say that the database is.
///
/// # Errors
/// [`StoreError::Unavailable`] when they do not say it.
pub(super) fn options(settings: &PostgresSettings) -> Result<PgConnectOptions, StoreError> {
    if settings.url.is_empty() {
        return Err(StoreError::Unavailable(
            "set store.postgres.url, such as postgres://px0:secret@localhost/px0".to_owned(),
        ));
    }
    if !["postgres://", "postgresql://"].iter().any(|scheme| settings.url.starts_with(scheme)) {
        return Err(StoreError::Unavailable(
            "store.postgres.url is not a URL of Postgres: it must begin with postgres://"
                .to_owned(),
        ));
    }
    // The driver's words may repeat any part of the URL, which has a password in it.
    let options: Result<PgConnectOptions, _> = settings.url.parse();
    let options = options.map_err(|_| {
        let why = "store.postgres.url is not a URL of Postgres: expected postgres://user:password@host:5432/database, and behind a \
                   question mark parameters of libpq with values that it knows (sslmode=require)";
        StoreError::Unavailable(why.to_owned())
    })?;
    Ok(options.application_name("px0").disable_statement_logging())
}

/// Sees that the database answers, and that a connection is one session of it. A pool would tell only that it had no connection in time.
///
/// # Errors
/// What stands in the way, for the operator.
pub(super) async fn look(options: &PgConnectOptions, patience: Duration) -> Result<(), String> {
    match tokio::time::timeout(patience, is_one_session(options)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(
            "there is a pooler that gives each transaction another session (PgBouncer's pool_mode = transaction or statement); px0 needs \
             one session for each connection: set pool_mode = session, or connect to the database itself"
                .to_owned(),
        ),
        Ok(Err(error)) => Err(plain(&error)),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

/// Whether two connections are two sessions: a lock that one session has, another one does not get.
async fn is_one_session(options: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut one = options.connect().await?;
    let Ok(mut other) = options.connect().await else {
        // There may be room for one more connection only.
        return one.close().await.map(|()| true);
    };
    // Nobody else's: the lower half of an id.
    let key = uuid::Uuid::new_v4().as_u64_pair().1.cast_signed();
    // Not prepared: such a pooler may refuse that in words that tell nobody what to do.
    let lock = format!("SELECT pg_advisory_lock({key})");
    let try_to = format!("SELECT pg_try_advisory_lock({key})");
    one.execute(raw_sql(AssertSqlSafe(lock))).await?;
    let got: bool = raw_sql(AssertSqlSafe(try_to)).fetch_one(&mut other).await?.try_get(0)?;
    for connection in [&mut one, &mut other] {
        connection.execute(raw_sql("SELECT pg_advisory_unlock_all()")).await?;
    }
    other.close().await?;
    one.close().await?;
    Ok(!got)
}

/// Whether a connection that is about to be used answers soon.
///
/// # Errors
/// It does not: the pool drops it, without a farewell that would not arrive either.
pub(super) async fn answers(
    connection: &mut PgConnection,
    meta: PoolConnectionMetadata,
) -> sqlx::Result<bool> {
    if meta.idle_for < LATELY {
        return Ok(true);
    }
    match tokio::time::timeout(PING, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(stalled()),
    }
}

/// Sees that a connection comes back without a transaction. A `BEGIN` that was given up while it was sent leaves one that nobody knows of
/// (sqlx issue 4385), and what is written in it later would be undone. A statement that was given up is waited for: as long as it runs, it
/// counts as one of the pool's.
///
/// # Errors
/// It does not answer within `limit`, or its transaction failed: the pool drops it.
pub(super) async fn comes_back_clean(
    connection: &mut PgConnection,
    limit: Duration,
) -> sqlx::Result<bool> {
    // What is begun here is ended, and what was begun before, too. Alone, the second would be a warning in the database's log.
    match tokio::time::timeout(limit, connection.execute(raw_sql("BEGIN; ROLLBACK"))).await {
        Ok(done) => done.map(|_| true),
        Err(_) => Err(stalled()),
    }
}

fn stalled() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
