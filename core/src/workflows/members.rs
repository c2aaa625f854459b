use crate::{
    error::Result,
    ids::UserId,
    page::{Counted, Numbered},
    store::NewMember,
    tenancy::{Member, Role, Team},
    workflows::{Grant, Px0},
};

impl Px0 {
    /// The members of a team.
    ///
    /// # Errors
    /// Not found when the team is gone.
    pub async fn members(&self, team: &Grant<Team>, page: Numbered) -> Result<Counted<Member>> {
        Ok(self.store.members(team.id, page).await?)
    }

    /// Adds somebody to a team.
    ///
    /// # Errors
    /// `user to add not found`; [`crate::Code::MemberExists`].
    pub async fn add_member(&self, team: &Grant<Team>, who: NewMember, role: Role) -> Result<()> {
        Ok(self.store.add_member(team.stamp(), team.id, who, role).await?)
    }

    /// Takes somebody out of a team.
    ///
    /// # Errors
    /// Not found when they are not in it; [`crate::Code::LastAdmin`].
    pub async fn remove_member(&self, on: &Grant<(Team, UserId)>) -> Result<()> {
        let (team, user) = &**on;
        Ok(self.store.remove_member(on.stamp(), team.id, *user).await?)
    }

    /// Changes somebody's role in a team.
    ///
    /// # Errors
    /// Not found when they are not in it; [`crate::Code::LastAdmin`].
    pub async fn set_role(&self, on: &Grant<(Team, UserId)>, role: Role) -> Result<()> {
        let (team, user) = &**on;
        Ok(self.store.set_role(on.stamp(), team.id, *user, role).await?)
    }
}
