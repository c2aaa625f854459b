//! The rows of addresses from which users logged in.

use px0_core::{
    Timestamp,
    ids::UserId,
    secret::TokenHash,
    user::{KnownAddress, Session},
};
use sqlx::{Row as _, postgres::PgRow};

use super::{Connection, PgResult, PgStore, rows, rows::At};

/// Every known address, in the order of archives.
pub(super) const EVERY: &str = "SELECT * FROM known_addresses ORDER BY user_id, address";

/// Who has more than may be: $1.
pub(super) const TOO_MANY: &str =
    "SELECT user_id FROM known_addresses GROUP BY user_id HAVING count(*) > $1";

/// [`KnownAddress::MOST`], as the database counts.
pub(super) fn most() -> i64 {
    i64::try_from(KnownAddress::MOST).unwrap_or(i64::MAX)
}

pub(super) fn read(row: &PgRow) -> PgResult<KnownAddress> {
    Ok(KnownAddress {
        user: UserId::from_uuid(row.try_get("user_id")?),
        address: rows::hash(row, "address")?,
        last_login: rows::time(row, "last_login")?,
    })
}

/// Notes a login from an address. The user is locked.
pub(super) async fn note(c: &mut Connection, session: &Session, from: TokenHash) -> PgResult<()> {
    let user = session.user;
    let known = KnownAddress { user, address: from, last_login: session.created_at };
    put(c, &known).await?;
    let rows = sqlx::query("SELECT * FROM known_addresses WHERE user_id = $1")
        .bind(user.uuid())
        .fetch_all(&mut *c)
        .await?;
    let surplus = KnownAddress::surplus(rows.iter().map(read).collect::<PgResult<_>>()?);
    if surplus.is_empty() {
        return Ok(());
    }
    let surplus: Vec<_> = surplus.iter().map(|known| &known.address.as_bytes()[..]).collect();
    sqlx::query("DELETE FROM known_addresses WHERE user_id = $1 AND address = ANY($2)")
        .bind(user.uuid())
        .bind(surplus)
        .execute(c)
        .await?;
    Ok(())
}

pub(super) async fn put(c: &mut Connection, known: &KnownAddress) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO known_addresses (user_id, address, last_login) VALUES ($1, $2, $3)
         ON CONFLICT (user_id, address) DO UPDATE SET last_login = excluded.last_login",
    )
    .bind(known.user.uuid())
    .bind(&known.address.as_bytes()[..])
    .bind(At(known.last_login))
    .execute(c)
    .await?;
    Ok(())
}

impl PgStore {
    /// When somebody last logged in from an address.
    pub(super) async fn login_from(
        &self,
        user: UserId,
        from: &TokenHash,
    ) -> PgResult<Option<Timestamp>> {
        let row = sqlx::query(
            "SELECT last_login FROM known_addresses WHERE user_id = $1 AND address = $2",
        )
        .bind(user.uuid())
        .bind(&from.as_bytes()[..])
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| rows::time(&row, "last_login")).transpose()
    }
}
