use async_trait::async_trait;
use px0_core::{
    clock::Timestamp,
    ids::{KeyId, OrgId},
    key::{ApiKey, KeyScope},
    page::{Page, Paged, Recent},
    secret::TokenHash,
    store::{KeyFilter, Keys, Result, Stamp, Thing},
};

use super::{SledStore, keyspace, record};

#[async_trait]
impl Keys for SledStore {
    async fn create_key(&self, _: Stamp, key: ApiKey) -> Result<()> {
        self.write(move |tx| {
            tx.org(key.org_id)?;
            if let KeyScope::Teams(teams) = &key.scope {
                for team in teams {
                    if tx.team(*team)?.org_id != key.org_id {
                        return Err(Thing::Team.into());
                    }
                }
            }
            tx.insert(&key)
        })
        .await
    }

    async fn key(&self, key: KeyId) -> Result<Option<ApiKey>> {
        self.read(|view| view.get(&keyspace::key(key)))
    }

    async fn key_by_hash(&self, hash: &TokenHash) -> Result<Option<ApiKey>> {
        self.read(|view| {
            let Some(id) = view.value(&keyspace::by_secret(hash))? else {
                return Ok(None);
            };
            let id = KeyId::from_uuid(record::id(&id)?);
            view.must(&keyspace::key(id)).map(Some)
        })
    }

    async fn keys(
        &self,
        org: OrgId,
        filter: &KeyFilter,
        page: Page<Recent>,
    ) -> Result<Paged<ApiKey, Recent>> {
        let filter = filter.clone();
        self.list(move |gate| {
            gate.read(|view| {
                let after = page.after.map(|place| keyspace::key_in(org, place));
                let keys = view
                    .scan_after(&keyspace::keys_in(org), after.as_ref())?
                    .map(|pair| {
                        let id = KeyId::from_uuid(record::id(&pair?.1)?);
                        view.must::<ApiKey>(&keyspace::key(id))
                    })
                    .filter(|key| match key {
                        Ok(key) => filter.admits(&key.scope),
                        Err(_) => true,
                    });
                Paged::take(page.limit, keys, |key| Recent {
                    at: key.created_at,
                    id: key.id.uuid(),
                })
            })
        })
        .await
    }

    async fn touch_key(&self, key: KeyId, at: Timestamp) -> Result<()> {
        let known = self.key(key).await?;
        if known.is_none_or(|key| key.last_used_at >= Some(at)) {
            return Ok(());
        }
        self.write(move |tx| {
            let Some(old) = tx.get::<ApiKey>(&keyspace::key(key))? else {
                return Ok(());
            };
            let new = ApiKey { last_used_at: old.last_used_at.max(Some(at)), ..old.clone() };
            tx.replace(&old, &new)
        })
        .await
    }

    async fn delete_key(&self, _: Stamp, key: KeyId) -> Result<()> {
        self.write(move |tx| {
            let key: Option<ApiKey> = tx.get(&keyspace::key(key))?;
            tx.remove(&key.ok_or(Thing::Key)?)
        })
        .await
    }
}
