use async_trait::async_trait;

use super::{Reach, Result, Stamp};
use crate::{
    clock::Timestamp,
    ids::{OrgId, PayloadId, PromptId, TeamId, VersionId},
    lifecycle::Step,
    page::{Page, Paged, Recent},
    prompt::{Payload, PayloadChange, Prompt, PromptChange, PromptFilter, PromptRef, PromptStatus},
    tag::{Selector, TagName},
    version::{Body, BodyChange, Version, VersionFilter},
};

/// A prompt and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The organization of its team.
    pub org: OrgId,
    /// The prompt.
    pub prompt: Prompt,
}

/// Prompts, versions, tags and payloads.
///
/// An archived prompt refuses with `PromptArchived` every change of itself, its versions and its tags, apart from
/// being restored or moved; its payloads can be changed. Where that and another refusal apply, it is `PromptArchived`.
/// Tags are no part of a version: giving or taking one leaves its `updated_at` as it is.
#[async_trait]
pub trait Prompts: Send + Sync + 'static {
    /// Makes a prompt.
    ///
    /// # Behavior
    /// - `Missing(Team)` without its team; `PromptTaken` when the team has one of that name or slug.
    async fn create_prompt(&self, stamp: Stamp, prompt: Prompt) -> Result<()>;

    /// The prompts that `name` names within `reach`: at most one by id, as many as there are teams by slug;
    /// in the order of their teams' ids.
    async fn find_prompts(&self, reach: &Reach, name: &PromptRef) -> Result<Vec<Found>>;

    /// The prompts of a team, newest first.
    async fn prompts(
        &self,
        team: TeamId,
        filter: &PromptFilter,
        page: Page<Recent>,
    ) -> Result<Paged<Prompt, Recent>>;

    /// Changes a prompt.
    ///
    /// # Behavior
    /// - `PromptTaken` when another prompt of the team has the name or slug. Its own are fine.
    /// - An empty change changes nothing, `updated_at` included, and is fine for an archived prompt too.
    async fn update_prompt(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        change: PromptChange,
    ) -> Result<Prompt>;

    /// Archives or restores a prompt.
    ///
    /// # Behavior
    /// - The status it has changes nothing, `updated_at` included.
    async fn set_prompt_status(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        status: PromptStatus,
    ) -> Result<Prompt>;

    /// Moves a prompt to another team.
    ///
    /// # Behavior
    /// - `Missing(Team)` when there is no such team; `OtherOrganization` when it is not of the same one; `PromptTaken`
    ///   when it has a prompt of that name or slug. The team it is in changes nothing.
    async fn move_prompt(&self, stamp: Stamp, prompt: PromptId, team: TeamId) -> Result<Prompt>;

    /// Adds a draft.
    ///
    /// # Behavior
    /// - Its number is one more than the last that was ever given in this prompt; the first is 1. Of many at
    ///   once each gets its own, without a gap.
    async fn create_version(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        id: VersionId,
        body: Body,
    ) -> Result<Version>;

    /// The version of a prompt that `selector` selects.
    async fn version(&self, prompt: PromptId, selector: &Selector) -> Result<Option<Version>>;

    /// The versions of a prompt, highest number first.
    async fn versions(
        &self,
        prompt: PromptId,
        filter: &VersionFilter,
        page: Page<u32>,
    ) -> Result<Paged<Version, u32>>;

    /// Changes a draft.
    ///
    /// # Behavior
    /// - Anything but a draft is `NotDraftToChange`.
    /// - An empty change changes nothing, `updated_at` included, and is fine for any version and in an archived prompt.
    async fn update_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        change: BodyChange,
    ) -> Result<Version>;

    /// Deletes a draft, with its tags.
    ///
    /// # Behavior
    /// - Anything but a draft is `NotDraftToDelete`. Its number is not given again.
    async fn delete_version(&self, stamp: Stamp, version: VersionId) -> Result<()>;

    /// Moves a version through its life, as [`crate::lifecycle`] says.
    ///
    /// # Behavior
    /// - Becoming live makes the former live version stable in the same step: at most one of a prompt is live, always.
    /// - Becoming live sets `published_at`.
    /// - `VersionChanged` when the version's `updated_at` is not the one that was `seen`; any other refusal comes before.
    async fn step_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        step: Step,
        seen: Option<Timestamp>,
    ) -> Result<Version>;

    /// Adds a draft that says what `version` says; tags stay where they are.
    ///
    /// # Behavior
    /// - Its number is given as to any new version.
    async fn duplicate_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        id: VersionId,
    ) -> Result<Version>;

    /// Gives a tag to a version, taking it from another version of the prompt in the same step.
    async fn set_tag(&self, stamp: Stamp, version: VersionId, tag: TagName) -> Result<Version>;

    /// The tags of a prompt, in byte order, with the numbers of their versions.
    async fn tags(&self, prompt: PromptId) -> Result<Vec<(TagName, u32)>>;

    /// Takes a tag away.
    ///
    /// # Behavior
    /// - One that no version of the prompt has is `Missing(Tag)`.
    async fn remove_tag(&self, stamp: Stamp, prompt: PromptId, tag: &TagName) -> Result<()>;

    /// Keeps a payload.
    ///
    /// # Behavior
    /// - `Missing(Prompt)` without its prompt.
    async fn create_payload(&self, stamp: Stamp, payload: Payload) -> Result<()>;

    /// A payload of a prompt.
    async fn payload(&self, prompt: PromptId, payload: PayloadId) -> Result<Option<Payload>>;

    /// The payloads of a prompt, newest first.
    async fn payloads(
        &self,
        prompt: PromptId,
        page: Page<Recent>,
    ) -> Result<Paged<Payload, Recent>>;

    /// Changes a payload.
    ///
    /// # Behavior
    /// - One that is not the prompt's is `Missing(Payload)`.
    /// - An empty change changes nothing, `updated_at` included.
    async fn update_payload(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        payload: PayloadId,
        change: PayloadChange,
    ) -> Result<Payload>;

    /// Deletes a payload.
    ///
    /// # Behavior
    /// - One that is not the prompt's is `Missing(Payload)`.
    async fn delete_payload(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        payload: PayloadId,
    ) -> Result<()>;

    /// What a render needs, in one read: the prompts that `name` names within `reach`, and, when it is just one,
    /// the version of it that `selector` selects.
    ///
    /// # Behavior
    /// - The same as [`Prompts::find_prompts`] and then [`Prompts::version`], at one moment.
    async fn resolve(
        &self,
        reach: &Reach,
        name: &PromptRef,
        selector: &Selector,
    ) -> Result<(Vec<Found>, Option<Version>)>;
}
