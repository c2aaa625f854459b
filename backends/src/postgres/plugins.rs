use async_trait::async_trait;
use px0_core::{
    ids::OrgId,
    plugin::{MAX_VALUES, OrgPlugin, OrgPlugins, PluginId, ValueKey},
    store::{Change, Plugins, Refusal, Result, Stamp, Thing},
};
use sqlx::Row as _;

use super::{Connection, PgResult, PgStore, locks, rows, rows::At, rule, tenancy::all};

/// Whose values are more than may be: $1.
pub(super) const TOO_MANY: &str =
    "SELECT org_id, plugin FROM plugin_values GROUP BY org_id, plugin HAVING count(*) > $1";

/// [`MAX_VALUES`], as the database counts.
pub(super) fn most() -> i64 {
    i64::try_from(MAX_VALUES).unwrap_or(i64::MAX)
}

#[async_trait]
impl Plugins for PgStore {
    async fn org_plugins(&self, org: OrgId) -> Result<OrgPlugins> {
        self.pg(async {
            let found = sqlx::query("SELECT * FROM org_plugins WHERE org_id = $1 ORDER BY plugin")
                .bind(org.uuid())
                .fetch_all(&self.pool)
                .await?;
            all(&found, rows::org_plugin)
        })
        .await
    }

    async fn set_org_plugin(&self, stamp: Stamp, decision: OrgPlugin) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin().await?;
            let decision = OrgPlugin { updated_at: stamp.at, ..decision };
            put(&mut tx, &decision).await?;
            tx.changed(Change::Plugins(decision.org_id));
            tx.commit().await
        })
        .await
    }

    async fn plugin_value(
        &self,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
    ) -> Result<Option<Vec<u8>>> {
        self.pg(async {
            let row = sqlx::query(
                "SELECT value FROM plugin_values WHERE org_id = $1 AND plugin = $2 AND key = $3",
            )
            .bind(org.uuid())
            .bind(plugin.as_str())
            .bind(key.as_str())
            .fetch_optional(&self.pool)
            .await?;
            row.map(|row| Ok(row.try_get("value")?)).transpose()
        })
        .await
    }

    async fn set_plugin_value(
        &self,
        _: Stamp,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
        value: Option<Vec<u8>>,
    ) -> Result<()> {
        self.pg(async {
            match value {
                Some(value) => self.keep(org, plugin, key, &value).await,
                None => self.forget(org, plugin, key).await,
            }
        })
        .await
    }
}

impl PgStore {
    async fn keep(
        &self,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
        value: &[u8],
    ) -> PgResult<()> {
        // What is there is replaced without a lock: it makes none more, and hooks may do it with every render.
        let replaced = sqlx::query(
            "UPDATE plugin_values SET value = $4 WHERE org_id = $1 AND plugin = $2 AND key = $3",
        )
        .bind(org.uuid())
        .bind(plugin.as_str())
        .bind(key.as_str())
        .bind(value)
        .execute(&self.pool)
        .await?;
        if replaced.rows_affected() > 0 {
            return Ok(());
        }
        let mut tx = self.begin_at(org.uuid()).await?;
        locks::org(&mut tx, org).await?;
        let row = sqlx::query(
            "SELECT count(*) AS others FROM plugin_values WHERE org_id = $1 AND plugin = $2 AND key <> $3",
        )
        .bind(org.uuid())
        .bind(plugin.as_str())
        .bind(key.as_str())
        .fetch_one(&mut *tx)
        .await?;
        rule(rows::count(&row, "others")? < MAX_VALUES, Refusal::PluginValuesFull)?;
        put_value(&mut tx, org, plugin, key, value).await?;
        tx.commit().await
    }

    async fn forget(&self, org: OrgId, plugin: &PluginId, key: &ValueKey) -> PgResult<()> {
        let gone =
            sqlx::query("DELETE FROM plugin_values WHERE org_id = $1 AND plugin = $2 AND key = $3")
                .bind(org.uuid())
                .bind(plugin.as_str())
                .bind(key.as_str())
                .execute(&self.pool)
                .await?;
        if gone.rows_affected() == 0 {
            sqlx::query("SELECT 1 FROM orgs WHERE id = $1")
                .bind(org.uuid())
                .fetch_optional(&self.pool)
                .await?
                .ok_or(Thing::Org)?;
        }
        Ok(())
    }
}

pub(super) async fn put(c: &mut Connection, decision: &OrgPlugin) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO org_plugins (org_id, plugin, kind, enabled, on_failure, settings, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (org_id, plugin) DO UPDATE SET kind = excluded.kind, enabled = excluded.enabled, on_failure = excluded.on_failure,
             settings = excluded.settings, updated_at = excluded.updated_at",
    )
    .bind(decision.org_id.uuid())
    .bind(decision.plugin.as_str())
    .bind(decision.kind.as_str())
    .bind(decision.enabled)
    .bind(decision.on_failure.as_str())
    .bind(decision.settings.as_ref().map(|json| json.as_str()))
    .bind(At(decision.updated_at))
    .execute(c)
    .await?;
    Ok(())
}

pub(super) async fn put_value(
    c: &mut Connection,
    org: OrgId,
    plugin: &PluginId,
    key: &ValueKey,
    value: &[u8],
) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO plugin_values (org_id, plugin, key, value) VALUES ($1, $2, $3, $4)
         ON CONFLICT (org_id, plugin, key) DO UPDATE SET value = excluded.value",
    )
    .bind(org.uuid())
    .bind(plugin.as_str())
    .bind(key.as_str())
    .bind(value)
    .execute(c)
    .await?;
    Ok(())
}
