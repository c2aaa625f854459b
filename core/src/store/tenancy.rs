use async_trait::async_trait;

use super::{Reach, Result, Stamp};
use crate::{
    email::Email,
    ids::{JoinRequestId, OrgId, TeamId, UserId},
    name::Name,
    page::{Counted, Numbered},
    tenancy::{InboxItem, JoinRequest, Member, Org, Role, Team},
    user::User,
};

/// Who is to be added to a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewMember {
    /// Any user, by id: ids cannot be guessed.
    Id(UserId),
    /// Somebody of the team's organization, by address.
    Email(Email),
}

/// Organizations, teams, members and join requests.
///
/// Every organization keeps at least one admin (of its Default Team), and every other team keeps one for as
/// long as it has members: the step that would take the last one away is `LastAdmin`. The first
/// who joins a team without members is its admin, whatever role was asked for.
#[async_trait]
pub trait Tenancy: Send + Sync + 'static {
    /// Makes an organization with its Default Team, whose admin `founder` is.
    ///
    /// # Behavior
    /// - `OrgNameTaken` when the founder is in an organization of that name; `Missing(User)` without founder.
    async fn create_org(&self, stamp: Stamp, org: Org, team: Team, founder: UserId) -> Result<()>;

    /// An organization by id.
    async fn org(&self, org: OrgId) -> Result<Option<Org>>;

    /// Renames an organization.
    ///
    /// # Behavior
    /// - `OrgNameTaken` when `by` is in another organization of that name. Its own name is fine.
    async fn rename_org(&self, stamp: Stamp, org: OrgId, name: Name, by: UserId) -> Result<Org>;

    /// Deletes an organization and all that belongs to it: teams, memberships, join requests, keys, prompts with
    /// versions, tags and payloads. Users stay.
    async fn delete_org(&self, stamp: Stamp, org: OrgId) -> Result<()>;

    /// The organizations somebody is in, by name, then id; with whether they are its admin.
    async fn orgs_of(&self, user: UserId) -> Result<Vec<(Org, bool)>>;

    /// The teams somebody is in, by name, then id; with their role.
    async fn teams_of(&self, user: UserId) -> Result<Vec<(Team, Role)>>;

    /// The distinct people in the teams of an organization, by address.
    async fn people(&self, org: OrgId, page: Numbered) -> Result<Counted<User>>;

    /// Whether somebody is in any team of an organization.
    async fn is_person(&self, org: OrgId, user: UserId) -> Result<bool>;

    /// Takes somebody out of all teams of an organization; their pending join requests there go.
    ///
    /// # Behavior
    /// - Somebody in none of its teams is `Missing(Member)`.
    async fn remove_person(&self, stamp: Stamp, org: OrgId, user: UserId) -> Result<()>;

    /// Makes a team, with its first admin if a person makes it.
    ///
    /// # Behavior
    /// - `Missing(Org)` without its organization; `Missing(User)` without its admin; `TeamNameTaken`.
    async fn create_team(&self, stamp: Stamp, team: Team, admin: Option<UserId>) -> Result<()>;

    /// A team by id.
    async fn team(&self, team: TeamId) -> Result<Option<Team>>;

    /// The teams of an organization, by name, in byte order.
    async fn teams(&self, org: OrgId) -> Result<Vec<Team>>;

    /// Renames a team.
    ///
    /// # Behavior
    /// - `TeamNameTaken` when another team of its organization has the name. Its own name is fine.
    async fn rename_team(&self, stamp: Stamp, team: TeamId, name: Name) -> Result<Team>;

    /// Deletes a team with its memberships and join requests; keys limited to it lose it, and go when it was their last.
    ///
    /// # Behavior
    /// - The Default Team is refused: `DefaultTeam`.
    /// - A team that owns prompts is `TeamOwnsPrompts`, unless `force`: then they go too, with versions, tags and payloads.
    /// - Whose last team of the organization it was, loses their pending join requests there too.
    async fn delete_team(&self, stamp: Stamp, team: TeamId, force: bool) -> Result<()>;

    /// The members of a team, by address.
    async fn members(&self, team: TeamId, page: Numbered) -> Result<Counted<Member>>;

    /// Somebody's role in a team, if they are in it.
    async fn role(&self, team: TeamId, user: UserId) -> Result<Option<Role>>;

    /// Adds somebody to a team; a pending request of theirs to join it becomes approved.
    ///
    /// # Behavior
    /// - Nobody of that id, or nobody of that address in the team's organization: `Missing(UserToAdd)`.
    /// - Who is in the team already: `MemberExists`.
    async fn add_member(
        &self,
        stamp: Stamp,
        team: TeamId,
        who: NewMember,
        role: Role,
    ) -> Result<()>;

    /// Takes somebody out of a team.
    ///
    /// # Behavior
    /// - Who is not in it: `Missing(Member)`.
    /// - Whose last team of the organization it was, loses their pending join requests there too.
    async fn remove_member(&self, stamp: Stamp, team: TeamId, user: UserId) -> Result<()>;

    /// Changes somebody's role in a team.
    ///
    /// # Behavior
    /// - Who is not in it: `Missing(Member)`. The role they have is fine.
    async fn set_role(&self, stamp: Stamp, team: TeamId, user: UserId, role: Role) -> Result<()>;

    /// Asks to join a team.
    ///
    /// # Behavior
    /// - `Missing(Team)` when there is no such team, or the user is in no team of its organization.
    /// - `AlreadyMember` when they are in the team; `RequestPending` when they asked before.
    async fn create_join_request(&self, stamp: Stamp, request: JoinRequest) -> Result<()>;

    /// A join request by id.
    async fn join_request(&self, request: JoinRequestId) -> Result<Option<JoinRequest>>;

    /// The pending requests to join the teams within `reach`, oldest first (by time, then id).
    async fn inbox(&self, reach: &Reach) -> Result<Vec<InboxItem>>;

    /// Answers a join request; approving adds the user as viewer.
    ///
    /// # Behavior
    /// - `AlreadyResolved` when it was answered before.
    /// - Approving somebody who is in the team by now changes nothing but the request.
    async fn resolve_join_request(
        &self,
        stamp: Stamp,
        request: JoinRequestId,
        approve: bool,
    ) -> Result<JoinRequest>;
}
