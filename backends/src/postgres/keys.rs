use async_trait::async_trait;
use px0_core::{
    Timestamp,
    ids::{KeyId, OrgId},
    key::{ApiKey, KeyScope},
    page::{Page, Paged, Recent},
    secret::TokenHash,
    store::{Change, KeyFilter, Keys, Result, Stamp, Thing},
};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Connection, PgResult, PgStore, one_more, rows, rows::At, tenancy::all};

/// A key with the teams that it is limited to.
macro_rules! keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.*, ARRAY(SELECT s.team_id FROM api_key_teams s WHERE s.key_id = k.id) AS team_ids FROM api_keys k ",
            $rest
        )
    };
}

/// Every key there is.
pub(super) const EVERY: &str = keys!("ORDER BY k.id");

#[async_trait]
impl Keys for PgStore {
    async fn create_key(&self, _: Stamp, key: ApiKey) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin().await?;
            insert(&mut tx, &key).await?;
            tx.commit().await
        })
        .await
    }

    async fn key(&self, key: KeyId) -> Result<Option<ApiKey>> {
        self.pg(async {
            let query = sqlx::query(keys!("WHERE k.id = $1")).bind(key.uuid());
            query.fetch_optional(&self.pool).await?.as_ref().map(rows::key).transpose()
        })
        .await
    }

    async fn key_by_hash(&self, hash: &TokenHash) -> Result<Option<ApiKey>> {
        self.pg(async {
            let query = sqlx::query(keys!("WHERE k.hash = $1")).bind(&hash.as_bytes()[..]);
            query.fetch_optional(&self.pool).await?.as_ref().map(rows::key).transpose()
        })
        .await
    }

    async fn keys(
        &self,
        org: OrgId,
        filter: &KeyFilter,
        page: Page<Recent>,
    ) -> Result<Paged<ApiKey, Recent>> {
        self.pg(async {
            let within: Option<Vec<Uuid>> = match filter {
                KeyFilter::All => None,
                KeyFilter::Within(teams) => Some(teams.iter().map(|team| team.uuid()).collect()),
            };
            let found = sqlx::query(keys!(
                "WHERE k.org_id = $1 AND ($2::timestamptz IS NULL OR (k.created_at, k.id) < ($2, $3))
                 AND ($4::uuid[] IS NULL OR (NOT k.whole_org AND NOT EXISTS
                     (SELECT 1 FROM api_key_teams s WHERE s.key_id = k.id AND s.team_id <> ALL($4))))
                 ORDER BY k.created_at DESC, k.id DESC LIMIT $5"
            ))
            .bind(org.uuid())
            .bind(page.after.map(|after| At(after.at)))
            .bind(page.after.map(|after| after.id))
            .bind(within)
            .bind(one_more(page.limit))
            .fetch_all(&self.pool)
            .await?;
            let keys = all(&found, rows::key)?.into_iter().map(Ok);
            Paged::take(page.limit, keys, |key| Recent { at: key.created_at, id: key.id.uuid() })
        })
        .await
    }

    async fn touch_key(&self, key: KeyId, at: Timestamp) -> Result<()> {
        self.pg(async {
            sqlx::query(
                "UPDATE api_keys SET last_used_at = $2
                 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
            )
            .bind(key.uuid())
            .bind(At(at))
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    async fn delete_key(&self, _: Stamp, key: KeyId) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin().await?;
            let row = sqlx::query("DELETE FROM api_keys WHERE id = $1 RETURNING org_id")
                .bind(key.uuid())
                .fetch_optional(&mut *tx)
                .await?;
            let org: Uuid = row.ok_or(Thing::Key)?.try_get("org_id")?;
            tx.changed(Change::Keys(OrgId::from_uuid(org)));
            tx.commit().await
        })
        .await
    }
}

pub(super) async fn insert(c: &mut Connection, key: &ApiKey) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO api_keys
             (id, org_id, name, whole_org, operation, hash, prefix, created_by, created_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(key.id.uuid())
    .bind(key.org_id.uuid())
    .bind(key.name.as_str())
    .bind(key.scope == KeyScope::Org)
    .bind(key.operation.as_str())
    .bind(&key.hash.as_bytes()[..])
    .bind(&key.prefix)
    .bind(key.created_by.uuid())
    .bind(At(key.created_at))
    .bind(key.last_used_at.map(At))
    .execute(&mut *c)
    .await?;
    if let KeyScope::Teams(teams) = &key.scope {
        let teams: Vec<Uuid> = teams.iter().map(|team| team.uuid()).collect();
        let done = sqlx::query(
            "INSERT INTO api_key_teams (key_id, team_id)
             SELECT $1, id FROM teams WHERE org_id = $2 AND id = ANY($3) ORDER BY id",
        )
        .bind(key.id.uuid())
        .bind(key.org_id.uuid())
        .bind(&teams)
        .execute(&mut *c)
        .await?;
        if done.rows_affected() != teams.len() as u64 {
            return Err(Thing::Team.into());
        }
    }
    Ok(())
}
