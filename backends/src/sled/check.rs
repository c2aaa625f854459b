//! Proving the store: every record is readable, everything it needs is there, everything that should lead to it does, and
//! nothing else is there.

use std::collections::{BTreeMap, BTreeSet};

use px0_core::{
    ids::{JoinRequestId, KeyId, OrgId, PromptId, TeamId, UserId},
    key::{ApiKey, KeyScope},
    plugin::{MAX_VALUES, OrgPlugin, PluginId},
    prompt::Payload,
    store::{Result, StoreError},
    tenancy::{JoinRequest, Org, RequestStatus, Role, Team},
    user::{Account, KnownAddress, Session},
};

use super::{
    keyspace::{self, Key},
    lines::{Head, Line, Tag, Text},
    record::{self, Record},
    records::{Place, PluginValue, Reset, Verification},
    tally::{self, Tally},
    view::View,
};

/// What is wrong with the store.
pub(super) fn check(view: &View<'_>) -> Result<Vec<String>> {
    let mut check = Check::default();
    check.records::<Account>(view, b'U', |_, _| {})?;
    check.records::<Session>(view, b'S', |_, _| {})?;
    check.records::<KnownAddress>(view, b'A', |rules, known| {
        *rules.known.entry(known.user).or_default() += 1;
    })?;
    check.records::<Verification>(view, b'V', |_, _| {})?;
    check.records::<Reset>(view, b'R', |_, _| {})?;
    check.records::<Org>(view, b'O', |rules, org| {
        rules.orgs.insert(org.id);
    })?;
    check.records::<Team>(view, b'T', |rules, team| {
        rules.homes.insert(team.id, team.org_id);
        if team.is_default {
            rules.defaults.entry(team.org_id).or_default().push(team.id);
        }
    })?;
    check.records::<Place>(view, b'm', |rules, place| {
        *rules.run.entry(place.membership.team).or_default() |=
            place.membership.role == Role::Admin;
        rules.places.push((place.membership.team, place.membership.org, place.user));
    })?;
    check.records::<JoinRequest>(view, b'J', |rules, request| {
        if request.status == RequestStatus::Pending {
            rules.asking.push((request.id, request.team_id, request.user_id));
        }
    })?;
    check.records::<ApiKey>(view, b'K', |rules, key| {
        if let KeyScope::Teams(teams) = &key.scope {
            rules.limited.push((key.id, key.org_id, teams.clone()));
        }
    })?;
    check.records::<Line>(view, b'P', |rules, line| {
        rules.counted.insert(line.prompt.id, line.last_number);
    })?;
    check.records::<Head>(view, b'W', |rules, head| {
        let highest = rules.given.entry(head.prompt).or_default();
        *highest = head.number.max(*highest);
    })?;
    check.records::<Text>(view, b'B', |_, _| {})?;
    check.records::<Tag>(view, b't', |_, _| {})?;
    check.records::<Payload>(view, b'Y', |_, _| {})?;
    check.records::<OrgPlugin>(view, b'D', |_, _| {})?;
    check.records::<PluginValue>(view, b'X', |rules, value| {
        *rules.kept.entry((value.org, value.plugin.clone())).or_default() += 1;
    })?;
    check.rules();
    check.everything(view)?;
    check.tally(view)?;
    Ok(check.problems)
}

#[derive(Default)]
struct Check {
    problems: Vec<String>,
    /// Every key that should be there; with its value, for an index entry.
    expected: BTreeMap<Key, Option<Vec<u8>>>,
    rules: Rules,
}

/// What the rules of the product are about.
#[derive(Default)]
struct Rules {
    orgs: BTreeSet<OrgId>,
    defaults: BTreeMap<OrgId, Vec<TeamId>>,
    /// Teams with members, and whether one of them is an admin.
    run: BTreeMap<TeamId, bool>,
    /// What memberships say: the team, the organization that it is in, and who.
    places: Vec<(TeamId, OrgId, UserId)>,
    /// Keys that are limited to teams.
    limited: Vec<(KeyId, OrgId, BTreeSet<TeamId>)>,
    /// The organization of each team.
    homes: BTreeMap<TeamId, OrgId>,
    asking: Vec<(JoinRequestId, TeamId, UserId)>,
    counted: BTreeMap<PromptId, u32>,
    given: BTreeMap<PromptId, u32>,
    /// How many addresses of a user are known.
    known: BTreeMap<UserId, usize>,
    /// How many values a plugin keeps for an organization.
    kept: BTreeMap<(OrgId, PluginId), usize>,
}

impl Check {
    fn records<R: Record>(
        &mut self,
        view: &View<'_>,
        kind: u8,
        note: impl Fn(&mut Rules, &R),
    ) -> Result<()> {
        for pair in view.scan(&Key::from_bytes(&[kind]))? {
            let (bytes, value) = pair?;
            let key = Key::from_bytes(&bytes);
            let parts = record::parts(&value).ok().flatten().unwrap_or(0);
            let parts = (0..parts).map(|number| (keyspace::part(&key, number), None));
            self.expected.extend(parts);
            self.expected.insert(key.clone(), None);
            match view.must::<R>(&key) {
                Ok(record) => {
                    self.record(view, &key, &record)?;
                    note(&mut self.rules, &record);
                }
                Err(StoreError::Broken { context, source }) => {
                    self.problem(&key, &format!("cannot be read: {context}: {source}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn record<R: Record>(&mut self, view: &View<'_>, key: &Key, record: &R) -> Result<()> {
        if record.key() != *key {
            self.problem(key, "is not where it belongs");
        }
        for needed in record.needs() {
            if !view.has(&needed)? {
                self.problem(key, &format!("needs {}, which is not there", show(&needed)));
            }
        }
        for (index, value) in record.indexes() {
            if view.value(&index)?.as_deref() != Some(&value) {
                self.problem(key, &format!("is not what {} leads to", show(&index)));
            }
            if self.expected.insert(index.clone(), Some(value)).is_some() {
                self.problem(key, &format!("shares {} with another", show(&index)));
            }
        }
        Ok(())
    }

    fn rules(&mut self) {
        let Rules {
            orgs,
            defaults,
            run,
            places,
            limited,
            homes,
            asking,
            counted,
            given,
            known,
            kept,
        } = std::mem::take(&mut self.rules);
        let people: BTreeSet<_> = places.iter().map(|(_, org, user)| (*org, *user)).collect();
        for (team, org, user) in places {
            if homes.get(&team) != Some(&org) {
                self.problem(&keyspace::place(user, team), "names another organization");
            }
        }
        for (key, org, teams) in limited {
            if teams.is_empty() || teams.iter().any(|team| homes.get(team) != Some(&org)) {
                let what = "is limited to no team, or to one of another organization";
                self.problem(&keyspace::key(key), what);
            }
        }
        for (request, team, user) in asking {
            if !homes.get(&team).is_some_and(|org| people.contains(&(*org, user))) {
                self.problem(
                    &keyspace::request(request),
                    "is of somebody outside the organization",
                );
            }
        }
        for org in orgs {
            let teams = defaults.get(&org).map(Vec::as_slice).unwrap_or_default();
            if teams.len() != 1 {
                let count = teams.len();
                self.problem(&keyspace::org(org), &format!("has {count} Default Teams"));
            }
            for team in teams.iter().filter(|team| !run.contains_key(team)) {
                self.problem(&keyspace::team(*team), "is a Default Team without members");
            }
        }
        for (team, _) in run.into_iter().filter(|(_, has_admin)| !has_admin) {
            self.problem(&keyspace::team(team), "has members, but no admin");
        }
        for (prompt, highest) in given {
            if counted.get(&prompt).is_none_or(|last| *last < highest) {
                self.problem(&keyspace::prompt(prompt), "would give a number again");
            }
        }
        for (user, count) in known.into_iter().filter(|(_, count)| *count > KnownAddress::MOST) {
            let what = format!("begins {count} addresses, and no more than 16 are kept");
            self.problem(&keyspace::addresses_of(user), &what);
        }
        for ((org, plugin), count) in kept.into_iter().filter(|(_, count)| *count > MAX_VALUES) {
            let what = format!("begins {count} values, and no more than {MAX_VALUES} may be there");
            self.problem(&keyspace::values_of(org, &plugin), &what);
        }
    }

    /// Looks for what nothing leads to, and for what should not be there at all.
    fn everything(&mut self, view: &View<'_>) -> Result<()> {
        let about = keyspace::ABOUT.map(keyspace::about);
        for pair in view.scan(&Key::from_bytes(&[]))? {
            let key = Key::from_bytes(&pair?.0);
            if self.expected.contains_key(&key) || about.contains(&key) {
                continue;
            }
            match keyspace::part_of(key.as_bytes()) {
                Some((of, number)) => {
                    self.problem(&of, &format!("has a part {number} that it should not have"));
                }
                None => self.problem(&key, "is there, but nothing says that it should be"),
            }
        }
        Ok(())
    }

    /// Counts what is there against what the store says it holds: a record may have gone with all that leads to it.
    fn tally(&mut self, view: &View<'_>) -> Result<()> {
        let (told, found) = (Tally::told(view)?, Tally::count(view)?);
        if let Some(told) = told.filter(|told| !found.holds_the_same(told)) {
            let (is, was) = (found.entries, told.entries);
            self.problem(
                &tally::key(),
                &format!("says {was} entries, and there are {is}, or others"),
            );
        }
        if told.is_none() {
            self.problem(&tally::key(), "is not there");
        }
        Ok(())
    }

    fn problem(&mut self, key: &Key, what: &str) {
        self.problems.push(format!("{} {what}", show(key)));
    }
}

/// A key for people: its kind, then printable characters as they are and all others in hex.
fn show(key: &Key) -> String {
    key.as_bytes().iter().fold(String::new(), |text, byte| {
        let c = char::from(*byte);
        if c.is_ascii_graphic() { text + &c.to_string() } else { format!("{text}\\{byte:02x}") }
    })
}
