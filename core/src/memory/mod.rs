//! The in-memory store: the reference that every other backend is compared with.
//!
//! Written to be plainly right rather than fast: one state behind one lock, no index that could
//! disagree with a record. Good for tests and for trying px0 out; it forgets everything when it ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{
    clock::Timestamp,
    email::Email,
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId, VersionId},
    key::{ApiKey, KeyScope},
    mailed::MailedCodes,
    plugin::{OrgPlugin, PluginId, ValueKey},
    prompt::{Payload, Prompt},
    secret::{CodeKey, TokenHash},
    store::{
        Refusal, Result, Store, StoreError, StoreState, Thing, Watcher,
        archive::{Sink, Source},
    },
    tag::TagName,
    tenancy::{
        JoinRequest, Membership, Org, Others, RequestStatus, Role, Team, admin_may_leave,
        role_on_joining,
    },
    user::{Account, KnownAddress, Session},
    version::Version,
};

mod accounts;
mod administration;
mod archive;
mod check;
mod keys;
mod plugins;
mod prompts;
mod tenancy;

/// A store in memory. Clones share their state.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<StoreState> {
        Ok(StoreState::Ready)
    }

    async fn check(&self) -> Result<Vec<String>> {
        Ok(self.0.lock().problems())
    }

    /// Reading is as quick as any copy would be.
    fn watch(&self, _: Arc<dyn Watcher>) -> bool {
        false
    }

    async fn export(&self, to: &mut Sink<'_>) -> Result<()> {
        // Copied first: the sink may take its time.
        let records = self.0.lock().records();
        records.into_iter().try_for_each(to)
    }

    async fn import(&self, from: &mut Source<'_>) -> Result<()> {
        self.0.lock().import(from)
    }

    fn summary(&self) -> String {
        "memory (forgets everything when it ends)".to_owned()
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// All there is. A method of a trait locks it, looks, and only then changes it.
#[derive(Default)]
struct State {
    code_key: Option<CodeKey>,
    accounts: BTreeMap<UserId, Account>,
    sessions: BTreeMap<TokenHash, Session>,
    /// When users last logged in from where.
    addresses: BTreeMap<(UserId, TokenHash), Timestamp>,
    verifications: BTreeMap<UserId, MailedCodes>,
    resets: BTreeMap<UserId, MailedCodes>,
    orgs: BTreeMap<OrgId, Org>,
    teams: BTreeMap<TeamId, Team>,
    members: BTreeMap<(TeamId, UserId), Seat>,
    requests: BTreeMap<JoinRequestId, JoinRequest>,
    keys: BTreeMap<KeyId, ApiKey>,
    prompts: BTreeMap<PromptId, Line>,
    plugins: BTreeMap<(OrgId, PluginId), OrgPlugin>,
    values: BTreeMap<(OrgId, PluginId, ValueKey), Vec<u8>>,
}

/// Somebody's place in a team.
#[derive(Clone, Copy)]
struct Seat {
    role: Role,
    since: Timestamp,
}

/// A prompt with all that belongs to it. The tags in `versions` are left empty: `tags` has them.
struct Line {
    prompt: Prompt,
    last_number: u32,
    versions: BTreeMap<u32, Version>,
    tags: BTreeMap<TagName, u32>,
    payloads: BTreeMap<PayloadId, Payload>,
}

impl Line {
    /// A version as callers see it, with its tags.
    fn show(&self, version: &Version) -> Version {
        let tags = self.tags.iter().filter(|(_, number)| **number == version.number);
        Version { tags: tags.map(|(tag, _)| tag.clone()).collect(), ..version.clone() }
    }
}

impl State {
    fn by_email(&self, email: &Email) -> Option<&Account> {
        self.accounts.values().find(|account| account.user.email == *email)
    }

    fn account(&self, user: UserId) -> Result<&Account> {
        self.accounts.get(&user).ok_or_else(|| Thing::User.into())
    }

    fn account_mut(&mut self, user: UserId) -> Result<&mut Account> {
        self.accounts.get_mut(&user).ok_or_else(|| Thing::User.into())
    }

    /// The addresses that somebody logged in from, in the order of their hashes.
    fn addresses_of(&self, user: UserId) -> impl Iterator<Item = KnownAddress> {
        let all = (user, TokenHash::from_bytes([0; 32]))..=(user, TokenHash::from_bytes([255; 32]));
        self.addresses.range(all).map(|((user, address), last_login)| KnownAddress {
            user: *user,
            address: *address,
            last_login: *last_login,
        })
    }

    fn org(&self, org: OrgId) -> Result<&Org> {
        self.orgs.get(&org).ok_or_else(|| Thing::Org.into())
    }

    fn team(&self, team: TeamId) -> Result<&Team> {
        self.teams.get(&team).ok_or_else(|| Thing::Team.into())
    }

    fn line_mut(&mut self, prompt: PromptId) -> Result<&mut Line> {
        self.prompts.get_mut(&prompt).ok_or_else(|| Thing::Prompt.into())
    }

    /// The line and the number of a version.
    fn line_of(&mut self, version: VersionId) -> Result<(&mut Line, u32)> {
        self.prompts
            .values_mut()
            .find_map(|line| {
                let number = line.versions.values().find(|v| v.id == version)?.number;
                Some((line, number))
            })
            .ok_or_else(|| Thing::Version.into())
    }

    fn teams_in(&self, org: OrgId) -> impl Iterator<Item = &Team> {
        self.teams.values().filter(move |team| team.org_id == org)
    }

    fn seats_in(&self, team: TeamId) -> impl Iterator<Item = (UserId, Seat)> {
        let from = (team, UserId::from_uuid(uuid::Uuid::nil()));
        let to = (team, UserId::from_uuid(uuid::Uuid::max()));
        self.members.range(from..=to).map(|((_, user), seat)| (*user, *seat))
    }

    fn people_of(&self, org: OrgId) -> BTreeSet<UserId> {
        self.teams_in(org).flat_map(|team| self.seats_in(team.id)).map(|(user, _)| user).collect()
    }

    fn memberships_of(&self, user: UserId) -> Vec<Membership> {
        let seats = self
            .teams
            .values()
            .filter_map(|team| Some((team, self.members.get(&(team.id, user))?)));
        seats
            .map(|(team, seat)| Membership {
                team: team.id,
                org: team.org_id,
                is_default: team.is_default,
                role: seat.role,
                created_at: seat.since,
            })
            .collect()
    }

    /// Who is there besides `user`, as the rules about admins count.
    fn others(&self, team: &Team, user: UserId) -> Others {
        let admins = self
            .seats_in(team.id)
            .filter(|(who, seat)| *who != user && seat.role == Role::Admin)
            .count();
        let members = if team.is_default {
            self.people_of(team.org_id).into_iter().filter(|who| *who != user).count()
        } else {
            self.seats_in(team.id).filter(|(who, _)| *who != user).count()
        };
        Others { members, admins }
    }

    /// Whether `user` can be taken out of `team`.
    fn may_leave(&self, team: &Team, user: UserId) -> Result<()> {
        match self.members.get(&(team.id, user)) {
            Some(Seat { role: Role::Admin, .. })
                if !admin_may_leave(team.is_default, self.others(team, user)) =>
            {
                Err(Refusal::LastAdmin.into())
            }
            _ => Ok(()),
        }
    }

    fn join(&mut self, team: TeamId, user: UserId, role: Role, at: Timestamp) {
        let role = role_on_joining(role, self.seats_in(team).count());
        self.members.insert((team, user), Seat { role, since: at });
    }

    /// The pending request of somebody to join a team.
    fn pending(&self, team: TeamId, user: UserId) -> Option<JoinRequestId> {
        let mut requests = self.requests.values();
        requests
            .find(|r| r.team_id == team && r.user_id == user && r.status == RequestStatus::Pending)
            .map(|r| r.id)
    }

    fn drop_team(&mut self, team: TeamId) {
        self.teams.remove(&team);
        self.members.retain(|(of, _), _| *of != team);
        self.requests.retain(|_, request| request.team_id != team);
        self.prompts.retain(|_, line| line.prompt.team_id != team);
        self.keys.retain(|_, key| match &mut key.scope {
            KeyScope::Org => true,
            KeyScope::Teams(teams) => {
                teams.remove(&team);
                !teams.is_empty()
            }
        });
    }

    fn drop_org(&mut self, org: OrgId) {
        let teams: Vec<_> = self.teams_in(org).map(|team| team.id).collect();
        for team in teams {
            self.drop_team(team);
        }
        self.keys.retain(|_, key| key.org_id != org);
        self.plugins.retain(|(of, _), _| *of != org);
        self.values.retain(|(of, _, _), _| *of != org);
        self.orgs.remove(&org);
    }
}

/// `Ok` when the rule holds.
fn rule(holds: bool, refusal: Refusal) -> Result<(), StoreError> {
    if holds { Ok(()) } else { Err(refusal.into()) }
}
