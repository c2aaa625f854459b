use std::collections::BTreeSet;

use crate::{
    caller::Person,
    error::{Error, Result},
    ids::{KeyId, OrgId, TeamId},
    key::{ApiKey, KeyOperation, KeyScope},
    name::Name,
    page::{Page, Paged, Recent},
    secret::{Token, TokenKind},
    store::{KeyFilter, Thing},
    tenancy::Role,
    workflows::{Grant, Px0},
};

/// How much of a key's secret is shown in lists: the prefix and eight of its 64 digits.
const SHOWN: usize = 11;

/// A key that is to be made.
pub struct NewKey {
    /// What to call it.
    pub name: Name,
    /// Whose it will be.
    pub org: OrgId,
    /// Where it may reach; empty for every team, future ones too.
    pub teams: BTreeSet<TeamId>,
    /// What it may do.
    pub operation: KeyOperation,
}

impl Px0 {
    /// Makes a key; its secret is shown this once.
    ///
    /// # Errors
    /// Not found for an organization or team that the caller cannot reach; [`crate::Code::Forbidden`] when they are not admin
    /// of every team of it, or of the organization when it is to reach all.
    pub async fn create_key(&self, who: &Grant<()>, new: NewKey) -> Result<(ApiKey, Token)> {
        let person = who.caller().person()?;
        if !person.is_in(new.org) {
            return Err(Thing::Org.into());
        }
        let mut may = person.runs(new.org) || !new.teams.is_empty();
        for id in &new.teams {
            let team = self
                .store
                .team(*id)
                .await?
                .filter(|team| team.org_id == new.org)
                .ok_or(Thing::Team)?;
            may &= person.role_on(team.org_id, team.id).ok_or(Thing::Team)? == Role::Admin;
        }
        if !may {
            return Err(Error::forbidden());
        }
        let token = Token::new(TokenKind::ApiKey)?;
        let stamp = who.stamp();
        let key = ApiKey {
            id: KeyId::new(),
            name: new.name,
            org_id: new.org,
            scope: if new.teams.is_empty() { KeyScope::Org } else { KeyScope::Teams(new.teams) },
            operation: new.operation,
            hash: token.hash(),
            prefix: token.expose().chars().take(SHOWN).collect(),
            created_by: person.user.id,
            created_at: stamp.at,
            last_used_at: None,
        };
        self.store.create_key(stamp, key.clone()).await?;
        Ok((key, token))
    }

    /// The keys of an organization that the caller may see: all for its admin, else those whose every team is theirs.
    ///
    /// # Errors
    /// Not found for an organization that the caller is not in; [`crate::Code::Forbidden`] for who is admin of nothing there.
    pub async fn list_keys(
        &self,
        who: &Grant<()>,
        org: OrgId,
        page: Page<Recent>,
    ) -> Result<Paged<ApiKey, Recent>> {
        let person = who.caller().person()?;
        if !person.is_in(org) {
            return Err(Thing::Org.into());
        }
        let filter = listed(person, org).ok_or_else(Error::forbidden)?;
        Ok(self.store.keys(org, &filter, page).await?)
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// Not found, also for one that the caller could not list.
    pub async fn delete_key(&self, who: &Grant<()>, key: KeyId) -> Result<()> {
        let person = who.caller().person()?;
        let key = self.store.key(key).await?.ok_or(Thing::Key)?;
        let seen = listed(person, key.org_id).is_some_and(|filter| filter.admits(&key.scope));
        if !seen {
            return Err(Thing::Key.into());
        }
        Ok(self.store.delete_key(who.stamp(), key.id).await?)
    }
}

/// Which keys of an organization somebody may see; `None` when none at all.
fn listed(person: &Person, org: OrgId) -> Option<KeyFilter> {
    if person.runs(org) {
        return Some(KeyFilter::All);
    }
    let admin =
        person.memberships.iter().filter(|seat| seat.org == org && seat.role == Role::Admin);
    let teams: BTreeSet<_> = admin.map(|seat| seat.team).collect();
    (!teams.is_empty()).then_some(KeyFilter::Within(teams))
}
