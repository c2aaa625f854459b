//! The rows of codes that were mailed: one for each user and kind, with the latest code in columns and the former ones as JSON.

use px0_core::{
    Timestamp,
    ids::UserId,
    mailed::{MailedCode, MailedCodes},
    secret::TokenHash,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use sqlx::{Row as _, postgres::PgRow};

use super::{Connection, PgResult, PgStore, error::corrupt, locks, rows, rows::At};

/// What a mailed code is for, as the column `kind` has it.
pub(super) const VERIFICATION: &str = "verification";
pub(super) const RESET: &str = "reset";

/// Every reset code, in the order of archives.
pub(super) const RESETS: &str = "SELECT user_id, hash, expires_at, tries_left,
            wrong_tries::text AS wrong_tries, former::text AS former
     FROM mailed_codes WHERE kind = 'reset' ORDER BY user_id";

/// The codes of a row.
pub(super) fn read(row: &PgRow) -> PgResult<MailedCodes> {
    let tries_left: i16 = row.try_get("tries_left")?;
    let code = MailedCode {
        hash: rows::hash(row, "hash")?,
        expires_at: rows::time(row, "expires_at")?,
        tries_left: u8::try_from(tries_left).map_err(|_| corrupt("tries_left is no u8"))?,
        wrong_tries: json_of(row, "wrong_tries")?,
    };
    Ok(MailedCodes { code, former: json_of(row, "former")? })
}

fn json_of<T: DeserializeOwned>(row: &PgRow, column: &str) -> PgResult<T> {
    rows::parsed(row, column, |text| serde_json::from_str(text))
}

/// The codes of one kind that somebody has, locked.
async fn of(c: &mut Connection, user: UserId, kind: &str) -> PgResult<Option<MailedCodes>> {
    let row = sqlx::query(
        "SELECT hash, expires_at, tries_left, wrong_tries::text AS wrong_tries, former::text AS former
         FROM mailed_codes WHERE user_id = $1 AND kind = $2 FOR UPDATE",
    )
    .bind(user.uuid())
    .bind(kind)
    .fetch_optional(c)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Writes the codes of one kind that somebody has.
pub(super) async fn put(
    c: &mut Connection,
    user: UserId,
    kind: &str,
    codes: &MailedCodes,
) -> PgResult<()> {
    let MailedCodes { code, former } = codes;
    sqlx::query(
        "INSERT INTO mailed_codes (user_id, kind, hash, expires_at, tries_left, wrong_tries, former)
         VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb)
         ON CONFLICT (user_id, kind) DO UPDATE
         SET hash = excluded.hash, expires_at = excluded.expires_at, tries_left = excluded.tries_left,
             wrong_tries = excluded.wrong_tries, former = excluded.former",
    )
    .bind(user.uuid())
    .bind(kind)
    .bind(&code.hash.as_bytes()[..])
    .bind(At(code.expires_at))
    .bind(i16::from(code.tries_left))
    .bind(json!(code.wrong_tries).to_string())
    .bind(json!(former).to_string())
    .execute(c)
    .await?;
    Ok(())
}

/// Takes back codes that were mailed.
pub(super) async fn void(c: &mut Connection, user: UserId, kinds: &[&str]) -> PgResult<()> {
    sqlx::query("DELETE FROM mailed_codes WHERE user_id = $1 AND kind = ANY($2)")
        .bind(user.uuid())
        .bind(kinds)
        .execute(c)
        .await?;
    Ok(())
}

/// Whose reset code this is, if it can be used; both are locked.
pub(super) async fn owner(
    c: &mut Connection,
    hash: &TokenHash,
    now: Timestamp,
) -> PgResult<Option<PgRow>> {
    let row = sqlx::query(
        "SELECT u.*, c.hash, c.expires_at, c.tries_left,
                c.wrong_tries::text AS wrong_tries, c.former::text AS former
         FROM users u JOIN mailed_codes c ON c.user_id = u.id
         WHERE c.kind = 'reset' AND (c.hash = $1 OR c.former @> $2::jsonb) FOR UPDATE",
    )
    .bind(&hash.as_bytes()[..])
    .bind(one_with(hash))
    .fetch_optional(c)
    .await?;
    match row {
        Some(row) if read(&row)?.has(hash, now) => Ok(Some(row)),
        _ => Ok(None),
    }
}

/// A list of codes in which there is at least one with this hash, as `@>` wants it.
fn one_with(hash: &TokenHash) -> String {
    json!([{ "hash": hash }]).to_string()
}

impl PgStore {
    /// Keeps a code, unless somebody has too many. Answers whether it does.
    pub(super) async fn put_code(
        &self,
        now: Timestamp,
        user: UserId,
        kind: &str,
        code: MailedCode,
    ) -> PgResult<bool> {
        let mut tx = self.begin_at(user.uuid()).await?;
        locks::user(&mut tx, user).await?;
        let before = of(&mut tx, user, kind).await?;
        let Some(codes) = MailedCodes::with(before, code, now) else {
            return Ok(false);
        };
        put(&mut tx, user, kind, &codes).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether a reset code can be used.
    pub(super) async fn finds_reset(&self, hash: &TokenHash, now: Timestamp) -> PgResult<bool> {
        let row = sqlx::query(
            "SELECT hash, expires_at, tries_left, wrong_tries::text AS wrong_tries, former::text AS former
             FROM mailed_codes WHERE kind = 'reset' AND (hash = $1 OR former @> $2::jsonb)",
        )
        .bind(&hash.as_bytes()[..])
        .bind(one_with(hash))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.as_ref().map(read).transpose()?.is_some_and(|codes| codes.has(hash, now)))
    }
}
