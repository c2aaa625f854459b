//! What the driver and the database say, as [`StoreError`].

use px0_core::store::{Refusal, StoreError, Thing};
use sqlx::postgres::PgDatabaseError;

/// The driver's error while something of px0's was being done.
pub(super) struct PgError(pub StoreError);

impl From<sqlx::Error> for PgError {
    fn from(error: sqlx::Error) -> Self {
        Self(match &error {
            sqlx::Error::Database(said) => match said.try_downcast_ref::<PgDatabaseError>() {
                Some(said) => of_database(said)
                    .unwrap_or_else(|| StoreError::broken("asking the database", plain(&error))),
                None => StoreError::broken("asking the database", error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreError::Unavailable(plain(&error)),
            _ => StoreError::broken("asking the database", error),
        })
    }
}

impl From<StoreError> for PgError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<Thing> for PgError {
    fn from(thing: Thing) -> Self {
        Self(thing.into())
    }
}

impl From<Refusal> for PgError {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.into())
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        error.0
    }
}

/// What an operator is told: the driver's own words go into its inside, and quote within quotes.
pub(super) fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(said) => {
            let code = said.code().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
            format!("{}{code}", said.message().replace('"', "`"))
        }
        sqlx::Error::Configuration(why) => why.to_string().replace('"', "`"),
        sqlx::Error::Io(why) => format!("it cannot be reached: {why}"),
        sqlx::Error::Tls(why) => format!("the connection cannot be secured by TLS: {why}"),
        sqlx::Error::PoolTimedOut => {
            "no connection was free within store.postgres.acquire_timeout_ms: see whether the database answers (pg_stat_activity), \
             and whether store.postgres.max_connections is enough"
                .to_owned()
        }
        sqlx::Error::PoolClosed => "the store is closed".to_owned(),
        other => other.to_string(),
    }
}

/// What is stored cannot be what px0 stored.
pub(super) fn corrupt(what: impl Into<String>) -> PgError {
    PgError(StoreError::broken("reading the database", what.into()))
}

/// A constraint that a writer ran into is a rule or a missing thing; a class of SQLSTATE (appendix A of PostgreSQL's
/// manual) says whether it is the database that cannot answer now.
fn of_database(said: &PgDatabaseError) -> Option<StoreError> {
    let refused = |refusal: Refusal| Some(refusal.into());
    let missing = |thing: Thing| Some(thing.into());
    match said.constraint() {
        Some("users_email") => return refused(Refusal::EmailTaken),
        Some("teams_name") => return refused(Refusal::TeamNameTaken),
        Some("prompts_slug" | "prompts_name") => return refused(Refusal::PromptTaken),
        Some("members_once") => return refused(Refusal::MemberExists),
        Some("join_requests_one_pending") => return refused(Refusal::RequestPending),
        Some("teams_org" | "api_keys_org" | "org_plugins_org" | "plugin_values_org") => {
            return missing(Thing::Org);
        }
        Some("members_team" | "join_requests_team" | "api_key_teams_team" | "prompts_team") => {
            return missing(Thing::Team);
        }
        Some(
            "sessions_user"
            | "known_addresses_user"
            | "mailed_codes_user"
            | "members_user"
            | "join_requests_user",
        ) => return missing(Thing::User),
        Some("versions_prompt" | "payloads_prompt") => return missing(Thing::Prompt),
        Some("tags_version") => return missing(Thing::Version),
        _ => {}
    }
    // A standby, a database that is set to only read, or whose disk is full.
    if matches!(said.code(), "25006" | "53100") {
        return Some(StoreError::ReadOnly(said.to_string()));
    }
    let class = said.code().get(..2).unwrap_or_default();
    // Connection exception, invalid authorization, transaction rollback, insufficient resources, object in use, and operator
    // intervention (a statement's time-out among them).
    let cannot_now = matches!(class, "08" | "28" | "40" | "53" | "55" | "57");
    cannot_now.then(|| StoreError::Unavailable(said.to_string()))
}
