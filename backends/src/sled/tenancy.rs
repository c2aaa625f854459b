use std::collections::BTreeMap;

use async_trait::async_trait;
use px0_core::{
    ids::{JoinRequestId, OrgId, TeamId, UserId},
    name::Name,
    page::{Counted, Numbered},
    store::{NewMember, Reach, Refusal, Result, Stamp, Tenancy, Thing},
    tenancy::{
        InboxItem, JoinRequest, Member, Org, RequestStatus, Role, Team, admin_may_step_down,
    },
    user::{Account, User},
};

use super::{
    SledStore, keyspace,
    members::{find_new, must_be_no_org_named, must_be_no_team_named},
    records::Place,
    requests::{answer, inbox, withdraw_from, withdraw_who_left},
    rule,
};

#[async_trait]
impl Tenancy for SledStore {
    async fn create_org(&self, stamp: Stamp, org: Org, team: Team, founder: UserId) -> Result<()> {
        self.write(move |tx| {
            tx.account(founder)?;
            must_be_no_org_named(tx, founder, &org.name, None)?;
            tx.insert(&org)?;
            tx.insert(&team)?;
            tx.join(&team, founder, Role::Admin, stamp.at)
        })
        .await
    }

    async fn org(&self, org: OrgId) -> Result<Option<Org>> {
        self.read(|view| view.get(&keyspace::org(org)))
    }

    async fn rename_org(&self, _: Stamp, org: OrgId, name: Name, by: UserId) -> Result<Org> {
        self.write(move |tx| {
            let old = tx.org(org)?;
            must_be_no_org_named(tx, by, &name, Some(org))?;
            let new = Org { name, ..old.clone() };
            tx.replace(&old, &new)?;
            Ok(new)
        })
        .await
    }

    async fn delete_org(&self, _: Stamp, org: OrgId) -> Result<()> {
        self.write(move |tx| {
            tx.org(org)?;
            tx.drop_org(org)
        })
        .await
    }

    async fn orgs_of(&self, user: UserId) -> Result<Vec<(Org, bool)>> {
        self.read(|view| {
            let mut orgs: BTreeMap<OrgId, bool> = BTreeMap::new();
            for Place { membership: of, .. } in view.places_of(user)? {
                *orgs.entry(of.org).or_default() |= of.is_default && of.role == Role::Admin;
            }
            let orgs = orgs.into_iter();
            let orgs =
                orgs.map(|(org, is_admin)| Ok((view.must::<Org>(&keyspace::org(org))?, is_admin)));
            let mut orgs = orgs.collect::<Result<Vec<_>>>()?;
            orgs.sort_by(|(a, _), (b, _)| (&a.name, a.id).cmp(&(&b.name, b.id)));
            Ok(orgs)
        })
    }

    async fn teams_of(&self, user: UserId) -> Result<Vec<(Team, Role)>> {
        self.read(|view| {
            let places = view.places_of(user)?.into_iter().map(|place| place.membership);
            let teams =
                places.map(|of| Ok((view.must::<Team>(&keyspace::team(of.team))?, of.role)));
            let mut teams = teams.collect::<Result<Vec<_>>>()?;
            teams.sort_by(|(a, _), (b, _)| (&a.name, a.id).cmp(&(&b.name, b.id)));
            Ok(teams)
        })
    }

    async fn people(&self, org: OrgId, page: Numbered) -> Result<Counted<User>> {
        self.list(move |gate| {
            gate.read(|view| {
                view.org(org)?;
                let people = view.people_in(org)?.into_iter();
                let people =
                    people.map(|user| Ok(view.must::<Account>(&keyspace::account(user))?.user));
                let mut people = people.collect::<Result<Vec<_>>>()?;
                people.sort_by(|a, b| a.email.cmp(&b.email));
                Ok(page.cut(people))
            })
        })
        .await
    }

    async fn is_person(&self, org: OrgId, user: UserId) -> Result<bool> {
        self.read(|view| view.is_person(org, user))
    }

    async fn remove_person(&self, _: Stamp, org: OrgId, user: UserId) -> Result<()> {
        self.write(move |tx| {
            tx.org(org)?;
            let mut places = tx.places_of(user)?;
            places.retain(|place| place.membership.org == org);
            if places.is_empty() {
                return Err(Thing::Member.into());
            }
            // All are asked about before any is removed: who is the last of an organization counts as they are now.
            places.iter().try_for_each(|place| tx.may_leave(place))?;
            places.iter().try_for_each(|place| tx.remove(place))?;
            withdraw_from(tx, org, user)
        })
        .await
    }

    async fn create_team(&self, stamp: Stamp, team: Team, admin: Option<UserId>) -> Result<()> {
        self.write(move |tx| {
            tx.org(team.org_id)?;
            if let Some(admin) = admin {
                tx.account(admin)?;
            }
            must_be_no_team_named(tx, team.org_id, &team.name, None)?;
            tx.insert(&team)?;
            match admin {
                Some(admin) => tx.join(&team, admin, Role::Admin, stamp.at),
                None => Ok(()),
            }
        })
        .await
    }

    async fn team(&self, team: TeamId) -> Result<Option<Team>> {
        self.read(|view| view.get(&keyspace::team(team)))
    }

    async fn teams(&self, org: OrgId) -> Result<Vec<Team>> {
        self.list(move |gate| {
            gate.read(|view| {
                let teams = view.teams_in(org)?.into_iter();
                teams.map(|team| view.must(&keyspace::team(team))).collect()
            })
        })
        .await
    }

    async fn rename_team(&self, _: Stamp, team: TeamId, name: Name) -> Result<Team> {
        self.write(move |tx| {
            let old = tx.team(team)?;
            must_be_no_team_named(tx, old.org_id, &name, Some(team))?;
            let new = Team { name, ..old.clone() };
            tx.replace(&old, &new)?;
            Ok(new)
        })
        .await
    }

    async fn delete_team(&self, _: Stamp, team: TeamId, force: bool) -> Result<()> {
        self.write(move |tx| {
            let found = tx.team(team)?;
            rule(!found.is_default, Refusal::DefaultTeam)?;
            let owns = tx.scan(&keyspace::prompts_in(team))?.next().transpose()?.is_some();
            rule(force || !owns, Refusal::TeamOwnsPrompts)?;
            let members = tx.members_of(team)?;
            tx.drop_team(team)?;
            members.into_iter().try_for_each(|(user, _)| withdraw_who_left(tx, found.org_id, user))
        })
        .await
    }

    async fn members(&self, team: TeamId, page: Numbered) -> Result<Counted<Member>> {
        self.list(move |gate| {
            gate.read(|view| {
                view.team(team)?;
                let members = view.members_of(team)?.into_iter();
                let members = members.map(|(user, _)| {
                    let place: Place = view.must(&keyspace::place(user, team))?;
                    let account: Account = view.must(&keyspace::account(user))?;
                    Ok(Member {
                        user,
                        email: account.user.email,
                        role: place.membership.role,
                        created_at: place.membership.created_at,
                    })
                });
                let mut members = members.collect::<Result<Vec<_>>>()?;
                members.sort_by(|a, b| a.email.cmp(&b.email));
                Ok(page.cut(members))
            })
        })
        .await
    }

    async fn role(&self, team: TeamId, user: UserId) -> Result<Option<Role>> {
        self.read(|view| Ok(view.place(team, user)?.map(|place| place.membership.role)))
    }

    async fn add_member(
        &self,
        stamp: Stamp,
        team: TeamId,
        who: NewMember,
        role: Role,
    ) -> Result<()> {
        self.write(move |tx| {
            let team = tx.team(team)?;
            let user = find_new(tx, team.org_id, who)?.ok_or(Thing::UserToAdd)?;
            let is_member = tx.place(team.id, user)?.is_some();
            rule(!is_member, Refusal::MemberExists)?;
            tx.join(&team, user, role, stamp.at)?;
            if let Some(request) = tx.pending(team.id, user)? {
                answer(tx, &request, RequestStatus::Approved, stamp.at)?;
            }
            Ok(())
        })
        .await
    }

    async fn remove_member(&self, _: Stamp, team: TeamId, user: UserId) -> Result<()> {
        self.write(move |tx| {
            let team = tx.team(team)?;
            let place = tx.place(team.id, user)?.ok_or(Thing::Member)?;
            tx.may_leave(&place)?;
            tx.remove(&place)?;
            withdraw_who_left(tx, team.org_id, user)
        })
        .await
    }

    async fn set_role(&self, _: Stamp, team: TeamId, user: UserId, role: Role) -> Result<()> {
        self.write(move |tx| {
            tx.team(team)?;
            let old = tx.place(team, user)?.ok_or(Thing::Member)?;
            if old.membership.role == Role::Admin && role != Role::Admin {
                rule(admin_may_step_down(tx.others(&old)?), Refusal::LastAdmin)?;
            }
            let mut new = old.clone();
            new.membership.role = role;
            tx.replace(&old, &new)
        })
        .await
    }

    async fn create_join_request(&self, _: Stamp, request: JoinRequest) -> Result<()> {
        self.write(move |tx| {
            let (team, user) = (tx.team(request.team_id)?, request.user_id);
            if !tx.is_person(team.org_id, user)? {
                return Err(Thing::Team.into());
            }
            let is_member = tx.place(team.id, user)?.is_some();
            rule(!is_member, Refusal::AlreadyMember)?;
            let is_pending = tx.has(&keyspace::pending(team.id, user))?;
            rule(!is_pending, Refusal::RequestPending)?;
            tx.insert(&request)
        })
        .await
    }

    async fn join_request(&self, request: JoinRequestId) -> Result<Option<JoinRequest>> {
        self.read(|view| view.get(&keyspace::request(request)))
    }

    async fn inbox(&self, reach: &Reach) -> Result<Vec<InboxItem>> {
        let reach = reach.clone();
        self.list(move |gate| gate.read(|view| inbox(view, view.teams_within(&reach)?))).await
    }

    async fn resolve_join_request(
        &self,
        stamp: Stamp,
        request: JoinRequestId,
        approve: bool,
    ) -> Result<JoinRequest> {
        self.write(move |tx| {
            let request: Option<JoinRequest> = tx.get(&keyspace::request(request))?;
            let request = request.ok_or(Thing::JoinRequest)?;
            let is_pending = request.status == RequestStatus::Pending;
            rule(is_pending, Refusal::AlreadyResolved)?;
            if !approve {
                return answer(tx, &request, RequestStatus::Rejected, stamp.at);
            }
            let team = tx.team(request.team_id)?;
            if tx.place(team.id, request.user_id)?.is_none() {
                tx.join(&team, request.user_id, Role::Viewer, stamp.at)?;
            }
            answer(tx, &request, RequestStatus::Approved, stamp.at)
        })
        .await
    }
}
