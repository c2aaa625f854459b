//! Bringing the schema up to date at a start, while others may hold what that needs.

use std::time::{Duration, Instant};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use super::{connect::SetUp, error::plain};

/// The schema, step by step.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(3);

/// Who holds locks that a migration may wait for: on the tables in this schema, or the one that keeps two px0 from migrating at once.
const HOLDERS: &str = "
    SELECT pid, usename, application_name, state, extract(epoch FROM now() - xact_start)::bigint AS seconds
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid IN (
        SELECT l.pid FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = current_schema()::regnamespace
        WHERE l.granted AND (l.locktype = 'advisory' OR c.relkind = 'r'))
    ORDER BY xact_start NULLS FIRST LIMIT 5";

/// Brings the schema up to date. Waits for others for so long at most, and says for whom.
///
/// # Errors
/// Why it could not be, for the operator.
pub(super) async fn migrate(
    options: &PgConnectOptions,
    set_up: &SetUp,
    patience: Duration,
) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let Err(error) = try_to_migrate(options, set_up).await else {
            return Ok(());
        };
        if !is_waiting(&error) {
            return Err(failed(&error));
        }
        let holders = holders(options).await.map_err(|error| plain(&error))?;
        if begun.elapsed() >= patience {
            return Err(format!(
                "its schema cannot be brought up to date, because others hold locks on it: {holders}; see whether one of them can be \
                 ended (another px0 that does the same is to be waited for), and start px0 again"
            ));
        }
        tracing::warn!("the schema of the database is brought up to date: waiting for {holders}");
        // Those who only read and write go on meanwhile.
        tokio::time::sleep(PAUSE).await;
    }
}

/// On a connection of its own: when it fails in the middle, the lock on migrations goes with the connection.
async fn try_to_migrate(options: &PgConnectOptions, set_up: &SetUp) -> Result<(), MigrateError> {
    let mut connection = options.connect().await?;
    set_up.tell(&mut connection).await?;
    // A migration takes as long as there are rows. But who waits for a lock holds up all who come after.
    connection.execute("SET statement_timeout = 0; SET lock_timeout = 1000").await?;
    let done = MIGRATIONS.run_direct(None, &mut connection, false).await;
    // What is done is done, whatever becomes of the connection.
    let _ = connection.close().await;
    done
}

/// Whether a lock was not to be had in time.
fn is_waiting(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "55P03")
}

/// Who holds locks, in words.
async fn holders(options: &PgConnectOptions) -> sqlx::Result<String> {
    let mut connection = options.connect().await?;
    let holders = told(&mut connection).await?;
    connection.close().await?;
    if holders.is_empty() {
        return Ok("somebody who was gone a moment later".to_owned());
    }
    Ok(holders.join(" and "))
}

async fn told(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(HOLDERS).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let text =
                |column| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
            let pid: i32 = row.try_get("pid")?;
            let seconds: Option<i64> = row.try_get("seconds")?;
            let (user, program, state) =
                (text("usename")?, text("application_name")?, text("state")?);
            let since = seconds.map_or_else(String::new, |seconds| format!(" for {seconds} s"));
            Ok(format!("process {pid} of the database ({program}, user {user}, {state}{since})"))
        })
        .collect()
}

/// What an operator can do about a schema that cannot be used.
fn failed(error: &MigrateError) -> String {
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => format!(
            "its schema has migration {version}, which this px0 does not know: a newer px0 was here; run that one"
        ),
        MigrateError::VersionMismatch(version) => {
            format!(
                "its migration {version} is not the one this px0 has: it was made by another program"
            )
        }
        MigrateError::Execute(error) => {
            format!("its schema cannot be brought up to date: {}", plain(error))
        }
        other => format!("its schema cannot be brought up to date: {other}"),
    }
}
