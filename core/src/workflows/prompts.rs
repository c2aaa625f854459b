use crate::{
    access::Operation,
    error::{Error, Result},
    ids::{PromptId, TeamId},
    name::{Description, Name},
    page::{Page, Paged, Recent},
    prompt::{Prompt, PromptChange, PromptFilter, PromptStatus},
    slug::Slug,
    store::{Found, Refusal, Thing},
    tag::Selector,
    tenancy::Team,
    version::Version,
    workflows::{Grant, Px0},
};

/// A prompt that is to be made.
pub struct NewPrompt {
    /// How people will call it.
    pub name: Name,
    /// How services will call it; made from the name when absent.
    pub slug: Option<Slug>,
    /// What it is for.
    pub description: Description,
}

impl Px0 {
    /// Makes a prompt.
    ///
    /// # Errors
    /// [`crate::Code::PromptTaken`]; [`crate::Code::InvalidField`] when the name makes no slug.
    pub async fn create_prompt(&self, team: &Grant<Team>, new: NewPrompt) -> Result<Prompt> {
        let stamp = team.stamp();
        let slug = new.slug.map_or_else(|| Slug::from_name(&new.name), Ok)?;
        let prompt = Prompt {
            id: PromptId::new(),
            team_id: team.id,
            slug,
            name: new.name,
            description: new.description,
            status: PromptStatus::Active,
            created_at: stamp.at,
            updated_at: stamp.at,
        };
        self.store.create_prompt(stamp, prompt.clone()).await?;
        Ok(prompt)
    }

    /// The prompts of a team.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn prompts(
        &self,
        team: &Grant<Team>,
        filter: &PromptFilter,
        page: Page<Recent>,
    ) -> Result<Paged<Prompt, Recent>> {
        Ok(self.store.prompts(team.id, filter, page).await?)
    }

    /// The version of a prompt that `selector` selects; `None` for a word that can name no version.
    ///
    /// # Errors
    /// Not found.
    pub async fn version_of(
        &self,
        prompt: &Grant<Found>,
        selector: Option<&Selector>,
    ) -> Result<Version> {
        let selector = selector.ok_or(Thing::Version)?;
        Ok(self.store.version(prompt.prompt.id, selector).await?.ok_or(Thing::Version)?)
    }

    /// Changes a prompt.
    ///
    /// # Errors
    /// [`crate::Code::PromptTaken`], [`crate::Code::PromptArchived`].
    pub async fn update_prompt(
        &self,
        prompt: &Grant<Found>,
        change: PromptChange,
    ) -> Result<Prompt> {
        Ok(self.store.update_prompt(prompt.stamp(), prompt.prompt.id, change).await?)
    }

    /// Archives or restores a prompt.
    ///
    /// # Errors
    /// Not found when it is gone.
    pub async fn set_prompt_status(
        &self,
        prompt: &Grant<Found>,
        status: PromptStatus,
    ) -> Result<Prompt> {
        Ok(self.store.set_prompt_status(prompt.stamp(), prompt.prompt.id, status).await?)
    }

    /// Moves a prompt to another team, on which the caller needs the same as on the one that has it.
    ///
    /// # Errors
    /// Not found for a team that the caller cannot reach; [`crate::Code::Forbidden`]; [`crate::Code::OtherOrganization`];
    /// [`crate::Code::PromptTaken`].
    pub async fn move_prompt(&self, prompt: &Grant<Found>, to: TeamId) -> Result<Prompt> {
        let team = self.store.team(to).await?.ok_or(Thing::Team)?;
        let caller = prompt.caller();
        let may = caller.may_on_team(Operation::MovePrompt, team.org_id, team.id, Thing::Team);
        match may {
            // Seen, but of another organization: say that rather than which role is lacking there.
            Err(Error { code: crate::Code::Forbidden, .. }) if team.org_id != prompt.org => {
                return Err(Refusal::OtherOrganization.into());
            }
            may => may?,
        }
        Ok(self.store.move_prompt(prompt.stamp(), prompt.prompt.id, team.id).await?)
    }
}
