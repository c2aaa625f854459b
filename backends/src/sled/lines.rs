//! The records of prompts: a line of versions, what each says, their tags, and payloads.

use px0_core::{
    clock::Timestamp,
    ids::{OrgId, PromptId, VersionId},
    lifecycle::Status,
    page::Recent,
    prompt::{Payload, Prompt, PromptStatus},
    store::{Change, Refusal, Result},
    tag::TagName,
    version::{Body, Version},
};
use serde::{Deserialize, Serialize};

use super::{
    keyspace::{self, Key},
    record::{Entry, Record, lead},
    rule,
    view::View,
};

/// A prompt, with what only the store has to know of it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) prompt: Prompt,
    /// The organization of its team; prompts never leave it.
    pub(super) org: OrgId,
    /// The last number that was given to a version.
    pub(super) last_number: u32,
}

impl Line {
    pub(super) fn must_be_active(&self) -> Result<()> {
        let active = self.prompt.status == PromptStatus::Active;
        rule(active, Refusal::PromptArchived)
    }

    /// The same line with its prompt changed.
    pub(super) fn with(&self, prompt: Prompt) -> Self {
        Self { prompt, ..self.clone() }
    }
}

impl Record for Line {
    fn changes(&self, _: &View<'_>, _: bool) -> Result<Vec<Change>> {
        Ok(vec![Change::Prompts(self.org)])
    }

    fn key(&self) -> Key {
        keyspace::prompt(self.prompt.id)
    }

    fn indexes(&self) -> Vec<Entry> {
        let Prompt { id, team_id: team, slug, name, created_at, .. } = &self.prompt;
        let place = Recent { at: *created_at, id: id.uuid() };
        vec![
            lead(keyspace::prompt_in(*team, place), id.uuid()),
            lead(keyspace::prompt_named(*team, name), id.uuid()),
            lead(keyspace::slug_in(self.org, slug, *team), id.uuid()),
        ]
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::team(self.prompt.team_id), keyspace::org(self.org)]
    }
}

/// A version without what it says: that is stored apart, because a promotion should not write it again.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) id: VersionId,
    pub(super) prompt: PromptId,
    pub(super) number: u32,
    pub(super) status: Status,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) published_at: Option<Timestamp>,
}

impl Head {
    /// The version, with what it says and its tags.
    pub(super) fn with(self, body: Body, tags: Vec<TagName>) -> Version {
        Version {
            id: self.id,
            prompt_id: self.prompt,
            number: self.number,
            status: self.status,
            body,
            created_at: self.created_at,
            updated_at: self.updated_at,
            published_at: self.published_at,
            tags,
        }
    }
}

impl Record for Head {
    fn changes(&self, view: &View<'_>, _: bool) -> Result<Vec<Change>> {
        of_prompt(view, self.prompt)
    }

    fn key(&self) -> Key {
        keyspace::version(self.prompt, self.number)
    }

    fn indexes(&self) -> Vec<Entry> {
        let mut place = self.prompt.uuid().as_bytes().to_vec();
        place.extend(self.number.to_be_bytes());
        let mut entries = vec![(keyspace::version_by_id(self.id), place)];
        if self.status == Status::Live {
            entries.push((keyspace::live(self.prompt), self.number.to_be_bytes().into()));
        }
        entries
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::prompt(self.prompt), keyspace::body(self.id)]
    }
}

/// What a version says.
#[derive(Serialize, Deserialize)]
pub(super) struct Text {
    pub(super) version: VersionId,
    pub(super) body: Body,
}

impl Record for Text {
    fn key(&self) -> Key {
        keyspace::body(self.version)
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::version_by_id(self.version)]
    }
}

/// Which version of a prompt has a tag.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Tag {
    pub(super) prompt: PromptId,
    pub(super) tag: TagName,
    pub(super) number: u32,
}

impl Record for Tag {
    fn changes(&self, view: &View<'_>, _: bool) -> Result<Vec<Change>> {
        of_prompt(view, self.prompt)
    }

    fn key(&self) -> Key {
        keyspace::tag(self.prompt, &self.tag)
    }

    fn indexes(&self) -> Vec<Entry> {
        let key = keyspace::tag_at(self.prompt, self.number, &self.tag);
        vec![(key, self.tag.as_str().into())]
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::version(self.prompt, self.number)]
    }
}

impl Record for Payload {
    fn key(&self) -> Key {
        keyspace::payload(self.id)
    }

    fn indexes(&self) -> Vec<Entry> {
        let place = Recent { at: self.created_at, id: self.id.uuid() };
        vec![lead(keyspace::payload_of(self.prompt_id, place), self.id.uuid())]
    }

    fn needs(&self) -> Vec<Key> {
        vec![keyspace::prompt(self.prompt_id)]
    }
}

/// What copies of a prompt must know. One that is gone has said so itself.
fn of_prompt(view: &View<'_>, prompt: PromptId) -> Result<Vec<Change>> {
    let line = view.get::<Line>(&keyspace::prompt(prompt))?;
    Ok(line.map(|line| Change::Prompts(line.org)).into_iter().collect())
}
