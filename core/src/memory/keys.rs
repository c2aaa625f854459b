use std::convert::Infallible;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    clock::Timestamp,
    ids::{KeyId, OrgId},
    key::{ApiKey, KeyScope},
    page::{Page, Paged, Recent, Weigh},
    secret::TokenHash,
    store::{KeyFilter, Keys, Result, Stamp, Thing},
};

#[async_trait]
impl Keys for MemoryStore {
    async fn create_key(&self, _: Stamp, key: ApiKey) -> Result<()> {
        let mut state = self.0.lock();
        state.org(key.org_id)?;
        if let KeyScope::Teams(teams) = &key.scope {
            for team in teams {
                if state.team(*team)?.org_id != key.org_id {
                    return Err(Thing::Team.into());
                }
            }
        }
        state.keys.insert(key.id, key);
        Ok(())
    }

    async fn key(&self, key: KeyId) -> Result<Option<ApiKey>> {
        Ok(self.0.lock().keys.get(&key).cloned())
    }

    async fn key_by_hash(&self, hash: &TokenHash) -> Result<Option<ApiKey>> {
        Ok(self.0.lock().keys.values().find(|key| key.hash == *hash).cloned())
    }

    async fn keys(
        &self,
        org: OrgId,
        filter: &KeyFilter,
        page: Page<Recent>,
    ) -> Result<Paged<ApiKey, Recent>> {
        let state = self.0.lock();
        let place = |key: &ApiKey| Recent { at: key.created_at, id: key.id.uuid() };
        let keys = state.keys.values().filter(|key| key.org_id == org && filter.admits(&key.scope));
        Ok(newest_first(keys, place, page))
    }

    async fn touch_key(&self, key: KeyId, at: Timestamp) -> Result<()> {
        if let Some(key) = self.0.lock().keys.get_mut(&key) {
            key.last_used_at = key.last_used_at.max(Some(at));
        }
        Ok(())
    }

    async fn delete_key(&self, _: Stamp, key: KeyId) -> Result<()> {
        self.0.lock().keys.remove(&key).map(drop).ok_or_else(|| Thing::Key.into())
    }
}

/// A page of things, newest first.
pub(super) fn newest_first<'a, T: Clone + Weigh + 'a>(
    things: impl Iterator<Item = &'a T>,
    place: impl Fn(&T) -> Recent,
    page: Page<Recent>,
) -> Paged<T, Recent> {
    let mut things: Vec<_> =
        things.filter(|thing| page.after.is_none_or(|after| place(thing) < after)).collect();
    things.sort_by_key(|thing| std::cmp::Reverse(place(thing)));
    let things = things.into_iter().map(|thing| Ok::<_, Infallible>(thing.clone()));
    let Ok(page) = Paged::take(page.limit, things, place);
    page
}
