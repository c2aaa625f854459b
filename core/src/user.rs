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

/// A code that was sent by mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailedCode {
    /// What is kept of it.
    pub hash: TokenHash,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// How many wrong tries are left.
    pub tries_left: u8,
}

impl MailedCode {
    /// Wrong tries after which a verification code is void.
    pub const TRIES: u8 = 5;
}
