//! What goes with what: nothing is left behind that nothing leads to.

use std::collections::BTreeSet;

use px0_core::{
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId},
    key::{ApiKey, KeyScope},
    plugin::OrgPlugin,
    prompt::Payload,
    secret::TokenHash,
    store::{Change, Result},
    tenancy::{JoinRequest, Org, Team},
    user::{Account, KnownAddress, Session},
};
use uuid::Uuid;

use super::{
    error::corrupt,
    keyspace::{self, Key},
    lines::{Head, Line, Tag, Text},
    record::{self, Record},
    records::{Place, PluginValue, Reset, Verification},
    tx::Tx,
};

impl Tx<'_> {
    /// The ids that the index entries beginning with `prefix` lead to.
    fn ids(&self, prefix: &Key) -> Result<Vec<Uuid>> {
        let pairs = self.scan(prefix)?;
        pairs.map(|pair| record::id(&pair?.1)).collect()
    }

    pub(super) fn remove_all<R: Record>(&mut self, records: &[R]) -> Result<()> {
        records.iter().try_for_each(|record| self.remove(record))
    }

    /// Removes an organization with its keys, its teams and what is of plugins.
    pub(super) fn drop_org(&mut self, org: OrgId) -> Result<()> {
        for id in self.ids(&keyspace::keys_in(org))? {
            self.remove_at::<ApiKey>(&keyspace::key(KeyId::from_uuid(id)))?;
        }
        for team in self.teams_in(org)? {
            self.drop_team(team)?;
        }
        let decisions: Vec<OrgPlugin> = self.records(&keyspace::decisions_of(org))?;
        self.remove_all(&decisions)?;
        let values: Vec<PluginValue> = self.records(&keyspace::values_in(org))?;
        self.remove_all(&values)?;
        self.remove_at::<Org>(&keyspace::org(org))
    }

    /// Removes a team with its places, join requests and prompts, and takes it from the keys that are limited to it.
    pub(super) fn drop_team(&mut self, team: TeamId) -> Result<()> {
        for (user, _) in self.members_of(team)? {
            self.remove_at::<Place>(&keyspace::place(user, team))?;
        }
        for id in self.ids(&keyspace::requests_to(team))? {
            self.remove_at::<JoinRequest>(&keyspace::request(JoinRequestId::from_uuid(id)))?;
        }
        for id in self.ids(&keyspace::prompts_in(team))? {
            self.drop_prompt(PromptId::from_uuid(id))?;
        }
        for id in self.ids(&keyspace::keys_for(team))? {
            self.narrow(KeyId::from_uuid(id), team)?;
        }
        self.remove_at::<Team>(&keyspace::team(team))
    }

    /// Takes a team from a key; the key goes with its last one, so that it never widens.
    fn narrow(&mut self, key: KeyId, team: TeamId) -> Result<()> {
        let key: ApiKey = self.must(&keyspace::key(key))?;
        let mut teams = match &key.scope {
            KeyScope::Teams(teams) => teams.clone(),
            KeyScope::Org => BTreeSet::new(),
        };
        teams.remove(&team);
        if teams.is_empty() {
            return self.remove(&key);
        }
        self.changed(Change::Keys(key.org_id));
        let narrowed = ApiKey { scope: KeyScope::Teams(teams), ..key.clone() };
        self.replace(&key, &narrowed)
    }

    fn drop_prompt(&mut self, prompt: PromptId) -> Result<()> {
        let tags: Vec<Tag> = self.records(&keyspace::tags_of(prompt))?;
        self.remove_all(&tags)?;
        for head in self.records::<Head>(&keyspace::versions_of(prompt))? {
            self.drop_version(&head)?;
        }
        for id in self.ids(&keyspace::payloads_of(prompt))? {
            self.remove_at::<Payload>(&keyspace::payload(PayloadId::from_uuid(id)))?;
        }
        self.remove_at::<Line>(&keyspace::prompt(prompt))
    }

    /// Removes a version with what it says; its tags are the caller's.
    pub(super) fn drop_version(&mut self, head: &Head) -> Result<()> {
        self.remove_at::<Text>(&keyspace::body(head.id))?;
        self.remove(head)
    }

    /// Removes somebody with their sessions, known addresses, codes, join requests and places.
    pub(super) fn drop_account(&mut self, user: UserId) -> Result<()> {
        self.end_sessions(user, |_| false)?;
        let addresses: Vec<KnownAddress> = self.records(&keyspace::addresses_of(user))?;
        self.remove_all(&addresses)?;
        self.remove_at::<Verification>(&keyspace::verification(user))?;
        self.remove_at::<Reset>(&keyspace::reset(user))?;
        for id in self.ids(&keyspace::requests_of(user))? {
            self.remove_at::<JoinRequest>(&keyspace::request(JoinRequestId::from_uuid(id)))?;
        }
        let places = self.places_of(user)?;
        self.remove_all(&places)?;
        self.remove_at::<Account>(&keyspace::account(user))
    }

    /// Ends the sessions of somebody's that are not to be kept.
    pub(super) fn end_sessions(
        &mut self,
        user: UserId,
        keep: impl Fn(&Session) -> bool,
    ) -> Result<()> {
        let pairs = self.scan(&keyspace::sessions_of(user))?;
        for pair in pairs.collect::<Result<Vec<_>>>()? {
            let hash = <[u8; 32]>::try_from(&*pair.1)
                .map_err(|_| corrupt("an index entry leads to something that is no hash"))?;
            let hash = TokenHash::from_bytes(hash);
            let session: Session = self.must(&keyspace::session(&hash))?;
            if !keep(&session) {
                self.remove(&session)?;
            }
        }
        Ok(())
    }
}
