//! Prompts and their versions, as the drawer of prompts needs them: finding, showing, adding.

use std::collections::{BTreeMap, BTreeSet};

use px0_core::{
    Timestamp,
    ids::{PayloadId, PromptId, TeamId, VersionId},
    lifecycle::{Status, Step},
    prompt::{Payload, PromptRef},
    store::{Found, Reach, Refusal, Result, Stamp, Thing},
    tag::{Selector, TagName},
    version::{Body, BodyChange, Version, VersionFilter},
};

use super::{
    error::corrupt,
    keyspace::{self, Key},
    lines::{Head, Line, Tag, Text},
    record, rule,
    tx::Tx,
    view::View,
};

impl View<'_> {
    pub(super) fn line(&self, prompt: PromptId) -> Result<Line> {
        self.get(&keyspace::prompt(prompt))?.ok_or_else(|| Thing::Prompt.into())
    }

    /// The prompts that `name` names within `reach`, in the order of their teams' ids.
    pub(super) fn find(&self, reach: &Reach, name: &PromptRef) -> Result<Vec<Found>> {
        let slug = match name {
            PromptRef::Slug(slug) => slug,
            PromptRef::Id(id) => {
                let line: Option<Line> = self.get(&keyspace::prompt(*id))?;
                let reached = |line: &Line| {
                    reach.orgs.contains(&line.org) || reach.teams.contains(&line.prompt.team_id)
                };
                return Ok(line.filter(reached).map(found).into_iter().collect());
            }
        };
        let mut ids = BTreeMap::new();
        for org in &reach.orgs {
            for pair in self.scan(&keyspace::by_slug(*org, slug))? {
                let (key, id) = pair?;
                let team = TeamId::from_uuid(record::last_id(&key)?);
                ids.insert(team, record::id(&id)?);
            }
        }
        for team in reach.teams.iter().copied().collect::<BTreeSet<_>>() {
            let Ok(org) = self.team(team).map(|team| team.org_id) else {
                continue;
            };
            if let Some(id) = self.value(&keyspace::slug_in(org, slug, team))? {
                ids.insert(team, record::id(&id)?);
            }
        }
        let ids = ids.into_values().map(PromptId::from_uuid);
        ids.map(|id| self.must(&keyspace::prompt(id)).map(found)).collect()
    }

    /// `PromptTaken` when another prompt of its team has the name or the slug of this one.
    pub(super) fn must_be_unique(&self, line: &Line) -> Result<()> {
        let prompt = &line.prompt;
        let names = [
            keyspace::prompt_named(prompt.team_id, &prompt.name),
            keyspace::slug_in(line.org, &prompt.slug, prompt.team_id),
        ];
        for name in names {
            if let Some(holder) = self.value(&name)? {
                let own = record::id(&holder)? == prompt.id.uuid();
                rule(own, Refusal::PromptTaken)?;
            }
        }
        Ok(())
    }

    pub(super) fn select(&self, prompt: PromptId, selector: &Selector) -> Result<Option<Version>> {
        let head = match selector {
            Selector::Number(number) => self.get(&keyspace::version(prompt, *number))?,
            Selector::Live => match self.value(&keyspace::live(prompt))? {
                Some(number) => Some(self.head(prompt, record::number(&number)?)?),
                None => None,
            },
            Selector::Tag(tag) => match self.get::<Tag>(&keyspace::tag(prompt, tag))? {
                Some(tag) => Some(self.head(prompt, tag.number)?),
                None => None,
            },
            Selector::Latest => self
                .heads(prompt, None)?
                .find(|head| match head {
                    Ok(head) => head.status != Status::Archived,
                    Err(_) => true,
                })
                .transpose()?,
        };
        head.map(|head| self.show(head)).transpose()
    }

    fn head(&self, prompt: PromptId, number: u32) -> Result<Head> {
        self.must(&keyspace::version(prompt, number))
    }

    /// The versions of a prompt after `after`, highest number first.
    pub(super) fn heads(
        &self,
        prompt: PromptId,
        after: Option<u32>,
    ) -> Result<impl Iterator<Item = Result<Head>> + use<>> {
        let after = after.map(|number| keyspace::version(prompt, number));
        let pairs = self.scan_after(&keyspace::versions_of(prompt), after.as_ref())?;
        Ok(pairs.map(|pair| record::decode(&pair?.1)))
    }

    /// The live version of a prompt.
    pub(super) fn live(&self, prompt: PromptId) -> Result<Option<Head>> {
        match self.value(&keyspace::live(prompt))? {
            Some(number) => self.head(prompt, record::number(&number)?).map(Some),
            None => Ok(None),
        }
    }

    /// The prompt and the version that a version's id leads to.
    pub(super) fn version(&self, version: VersionId) -> Result<(Line, Head)> {
        let place = self.value(&keyspace::version_by_id(version))?;
        let place = place.ok_or(Thing::Version)?;
        let (prompt, number) =
            place.split_at_checked(16).ok_or_else(|| corrupt("a version's id leads to nowhere"))?;
        let prompt = PromptId::from_uuid(record::id(prompt)?);
        let head = self.head(prompt, record::number(number)?)?;
        Ok((self.must(&keyspace::prompt(prompt))?, head))
    }

    pub(super) fn text(&self, version: VersionId) -> Result<Text> {
        self.must(&keyspace::body(version))
    }

    /// The tags of a version, in byte order.
    pub(super) fn tags_at(&self, head: &Head) -> Result<Vec<TagName>> {
        self.scan(&keyspace::tags_at(head.prompt, head.number))?
            .map(|pair| {
                let text = String::from_utf8_lossy(&pair?.1).into_owned();
                TagName::parse(&text).map_err(|_| corrupt("an index entry leads to no tag"))
            })
            .collect()
    }

    /// A version as callers see it.
    pub(super) fn show(&self, head: Head) -> Result<Version> {
        let tags = self.tags_at(&head)?;
        let text = self.text(head.id)?;
        Ok(head.with(text.body, tags))
    }
}

impl Tx<'_> {
    /// Adds a draft under the next number.
    pub(super) fn add_version(
        &mut self,
        stamp: Stamp,
        line: &Line,
        id: VersionId,
        body: Body,
    ) -> Result<Version> {
        let counted = Line { last_number: line.last_number + 1, ..line.clone() };
        self.replace(line, &counted)?;
        let head = Head {
            id,
            prompt: line.prompt.id,
            number: counted.last_number,
            status: Status::Draft,
            created_at: stamp.at,
            updated_at: stamp.at,
            published_at: None,
        };
        self.insert(&head)?;
        let text = Text { version: id, body };
        self.insert(&text)?;
        Ok(head.with(text.body, Vec::new()))
    }

    /// Changes a draft.
    pub(super) fn update_version(
        &mut self,
        stamp: Stamp,
        version: VersionId,
        change: BodyChange,
    ) -> Result<Version> {
        let (line, head) = self.version(version)?;
        if change.is_empty() {
            return self.show(head);
        }
        line.must_be_active()?;
        rule(head.status == Status::Draft, Refusal::NotDraftToChange)?;
        let old = self.text(version)?;
        let mut body = old.body.clone();
        change.apply(&mut body);
        self.replace(&old, &Text { version, body })?;
        let changed = Head { updated_at: stamp.at, ..head.clone() };
        self.replace(&head, &changed)?;
        self.show(changed)
    }

    /// Moves a version through its life; the former live one makes way.
    pub(super) fn step_version(
        &mut self,
        stamp: Stamp,
        version: VersionId,
        step: Step,
        seen: Option<Timestamp>,
    ) -> Result<Version> {
        let (line, head) = self.version(version)?;
        line.must_be_active()?;
        let status = head.status.after(step)?;
        rule(seen.is_none_or(|seen| seen == head.updated_at), Refusal::VersionChanged)?;
        let mut moved = Head { status, updated_at: stamp.at, ..head.clone() };
        if moved.status == Status::Live {
            moved.published_at = Some(stamp.at);
            if let Some(former) = self.live(head.prompt)? {
                let stable =
                    Head { status: Status::Stable, updated_at: stamp.at, ..former.clone() };
                self.replace(&former, &stable)?;
            }
        }
        self.replace(&head, &moved)?;
        self.show(moved)
    }

    /// Removes the tags of a version.
    pub(super) fn drop_tags(&mut self, head: &Head) -> Result<()> {
        for tag in self.tags_at(head)? {
            let key: Key = keyspace::tag(head.prompt, &tag);
            self.remove_at::<Tag>(&key)?;
        }
        Ok(())
    }
}

fn found(line: Line) -> Found {
    Found { org: line.org, prompt: line.prompt }
}

/// A payload, if it is the prompt's.
pub(super) fn payload_of(
    view: &View<'_>,
    prompt: PromptId,
    payload: PayloadId,
) -> Result<Option<Payload>> {
    let payload: Option<Payload> = view.get(&keyspace::payload(payload))?;
    Ok(payload.filter(|payload| payload.prompt_id == prompt))
}

/// The version, if it is listed; what it says is only read then.
pub(super) fn show_if(
    view: &View<'_>,
    head: Head,
    filter: &VersionFilter,
) -> Result<Option<Version>> {
    if filter.status.is_some_and(|status| head.status != status) {
        return Ok(None);
    }
    let tags = view.tags_at(&head)?;
    if !filter.tags.is_empty() && !filter.tags.iter().any(|tag| tags.contains(tag)) {
        return Ok(None);
    }
    let text = view.text(head.id)?;
    Ok(Some(head.with(text.body, tags)))
}
