//! A portrait of a store: all that can be read of whatever was ever named in it.

use std::{collections::BTreeMap, fmt::Debug};

use px0_core::{
    Timestamp,
    prompt::{PromptFilter, PromptRef},
    store::{KeyFilter, Reach, Result, Store},
    tag::Selector,
    version::VersionFilter,
};

use crate::world::{ALL_NUMBERED, Seen, World, all};

/// What was asked, and what the store said.
pub(crate) type Portrait = BTreeMap<String, String>;

impl World {
    /// All that can be read in this world.
    pub(crate) async fn portrait(&self) -> Portrait {
        // A session counts until it ends by itself, so the time must be the same in each portrait.
        let early = Timestamp::from_micros(0).unwrap();
        portrait(&**self, &self.seen(), early).await
    }
}

/// Asks a store all that can be asked about what was `seen`, at `now`.
pub(crate) async fn portrait(store: &dyn Store, seen: &Seen, now: Timestamp) -> Portrait {
    let mut shown = Portrait::new();
    let mut note = |what: String, answer: String| {
        shown.insert(what, answer);
    };
    for user in &seen.users {
        note(format!("account {user}"), show(store.account(*user).await));
        note(format!("orgs of {user}"), show(store.orgs_of(*user).await));
        note(format!("teams of {user}"), show(store.teams_of(*user).await));
    }
    for email in &seen.emails {
        note(format!("account {email}"), show(store.account_by_email(email).await));
    }
    for session in &seen.sessions {
        note(format!("session {session:?}"), show(store.session(session, now).await));
    }
    for &org in &seen.orgs {
        note(format!("org {org}"), show(store.org(org).await));
        note(format!("people {org}"), show(store.people(org, ALL_NUMBERED).await));
        note(format!("teams {org}"), show(store.teams(org).await));
        note(format!("keys {org}"), show(store.keys(org, &KeyFilter::All, all()).await));
        note(format!("plugins {org}"), show(store.org_plugins(org).await));
        for (plugin, key) in &seen.values {
            let one = show(store.plugin_value(org, plugin, key).await);
            note(format!("value {org} {plugin} {key:?}"), one);
        }
        for &user in &seen.users {
            note(format!("is person {org} {user}"), show(store.is_person(org, user).await));
        }
    }
    for &team in &seen.teams {
        note(format!("team {team}"), show(store.team(team).await));
        note(format!("members {team}"), show(store.members(team, ALL_NUMBERED).await));
        let any = PromptFilter::default();
        note(format!("prompts {team}"), show(store.prompts(team, &any, all()).await));
        for &user in &seen.users {
            note(format!("role {team} {user}"), show(store.role(team, user).await));
        }
    }
    for request in &seen.requests {
        note(format!("request {request}"), show(store.join_request(*request).await));
    }
    for key in &seen.keys {
        note(format!("key {key}"), show(store.key(*key).await));
    }
    for hash in &seen.key_hashes {
        note(format!("key {hash:?}"), show(store.key_by_hash(hash).await));
    }
    let everywhere = everywhere(seen);
    note("inbox".into(), show(store.inbox(&everywhere).await));
    for &prompt in &seen.prompts {
        let named = PromptRef::Id(prompt);
        note(format!("prompt {prompt}"), show(store.find_prompts(&everywhere, &named).await));
        let any = VersionFilter::default();
        let versions = store.versions(prompt, &any, all()).await;
        for version in versions.iter().flat_map(|page| &page.items) {
            let selector = Selector::Number(version.number);
            let one = show(store.version(prompt, &selector).await);
            note(format!("version {prompt} {}", version.number), one);
        }
        note(format!("versions {prompt}"), show(versions));
        note(format!("live {prompt}"), show(store.version(prompt, &Selector::Live).await));
        note(format!("latest {prompt}"), show(store.version(prompt, &Selector::Latest).await));
        note(format!("tags {prompt}"), show(store.tags(prompt).await));
        note(format!("payloads {prompt}"), show(store.payloads(prompt, all()).await));
        for &payload in &seen.payloads {
            let one = show(store.payload(prompt, payload).await);
            note(format!("payload {prompt} {payload}"), one);
        }
    }
    shown
}

/// Every team of every organization, and every team.
pub(crate) fn everywhere(seen: &Seen) -> Reach {
    Reach { orgs: seen.orgs.clone(), teams: seen.teams.clone() }
}

/// Holds that two portraits are the same, and says where they are not.
pub(crate) fn same(before: &Portrait, after: &Portrait, when: &str) {
    let differences = differences(before, after);
    assert!(differences.is_empty(), "{when}, something else is there:\n{differences}");
}

/// Where two portraits differ.
pub(crate) fn differences(before: &Portrait, after: &Portrait) -> String {
    let mut text = String::new();
    for what in before.keys().chain(after.keys().filter(|what| !before.contains_key(*what))) {
        let [was, is] = [before, after].map(|portrait| portrait.get(what).map_or("-", |it| it));
        if was != is {
            text += &format!("{what}:\n  before: {was}\n  after:  {is}\n");
        }
    }
    text
}

fn show<T: Debug>(answer: Result<T>) -> String {
    format!("{answer:?}")
}
