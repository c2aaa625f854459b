use crate::{
    caller::Caller,
    error::{Error, Result},
    ids::{JoinRequestId, TeamId},
    name::Name,
    tenancy::{InboxItem, JoinRequest, Org, RequestStatus, Team},
    workflows::{Grant, Px0},
};

impl Px0 {
    /// Makes a team; the person who makes it is its admin.
    ///
    /// # Errors
    /// [`crate::Code::NameTaken`].
    pub async fn create_team(&self, org: &Grant<Org>, name: Name) -> Result<Team> {
        let stamp = org.stamp();
        let team = Team {
            id: TeamId::new(),
            org_id: org.id,
            name,
            is_default: false,
            created_at: stamp.at,
        };
        let admin = match org.caller() {
            Caller::Person(person) => Some(person.user.id),
            Caller::Anonymous | Caller::Key(_) => None,
        };
        self.store.create_team(stamp, team.clone(), admin).await?;
        Ok(team)
    }

    /// The teams of an organization.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn teams(&self, org: &Grant<Org>) -> Result<Vec<Team>> {
        Ok(self.store.teams(org.id).await?)
    }

    /// Renames a team.
    ///
    /// # Errors
    /// [`crate::Code::NameTaken`].
    pub async fn rename_team(&self, team: &Grant<Team>, name: Name) -> Result<Team> {
        Ok(self.store.rename_team(team.stamp(), team.id, name).await?)
    }

    /// Deletes a team; by force with its prompts, which takes an admin.
    ///
    /// # Errors
    /// [`crate::Code::DefaultTeam`], [`crate::Code::TeamOwnsPrompts`]; [`crate::Code::Forbidden`] for force without being admin.
    pub async fn delete_team(&self, team: &Grant<Team>, force: bool) -> Result<()> {
        if force && !team.caller().is_team_admin(team) {
            return Err(Error::forbidden());
        }
        Ok(self.store.delete_team(team.stamp(), team.id, force).await?)
    }

    /// Asks to join a team.
    ///
    /// # Errors
    /// [`crate::Code::AlreadyMember`], [`crate::Code::RequestPending`].
    pub async fn ask_to_join(
        &self,
        team: &Grant<Team>,
        justification: Option<String>,
    ) -> Result<JoinRequest> {
        let stamp = team.stamp();
        let request = JoinRequest {
            id: JoinRequestId::new(),
            team_id: team.id,
            user_id: team.caller().person()?.user.id,
            status: RequestStatus::Pending,
            justification,
            created_at: stamp.at,
            updated_at: stamp.at,
        };
        self.store.create_join_request(stamp, request.clone()).await?;
        Ok(request)
    }

    /// The join requests that the caller may answer.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn inbox(&self, who: &Grant<()>) -> Result<Vec<InboxItem>> {
        Ok(self.store.inbox(&who.caller().person()?.judges()).await?)
    }

    /// Answers a join request.
    ///
    /// # Errors
    /// [`crate::Code::AlreadyResolved`].
    pub async fn answer_request(
        &self,
        request: &Grant<JoinRequest>,
        approve: bool,
    ) -> Result<JoinRequest> {
        Ok(self.store.resolve_join_request(request.stamp(), request.id, approve).await?)
    }
}
