use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{Result, Stamp};
use crate::{
    clock::Timestamp,
    ids::{KeyId, OrgId, TeamId},
    key::{ApiKey, KeyScope},
    page::{Page, Paged, Recent},
    secret::TokenHash,
};

/// Which keys of an organization to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFilter {
    /// All of them.
    All,
    /// Those limited to teams that are all among these.
    Within(BTreeSet<TeamId>),
}

impl KeyFilter {
    /// Whether a key of this scope is listed.
    pub fn admits(&self, scope: &KeyScope) -> bool {
        match (self, scope) {
            (Self::All, _) => true,
            (Self::Within(_), KeyScope::Org) => false,
            (Self::Within(mine), KeyScope::Teams(teams)) => teams.is_subset(mine),
        }
    }
}

/// API keys.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// Keeps a key.
    ///
    /// # Behavior
    /// - `Missing(Org)` without its organization; `Missing(Team)` when a team of its scope is not one of the organization's.
    async fn create_key(&self, stamp: Stamp, key: ApiKey) -> Result<()>;

    /// A key by id.
    async fn key(&self, key: KeyId) -> Result<Option<ApiKey>>;

    /// A key by what is kept of its secret: all that authentication needs, in one read.
    async fn key_by_hash(&self, hash: &TokenHash) -> Result<Option<ApiKey>>;

    /// The keys of an organization, newest first.
    async fn keys(
        &self,
        org: OrgId,
        filter: &KeyFilter,
        page: Page<Recent>,
    ) -> Result<Paged<ApiKey, Recent>>;

    /// Notes that a key was used.
    ///
    /// # Behavior
    /// - Never goes back in time. A key that is not there is no error: it may have been deleted meanwhile.
    async fn touch_key(&self, key: KeyId, at: Timestamp) -> Result<()>;

    /// Deletes a key.
    ///
    /// # Behavior
    /// - One that is not there is `Missing(Key)`.
    async fn delete_key(&self, stamp: Stamp, key: KeyId) -> Result<()>;
}
