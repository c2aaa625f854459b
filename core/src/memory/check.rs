use std::collections::{BTreeMap, BTreeSet};

use super::{Line, State};
use crate::{
    key::KeyScope,
    lifecycle::Status,
    plugin::MAX_VALUES,
    tenancy::{RequestStatus, Role},
    user::KnownAddress,
};

impl State {
    /// What is wrong, one sentence each.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.accounts_in_order(&mut problems);
        self.tenancy_in_order(&mut problems);
        self.requests_in_order(&mut problems);
        self.keys_in_order(&mut problems);
        for line in self.prompts.values() {
            self.line_in_order(line, &mut problems);
        }
        self.plugins_in_order(&mut problems);
        problems
    }

    fn accounts_in_order(&self, problems: &mut Vec<String>) {
        let mut addresses = BTreeSet::new();
        for account in self.accounts.values() {
            if !addresses.insert(&account.user.email) {
                problems.push(format!("user {} shares an address", account.user.id));
            }
        }
        let owners = self.sessions.values().map(|session| session.user);
        let owners = owners.chain(self.addresses.keys().map(|(user, _)| *user));
        for user in owners.chain(self.verifications.keys().chain(self.resets.keys()).copied()) {
            if !self.accounts.contains_key(&user) {
                problems.push(format!("a session, address or code of user {user}, who is gone"));
            }
        }
        for user in self.accounts.keys() {
            let count = self.addresses_of(*user).count();
            if count > KnownAddress::MOST {
                problems.push(format!("user {user} has {count} known addresses"));
            }
        }
    }

    fn tenancy_in_order(&self, problems: &mut Vec<String>) {
        for org in self.orgs.values() {
            let defaults = self.teams_in(org.id).filter(|team| team.is_default).count();
            if defaults != 1 {
                problems.push(format!("organization {} has {defaults} Default Teams", org.id));
            }
            let names: BTreeSet<_> = self.teams_in(org.id).map(|team| &team.name).collect();
            if names.len() != self.teams_in(org.id).count() {
                problems.push(format!("organization {} has two teams of a name", org.id));
            }
        }
        for team in self.teams.values() {
            if !self.orgs.contains_key(&team.org_id) {
                problems.push(format!("team {} of an organization that is gone", team.id));
            }
            let mut roles = self.seats_in(team.id).map(|(_, seat)| seat.role).peekable();
            let needed = team.is_default || roles.peek().is_some();
            if needed && !roles.any(|role| role == Role::Admin) {
                problems.push(format!("team {} has no admin", team.id));
            }
        }
        for (team, user) in self.members.keys() {
            if !self.teams.contains_key(team) || !self.accounts.contains_key(user) {
                problems.push(format!("user {user} in team {team}, and one is gone"));
            }
        }
    }

    fn requests_in_order(&self, problems: &mut Vec<String>) {
        let mut pending = BTreeSet::new();
        for request in self.requests.values() {
            let (team, user) = (request.team_id, request.user_id);
            if !self.teams.contains_key(&team) || !self.accounts.contains_key(&user) {
                problems.push(format!("join request {} of what is gone", request.id));
            }
            let is_person = self
                .teams
                .get(&team)
                .is_some_and(|team| self.people_of(team.org_id).contains(&user));
            if request.status == RequestStatus::Pending && !is_person {
                problems.push(format!("join request {} is of an outsider", request.id));
            }
            if request.status == RequestStatus::Pending && !pending.insert((team, user)) {
                problems.push(format!("join request {} is pending twice", request.id));
            }
        }
    }

    fn keys_in_order(&self, problems: &mut Vec<String>) {
        for key in self.keys.values() {
            let teams_are_there = match &key.scope {
                KeyScope::Org => true,
                KeyScope::Teams(teams) => {
                    !teams.is_empty()
                        && teams.iter().all(|team| {
                            self.teams.get(team).is_some_and(|team| team.org_id == key.org_id)
                        })
                }
            };
            if !self.orgs.contains_key(&key.org_id) || !teams_are_there {
                problems.push(format!("api key {} reaches into what is gone", key.id));
            }
        }
    }

    fn plugins_in_order(&self, problems: &mut Vec<String>) {
        let mut kept = BTreeMap::new();
        for (org, plugin, _) in self.values.keys() {
            *kept.entry((org, plugin)).or_insert(0_usize) += 1;
        }
        for (org, plugin) in self.plugins.keys() {
            if !self.orgs.contains_key(org) {
                problems.push(format!(
                    "a decision about {plugin} of organization {org}, which is gone"
                ));
            }
        }
        for ((org, plugin), count) in kept {
            if !self.orgs.contains_key(org) {
                problems.push(format!("values of {plugin} for organization {org}, which is gone"));
            }
            if count > MAX_VALUES {
                problems.push(format!("{count} values of {plugin} for organization {org}"));
            }
        }
    }

    fn line_in_order(&self, line: &Line, problems: &mut Vec<String>) {
        let id = line.prompt.id;
        if !self.teams.contains_key(&line.prompt.team_id) {
            problems.push(format!("prompt {id} of a team that is gone"));
        }
        if self.has_prompt_like(&line.prompt) {
            problems.push(format!("prompt {id} shares its name or slug"));
        }
        if line.versions.values().filter(|version| version.status == Status::Live).count() > 1 {
            problems.push(format!("prompt {id} has several live versions"));
        }
        if line.versions.keys().any(|number| *number > line.last_number) {
            problems.push(format!("prompt {id} would give a number again"));
        }
        if line.tags.values().any(|number| !line.versions.contains_key(number)) {
            problems.push(format!("prompt {id} has a tag on no version"));
        }
        if line.payloads.values().any(|payload| payload.prompt_id != id) {
            problems.push(format!("prompt {id} has another's payload"));
        }
    }
}
