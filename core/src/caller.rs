//! Who is calling, and where they reach.

use std::collections::BTreeSet;

use crate::{
    access::{Callers, KeyNeeds, Needs, Operation},
    error::{Code, Error, Result},
    ids::{OrgId, TeamId},
    key::{ApiKey, KeyOperation, KeyScope},
    secret::TokenHash,
    store::{Actor, Reach, Thing},
    tenancy::{Membership, Role, Team},
    user::User,
};

/// A person with a session.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub user: User,
    /// Where they belong.
    pub memberships: Vec<Membership>,
    /// Their session.
    pub session: TokenHash,
}

impl Person {
    /// Whether they run this organization.
    pub fn runs(&self, org: OrgId) -> bool {
        self.memberships
            .iter()
            .any(|seat| seat.org == org && seat.is_default && seat.role == Role::Admin)
    }

    /// Whether they run any organization.
    pub fn runs_any(&self) -> bool {
        self.memberships.iter().any(|seat| seat.is_default && seat.role == Role::Admin)
    }

    /// Whether they are in this organization.
    pub fn is_in(&self, org: OrgId) -> bool {
        self.memberships.iter().any(|seat| seat.org == org)
    }

    /// What they may do in a team: their own role, or admin where they run the organization.
    pub fn role_on(&self, org: OrgId, team: TeamId) -> Option<Role> {
        if self.runs(org) {
            return Some(Role::Admin);
        }
        self.memberships.iter().find(|seat| seat.team == team).map(|seat| seat.role)
    }

    /// The teams whose join requests they answer.
    pub fn judges(&self) -> Reach {
        let admin = self.memberships.iter().filter(|seat| seat.role == Role::Admin);
        Reach {
            orgs: admin.clone().filter(|seat| seat.is_default).map(|seat| seat.org).collect(),
            teams: admin.map(|seat| seat.team).collect(),
        }
    }
}

/// Who is calling.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody known.
    Anonymous,
    /// A person.
    Person(Person),
    /// A machine.
    Key(ApiKey),
}

impl Caller {
    /// The same, as writes note it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Anonymous => Actor::Anonymous,
            Self::Person(person) => Actor::User(person.user.id),
            Self::Key(key) => Actor::Key(key.id),
        }
    }

    /// Whether this kind of caller may call `operation` at all.
    ///
    /// # Errors
    /// [`Code::Unauthorized`] and [`Code::AccessTokenRequired`].
    pub fn may_call(&self, operation: Operation) -> Result<()> {
        match (operation.rule().callers, self) {
            (Callers::Anyone, _)
            | (Callers::AnyoneOrPerson, Self::Anonymous | Self::Person(_))
            | (Callers::Person, Self::Person(_))
            | (Callers::PersonOrKey, Self::Person(_) | Self::Key(_)) => Ok(()),
            (Callers::AnyoneOrPerson | Callers::Person, Self::Key(_)) => {
                Err(Error::new(Code::AccessTokenRequired, "access token required"))
            }
            (Callers::Person | Callers::PersonOrKey, Self::Anonymous) => Err(unauthorized()),
        }
    }

    /// The person who calls.
    ///
    /// # Errors
    /// [`Code::AccessTokenRequired`] for a machine, [`Code::Unauthorized`] for nobody.
    pub fn person(&self) -> Result<&Person> {
        match self {
            Self::Person(person) => Ok(person),
            Self::Key(_) => Err(Error::new(Code::AccessTokenRequired, "access token required")),
            Self::Anonymous => Err(unauthorized()),
        }
    }

    /// The organizations that their reach is in.
    pub fn orgs(&self) -> Vec<OrgId> {
        match self {
            Self::Anonymous => Vec::new(),
            Self::Person(person) => {
                let orgs: BTreeSet<_> = person.memberships.iter().map(|seat| seat.org).collect();
                orgs.into_iter().collect()
            }
            Self::Key(key) => vec![key.org_id],
        }
    }

    /// The teams whose prompts the caller can see.
    pub fn reach(&self) -> Reach {
        match self {
            Self::Anonymous => Reach::default(),
            Self::Person(person) => {
                let (runs, in_it): (Vec<&Membership>, Vec<&Membership>) =
                    person.memberships.iter().partition(|seat| person.runs(seat.org));
                let orgs: BTreeSet<_> = runs.iter().map(|seat| seat.org).collect();
                Reach {
                    orgs: orgs.into_iter().collect(),
                    teams: in_it.iter().map(|seat| seat.team).collect(),
                }
            }
            Self::Key(key) => match &key.scope {
                KeyScope::Org => Reach { orgs: vec![key.org_id], teams: Vec::new() },
                KeyScope::Teams(teams) => {
                    Reach { orgs: Vec::new(), teams: teams.iter().copied().collect() }
                }
            },
        }
    }

    /// Whether the caller may do `operation` on a team, or on what it owns.
    ///
    /// # Errors
    /// `missing` is not found when they cannot reach the team; else [`Code::Forbidden`].
    pub fn may_on_team(
        &self,
        operation: Operation,
        org: OrgId,
        team: TeamId,
        missing: Thing,
    ) -> Result<()> {
        let rule = operation.rule();
        let may = match self {
            Self::Anonymous => return Err(missing.into()),
            Self::Person(person) => match rule.needs {
                Needs::TeamPeer => {
                    if !person.is_in(org) {
                        return Err(missing.into());
                    }
                    true
                }
                Needs::Team(least) => {
                    person.role_on(org, team).ok_or_else(|| Error::from(missing))? >= least
                }
                Needs::Nothing | Needs::Founder | Needs::OrgMember | Needs::OrgAdmin => false,
            },
            Self::Key(key) => {
                if key.org_id != org || !key.scope.reaches(team) {
                    return Err(missing.into());
                }
                key_may(rule.key, key)
            }
        };
        if may { Ok(()) } else { Err(Error::forbidden()) }
    }

    /// Whether the caller is admin of a team: for what a handler asks beyond its row.
    pub fn is_team_admin(&self, team: &Team) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Person(person) => person.role_on(team.org_id, team.id) == Some(Role::Admin),
            Self::Key(key) => {
                key.org_id == team.org_id
                    && key.scope.reaches(team.id)
                    && key.operation == KeyOperation::Admin
            }
        }
    }

    /// Whether the caller may do `operation` on an organization.
    ///
    /// # Errors
    /// The organization is not found when they are not in it; else [`Code::Forbidden`].
    pub fn may_on_org(&self, operation: Operation, org: OrgId) -> Result<()> {
        let rule = operation.rule();
        let may = match self {
            Self::Person(person) if person.is_in(org) => match rule.needs {
                Needs::OrgMember => true,
                Needs::OrgAdmin => person.runs(org),
                Needs::Nothing | Needs::Founder | Needs::TeamPeer | Needs::Team(_) => false,
            },
            Self::Key(key) if key.org_id == org => key_may(rule.key, key),
            Self::Anonymous | Self::Person(_) | Self::Key(_) => return Err(Thing::Org.into()),
        };
        if may { Ok(()) } else { Err(Error::forbidden()) }
    }
}

fn key_may(needs: KeyNeeds, key: &ApiKey) -> bool {
    match needs {
        KeyNeeds::Never | KeyNeeds::Refused => false,
        KeyNeeds::Operation(least) => key.operation >= least,
        KeyNeeds::OrgWide(least) => key.operation >= least && key.scope == KeyScope::Org,
    }
}

/// There is no valid token.
pub fn unauthorized() -> Error {
    Error::new(Code::Unauthorized, "missing or invalid token")
}
