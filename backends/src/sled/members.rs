//! Who is where: shared by the drawers of accounts and tenancy.

use std::collections::BTreeSet;

use px0_core::{
    clock::Timestamp,
    email::Email,
    ids::{OrgId, TeamId, UserId},
    name::Name,
    store::{NewMember, Reach, Refusal, Result, Thing},
    tenancy::{Membership, Org, Others, Role, Team, admin_may_leave, role_on_joining},
    user::Account,
};

use super::{keyspace, record, records::Place, rule, tx::Tx, view::View};

impl View<'_> {
    pub(super) fn account(&self, user: UserId) -> Result<Account> {
        self.get(&keyspace::account(user))?.ok_or_else(|| Thing::User.into())
    }

    pub(super) fn account_by_email(&self, email: &Email) -> Result<Option<Account>> {
        let Some(user) = self.value(&keyspace::by_email(email.as_str()))? else {
            return Ok(None);
        };
        let user = UserId::from_uuid(record::id(&user)?);
        self.must(&keyspace::account(user)).map(Some)
    }

    pub(super) fn org(&self, org: OrgId) -> Result<Org> {
        self.get(&keyspace::org(org))?.ok_or_else(|| Thing::Org.into())
    }

    pub(super) fn team(&self, team: TeamId) -> Result<Team> {
        self.get(&keyspace::team(team))?.ok_or_else(|| Thing::Team.into())
    }

    /// The teams of an organization, by name.
    pub(super) fn teams_in(&self, org: OrgId) -> Result<Vec<TeamId>> {
        let teams = self.scan(&keyspace::teams_in(org))?;
        teams.map(|pair| Ok(TeamId::from_uuid(record::id(&pair?.1)?))).collect()
    }

    /// The teams within reach that are there.
    pub(super) fn teams_within(&self, reach: &Reach) -> Result<BTreeSet<TeamId>> {
        let mut teams = BTreeSet::new();
        for org in &reach.orgs {
            teams.extend(self.teams_in(*org)?);
        }
        for team in &reach.teams {
            if self.has(&keyspace::team(*team))? {
                teams.insert(*team);
            }
        }
        Ok(teams)
    }

    pub(super) fn place(&self, team: TeamId, user: UserId) -> Result<Option<Place>> {
        self.get(&keyspace::place(user, team))
    }

    /// Where somebody is, in the order of the teams' ids.
    pub(super) fn places_of(&self, user: UserId) -> Result<Vec<Place>> {
        self.records(&keyspace::places_of(user))
    }

    /// Who is in a team, and whether as admin.
    pub(super) fn members_of(&self, team: TeamId) -> Result<Vec<(UserId, bool)>> {
        let members = self.scan(&keyspace::members_of(team))?;
        members
            .map(|pair| {
                let (key, role) = pair?;
                let user = UserId::from_uuid(record::last_id(&key)?);
                Ok((user, &*role == Role::Admin.as_str().as_bytes()))
            })
            .collect()
    }

    /// Who is in any team of an organization.
    pub(super) fn people_in(&self, org: OrgId) -> Result<BTreeSet<UserId>> {
        let mut people = BTreeSet::new();
        for team in self.teams_in(org)? {
            people.extend(self.members_of(team)?.into_iter().map(|(user, _)| user));
        }
        Ok(people)
    }

    pub(super) fn is_person(&self, org: OrgId, user: UserId) -> Result<bool> {
        let places = self.places_of(user)?;
        Ok(places.iter().any(|place| place.membership.org == org))
    }

    /// Who is there besides the one whose place it is, as the rules about admins count.
    pub(super) fn others(&self, place: &Place) -> Result<Others> {
        let of = place.membership;
        let mut members = self.members_of(of.team)?;
        members.retain(|(user, _)| *user != place.user);
        let admins = members.iter().filter(|(_, is_admin)| *is_admin).count();
        let members = if of.is_default {
            let people = self.people_in(of.org)?;
            people.into_iter().filter(|user| *user != place.user).count()
        } else {
            members.len()
        };
        Ok(Others { members, admins })
    }

    /// `LastAdmin` when somebody cannot give up their place.
    pub(super) fn may_leave(&self, place: &Place) -> Result<()> {
        let of = place.membership;
        let free = of.role != Role::Admin || admin_may_leave(of.is_default, self.others(place)?);
        rule(free, Refusal::LastAdmin)
    }
}

impl Tx<'_> {
    /// Gives somebody a place in a team in which they are not.
    pub(super) fn join(
        &mut self,
        team: &Team,
        user: UserId,
        role: Role,
        at: Timestamp,
    ) -> Result<()> {
        let role = role_on_joining(role, self.members_of(team.id)?.len());
        self.insert(&Place {
            user,
            membership: Membership {
                team: team.id,
                org: team.org_id,
                is_default: team.is_default,
                role,
                created_at: at,
            },
        })
    }
}

pub(super) fn must_be_no_org_named(
    view: &View<'_>,
    user: UserId,
    name: &Name,
    except: Option<OrgId>,
) -> Result<()> {
    for place in view.places_of(user)? {
        let org = place.membership.org;
        if Some(org) != except {
            let org: Org = view.must(&keyspace::org(org))?;
            rule(org.name != *name, Refusal::OrgNameTaken)?;
        }
    }
    Ok(())
}

pub(super) fn must_be_no_team_named(
    view: &View<'_>,
    org: OrgId,
    name: &Name,
    except: Option<TeamId>,
) -> Result<()> {
    let holder = view.value(&keyspace::team_named(org, name))?;
    let holder = holder.map(|id| record::id(&id)).transpose()?;
    let free = holder.is_none_or(|id| Some(TeamId::from_uuid(id)) == except);
    rule(free, Refusal::TeamNameTaken)
}

pub(super) fn find_new(view: &View<'_>, org: OrgId, who: NewMember) -> Result<Option<UserId>> {
    match who {
        NewMember::Id(user) => Ok(view.has(&keyspace::account(user))?.then_some(user)),
        NewMember::Email(email) => {
            let Some(account) = view.account_by_email(&email)? else {
                return Ok(None);
            };
            let user = account.user.id;
            Ok(view.is_person(org, user)?.then_some(user))
        }
    }
}
