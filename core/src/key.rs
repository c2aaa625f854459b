//! API keys.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{KeyId, OrgId, TeamId, UserId},
    name::Name,
    page::Weigh,
    secret::TokenHash,
    tenancy::Role,
};

/// What a key may do; each may all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyOperation {
    /// Read prompts and render them.
    ReadRender,
    /// Write prompts too.
    All,
    /// Run teams too.
    Admin,
}

impl KeyOperation {
    /// Every operation, least first.
    pub const ALL: [Self; 3] = [Self::ReadRender, Self::All, Self::Admin];

    /// The operation as clients write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadRender => "read_render",
            Self::All => "all",
            Self::Admin => "admin",
        }
    }

    /// The row of the role table that a key of this operation has, inside its teams.
    pub const fn role(self) -> Role {
        match self {
            Self::ReadRender => Role::Viewer,
            Self::All => Role::Editor,
            Self::Admin => Role::Admin,
        }
    }
}

/// Where a key reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Every team of its organization, future ones too.
    Org,
    /// These teams, at least one. When the last one goes, the key goes: it never widens.
    Teams(BTreeSet<TeamId>),
}

impl KeyScope {
    /// Whether the key reaches `team` (of its own organization).
    pub fn reaches(&self, team: TeamId) -> bool {
        match self {
            Self::Org => true,
            Self::Teams(teams) => teams.contains(&team),
        }
    }
}

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Which.
    pub id: KeyId,
    /// What its makers call it.
    pub name: Name,
    /// Whose: it belongs to the organization and outlives its maker's membership.
    pub org_id: OrgId,
    /// Where it reaches.
    pub scope: KeyScope,
    /// What it may do.
    pub operation: KeyOperation,
    /// What is kept of its secret.
    pub hash: TokenHash,
    /// The first characters of its secret, by which people recognize it.
    pub prefix: String,
    /// Who made it.
    pub created_by: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used, to the minute; `None` when never.
    pub last_used_at: Option<Timestamp>,
}

impl Weigh for ApiKey {}
