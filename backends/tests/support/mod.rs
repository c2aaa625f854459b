//! A store with somebody in it, in a line.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::path::Path;

use px0_backends::{SledSettings, SledStore};
use px0_core::{
    Description, Email, Name, Slug, Timestamp,
    ids::{OrgId, PromptId, TeamId, UserId, VersionId},
    prompt::{Prompt, PromptStatus},
    render::EngineName,
    store::{Accounts, Actor, Prompts, Stamp},
    tenancy::{Org, Team},
    user::{Account, User},
    version::{Body, Version},
};

/// Somebody with an organization and its Default Team.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) user: User,
    pub(crate) org: Org,
    pub(crate) team: Team,
}

pub(crate) fn open(path: &Path) -> SledStore {
    let path = path.to_owned();
    SledStore::open(SledSettings { path, ..SledSettings::default() }).unwrap()
}

/// A moment later than the last one.
pub(crate) fn stamp() -> Stamp {
    Stamp { by: Actor::Anonymous, at: Timestamp::now() }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

pub(crate) fn account(email: &str) -> Account {
    let user = User {
        id: UserId::new(),
        email: Email::parse(email).unwrap(),
        is_verified: false,
        is_admin: true,
        created_at: stamp().at,
    };
    Account { user, password_hash: "$argon2id$".to_owned(), was_proved: false }
}

pub(crate) async fn found(store: &SledStore, email: &str) -> World {
    let account = account(email);
    let at = stamp().at;
    let org = Org { id: OrgId::new(), name: name("Acme"), created_at: at };
    let team = Team {
        id: TeamId::new(),
        org_id: org.id,
        name: name(Team::DEFAULT_NAME),
        is_default: true,
        created_at: at,
    };
    let user = account.user.clone();
    store.found_account(stamp(), account, org.clone(), team.clone()).await.unwrap();
    World { user, org, team }
}

pub(crate) fn prompt(team: TeamId, text: &str) -> Prompt {
    let (name, at) = (name(text), stamp().at);
    Prompt {
        id: PromptId::new(),
        team_id: team,
        slug: Slug::from_name(&name).unwrap(),
        name,
        description: Description::default(),
        status: PromptStatus::Active,
        created_at: at,
        updated_at: at,
    }
}

pub(crate) fn body(template: &str) -> Body {
    Body {
        template: template.into(),
        engine: EngineName::default(),
        model: None,
        model_params: None,
        variables_schema: None,
    }
}

pub(crate) async fn prompt_in(store: &SledStore, world: &World, text: &str) -> Prompt {
    let prompt = prompt(world.team.id, text);
    store.create_prompt(stamp(), prompt.clone()).await.unwrap();
    prompt
}

pub(crate) async fn draft(store: &SledStore, prompt: PromptId, template: &str) -> Version {
    store.create_version(stamp(), prompt, VersionId::new(), body(template)).await.unwrap()
}
