//! The records of people, organizations, keys and plugins: where each is, what leads to it, what it needs. Those of prompts are
//! in `lines`.

use px0_core::{
    hex,
    ids::{OrgId, UserId},
    key::{ApiKey, KeyScope},
    mailed::{MailedCode, MailedCodes},
    page::Recent,
    plugin::{OrgPlugin, PluginId, ValueKey},
    store::{Change, Result},
    tenancy::{JoinRequest, Membership, Org, RequestStatus, Team},
    user::{Account, KnownAddress, Session},
};
use serde::{Deserialize, Serialize};

use super::{
    keyspace::{self, Key},
    record::{Entry, Record, lead},
    view::View,
};

impl Record for Account {
    fn key(&self) -> Key {
        keyspace::account(self.user.id)
    }

    fn indexes(&self) -> Vec<Entry> {
        let email = keyspace::by_email(self.user.email.as_str());
        vec![lead(email, self.user.id.uuid())]
    }
}

impl Record for Session {
    fn key(&self) -> Key {
        keyspace::session(&self.hash)
    }

    fn indexes(&self) -> Vec<Entry> {
        let key = keyspace::session_of(self.user, &self.hash);
        vec![(key, self.hash.as_bytes().to_vec())]
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::account(self.user)]
    }
}

impl Record for KnownAddress {
    fn key(&self) -> Key {
        keyspace::address(self.user, &self.address)
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::account(self.user)]
    }
}

/// The codes that were mailed to verify somebody's address. A record from before there could be several has just `code`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Verification {
    pub(super) user: UserId,
    #[serde(flatten)]
    pub(super) codes: MailedCodes,
}

impl Record for Verification {
    fn key(&self) -> Key {
        keyspace::verification(self.user)
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::account(self.user)]
    }
}

/// The codes that were mailed to reset somebody's password.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Reset {
    pub(super) user: UserId,
    #[serde(flatten)]
    pub(super) codes: MailedCodes,
}

impl Record for Reset {
    fn key(&self) -> Key {
        keyspace::reset(self.user)
    }

    fn indexes(&self) -> Vec<Entry> {
        let lead_here = |code: &MailedCode| lead(keyspace::by_reset(&code.hash), self.user.uuid());
        self.codes.iter().map(lead_here).collect()
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::account(self.user)]
    }
}

impl Record for Org {
    fn changes(&self, _: &View<'_>, gone: bool) -> Result<Vec<Change>> {
        Ok(if gone { vec![Change::Plugins(self.id)] } else { Vec::new() })
    }

    fn key(&self) -> Key {
        keyspace::org(self.id)
    }
}

impl Record for Team {
    fn changes(&self, _: &View<'_>, gone: bool) -> Result<Vec<Change>> {
        let of_org = [Change::Keys(self.org_id), Change::Prompts(self.org_id)];
        Ok(if gone { of_org.into() } else { Vec::new() })
    }

    fn key(&self) -> Key {
        keyspace::team(self.id)
    }

    fn indexes(&self) -> Vec<Entry> {
        let key = keyspace::team_named(self.org_id, &self.name);
        vec![lead(key, self.id.uuid())]
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::org(self.org_id)]
    }
}

/// Somebody's place in a team.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) user: UserId,
    pub(super) membership: Membership,
}

impl Record for Place {
    fn key(&self) -> Key {
        keyspace::place(self.user, self.membership.team)
    }

    fn indexes(&self) -> Vec<Entry> {
        let key = keyspace::member(self.membership.team, self.user);
        vec![(key, self.membership.role.as_str().into())]
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::account(self.user), keyspace::team(self.membership.team)]
    }
}

impl Record for JoinRequest {
    fn key(&self) -> Key {
        keyspace::request(self.id)
    }

    fn indexes(&self) -> Vec<Entry> {
        let id = self.id.uuid();
        let mut entries = vec![
            lead(keyspace::request_to(self.team_id, self.id), id),
            lead(keyspace::request_of(self.user_id, self.id), id),
        ];
        if self.status == RequestStatus::Pending {
            entries.push(lead(keyspace::pending(self.team_id, self.user_id), id));
        }
        entries
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::account(self.user_id), keyspace::team(self.team_id)]
    }
}

impl Record for ApiKey {
    fn changes(&self, _: &View<'_>, gone: bool) -> Result<Vec<Change>> {
        Ok(if gone { vec![Change::Keys(self.org_id)] } else { Vec::new() })
    }

    fn key(&self) -> Key {
        keyspace::key(self.id)
    }

    fn indexes(&self) -> Vec<Entry> {
        let id = self.id.uuid();
        let place = Recent { at: self.created_at, id };
        let mut entries = vec![
            lead(keyspace::by_secret(&self.hash), id),
            lead(keyspace::key_in(self.org_id, place), id),
        ];
        if let KeyScope::Teams(teams) = &self.scope {
            entries.extend(teams.iter().map(|team| lead(keyspace::key_for(*team, self.id), id)));
        }
        entries
    }

    fn needs(&self) -> Vec<Key> {
        let mut needs = vec![keyspace::org(self.org_id)];
        if let KeyScope::Teams(teams) = &self.scope {
            needs.extend(teams.iter().copied().map(keyspace::team));
        }
        needs
    }
}

impl Record for OrgPlugin {
    fn changes(&self, _: &View<'_>, _: bool) -> Result<Vec<Change>> {
        Ok(vec![Change::Plugins(self.org_id)])
    }

    fn key(&self) -> Key {
        keyspace::decision(self.org_id, &self.plugin)
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::org(self.org_id)]
    }
}

/// What a hook keeps for an organization.
#[derive(Serialize, Deserialize)]
pub(super) struct PluginValue {
    pub(super) org: OrgId,
    pub(super) plugin: PluginId,
    pub(super) key: ValueKey,
    #[serde(with = "hex")]
    pub(super) value: Vec<u8>,
}

impl Record for PluginValue {
    fn key(&self) -> Key {
        keyspace::value(self.org, &self.plugin, &self.key)
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::org(self.org)]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::record, *};

    #[test]
    fn a_code_that_a_former_px0_kept_is_read() {
        let user = UserId::new();
        let hash = px0_core::secret::TokenHash::of("code");
        let code = json!({ "hash": hash, "expires_at": "2026-01-02T03:04:05Z", "tries_left": 4 });
        let mut bytes = vec![record::JSON];
        bytes.extend(json!({ "user": user, "code": code }).to_string().into_bytes());
        let verification: Verification = record::decode(&bytes).expect("a verification");
        assert_eq!((verification.user, verification.codes.code.tries_left), (user, 4));
        let reset: Reset = record::decode(&bytes).expect("a reset");
        assert_eq!(reset.indexes(), [lead(keyspace::by_reset(&hash), user.uuid())]);
    }
}
