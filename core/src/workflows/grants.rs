//! Permissions that were given: the only way to a workflow that acts on something.

use std::{ops::Deref, sync::Arc};

use serde_json::json;

use crate::{
    access::{Needs, Operation},
    cache::Resolved,
    caller::Caller,
    clock::Timestamp,
    error::{Code, Error, Result},
    ids::{JoinRequestId, OrgId, PayloadId, TeamId, UserId},
    plugin::PluginId,
    prompt::{Payload, PromptRef},
    store::{Found, Refusal, Stamp, Thing},
    tag::{Selector, TagName},
    tenancy::{JoinRequest, Org, Team},
    version::Version,
    workflows::Px0,
};

/// Proof that a caller may do an operation on something that is there.
#[derive(Debug)]
pub struct Grant<T> {
    caller: Caller,
    on: T,
}

impl<T> Grant<T> {
    /// Who may.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Who writes, and when: now.
    pub fn stamp(&self) -> Stamp {
        Stamp { by: self.caller.actor(), at: Timestamp::now() }
    }

    /// What it is about.
    pub fn into_inner(self) -> T {
        self.on
    }
}

impl<T> Deref for Grant<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.on
    }
}

/// A version, and the prompt it is of.
#[derive(Debug)]
pub struct OnVersion {
    /// The prompt.
    pub found: Found,
    /// The version.
    pub version: Version,
}

/// A payload, and the prompt it is of.
#[derive(Debug)]
pub struct OnPayload {
    /// The prompt.
    pub found: Found,
    /// The payload.
    pub payload: Payload,
}

impl Px0 {
    /// Permission to do `operation` as a person, on nothing in particular.
    ///
    /// # Errors
    /// [`Code::Forbidden`] when the row asks for a founder and the caller is none.
    pub fn grant_person(&self, caller: Caller, operation: Operation) -> Result<Grant<()>> {
        let person = caller.person()?;
        if operation.rule().needs == Needs::Founder && !person.user.is_admin {
            return Err(Error::forbidden());
        }
        Ok(Grant { caller, on: () })
    }

    /// Permission to do `operation` on an organization.
    ///
    /// # Errors
    /// Not found, or [`Code::Forbidden`].
    pub async fn grant_org(
        &self,
        caller: Caller,
        operation: Operation,
        org: OrgId,
    ) -> Result<Grant<Org>> {
        caller.may_on_org(operation, org)?;
        let on = self.store.org(org).await?.ok_or(Thing::Org)?;
        Ok(Grant { caller, on })
    }

    /// Permission to do `operation` on what an organization decided about a plugin; `None` is a name that no plugin has.
    ///
    /// # Errors
    /// Not found (the organization, or the plugin), or [`Code::Forbidden`].
    pub async fn grant_org_plugin(
        &self,
        caller: Caller,
        operation: Operation,
        org: OrgId,
        plugin: Option<PluginId>,
    ) -> Result<Grant<(Org, PluginId)>> {
        let org = self.grant_org(caller, operation, org).await?;
        let plugin = plugin.ok_or(Thing::Plugin)?;
        self.installed(org.id, &plugin).await?;
        let Grant { caller, on } = org;
        Ok(Grant { caller, on: (on, plugin) })
    }

    /// Permission to do `operation` on somebody's place in an organization.
    ///
    /// # Errors
    /// Not found (the organization, or the user in it), or [`Code::Forbidden`].
    pub async fn grant_person_of(
        &self,
        caller: Caller,
        operation: Operation,
        org: OrgId,
        user: UserId,
    ) -> Result<Grant<(Org, UserId)>> {
        let may = seen(caller.may_on_org(operation, org))?;
        let org = self.store.org(org).await?.ok_or(Thing::Org)?;
        if !self.store.is_person(org.id, user).await? {
            return Err(Thing::Member.into());
        }
        may?;
        Ok(Grant { caller, on: (org, user) })
    }

    /// Permission to do `operation` on a team.
    ///
    /// # Errors
    /// Not found, or [`Code::Forbidden`].
    pub async fn grant_team(
        &self,
        caller: Caller,
        operation: Operation,
        team: TeamId,
    ) -> Result<Grant<Team>> {
        let on = self.store.team(team).await?.ok_or(Thing::Team)?;
        caller.may_on_team(operation, on.org_id, on.id, Thing::Team)?;
        Ok(Grant { caller, on })
    }

    /// Permission to do `operation` on somebody's place in a team.
    ///
    /// # Errors
    /// Not found (the team, or the user in it), [`Code::Forbidden`], or, for who may, [`Code::NotInOrganization`].
    pub async fn grant_member(
        &self,
        caller: Caller,
        operation: Operation,
        team: TeamId,
        user: UserId,
    ) -> Result<Grant<(Team, UserId)>> {
        let team = self.store.team(team).await?.ok_or(Thing::Team)?;
        let may = seen(caller.may_on_team(operation, team.org_id, team.id, Thing::Team))?;
        let is_member = self.store.role(team.id, user).await?.is_some();
        let in_org = is_member || self.store.is_person(team.org_id, user).await?;
        // Only who would take somebody out is told that they are not even in the organization: the contract's words.
        let outsider_is_named = operation == Operation::RemoveTeamMember && !in_org;
        if !is_member && !outsider_is_named {
            return Err(Thing::Member.into());
        }
        may?;
        if !is_member {
            return Err(Refusal::NotInOrganization.into());
        }
        Ok(Grant { caller, on: (team, user) })
    }

    /// Permission to answer a join request: its team's admins have it, and the organization's.
    ///
    /// # Errors
    /// Not found, also when it is not the caller's to answer.
    pub async fn grant_request(
        &self,
        caller: Caller,
        request: JoinRequestId,
    ) -> Result<Grant<JoinRequest>> {
        let on = self.store.join_request(request).await?.ok_or(Thing::JoinRequest)?;
        let team = self.store.team(on.team_id).await?.ok_or(Thing::JoinRequest)?;
        let judges = caller.person()?.judges();
        if judges.orgs.contains(&team.org_id) || judges.teams.contains(&team.id) {
            Ok(Grant { caller, on })
        } else {
            Err(Thing::JoinRequest.into())
        }
    }

    /// Permission to do `operation` on a prompt.
    ///
    /// # Errors
    /// Not found, [`Code::AmbiguousSlug`], or [`Code::Forbidden`].
    pub async fn grant_prompt(
        &self,
        caller: Caller,
        operation: Operation,
        prompt: &PromptRef,
        team: Option<TeamId>,
    ) -> Result<Grant<Found>> {
        let found = self.store.find_prompts(&caller.reach(), prompt).await?;
        let on = only(found, team)?;
        may_on_prompt(&caller, operation, &on)?;
        Ok(Grant { caller, on })
    }

    /// Permission to do `operation` on a version.
    ///
    /// # Errors
    /// Not found (the prompt or the version), [`Code::AmbiguousSlug`], or [`Code::Forbidden`].
    pub async fn grant_version(
        &self,
        caller: Caller,
        operation: Operation,
        prompt: &PromptRef,
        team: Option<TeamId>,
        selector: Option<&Selector>,
    ) -> Result<Grant<OnVersion>> {
        let found = self.store.find_prompts(&caller.reach(), prompt).await?;
        let found = only(found, team)?;
        let version = match selector {
            Some(selector) => self.store.version(found.prompt.id, selector).await?,
            None => None,
        };
        let version = version.ok_or(Thing::Version)?;
        may_on_prompt(&caller, operation, &found)?;
        Ok(Grant { caller, on: OnVersion { found, version } })
    }

    /// Permission to do `operation` on a payload.
    ///
    /// # Errors
    /// Not found (the prompt or the payload), [`Code::AmbiguousSlug`], or [`Code::Forbidden`].
    pub async fn grant_payload(
        &self,
        caller: Caller,
        operation: Operation,
        prompt: &PromptRef,
        team: Option<TeamId>,
        payload: PayloadId,
    ) -> Result<Grant<OnPayload>> {
        let found = self.store.find_prompts(&caller.reach(), prompt).await?;
        let found = only(found, team)?;
        let payload = self.store.payload(found.prompt.id, payload).await?.ok_or(Thing::Payload)?;
        may_on_prompt(&caller, operation, &found)?;
        Ok(Grant { caller, on: OnPayload { found, payload } })
    }

    /// Permission to do `operation` on a tag of a prompt.
    ///
    /// # Errors
    /// Not found (the prompt or the tag), [`Code::AmbiguousSlug`], or [`Code::Forbidden`].
    pub async fn grant_tag(
        &self,
        caller: Caller,
        operation: Operation,
        prompt: &PromptRef,
        team: Option<TeamId>,
        tag: Option<TagName>,
    ) -> Result<Grant<(Found, TagName)>> {
        let found = self.store.find_prompts(&caller.reach(), prompt).await?;
        let found = only(found, team)?;
        let tag = tag.ok_or(Thing::Tag)?;
        let tags = self.store.tags(found.prompt.id).await?;
        if !tags.iter().any(|(known, _)| *known == tag) {
            return Err(Thing::Tag.into());
        }
        may_on_prompt(&caller, operation, &found)?;
        Ok(Grant { caller, on: (found, tag) })
    }

    /// Permission to render: what it finds comes from one read of the store.
    ///
    /// # Errors
    /// Not found, [`Code::NoLiveVersion`], [`Code::AmbiguousSlug`], or [`Code::Forbidden`].
    pub async fn grant_render(
        &self,
        caller: Caller,
        operation: Operation,
        prompt: &PromptRef,
        team: Option<TeamId>,
        selector: Option<&Selector>,
    ) -> Result<Grant<Arc<Resolved>>> {
        // A word that can name no version is not found like any other, after its prompt is.
        let asked = selector.unwrap_or(&Selector::Number(0));
        let question = (caller.reach(), prompt.clone(), asked.clone());
        if let Some(copy) = self.cache.resolved(&question) {
            let (found, _) = &*copy;
            if team.is_none_or(|team| team == found.prompt.team_id) {
                may_on_prompt(&caller, operation, found)?;
                return Ok(Grant { caller, on: copy });
            }
        }
        let note = self.cache.before_resolving(&caller.orgs());
        let (found, version) = self.store.resolve(&question.0, prompt, asked).await?;
        let several = found.len() > 1;
        let found = only(found, team)?;
        let version =
            if several { self.store.version(found.prompt.id, asked).await? } else { version };
        let version = version.ok_or_else(|| match (operation, asked) {
            (Operation::RenderLive, _) | (_, Selector::Live) => {
                Error::new(Code::NoLiveVersion, "no live version found for this prompt")
            }
            _ => Thing::Version.into(),
        })?;
        let on = Arc::new((found, version));
        // The question does not name the team, so what was picked from several by it is not its answer.
        if let Some(note) = note
            && !several
        {
            self.cache.keep_resolved(note, question, on.clone());
        }
        may_on_prompt(&caller, operation, &on.0)?;
        Ok(Grant { caller, on })
    }
}

fn may_on_prompt(caller: &Caller, operation: Operation, found: &Found) -> Result<()> {
    caller.may_on_team(operation, found.org, found.prompt.team_id, Thing::Prompt)
}

/// Whether the caller sees the thing at all, apart from what they may do with it: what a path names below
/// it is looked for first.
fn seen(may: Result<()>) -> Result<Result<()>> {
    match may {
        Err(error) if error.code == Code::NotFound => Err(error),
        may => Ok(may),
    }
}

/// The one prompt that was meant.
fn only(mut found: Vec<Found>, team: Option<TeamId>) -> Result<Found> {
    if let Some(team) = team {
        found.retain(|found| found.prompt.team_id == team);
    }
    if found.len() > 1 {
        let candidates: Vec<_> = found
            .iter()
            .map(|found| json!({ "team_id": found.prompt.team_id, "prompt_id": found.prompt.id }))
            .collect();
        return Err(Error::new(
            Code::AmbiguousSlug,
            "several of your teams have a prompt with this slug; say which by ?team_id=",
        )
        .with_details(json!({ "candidates": candidates })));
    }
    found.pop().ok_or_else(|| Thing::Prompt.into())
}
