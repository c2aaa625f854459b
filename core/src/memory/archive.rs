use std::collections::BTreeMap;

use super::{Line, Seat, State};
use crate::{
    store::{
        Result,
        archive::{Record, Source, consistent, not_empty},
    },
    tenancy::Membership,
    user::KnownAddress,
};

impl State {
    /// Every record, in the order of archives.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records: Vec<_> = self.code_key.into_iter().map(Record::CodeKey).collect();
        records.extend(self.accounts.values().cloned().map(Record::User));
        let users = self.accounts.keys();
        records.extend(users.flat_map(|user| self.addresses_of(*user)).map(Record::KnownAddress));
        records.extend(self.sessions.values().cloned().map(Record::Session));
        let resets = self.resets.iter();
        records.extend(
            resets.map(|(user, codes)| Record::Reset { user: *user, codes: codes.clone() }),
        );
        records.extend(self.orgs.values().cloned().map(Record::Org));
        records.extend(self.teams.values().cloned().map(Record::Team));
        for user in self.accounts.keys().copied() {
            let seats = self.memberships_of(user).into_iter();
            records.extend(seats.map(|membership| Record::Member { user, membership }));
        }
        records.extend(self.requests.values().cloned().map(Record::JoinRequest));
        records.extend(self.keys.values().cloned().map(Record::ApiKey));
        let lines = || self.prompts.values();
        records.extend(lines().map(|line| {
            let last_number = line.last_number;
            Record::Prompt { prompt: line.prompt.clone(), last_number }
        }));
        let versions = lines().flat_map(|line| line.versions.values().rev());
        records.extend(versions.map(|version| Record::Version(version.clone())));
        records.extend(lines().flat_map(|line| {
            let prompt = line.prompt.id;
            let tags = line.tags.iter();
            tags.map(move |(tag, number)| Record::Tag { prompt, tag: tag.clone(), number: *number })
        }));
        let payloads: BTreeMap<_, _> = lines().flat_map(|line| &line.payloads).collect();
        records.extend(payloads.into_values().cloned().map(Record::Payload));
        records.extend(self.plugins.values().cloned().map(Record::OrgPlugin));
        let values = self.values.iter().map(|((org, plugin, key), value)| Record::PluginValue {
            org: *org,
            plugin: plugin.clone(),
            key: key.clone(),
            value: value.clone(),
        });
        records.extend(values);
        records
    }

    pub(super) fn import(&mut self, from: &mut Source<'_>) -> Result<()> {
        if !self.accounts.is_empty() || !self.orgs.is_empty() {
            return Err(not_empty());
        }
        let mut filled = Self { code_key: self.code_key, ..Self::default() };
        for record in from {
            filled.take(record?)?;
        }
        consistent(&filled.problems())?;
        *self = filled;
        Ok(())
    }

    fn take(&mut self, record: Record) -> Result<()> {
        match record {
            Record::CodeKey(key) => self.code_key = Some(key),
            Record::KnownAddress(KnownAddress { user, address, last_login }) => {
                self.addresses.insert((user, address), last_login);
            }
            Record::User(account) => drop(self.accounts.insert(account.user.id, account)),
            Record::Session(session) => drop(self.sessions.insert(session.hash, session)),
            Record::Reset { user, codes } => drop(self.resets.insert(user, codes)),
            Record::Org(org) => drop(self.orgs.insert(org.id, org)),
            Record::Team(team) => drop(self.teams.insert(team.id, team)),
            Record::Member { user, membership } => {
                let Membership { team, role, created_at, .. } = membership;
                self.members.insert((team, user), Seat { role, since: created_at });
            }
            Record::JoinRequest(request) => drop(self.requests.insert(request.id, request)),
            Record::ApiKey(key) => drop(self.keys.insert(key.id, key)),
            Record::Prompt { prompt, last_number } => {
                let id = prompt.id;
                let (versions, tags, payloads) = Default::default();
                self.prompts.insert(id, Line { prompt, last_number, versions, tags, payloads });
            }
            Record::Version(version) => {
                self.line_mut(version.prompt_id)?.versions.insert(version.number, version);
            }
            Record::Tag { prompt, tag, number } => {
                self.line_mut(prompt)?.tags.insert(tag, number);
            }
            Record::Payload(payload) => {
                self.line_mut(payload.prompt_id)?.payloads.insert(payload.id, payload);
            }
            Record::OrgPlugin(decision) => {
                let at = (decision.org_id, decision.plugin.clone());
                self.plugins.insert(at, decision);
            }
            Record::PluginValue { org, plugin, key, value } => {
                self.values.insert((org, plugin, key), value);
            }
        }
        Ok(())
    }
}
