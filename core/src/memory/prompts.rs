use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Line, MemoryStore, State, keys::newest_first, rule};
use crate::{
    clock::Timestamp,
    ids::{PayloadId, PromptId, TeamId, VersionId},
    lifecycle::{Status, Step},
    page::{Page, Paged, Recent},
    prompt::{Payload, PayloadChange, Prompt, PromptChange, PromptFilter, PromptRef, PromptStatus},
    store::{Found, Prompts, Reach, Refusal, Result, Stamp, Thing},
    tag::{Selector, TagName},
    version::{Body, BodyChange, Version, VersionFilter},
};

#[async_trait]
impl Prompts for MemoryStore {
    async fn create_prompt(&self, _: Stamp, prompt: Prompt) -> Result<()> {
        let mut state = self.0.lock();
        state.team(prompt.team_id)?;
        rule(!state.has_prompt_like(&prompt), Refusal::PromptTaken)?;
        let line = Line {
            prompt: prompt.clone(),
            last_number: 0,
            versions: BTreeMap::new(),
            tags: BTreeMap::new(),
            payloads: BTreeMap::new(),
        };
        state.prompts.insert(prompt.id, line);
        Ok(())
    }

    async fn find_prompts(&self, reach: &Reach, name: &PromptRef) -> Result<Vec<Found>> {
        Ok(self.0.lock().find(reach, name))
    }

    async fn prompts(
        &self,
        team: TeamId,
        filter: &PromptFilter,
        page: Page<Recent>,
    ) -> Result<Paged<Prompt, Recent>> {
        let state = self.0.lock();
        let lines = state.prompts.values().filter(|line| line.prompt.team_id == team);
        let prompts = lines
            .filter(|line| filter.admits(&line.prompt))
            .filter(|line| filter.tag.as_ref().is_none_or(|tag| line.tags.contains_key(tag)))
            .map(|line| &line.prompt);
        Ok(newest_first(
            prompts,
            |prompt| Recent { at: prompt.created_at, id: prompt.id.uuid() },
            page,
        ))
    }

    async fn update_prompt(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        change: PromptChange,
    ) -> Result<Prompt> {
        let mut state = self.0.lock();
        let mut changed = state.line_mut(prompt)?.prompt.clone();
        if change.is_empty() {
            return Ok(changed);
        }
        rule(changed.status == PromptStatus::Active, Refusal::PromptArchived)?;
        changed.name = change.name.unwrap_or(changed.name);
        changed.slug = change.slug.unwrap_or(changed.slug);
        changed.description = change.description.unwrap_or(changed.description);
        changed.updated_at = stamp.at;
        rule(!state.has_prompt_like(&changed), Refusal::PromptTaken)?;
        state.line_mut(prompt)?.prompt = changed.clone();
        Ok(changed)
    }

    async fn set_prompt_status(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        status: PromptStatus,
    ) -> Result<Prompt> {
        let mut state = self.0.lock();
        let prompt = &mut state.line_mut(prompt)?.prompt;
        if prompt.status != status {
            prompt.status = status;
            prompt.updated_at = stamp.at;
        }
        Ok(prompt.clone())
    }

    async fn move_prompt(&self, stamp: Stamp, prompt: PromptId, team: TeamId) -> Result<Prompt> {
        let mut state = self.0.lock();
        let mut moved = state.line_mut(prompt)?.prompt.clone();
        let to = state.team(team)?.org_id;
        if moved.team_id == team {
            return Ok(moved);
        }
        rule(state.team(moved.team_id)?.org_id == to, Refusal::OtherOrganization)?;
        moved.team_id = team;
        moved.updated_at = stamp.at;
        rule(!state.has_prompt_like(&moved), Refusal::PromptTaken)?;
        state.line_mut(prompt)?.prompt = moved.clone();
        Ok(moved)
    }

    async fn create_version(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        id: VersionId,
        body: Body,
    ) -> Result<Version> {
        let mut state = self.0.lock();
        let line = state.line_mut(prompt)?;
        line.must_be_active()?;
        Ok(line.add(stamp, id, body))
    }

    async fn version(&self, prompt: PromptId, selector: &Selector) -> Result<Option<Version>> {
        let state = self.0.lock();
        Ok(state.prompts.get(&prompt).and_then(|line| line.select(selector)))
    }

    async fn versions(
        &self,
        prompt: PromptId,
        filter: &VersionFilter,
        page: Page<u32>,
    ) -> Result<Paged<Version, u32>> {
        let state = self.0.lock();
        let line = state.prompts.get(&prompt).ok_or(Thing::Prompt)?;
        let versions = line.versions.values().rev();
        let shown = versions
            .filter(|version| page.after.is_none_or(|after| version.number < after))
            .map(|version| line.show(version))
            .filter(|version| filter.admits(version));
        Paged::take(page.limit, shown.map(Ok), |version| version.number)
    }

    async fn update_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        change: BodyChange,
    ) -> Result<Version> {
        let mut state = self.0.lock();
        let (line, number) = state.line_of(version)?;
        if change.is_empty() {
            return line.shown(number);
        }
        line.must_be_active()?;
        let version = line.versions.get_mut(&number).ok_or(Thing::Version)?;
        rule(version.status == Status::Draft, Refusal::NotDraftToChange)?;
        change.apply(&mut version.body);
        version.updated_at = stamp.at;
        line.shown(number)
    }

    async fn delete_version(&self, _: Stamp, version: VersionId) -> Result<()> {
        let mut state = self.0.lock();
        let (line, number) = state.line_of(version)?;
        line.must_be_active()?;
        let draft =
            line.versions.get(&number).is_some_and(|version| version.status == Status::Draft);
        rule(draft, Refusal::NotDraftToDelete)?;
        line.versions.remove(&number);
        line.tags.retain(|_, of| *of != number);
        Ok(())
    }

    async fn step_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        step: Step,
        seen: Option<Timestamp>,
    ) -> Result<Version> {
        let mut state = self.0.lock();
        let (line, number) = state.line_of(version)?;
        line.must_be_active()?;
        let before = line.versions.get(&number).ok_or(Thing::Version)?;
        let status = before.status.after(step)?;
        rule(seen.is_none_or(|seen| seen == before.updated_at), Refusal::VersionChanged)?;
        for other in line.versions.values_mut() {
            if status == Status::Live && other.status == Status::Live {
                other.status = Status::Stable;
                other.updated_at = stamp.at;
            }
            if other.number == number {
                other.status = status;
                other.updated_at = stamp.at;
                if status == Status::Live {
                    other.published_at = Some(stamp.at);
                }
            }
        }
        line.shown(number)
    }

    async fn duplicate_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        id: VersionId,
    ) -> Result<Version> {
        let mut state = self.0.lock();
        let (line, number) = state.line_of(version)?;
        line.must_be_active()?;
        let body = line.versions.get(&number).ok_or(Thing::Version)?.body.clone();
        Ok(line.add(stamp, id, body))
    }

    async fn set_tag(&self, _: Stamp, version: VersionId, tag: TagName) -> Result<Version> {
        let mut state = self.0.lock();
        let (line, number) = state.line_of(version)?;
        line.must_be_active()?;
        line.tags.insert(tag, number);
        line.shown(number)
    }

    async fn tags(&self, prompt: PromptId) -> Result<Vec<(TagName, u32)>> {
        let state = self.0.lock();
        let line = state.prompts.get(&prompt).ok_or(Thing::Prompt)?;
        Ok(line.tags.iter().map(|(tag, number)| (tag.clone(), *number)).collect())
    }

    async fn remove_tag(&self, _: Stamp, prompt: PromptId, tag: &TagName) -> Result<()> {
        let mut state = self.0.lock();
        let line = state.line_mut(prompt)?;
        if !line.tags.contains_key(tag) {
            return Err(Thing::Tag.into());
        }
        line.must_be_active()?;
        line.tags.remove(tag);
        Ok(())
    }

    async fn create_payload(&self, _: Stamp, payload: Payload) -> Result<()> {
        let mut state = self.0.lock();
        state.line_mut(payload.prompt_id)?.payloads.insert(payload.id, payload);
        Ok(())
    }

    async fn payload(&self, prompt: PromptId, payload: PayloadId) -> Result<Option<Payload>> {
        let state = self.0.lock();
        Ok(state.prompts.get(&prompt).and_then(|line| line.payloads.get(&payload)).cloned())
    }

    async fn payloads(
        &self,
        prompt: PromptId,
        page: Page<Recent>,
    ) -> Result<Paged<Payload, Recent>> {
        let state = self.0.lock();
        let payloads = state.prompts.get(&prompt).ok_or(Thing::Prompt)?.payloads.values();
        Ok(newest_first(
            payloads,
            |payload| Recent { at: payload.created_at, id: payload.id.uuid() },
            page,
        ))
    }

    async fn update_payload(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        payload: PayloadId,
        change: PayloadChange,
    ) -> Result<Payload> {
        let mut state = self.0.lock();
        let payload = state.line_mut(prompt)?.payloads.get_mut(&payload).ok_or(Thing::Payload)?;
        if change != PayloadChange::default() {
            payload.updated_at = stamp.at;
        }
        if let Some(name) = change.name {
            payload.name = name;
        }
        if let Some(variables) = change.variables {
            payload.variables = variables;
        }
        Ok(payload.clone())
    }

    async fn delete_payload(&self, _: Stamp, prompt: PromptId, payload: PayloadId) -> Result<()> {
        let mut state = self.0.lock();
        let removed = state.line_mut(prompt)?.payloads.remove(&payload);
        removed.map(drop).ok_or_else(|| Thing::Payload.into())
    }

    async fn resolve(
        &self,
        reach: &Reach,
        name: &PromptRef,
        selector: &Selector,
    ) -> Result<(Vec<Found>, Option<Version>)> {
        let state = self.0.lock();
        let found = state.find(reach, name);
        let version = match found.as_slice() {
            [one] => state.prompts.get(&one.prompt.id).and_then(|line| line.select(selector)),
            _ => None,
        };
        Ok((found, version))
    }
}

impl State {
    fn find(&self, reach: &Reach, name: &PromptRef) -> Vec<Found> {
        let mut found: Vec<_> = self
            .prompts
            .values()
            .filter(|line| match name {
                PromptRef::Id(id) => line.prompt.id == *id,
                PromptRef::Slug(slug) => line.prompt.slug == *slug,
            })
            .filter_map(|line| {
                let team = self.teams.get(&line.prompt.team_id)?;
                let reached = reach.teams.contains(&team.id) || reach.orgs.contains(&team.org_id);
                reached.then(|| Found { org: team.org_id, prompt: line.prompt.clone() })
            })
            .collect();
        found.sort_by_key(|found| found.prompt.team_id);
        found
    }

    /// Whether another prompt of the same team has the name or the slug.
    pub(super) fn has_prompt_like(&self, prompt: &Prompt) -> bool {
        self.prompts.values().map(|line| &line.prompt).any(|other| {
            other.id != prompt.id
                && other.team_id == prompt.team_id
                && (other.name == prompt.name || other.slug == prompt.slug)
        })
    }
}

impl Line {
    fn must_be_active(&self) -> Result<()> {
        rule(self.prompt.status == PromptStatus::Active, Refusal::PromptArchived)
    }

    fn add(&mut self, stamp: Stamp, id: VersionId, body: Body) -> Version {
        self.last_number += 1;
        let version = Version {
            id,
            prompt_id: self.prompt.id,
            number: self.last_number,
            status: Status::Draft,
            body,
            created_at: stamp.at,
            updated_at: stamp.at,
            published_at: None,
            tags: Vec::new(),
        };
        self.versions.insert(version.number, version.clone());
        version
    }

    fn select(&self, selector: &Selector) -> Option<Version> {
        let version = match selector {
            Selector::Live => self.versions.values().find(|version| version.status == Status::Live),
            Selector::Latest => {
                self.versions.values().rev().find(|version| version.status != Status::Archived)
            }
            Selector::Number(number) => self.versions.get(number),
            Selector::Tag(tag) => self.tags.get(tag).and_then(|number| self.versions.get(number)),
        };
        version.map(|version| self.show(version))
    }

    fn shown(&self, number: u32) -> Result<Version> {
        let version = self.versions.get(&number).ok_or(Thing::Version)?;
        Ok(self.show(version))
    }
}
