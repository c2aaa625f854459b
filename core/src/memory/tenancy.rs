use async_trait::async_trait;

use super::{MemoryStore, Seat, State, rule};
use crate::{
    ids::{JoinRequestId, OrgId, TeamId, UserId},
    name::Name,
    page::{Counted, Numbered},
    store::{NewMember, Reach, Refusal, Result, Stamp, Tenancy, Thing},
    tenancy::{
        InboxItem, JoinRequest, Member, Org, RequestStatus, Role, Team, admin_may_step_down,
    },
    user::User,
};

#[async_trait]
impl Tenancy for MemoryStore {
    async fn create_org(&self, stamp: Stamp, org: Org, team: Team, founder: UserId) -> Result<()> {
        let mut state = self.0.lock();
        state.account(founder)?;
        rule(!state.is_in_org_named(founder, &org.name, None), Refusal::OrgNameTaken)?;
        let team_id = team.id;
        state.orgs.insert(org.id, org);
        state.teams.insert(team_id, team);
        state.join(team_id, founder, Role::Admin, stamp.at);
        Ok(())
    }

    async fn org(&self, org: OrgId) -> Result<Option<Org>> {
        Ok(self.0.lock().orgs.get(&org).cloned())
    }

    async fn rename_org(&self, _: Stamp, org: OrgId, name: Name, by: UserId) -> Result<Org> {
        let mut state = self.0.lock();
        state.org(org)?;
        rule(!state.is_in_org_named(by, &name, Some(org)), Refusal::OrgNameTaken)?;
        let org = state.orgs.get_mut(&org).ok_or(Thing::Org)?;
        org.name = name;
        Ok(org.clone())
    }

    async fn delete_org(&self, _: Stamp, org: OrgId) -> Result<()> {
        let mut state = self.0.lock();
        state.org(org)?;
        state.drop_org(org);
        Ok(())
    }

    async fn orgs_of(&self, user: UserId) -> Result<Vec<(Org, bool)>> {
        let state = self.0.lock();
        let seats = state.memberships_of(user);
        let mut orgs: Vec<_> = state
            .orgs
            .values()
            .filter(|org| seats.iter().any(|seat| seat.org == org.id))
            .map(|org| {
                let runs = |seat: &&_| is_org_admin(seat, org.id);
                (org.clone(), seats.iter().find(runs).is_some())
            })
            .collect();
        orgs.sort_by(|(a, _), (b, _)| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(orgs)
    }

    async fn teams_of(&self, user: UserId) -> Result<Vec<(Team, Role)>> {
        let state = self.0.lock();
        let mut teams: Vec<_> = state
            .teams
            .values()
            .filter_map(|team| Some((team.clone(), state.members.get(&(team.id, user))?.role)))
            .collect();
        teams.sort_by(|(a, _), (b, _)| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(teams)
    }

    async fn people(&self, org: OrgId, page: Numbered) -> Result<Counted<User>> {
        let state = self.0.lock();
        state.org(org)?;
        let people = state.people_of(org).into_iter();
        let mut people: Vec<_> = people
            .map(|user| state.account(user).map(|account| account.user.clone()))
            .collect::<Result<_>>()?;
        people.sort_by(|a, b| a.email.cmp(&b.email));
        Ok(page.cut(people))
    }

    async fn is_person(&self, org: OrgId, user: UserId) -> Result<bool> {
        Ok(self.0.lock().people_of(org).contains(&user))
    }

    async fn remove_person(&self, _: Stamp, org: OrgId, user: UserId) -> Result<()> {
        let mut state = self.0.lock();
        state.org(org)?;
        if !state.people_of(org).contains(&user) {
            return Err(Thing::Member.into());
        }
        let teams: Vec<_> = state.teams_in(org).cloned().collect();
        for team in &teams {
            state.may_leave(team, user)?;
        }
        for team in teams {
            state.members.remove(&(team.id, user));
            state.withdraw(team.id, user);
        }
        Ok(())
    }

    async fn create_team(&self, stamp: Stamp, team: Team, admin: Option<UserId>) -> Result<()> {
        let mut state = self.0.lock();
        state.org(team.org_id)?;
        if let Some(admin) = admin {
            state.account(admin)?;
        }
        rule(!state.has_team_named(team.org_id, &team.name, None), Refusal::TeamNameTaken)?;
        let id = team.id;
        state.teams.insert(id, team);
        if let Some(admin) = admin {
            state.join(id, admin, Role::Admin, stamp.at);
        }
        Ok(())
    }

    async fn team(&self, team: TeamId) -> Result<Option<Team>> {
        Ok(self.0.lock().teams.get(&team).cloned())
    }

    async fn teams(&self, org: OrgId) -> Result<Vec<Team>> {
        let state = self.0.lock();
        let mut teams: Vec<_> = state.teams_in(org).cloned().collect();
        teams.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(teams)
    }

    async fn rename_team(&self, _: Stamp, team: TeamId, name: Name) -> Result<Team> {
        let mut state = self.0.lock();
        let org = state.team(team)?.org_id;
        rule(!state.has_team_named(org, &name, Some(team)), Refusal::TeamNameTaken)?;
        let team = state.teams.get_mut(&team).ok_or(Thing::Team)?;
        team.name = name;
        Ok(team.clone())
    }

    async fn delete_team(&self, _: Stamp, team: TeamId, force: bool) -> Result<()> {
        let mut state = self.0.lock();
        rule(!state.team(team)?.is_default, Refusal::DefaultTeam)?;
        let owns = state.prompts.values().any(|line| line.prompt.team_id == team);
        rule(force || !owns, Refusal::TeamOwnsPrompts)?;
        let org = state.team(team)?.org_id;
        let members: Vec<_> = state.seats_in(team).map(|(user, _)| user).collect();
        state.drop_team(team);
        for user in members {
            state.withdraw_who_left(org, user);
        }
        Ok(())
    }

    async fn members(&self, team: TeamId, page: Numbered) -> Result<Counted<Member>> {
        let state = self.0.lock();
        state.team(team)?;
        let mut members = state
            .seats_in(team)
            .map(|(user, seat)| {
                let email = state.account(user)?.user.email.clone();
                Ok(Member { user, email, role: seat.role, created_at: seat.since })
            })
            .collect::<Result<Vec<_>>>()?;
        members.sort_by(|a, b| a.email.cmp(&b.email));
        Ok(page.cut(members))
    }

    async fn role(&self, team: TeamId, user: UserId) -> Result<Option<Role>> {
        Ok(self.0.lock().members.get(&(team, user)).map(|seat| seat.role))
    }

    async fn add_member(
        &self,
        stamp: Stamp,
        team: TeamId,
        who: NewMember,
        role: Role,
    ) -> Result<()> {
        let mut state = self.0.lock();
        let org = state.team(team)?.org_id;
        let user = match who {
            NewMember::Id(user) => state.accounts.get(&user),
            NewMember::Email(email) => {
                let people = state.people_of(org);
                state.by_email(&email).filter(|account| people.contains(&account.user.id))
            }
        };
        let user = user.ok_or(Thing::UserToAdd)?.user.id;
        rule(!state.members.contains_key(&(team, user)), Refusal::MemberExists)?;
        state.join(team, user, role, stamp.at);
        if let Some(request) = state.pending(team, user) {
            state.answer(request, RequestStatus::Approved, stamp);
        }
        Ok(())
    }

    async fn remove_member(&self, _: Stamp, team: TeamId, user: UserId) -> Result<()> {
        let mut state = self.0.lock();
        let team = state.team(team)?.clone();
        if !state.members.contains_key(&(team.id, user)) {
            return Err(Thing::Member.into());
        }
        state.may_leave(&team, user)?;
        state.members.remove(&(team.id, user));
        state.withdraw_who_left(team.org_id, user);
        Ok(())
    }

    async fn set_role(&self, _: Stamp, team: TeamId, user: UserId, role: Role) -> Result<()> {
        let mut state = self.0.lock();
        let others = state.others(state.team(team)?, user);
        let seat = state.members.get_mut(&(team, user)).ok_or(Thing::Member)?;
        let steps_down = seat.role == Role::Admin && role != Role::Admin;
        rule(!steps_down || admin_may_step_down(others), Refusal::LastAdmin)?;
        *seat = Seat { role, ..*seat };
        Ok(())
    }

    async fn create_join_request(&self, _: Stamp, request: JoinRequest) -> Result<()> {
        let mut state = self.0.lock();
        let (team, user) = (request.team_id, request.user_id);
        let org = state.team(team)?.org_id;
        if !state.people_of(org).contains(&user) {
            return Err(Thing::Team.into());
        }
        rule(!state.members.contains_key(&(team, user)), Refusal::AlreadyMember)?;
        rule(state.pending(team, user).is_none(), Refusal::RequestPending)?;
        state.requests.insert(request.id, request);
        Ok(())
    }

    async fn join_request(&self, request: JoinRequestId) -> Result<Option<JoinRequest>> {
        Ok(self.0.lock().requests.get(&request).cloned())
    }

    async fn inbox(&self, reach: &Reach) -> Result<Vec<InboxItem>> {
        let state = self.0.lock();
        let mut items = Vec::new();
        for request in state.requests.values().filter(|r| r.status == RequestStatus::Pending) {
            let team = state.team(request.team_id)?;
            if reach.teams.contains(&team.id) || reach.orgs.contains(&team.org_id) {
                let user_email = state.account(request.user_id)?.user.email.clone();
                items.push(InboxItem { request: request.clone(), user_email, team: team.clone() });
            }
        }
        items.sort_by_key(|item| (item.request.created_at, item.request.id));
        Ok(items)
    }

    async fn resolve_join_request(
        &self,
        stamp: Stamp,
        request: JoinRequestId,
        approve: bool,
    ) -> Result<JoinRequest> {
        let mut state = self.0.lock();
        let found = state.requests.get(&request).ok_or(Thing::JoinRequest)?;
        rule(found.status == RequestStatus::Pending, Refusal::AlreadyResolved)?;
        let (team, user) = (found.team_id, found.user_id);
        if approve && !state.members.contains_key(&(team, user)) {
            state.join(team, user, Role::Viewer, stamp.at);
        }
        let status = if approve { RequestStatus::Approved } else { RequestStatus::Rejected };
        state.answer(request, status, stamp).ok_or_else(|| Thing::JoinRequest.into())
    }
}

fn is_org_admin(seat: &crate::tenancy::Membership, org: OrgId) -> bool {
    seat.org == org && seat.is_default && seat.role == Role::Admin
}

impl State {
    fn is_in_org_named(&self, user: UserId, name: &Name, except: Option<OrgId>) -> bool {
        let mut seats = self.memberships_of(user).into_iter();
        seats.any(|seat| {
            Some(seat.org) != except
                && self.orgs.get(&seat.org).is_some_and(|org| org.name == *name)
        })
    }

    fn has_team_named(&self, org: OrgId, name: &Name, except: Option<TeamId>) -> bool {
        self.teams_in(org).any(|team| team.name == *name && Some(team.id) != except)
    }

    /// Takes a pending request away.
    fn withdraw(&mut self, team: TeamId, user: UserId) {
        if let Some(request) = self.pending(team, user) {
            self.requests.remove(&request);
        }
    }

    /// Takes somebody's pending requests away, if they are in no team of the organization any more.
    fn withdraw_who_left(&mut self, org: OrgId, user: UserId) {
        if !self.people_of(org).contains(&user) {
            let teams: Vec<_> = self.teams_in(org).map(|team| team.id).collect();
            for team in teams {
                self.withdraw(team, user);
            }
        }
    }

    fn answer(
        &mut self,
        request: JoinRequestId,
        status: RequestStatus,
        stamp: Stamp,
    ) -> Option<JoinRequest> {
        let request = self.requests.get_mut(&request)?;
        request.status = status;
        request.updated_at = stamp.at;
        Some(request.clone())
    }
}
