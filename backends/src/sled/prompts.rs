use async_trait::async_trait;
use px0_core::{
    Timestamp,
    ids::{PayloadId, PromptId, TeamId, VersionId},
    lifecycle::{Status, Step},
    page::{Page, Paged, Recent},
    prompt::{Payload, PayloadChange, Prompt, PromptChange, PromptFilter, PromptRef, PromptStatus},
    store::{Found, Prompts, Reach, Refusal, Result, Stamp, Thing},
    tag::{Selector, TagName},
    version::{Body, BodyChange, Version, VersionFilter},
};

use super::{
    SledStore, keyspace,
    lines::{Line, Tag},
    record, rule,
    search::search,
    versions::{payload_of, show_if},
};

#[async_trait]
impl Prompts for SledStore {
    async fn create_prompt(&self, _: Stamp, prompt: Prompt) -> Result<()> {
        self.write(move |tx| {
            let line = Line { org: tx.team(prompt.team_id)?.org_id, prompt, last_number: 0 };
            tx.must_be_unique(&line)?;
            tx.insert(&line)
        })
        .await
    }

    async fn find_prompts(&self, reach: &Reach, name: &PromptRef) -> Result<Vec<Found>> {
        self.read(|view| view.find(reach, name))
    }

    async fn prompts(
        &self,
        team: TeamId,
        filter: &PromptFilter,
        page: Page<Recent>,
    ) -> Result<Paged<Prompt, Recent>> {
        let filter = filter.clone();
        self.list(move |gate| search(gate, team, &filter, page)).await
    }

    async fn update_prompt(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        change: PromptChange,
    ) -> Result<Prompt> {
        self.write(move |tx| {
            let line = tx.line(prompt)?;
            if change.is_empty() {
                return Ok(line.prompt);
            }
            line.must_be_active()?;
            let old = line.prompt.clone();
            let changed = line.with(Prompt {
                name: change.name.unwrap_or(old.name),
                slug: change.slug.unwrap_or(old.slug),
                description: change.description.unwrap_or(old.description),
                updated_at: stamp.at,
                ..old
            });
            tx.must_be_unique(&changed)?;
            tx.replace(&line, &changed)?;
            Ok(changed.prompt)
        })
        .await
    }

    async fn set_prompt_status(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        status: PromptStatus,
    ) -> Result<Prompt> {
        self.write(move |tx| {
            let line = tx.line(prompt)?;
            if line.prompt.status == status {
                return Ok(line.prompt);
            }
            let changed = line.with(Prompt { status, updated_at: stamp.at, ..line.prompt.clone() });
            tx.replace(&line, &changed)?;
            Ok(changed.prompt)
        })
        .await
    }

    async fn move_prompt(&self, stamp: Stamp, prompt: PromptId, team: TeamId) -> Result<Prompt> {
        self.write(move |tx| {
            let line = tx.line(prompt)?;
            let to = tx.team(team)?;
            if line.prompt.team_id == team {
                return Ok(line.prompt);
            }
            rule(line.org == to.org_id, Refusal::OtherOrganization)?;
            let moved =
                line.with(Prompt { team_id: team, updated_at: stamp.at, ..line.prompt.clone() });
            tx.must_be_unique(&moved)?;
            tx.replace(&line, &moved)?;
            Ok(moved.prompt)
        })
        .await
    }

    async fn create_version(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        id: VersionId,
        body: Body,
    ) -> Result<Version> {
        self.write(move |tx| {
            let line = tx.line(prompt)?;
            line.must_be_active()?;
            tx.add_version(stamp, &line, id, body)
        })
        .await
    }

    async fn version(&self, prompt: PromptId, selector: &Selector) -> Result<Option<Version>> {
        self.read(|view| view.select(prompt, selector))
    }

    async fn versions(
        &self,
        prompt: PromptId,
        filter: &VersionFilter,
        page: Page<u32>,
    ) -> Result<Paged<Version, u32>> {
        let filter = filter.clone();
        self.list(move |gate| {
            gate.read(|view| {
                view.line(prompt)?;
                let heads = view.heads(prompt, page.after)?;
                let versions =
                    heads.map(|head| show_if(view, head?, &filter)).filter_map(Result::transpose);
                Paged::take(page.limit, versions, |version| version.number)
            })
        })
        .await
    }

    async fn update_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        change: BodyChange,
    ) -> Result<Version> {
        self.write(move |tx| tx.update_version(stamp, version, change)).await
    }

    async fn delete_version(&self, _: Stamp, version: VersionId) -> Result<()> {
        self.write(move |tx| {
            let (line, head) = tx.version(version)?;
            line.must_be_active()?;
            rule(head.status == Status::Draft, Refusal::NotDraftToDelete)?;
            tx.drop_tags(&head)?;
            tx.drop_version(&head)
        })
        .await
    }

    async fn step_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        step: Step,
        seen: Option<Timestamp>,
    ) -> Result<Version> {
        self.write(move |tx| tx.step_version(stamp, version, step, seen)).await
    }

    async fn duplicate_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        id: VersionId,
    ) -> Result<Version> {
        self.write(move |tx| {
            let (line, _) = tx.version(version)?;
            line.must_be_active()?;
            let body = tx.text(version)?.body;
            tx.add_version(stamp, &line, id, body)
        })
        .await
    }

    async fn set_tag(&self, _: Stamp, version: VersionId, tag: TagName) -> Result<Version> {
        self.write(move |tx| {
            let (line, head) = tx.version(version)?;
            line.must_be_active()?;
            let given = Tag { prompt: head.prompt, tag, number: head.number };
            match tx.get::<Tag>(&keyspace::tag(given.prompt, &given.tag))? {
                Some(former) => tx.replace(&former, &given)?,
                None => tx.insert(&given)?,
            }
            tx.show(head)
        })
        .await
    }

    async fn tags(&self, prompt: PromptId) -> Result<Vec<(TagName, u32)>> {
        self.read(|view| {
            view.line(prompt)?;
            let tags = view.records::<Tag>(&keyspace::tags_of(prompt))?.into_iter();
            Ok(tags.map(|tag| (tag.tag, tag.number)).collect())
        })
    }

    async fn remove_tag(&self, _: Stamp, prompt: PromptId, tag: &TagName) -> Result<()> {
        let tag = tag.clone();
        self.write(move |tx| {
            let line = tx.line(prompt)?;
            let tag: Option<Tag> = tx.get(&keyspace::tag(prompt, &tag))?;
            let tag = tag.ok_or(Thing::Tag)?;
            line.must_be_active()?;
            tx.remove(&tag)
        })
        .await
    }

    async fn create_payload(&self, _: Stamp, payload: Payload) -> Result<()> {
        self.write(move |tx| {
            tx.line(payload.prompt_id)?;
            tx.insert(&payload)
        })
        .await
    }

    async fn payload(&self, prompt: PromptId, payload: PayloadId) -> Result<Option<Payload>> {
        self.read(|view| payload_of(view, prompt, payload))
    }

    async fn payloads(
        &self,
        prompt: PromptId,
        page: Page<Recent>,
    ) -> Result<Paged<Payload, Recent>> {
        self.list(move |gate| {
            gate.read(|view| {
                view.line(prompt)?;
                let after = page.after.map(|place| keyspace::payload_of(prompt, place));
                let ids = view.scan_after(&keyspace::payloads_of(prompt), after.as_ref())?;
                let payloads = ids.map(|pair| {
                    let id = PayloadId::from_uuid(record::id(&pair?.1)?);
                    view.must::<Payload>(&keyspace::payload(id))
                });
                Paged::take(page.limit, payloads, |payload| Recent {
                    at: payload.created_at,
                    id: payload.id.uuid(),
                })
            })
        })
        .await
    }

    async fn update_payload(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        payload: PayloadId,
        change: PayloadChange,
    ) -> Result<Payload> {
        self.write(move |tx| {
            tx.line(prompt)?;
            let old = payload_of(tx, prompt, payload)?.ok_or(Thing::Payload)?;
            if change == PayloadChange::default() {
                return Ok(old);
            }
            let mut new = old.clone();
            new.name = change.name.unwrap_or(new.name);
            new.variables = change.variables.unwrap_or(new.variables);
            new.updated_at = stamp.at;
            tx.replace(&old, &new)?;
            Ok(new)
        })
        .await
    }

    async fn delete_payload(&self, _: Stamp, prompt: PromptId, payload: PayloadId) -> Result<()> {
        self.write(move |tx| {
            tx.line(prompt)?;
            let payload = payload_of(tx, prompt, payload)?;
            tx.remove(&payload.ok_or(Thing::Payload)?)
        })
        .await
    }

    async fn resolve(
        &self,
        reach: &Reach,
        name: &PromptRef,
        selector: &Selector,
    ) -> Result<(Vec<Found>, Option<Version>)> {
        self.read(|view| {
            let found = view.find(reach, name)?;
            let version = match found.as_slice() {
                [one] => view.select(one.prompt.id, selector)?,
                _ => None,
            };
            Ok((found, version))
        })
    }
}
