//! What an operator does on px0's own machine: makes the first admin, lets somebody in again, looks who is there.
//!
//! Nobody grants it: whoever can open the store, or the socket of the px0 that has it open, may do all of this.

use std::{fmt, str::FromStr};

use argon2::password_hash::phc;
use serde::{Deserialize, Serialize};

use super::accounts::new_org;
use crate::{
    clock::Timestamp,
    email::Email,
    error::{Code, Error, Result},
    ids::{OrgId, UserId},
    name::Name,
    page::{Page, Paged},
    password::{Password, hash_alone},
    store::{Actor, Refusal, SharedStore, Stamp, StoreError, Thing},
    tenancy::{Org, Role},
    user::{Account, User},
};

/// An organization as an operator names it. Ids are unique; names need not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgRef {
    /// By its id.
    Id(OrgId),
    /// By its name.
    Name(Name),
}

impl FromStr for OrgRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => Name::parse("organization", text).map(Self::Name),
        }
    }
}

/// What is kept of a password: argon2id in PHC form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a password. It takes some tens of milliseconds.
    ///
    /// # Errors
    /// The machine's own failures only.
    pub fn of(password: &Password) -> Result<Self> {
        hash_alone(password).map(Self)
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match phc::PasswordHash::new(&text) {
            Ok(parsed) if parsed.algorithm.as_str() == "argon2id" => Ok(Self(text)),
            _ => Err("not a hash that argon2id made"),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Makes a password that follows the rule: 24 characters, each one of 64.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn generate_password() -> Result<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    loop {
        let mut bits = [0_u8; 24];
        getrandom::fill(&mut bits).map_err(Error::internal)?;
        let text: String =
            bits.iter().map(|bits| char::from(LETTERS[usize::from(bits % 64)])).collect();
        // About half of all have no dash and no underscore. One that begins with a dash would be taken for an option.
        if !text.starts_with('-') && Password::parse("password", &text).is_ok() {
            return Ok(text);
        }
    }
}

/// Somebody who is to get an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewUser {
    /// Their address: the operator vouches for it.
    pub email: Email,
    /// What is kept of their password.
    pub password_hash: PasswordHash,
    /// The organization that they join, and as what. Without it they get one of their own, as who registers by themselves does.
    pub join: Option<(OrgRef, Role)>,
}

/// An account that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccount {
    /// Whose.
    pub user: User,
    /// Where they are.
    pub org: Org,
    /// What they are there.
    pub role: Role,
}

/// An organization that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedOrg {
    /// Which.
    pub org: Org,
    /// Who runs it.
    pub owner: User,
}

/// The operator, and the store that they work on.
pub struct Operator(SharedStore);

impl Operator {
    /// Users on a page of [`Operator::users`].
    pub const PAGE: usize = 500;

    /// On this store.
    pub const fn on(store: SharedStore) -> Self {
        Self(store)
    }

    /// Makes an account whose address counts as verified.
    ///
    /// # Errors
    /// [`Code::EmailTaken`]; [`Code::NotFound`] when there is no such organization; [`Code::InvalidField`] when several have the
    /// name.
    pub async fn create_user(&self, new: NewUser) -> Result<NewAccount> {
        let at = Timestamp::now();
        let stamp = Stamp { by: Actor::Operator, at };
        let NewUser { email, password_hash, join } = new;
        // Like one that an organization's admin registers, who joins cannot create organizations.
        let is_admin = join.is_none();
        let user = User { id: UserId::new(), email, is_verified: true, is_admin, created_at: at };
        // The operator vouches for the address.
        let account =
            Account { user: user.clone(), password_hash: password_hash.0, was_proved: true };
        let (done, org, role) = match join {
            None => {
                let (org, team) = new_org(user.own_org_name(), at);
                (self.0.found_account(stamp, account, org.clone(), team).await, org, Role::Admin)
            }
            Some((org, role)) => {
                let org = self.org(&org).await?;
                let teams = self.0.teams(org.id).await?;
                let team = teams.iter().find(|team| team.is_default).ok_or(Thing::Org)?;
                (self.0.add_account(stamp, account, team.id, role).await, org, role)
            }
        };
        match done {
            Ok(()) => Ok(NewAccount { user, org, role }),
            Err(StoreError::Refused(Refusal::EmailTaken)) => {
                Err(Error::new(Code::EmailTaken, format!("{} has an account already", user.email)))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Everybody, by address.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn users(&self, after: Option<Email>) -> Result<Paged<User, Email>> {
        Ok(self.0.users(Page { limit: Self::PAGE, after }).await?)
    }

    /// Gives somebody a new password: their sessions end, and they are verified.
    ///
    /// # Errors
    /// [`Code::NotFound`] when nobody has that address.
    pub async fn reset_password(&self, email: &Email, hash: PasswordHash) -> Result<User> {
        let stamp = Stamp { by: Actor::Operator, at: Timestamp::now() };
        match self.0.set_password(stamp, email, hash.0).await {
            Err(StoreError::Missing(Thing::User)) => Err(nobody(email)),
            done => Ok(done?),
        }
    }

    /// Makes an organization, with its Default Team, that `owner` runs.
    ///
    /// # Errors
    /// [`Code::NotFound`] when nobody has that address; [`Code::NameTaken`] when they are in one of that name.
    pub async fn create_org(&self, name: Name, owner: &Email) -> Result<OwnedOrg> {
        let stamp = Stamp { by: Actor::Operator, at: Timestamp::now() };
        let account = self.0.account_by_email(owner).await?;
        let owner = account.ok_or_else(|| nobody(owner))?.user;
        let (org, team) = new_org(name, stamp.at);
        match self.0.create_org(stamp, org.clone(), team, owner.id).await {
            Ok(()) => Ok(OwnedOrg { org, owner }),
            Err(StoreError::Missing(Thing::User)) => Err(nobody(&owner.email)),
            Err(StoreError::Refused(Refusal::OrgNameTaken)) => Err(Error::new(
                Code::NameTaken,
                format!("{} is in an organization named \"{}\" already", owner.email, org.name),
            )),
            Err(other) => Err(other.into()),
        }
    }

    async fn org(&self, org: &OrgRef) -> Result<Org> {
        let missing = |what: String| Error::new(Code::NotFound, what);
        match org {
            OrgRef::Id(id) => {
                let found = self.0.org(*id).await?;
                found.ok_or_else(|| missing(format!("there is no organization with the id {id}")))
            }
            OrgRef::Name(name) => {
                /// Most that an error lists.
                const LISTED: usize = 10;
                let mut found = self.0.orgs_named(name, LISTED).await?;
                match (found.len(), found.pop()) {
                    (_, None) => Err(missing(format!("there is no organization named \"{name}\""))),
                    (1, Some(org)) => Ok(org),
                    (_, Some(last)) => {
                        found.push(last);
                        let ids: Vec<_> = found.iter().map(|org| org.id.to_string()).collect();
                        let which = format!(
                            "several organizations are named \"{name}\"; give the id of one: {}",
                            ids.join(", ")
                        );
                        Err(Error::field(Code::InvalidField, "organization", which))
                    }
                }
            }
        }
    }
}

fn nobody(email: &Email) -> Error {
    Error::new(Code::NotFound, format!("nobody has the address {email}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_password_follows_the_rule_and_is_no_option() {
        let many: std::collections::BTreeSet<_> =
            (0..100).map(|_| generate_password().expect("random")).collect();
        assert_eq!(many.len(), 100);
        for password in many {
            assert_eq!(password.len(), 24);
            assert!(!password.starts_with('-'));
            assert!(Password::parse("password", &password).is_ok(), "{password}");
        }
    }

    #[test]
    fn only_what_argon2id_made_is_a_hash() {
        let password = Password::parse("password", "Passw0rd!").expect("a password");
        let hash = PasswordHash::of(&password).expect("hash");
        let text = serde_json::to_string(&hash).expect("text");
        assert_eq!(serde_json::from_str::<PasswordHash>(&text).expect("hash"), hash);
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
        for text in ["\"\"", "\"Passw0rd!\"", "\"$2b$12$abcdefghijklmnopqrstuv\"", "1"] {
            assert!(serde_json::from_str::<PasswordHash>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_uuid_is_an_id_and_all_else_a_name() {
        let id = OrgId::new();
        assert_eq!(id.to_string().parse::<OrgRef>().expect("an id"), OrgRef::Id(id));
        let name = Name::parse("name", "Acme").expect("a name");
        assert_eq!("Acme".parse::<OrgRef>().expect("a name"), OrgRef::Name(name));
        assert!(" ".parse::<OrgRef>().is_err());
    }
}
