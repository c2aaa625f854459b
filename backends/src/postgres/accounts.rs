use async_trait::async_trait;
use px0_core::{
    Email, Timestamp,
    ids::{OrgId, TeamId, UserId},
    mailed::{MailedCode, Tried},
    secret::{CodeKey, TokenHash},
    store::{Accounts, Refusal, Result, Stamp, StoreError},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, Session, User},
};
use sqlx::{Row as _, postgres::PgRow};

use super::{
    Connection, PgResult, PgStore, addresses,
    codes::{self, RESET, VERIFICATION, void},
    error::corrupt,
    locks, members, rows,
    rows::At,
    rule, tenancy,
};

/// Times that an account is tried to be deleted while its owner joins organizations.
const TRIES: usize = 8;

#[async_trait]
impl Accounts for PgStore {
    async fn code_key(&self, fresh: CodeKey) -> Result<CodeKey> {
        self.pg(async {
            sqlx::query("INSERT INTO about (code_key) VALUES ($1) ON CONFLICT DO NOTHING")
                .bind(&fresh.expose()[..])
                .execute(&self.pool)
                .await?;
            let row = sqlx::query("SELECT code_key FROM about").fetch_one(&self.pool).await?;
            code_key(&row)
        })
        .await
    }

    async fn found_account(
        &self,
        stamp: Stamp,
        account: Account,
        org: Org,
        team: Team,
    ) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin().await?;
            insert(&mut tx, &account).await?;
            tenancy::insert_org(&mut tx, &org, &team).await?;
            members::join(&mut tx, team.id, account.user.id, Role::Admin, stamp.at).await?;
            tx.commit().await
        })
        .await
    }

    async fn add_account(
        &self,
        stamp: Stamp,
        account: Account,
        team: TeamId,
        role: Role,
    ) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin_at(self.org_of(team).await?).await?;
            locks::team(&mut tx, team).await?;
            insert(&mut tx, &account).await?;
            members::join(&mut tx, team, account.user.id, role, stamp.at).await?;
            tx.commit().await
        })
        .await
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>> {
        self.pg(async {
            let query = sqlx::query("SELECT * FROM users WHERE id = $1").bind(user.uuid());
            query.fetch_optional(&self.pool).await?.as_ref().map(rows::account).transpose()
        })
        .await
    }

    async fn account_by_email(&self, email: &Email) -> Result<Option<Account>> {
        self.pg(async {
            let query = sqlx::query("SELECT * FROM users WHERE email = $1").bind(email.as_str());
            query.fetch_optional(&self.pool).await?.as_ref().map(rows::account).transpose()
        })
        .await
    }

    async fn open_session(&self, session: Session, from: TokenHash) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin_at(session.user.uuid()).await?;
            locks::user_to_log_in(&mut tx, session.user).await?;
            insert_session(&mut tx, &session).await?;
            addresses::note(&mut tx, &session, from).await?;
            // Others that open a session for them clean up too: nobody waits for what another is deleting.
            sqlx::query(
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions
                 WHERE user_id = $1 AND expires_at <= $2 AND hash <> $3 FOR UPDATE SKIP LOCKED)",
            )
            .bind(session.user.uuid())
            .bind(At(session.created_at))
            .bind(&session.hash.as_bytes()[..])
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    async fn last_login(&self, user: UserId, from: &TokenHash) -> Result<Option<Timestamp>> {
        self.pg(self.login_from(user, from)).await
    }

    async fn session(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<(User, Vec<Membership>)>> {
        self.pg(async {
            let found = sqlx::query(
                "SELECT u.id, u.email, u.is_verified, u.is_admin, u.created_at,
                        t.id AS team_id, t.org_id, t.is_default, m.role, m.created_at AS since
                 FROM sessions s
                 JOIN users u ON u.id = s.user_id
                 LEFT JOIN members m ON m.user_id = u.id
                 LEFT JOIN teams t ON t.id = m.team_id
                 WHERE s.hash = $1 AND s.expires_at > $2
                 ORDER BY t.id",
            )
            .bind(&hash.as_bytes()[..])
            .bind(At(now))
            .fetch_all(&self.pool)
            .await?;
            let Some(first) = found.first() else {
                return Ok(None);
            };
            let memberships = found.iter().filter_map(|row| rows::membership(row).transpose());
            Ok(Some((rows::user(first)?, memberships.collect::<PgResult<_>>()?)))
        })
        .await
    }

    async fn close_session(&self, hash: &TokenHash) -> Result<()> {
        self.pg(async {
            let query = sqlx::query("DELETE FROM sessions WHERE hash = $1");
            query.bind(&hash.as_bytes()[..]).execute(&self.pool).await?;
            Ok(())
        })
        .await
    }

    async fn put_verification(
        &self,
        now: Timestamp,
        user: UserId,
        code: MailedCode,
    ) -> Result<bool> {
        self.pg(self.put_code(now, user, VERIFICATION, code)).await
    }

    async fn verify_email(
        &self,
        stamp: Stamp,
        email: &Email,
        hash: &TokenHash,
        from: &TokenHash,
    ) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin().await?;
            let row = sqlx::query(
                "SELECT u.id, c.hash, c.expires_at, c.tries_left,
                        c.wrong_tries::text AS wrong_tries, c.former::text AS former
                 FROM users u JOIN mailed_codes c ON c.user_id = u.id
                 WHERE u.email = $1 AND c.kind = 'verification' FOR UPDATE",
            )
            .bind(email.as_str())
            .fetch_optional(&mut *tx)
            .await?;
            let row = row.ok_or(Refusal::WrongCode)?;
            let user = UserId::from_uuid(row.try_get("id")?);
            let mut codes = codes::read(&row)?;
            match codes.try_code(hash, *from, stamp.at) {
                Tried::Right => {
                    let proved =
                        "UPDATE users SET is_verified = true, was_proved = true WHERE id = $1";
                    sqlx::query(proved).bind(user.uuid()).execute(&mut *tx).await?;
                    void(&mut tx, user, &[VERIFICATION]).await?;
                    tx.commit().await
                }
                Tried::Wrong => {
                    codes::put(&mut tx, user, VERIFICATION, &codes).await?;
                    tx.commit().await?;
                    Err(Refusal::WrongCode.into())
                }
                Tried::Uncounted => Err(Refusal::WrongCode.into()),
            }
        })
        .await
    }

    async fn put_reset(&self, now: Timestamp, user: UserId, code: MailedCode) -> Result<bool> {
        self.pg(self.put_code(now, user, RESET, code)).await
    }

    async fn has_reset(&self, hash: &TokenHash, now: Timestamp) -> Result<bool> {
        self.pg(self.finds_reset(hash, now)).await
    }

    async fn reset_password(
        &self,
        stamp: Stamp,
        hash: &TokenHash,
        password_hash: String,
    ) -> Result<User> {
        self.pg(async {
            let mut tx = self.begin().await?;
            let row = codes::owner(&mut tx, hash, stamp.at).await?;
            let mut account = rows::account(&row.ok_or(Refusal::WrongResetCode)?)?;
            account.reset(password_hash);
            let user = account.user;
            void(&mut tx, user.id, &[RESET, VERIFICATION]).await?;
            end_sessions(&mut tx, user.id, None).await?;
            sqlx::query(
                "UPDATE users SET password_hash = $2, is_verified = $3, is_admin = $4, was_proved = $5
                 WHERE id = $1",
            )
            .bind(user.id.uuid())
            .bind(account.password_hash)
            .bind(user.is_verified)
            .bind(user.is_admin)
            .bind(account.was_proved)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(user)
        })
        .await
    }

    async fn change_email(
        &self,
        _: Stamp,
        user: UserId,
        email: Email,
        is_verified: bool,
    ) -> Result<User> {
        self.pg(async {
            let mut tx = self.begin_at(user.uuid()).await?;
            let mut changed = locks::user(&mut tx, user).await?.user;
            if changed.email != email {
                // Two who want each other's address would else wait for each other.
                let taken = sqlx::query("SELECT 1 FROM users WHERE email = $1")
                    .bind(email.as_str())
                    .fetch_optional(&mut *tx)
                    .await?;
                rule(taken.is_none(), Refusal::EmailTaken)?;
                sqlx::query("UPDATE users SET email = $2, is_verified = $3 WHERE id = $1")
                    .bind(user.uuid())
                    .bind(email.as_str())
                    .bind(is_verified)
                    .execute(&mut *tx)
                    .await?;
                void(&mut tx, user, &[RESET, VERIFICATION]).await?;
                (changed.email, changed.is_verified) = (email, is_verified);
            }
            tx.commit().await?;
            Ok(changed)
        })
        .await
    }

    async fn change_password(
        &self,
        _: Stamp,
        user: UserId,
        expected: &str,
        password_hash: String,
        keep: &TokenHash,
    ) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin_at(user.uuid()).await?;
            let account = locks::user(&mut tx, user).await?;
            if account.password_hash != expected {
                return Err(px0_core::store::Thing::User.into());
            }
            sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
                .bind(user.uuid())
                .bind(password_hash)
                .execute(&mut *tx)
                .await?;
            void(&mut tx, user, &[RESET]).await?;
            end_sessions(&mut tx, user, Some(keep)).await?;
            tx.commit().await
        })
        .await
    }

    async fn delete_account(&self, _: Stamp, user: UserId) -> Result<()> {
        self.pg_at_leisure(async {
            for _ in 0..TRIES {
                if self.try_to_delete(user).await? {
                    return Ok(());
                }
            }
            let why = "the account joined organizations all the while";
            Err(StoreError::Unavailable(why.to_owned()).into())
        })
        .await
    }
}

impl PgStore {
    /// Whether it is done: not when they joined an organization between looking and locking.
    async fn try_to_delete(&self, user: UserId) -> PgResult<bool> {
        let mut tx = self.begin().await?;
        let before = orgs_of(&mut tx, user).await?;
        for org in &before {
            // One that goes meanwhile is one less to leave.
            sqlx::query("SELECT 1 FROM orgs WHERE id = $1 FOR UPDATE")
                .bind(org.uuid())
                .execute(&mut *tx)
                .await?;
        }
        locks::user(&mut tx, user).await?;
        let now = orgs_of(&mut tx, user).await?;
        if now.iter().any(|org| !before.contains(org)) {
            return Ok(false);
        }
        for org in &now {
            if members::people_of(&mut tx, *org).await? == 1 {
                continue;
            }
            for seat in members::seats_in(&mut tx, *org, user).await? {
                members::may_leave(&mut tx, &seat, user).await?;
            }
        }
        for org in now {
            if members::people_of(&mut tx, org).await? == 1 {
                tenancy::delete_org(&mut tx, org).await?;
            }
        }
        sqlx::query("DELETE FROM users WHERE id = $1").bind(user.uuid()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Replaces the key under which codes and addresses are sealed.
pub(super) async fn set_code_key(c: &mut Connection, key: CodeKey) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO about (code_key) VALUES ($1)
         ON CONFLICT (single) DO UPDATE SET code_key = excluded.code_key",
    )
    .bind(&key.expose()[..])
    .execute(c)
    .await?;
    Ok(())
}

/// The key in a row of `about`.
pub(super) fn code_key(row: &PgRow) -> PgResult<CodeKey> {
    let bytes: &[u8] = row.try_get("code_key")?;
    let bytes = bytes.try_into().map_err(|_| corrupt("code_key has no 32 bytes"))?;
    Ok(CodeKey::from_bytes(bytes))
}

pub(super) async fn insert(c: &mut Connection, account: &Account) -> PgResult<()> {
    let user = &account.user;
    sqlx::query(
        "INSERT INTO users (id, email, password_hash, is_verified, is_admin, created_at, was_proved)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(user.id.uuid())
    .bind(user.email.as_str())
    .bind(&account.password_hash)
    .bind(user.is_verified)
    .bind(user.is_admin)
    .bind(At(user.created_at))
    .bind(account.was_proved)
    .execute(c)
    .await?;
    Ok(())
}

/// The organizations somebody is in, by id.
async fn orgs_of(c: &mut Connection, user: UserId) -> PgResult<Vec<OrgId>> {
    let found = sqlx::query(
        "SELECT DISTINCT t.org_id FROM members m JOIN teams t ON t.id = m.team_id WHERE m.user_id = $1 ORDER BY 1",
    )
    .bind(user.uuid())
    .fetch_all(c)
    .await?;
    found.iter().map(|row| Ok(OrgId::from_uuid(row.try_get("org_id")?))).collect()
}

pub(super) async fn end_sessions(
    c: &mut Connection,
    user: UserId,
    keep: Option<&TokenHash>,
) -> PgResult<()> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND ($2::bytea IS NULL OR hash <> $2)")
        .bind(user.uuid())
        .bind(keep.map(|hash| &hash.as_bytes()[..]))
        .execute(c)
        .await?;
    Ok(())
}

pub(super) async fn insert_session(c: &mut Connection, session: &Session) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO sessions (hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(&session.hash.as_bytes()[..])
    .bind(session.user.uuid())
    .bind(At(session.created_at))
    .bind(At(session.expires_at))
    .execute(c)
    .await?;
    Ok(())
}
