//! Organizations, teams, roles, and the rule that somebody must be in charge.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    email::Email,
    ids::{JoinRequestId, OrgId, TeamId, UserId},
    name::Name,
};

/// What a member may do in a team; each may all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and renders.
    Viewer,
    /// Writes prompts.
    Editor,
    /// Runs the team. Of a Default Team: runs the organization.
    Admin,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The role as clients write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// An organization: the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Which.
    pub id: OrgId,
    /// What its people call it; others may call theirs the same.
    pub name: Name,
    /// Since when.
    pub created_at: Timestamp,
}

/// A team of an organization; it owns prompts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Which.
    pub id: TeamId,
    /// Whose.
    pub org_id: OrgId,
    /// Unique in its organization.
    pub name: Name,
    /// Whether it is the one that was made with the organization: its admins are the organization's.
    pub is_default: bool,
    /// Since when.
    pub created_at: Timestamp,
}

impl Team {
    /// What the team that comes with an organization is called.
    pub const DEFAULT_NAME: &'static str = "Default Team";
}

/// One person's place in one team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The team.
    pub team: TeamId,
    /// The team's organization.
    pub org: OrgId,
    /// Whether that is the organization's Default Team.
    pub is_default: bool,
    /// What they may do there.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// A member, as a team's list shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Their address.
    pub email: Email,
    /// What they may do in the team.
    pub role: Role,
    /// Since when they are in it.
    pub created_at: Timestamp,
}

/// Where a join request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestStatus {
    /// Nobody answered yet.
    Pending,
    /// The user was let in.
    Approved,
    /// The user was not.
    Rejected,
}

impl RequestStatus {
    /// The status as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// A member of an organization asks to join one of its teams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Which.
    pub id: JoinRequestId,
    /// The team they want to join.
    pub team_id: TeamId,
    /// Who asks.
    pub user_id: UserId,
    /// Where it stands.
    pub status: RequestStatus,
    /// Why they want to.
    pub justification: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was answered, or made.
    pub updated_at: Timestamp,
}

/// A pending join request with what its judge wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxItem {
    /// The request.
    pub request: JoinRequest,
    /// Who asks.
    pub user_email: Email,
    /// The team that they want to join, as it is now.
    pub team: Team,
}

/// Who is in a team besides the one that a step is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// How many other members there are: of the team, or, for a Default Team, of the whole organization.
    pub members: usize,
    /// How many other admins the team has.
    pub admins: usize,
}

/// Whether an admin of `team` may leave it. An organization keeps at least one admin, always; any other
/// team keeps one for as long as it has members.
pub const fn admin_may_leave(is_default: bool, others: Others) -> bool {
    others.admins > 0 || (!is_default && others.members == 0)
}

/// Whether an admin may become something less and stay: the team has them as a member still.
pub const fn admin_may_step_down(others: Others) -> bool {
    others.admins > 0
}

/// The role in which somebody joins: the first member of a team is its admin, whatever was asked for.
pub const fn role_on_joining(asked: Role, members_before: usize) -> Role {
    if members_before == 0 { Role::Admin } else { asked }
}
