//! People and their sessions.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp, email::Email, ids::UserId, name::Name, page::Weigh, secret::TokenHash,
};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Where mail reaches them; no two users have the same.
    pub email: Email,
    /// Whether they proved that the address is theirs.
    pub is_verified: bool,
    /// Whether they registered by themselves: they may create organizations. Gives no reach into any.
    pub is_admin: bool,
    /// Since when.
    pub created_at: Timestamp,
}

impl User {
    /// What the organization is called that comes with an account of one's own.
    pub fn own_org_name(&self) -> Name {
        Name::made(&format!("{}'s organization", self.email.local()))
    }
}

impl Weigh for User {}

/// A person with what proves them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The person.
    #[serde(flatten)]
    pub user: User,
    /// argon2id in PHC form.
    pub password_hash: String,
    /// Whether a code that was mailed to one of its addresses was ever given back. Accounts from before this was
    /// kept count as not proved: an organization's admin made them verified without a proof.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_proved: bool,
}

impl Account {
    /// The code that was mailed to verify the address was given back.
    pub fn prove(&mut self) {
        self.user.is_verified = true;
        self.was_proved = true;
    }

    /// The code that was mailed to reset the password was given back. An account that an admin had made and nobody had
    /// proved is from now on as if its owner had registered by themselves.
    pub fn reset(&mut self, password_hash: String) {
        self.user.is_admin |= !self.was_proved;
        self.password_hash = password_hash;
        self.prove();
    }
}

/// A login that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What is kept of its token.
    pub hash: TokenHash,
    /// Whose it is.
    pub user: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// An address of the network from which somebody logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAddress {
    /// Who.
    pub user: UserId,
    /// What is kept of the address: sealed with the store's key.
    pub address: TokenHash,
    /// Their last login from there.
    pub last_login: Timestamp,
}

impl KnownAddress {
    /// The most that are kept of one user; those of the latest logins stay.
    pub const MOST: usize = 16;

    /// Those of one user's that are too many: the ones used longest ago, of two at the same time the one with the lower hash.
    pub fn surplus(mut known: Vec<Self>) -> Vec<Self> {
        known.sort_unstable_by_key(|known| std::cmp::Reverse((known.last_login, known.address)));
        known.split_off(known.len().min(Self::MOST))
    }
}
