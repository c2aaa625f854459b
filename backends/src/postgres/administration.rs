use async_trait::async_trait;
use px0_core::{
    email::Email,
    name::Name,
    page::{Page, Paged},
    store::{Administration, Result, Stamp, Thing},
    tenancy::Org,
    user::User,
};

use super::{
    PgStore,
    accounts::end_sessions,
    codes::{RESET, VERIFICATION, void},
    one_more, rows,
    tenancy::all,
};

#[async_trait]
impl Administration for PgStore {
    async fn users(&self, page: Page<Email>) -> Result<Paged<User, Email>> {
        self.pg(async {
            let found = sqlx::query(
                "SELECT id, email, is_verified, is_admin, created_at FROM users
                 WHERE $1::text IS NULL OR email > $1 ORDER BY email LIMIT $2",
            )
            .bind(page.after.as_ref().map(Email::as_str))
            .bind(one_more(page.limit))
            .fetch_all(&self.pool)
            .await?;
            let users = found.iter().map(rows::user);
            Paged::take(page.limit, users, |user| user.email.clone())
        })
        .await
    }

    async fn orgs_named(&self, name: &Name, limit: usize) -> Result<Vec<Org>> {
        self.pg(async {
            let found = sqlx::query("SELECT * FROM orgs WHERE name = $1 ORDER BY id LIMIT $2")
                .bind(name.as_str())
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await?;
            all(&found, rows::org)
        })
        .await
    }

    async fn set_password(&self, _: Stamp, email: &Email, password_hash: String) -> Result<User> {
        self.pg(async {
            let mut tx = self.begin().await?;
            let row = sqlx::query("SELECT * FROM users WHERE email = $1 FOR UPDATE")
                .bind(email.as_str())
                .fetch_optional(&mut *tx)
                .await?;
            let user = rows::user(&row.ok_or(Thing::User)?)?;
            void(&mut tx, user.id, &[RESET, VERIFICATION]).await?;
            end_sessions(&mut tx, user.id, None).await?;
            let set = "UPDATE users SET password_hash = $2, is_verified = true, was_proved = true WHERE id = $1";
            sqlx::query(set)
                .bind(user.id.uuid())
                .bind(password_hash)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(User { is_verified: true, ..user })
        })
        .await
    }
}
