//! What holds in every store at every moment, whatever was done to it; read through the traits alone.

use std::collections::{BTreeMap, BTreeSet};

use px0_core::{
    ids::{OrgId, PromptId},
    key::KeyScope,
    lifecycle::Status,
    prompt::PromptFilter,
    store::KeyFilter,
    tag::Selector,
    tenancy::Role,
    version::VersionFilter,
};

use crate::{
    portrait::everywhere,
    world::{ALL_NUMBERED, World, all},
};

/// Walks all that was ever named in a world and panics at what cannot be.
pub(crate) async fn audit(w: &World) {
    users(w).await;
    for org in w.seen().orgs {
        if w.org(org).await.unwrap().is_some() {
            organization(w, org).await;
        }
    }
    orphans(w).await;
    for prompt in w.seen().prompts {
        if w.prompt_by_id(prompt).await.is_some() {
            versions_and_tags(w, prompt).await;
        }
    }
}

/// By id and by address it is the same person; who is gone is in no team and has no session.
async fn users(w: &World) {
    for user in w.seen().users {
        match w.account(user).await.unwrap() {
            Some(account) => {
                let same = w.account_by_email(&account.user.email).await.unwrap();
                assert_eq!(same, Some(account), "by address, somebody else");
            }
            None => assert_eq!(w.teams_of(user).await.unwrap(), [], "a ghost in a team"),
        }
    }
}

/// Somebody is in charge; the lists agree with each other; keys reach only what is there.
async fn organization(w: &World, org: OrgId) {
    let teams = w.teams(org).await.unwrap();
    let defaults = teams.iter().filter(|team| team.is_default).count();
    assert_eq!(defaults, 1, "organization {org} has {defaults} Default Teams");

    let mut people = BTreeMap::new();
    for team in &teams {
        assert_eq!(w.team(team.id).await.unwrap().as_ref(), Some(team));
        let members = w.members(team.id, ALL_NUMBERED).await.unwrap().items;
        let in_charge = members.iter().any(|member| member.role == Role::Admin);
        let needed = team.is_default || !members.is_empty();
        assert!(in_charge || !needed, "nobody is in charge of {team:?}: {members:?}");
        for member in members {
            assert_eq!(w.role(team.id, member.user).await.unwrap(), Some(member.role));
            let theirs = w.teams_of(member.user).await.unwrap();
            assert!(theirs.contains(&(team.clone(), member.role)), "{member:?} does not know");
            people.insert(member.email, member.user);
        }
    }
    let listed = w.people(org, ALL_NUMBERED).await.unwrap();
    let listed: Vec<_> = listed.items.into_iter().map(|user| (user.email, user.id)).collect();
    assert_eq!(listed, Vec::from_iter(people.clone()), "people of {org}");
    for user in w.seen().users {
        let is_person = people.values().any(|person| *person == user);
        assert_eq!(w.is_person(org, user).await.unwrap(), is_person, "{user} in {org}");
    }

    let ids: BTreeSet<_> = teams.iter().map(|team| team.id).collect();
    for key in w.keys(org, &KeyFilter::All, all()).await.unwrap().items {
        if let KeyScope::Teams(scope) = &key.scope {
            assert!(!scope.is_empty() && scope.is_subset(&ids), "{key:?} reaches into nothing");
        }
        assert_eq!(w.key_by_hash(&key.hash).await.unwrap(), Some(key));
    }
}

/// What belongs to something that is gone is gone.
async fn orphans(w: &World) {
    let seen = w.seen();
    for team in &seen.teams {
        if let Some(team) = w.team(*team).await.unwrap() {
            assert!(w.org(team.org_id).await.unwrap().is_some(), "{team:?} of no organization");
        } else {
            for user in &seen.users {
                assert_eq!(w.role(*team, *user).await.unwrap(), None, "a role in no team");
            }
            let prompts = w.prompts(*team, &PromptFilter::default(), all()).await;
            assert!(prompts.map_or(true, |page| page.items.is_empty()), "prompts of no team");
        }
    }
    for request in &seen.requests {
        if let Some(request) = w.join_request(*request).await.unwrap() {
            assert!(w.team(request.team_id).await.unwrap().is_some(), "{request:?}");
            assert!(w.account(request.user_id).await.unwrap().is_some(), "{request:?}");
        }
    }
    for key in &seen.keys {
        if let Some(key) = w.key(*key).await.unwrap() {
            assert!(w.org(key.org_id).await.unwrap().is_some(), "{key:?} of no organization");
            assert_eq!(w.key_by_hash(&key.hash).await.unwrap(), Some(key));
        }
    }
    for hash in &seen.key_hashes {
        if let Some(key) = w.key_by_hash(hash).await.unwrap() {
            assert_eq!(w.key(key.id).await.unwrap(), Some(key));
        }
    }
    for &org in &seen.orgs {
        if w.org(org).await.unwrap().is_none() {
            assert_eq!(w.org_plugins(org).await.unwrap(), [], "decisions of no organization");
            for (plugin, key) in &seen.values {
                let value = w.plugin_value(org, plugin, key).await.unwrap();
                assert_eq!(value, None, "a value for no organization");
            }
        }
    }
    for &prompt in &seen.prompts {
        let Some(found) = w.prompt_by_id(prompt).await else {
            assert_eq!(w.version(prompt, &Selector::Latest).await.unwrap(), None);
            for payload in &seen.payloads {
                assert_eq!(w.payload(prompt, *payload).await.unwrap(), None, "of no prompt");
            }
            continue;
        };
        assert!(w.team(found.team_id).await.unwrap().is_some(), "{found:?} of no team");
    }
    assert!(w.inbox(&everywhere(&seen)).await.is_ok());
}

/// At most one version is live; numbers fall; each tag is where its version says it is.
async fn versions_and_tags(w: &World, prompt: PromptId) {
    let versions = w.versions(prompt, &VersionFilter::default(), all()).await.unwrap().items;
    assert!(versions.is_sorted_by(|a, b| a.number > b.number), "{versions:?}");

    let live: Vec<_> = versions.iter().filter(|version| version.status == Status::Live).collect();
    assert!(live.len() <= 1, "several are live: {live:?}");
    let selected = w.version(prompt, &Selector::Live).await.unwrap();
    assert_eq!(selected.as_ref(), live.first().copied(), "another one is live");

    let worn = versions.iter().flat_map(|v| v.tags.iter().map(|tag| (tag.clone(), v.number)));
    let tags = w.tags(prompt).await.unwrap();
    assert_eq!(BTreeMap::from_iter(worn), BTreeMap::from_iter(tags.clone()));
    assert!(tags.is_sorted_by(|a, b| a.0 < b.0), "{tags:?}");
    for (tag, number) in tags {
        let selected = w.version(prompt, &Selector::Tag(tag)).await.unwrap();
        assert_eq!(selected.map(|version| version.number), Some(number));
    }
    for version in &versions {
        let selected = w.version(prompt, &Selector::Number(version.number)).await.unwrap();
        assert_eq!(selected.as_ref(), Some(version));
    }
}
