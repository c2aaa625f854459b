use async_trait::async_trait;

use super::{Result, Stamp};
use crate::{
    clock::Timestamp,
    email::Email,
    ids::{TeamId, UserId},
    mailed::MailedCode,
    secret::{CodeKey, TokenHash},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, Session, User},
};

/// People, their sessions and the codes that were mailed to them.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The key under which codes and addresses are sealed.
    ///
    /// # Behavior
    /// - The same for the life of the store, also after it is opened again: the first caller's `fresh` stays. An archive
    ///   brings its own.
    async fn code_key(&self, fresh: CodeKey) -> Result<CodeKey>;

    /// Adds somebody who registers by themselves, with an organization and its Default Team, whose admin they are.
    ///
    /// # Behavior
    /// - An address that is taken is `EmailTaken`, and no organization is made.
    async fn found_account(
        &self,
        stamp: Stamp,
        account: Account,
        org: Org,
        team: Team,
    ) -> Result<()>;

    /// Adds somebody whom an admin registers into `team`.
    ///
    /// # Behavior
    /// - A team that is not there is `Missing(Team)`; an address that is taken is `EmailTaken`.
    /// - In a team without members they become admin, whatever `role` says.
    async fn add_account(
        &self,
        stamp: Stamp,
        account: Account,
        team: TeamId,
        role: Role,
    ) -> Result<()>;

    /// Somebody by id.
    async fn account(&self, user: UserId) -> Result<Option<Account>>;

    /// Somebody by address.
    async fn account_by_email(&self, email: &Email) -> Result<Option<Account>>;

    /// Opens a session, and notes from which address, sealed, its user logged in.
    ///
    /// # Behavior
    /// - For a user who is not there: `Missing(User)`.
    /// - Sessions of the same user that ended before `session.created_at` may be forgotten.
    /// - The address is known from now on, with `session.created_at` as the last login, unless there are
    ///   [`KnownAddress::MOST`](crate::user::KnownAddress::MOST) of later logins: so many are kept.
    async fn open_session(&self, session: Session, from: TokenHash) -> Result<()>;

    /// When somebody last logged in from an address.
    ///
    /// # Behavior
    /// - `None` when the address is not known, or there is no such user.
    async fn last_login(&self, user: UserId, from: &TokenHash) -> Result<Option<Timestamp>>;

    /// Whose session it is and where they belong: all that authentication needs, in one read.
    ///
    /// # Behavior
    /// - `None` when there is no such session or it ended: `expires_at <= now`.
    /// - Memberships are in the order of their teams' ids.
    async fn session(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<(User, Vec<Membership>)>>;

    /// Ends a session.
    ///
    /// # Behavior
    /// - Ending one that is not there succeeds.
    async fn close_session(&self, hash: &TokenHash) -> Result<()>;

    /// Keeps the code that is mailed to verify an address. Answers whether it does: if not, it must not be mailed.
    ///
    /// # Behavior
    /// - For a user who is not there: `Missing(User)`.
    /// - Former codes stay good until their own end.
    /// - While [`MailedCodes::MOST`](crate::mailed::MailedCodes::MOST) codes have not ended, with or without tries left, it is not kept.
    async fn put_verification(
        &self,
        now: Timestamp,
        user: UserId,
        code: MailedCode,
    ) -> Result<bool>;

    /// Tries a code from an address, which is sealed.
    ///
    /// # Behavior
    /// - The right one, in time, with tries left for all and for this address: the user is verified, and counts as
    ///   proved from now on; all their verification codes are gone.
    /// - A wrong one takes one try away from every code that it could have been, for all and for this address, and is
    ///   `WrongCode`; so is any when there is no user, no code, no try left, or `expires_at <= stamp.at`.
    /// - Of many tries at once no more than the tries left are held against a code.
    async fn verify_email(
        &self,
        stamp: Stamp,
        email: &Email,
        hash: &TokenHash,
        from: &TokenHash,
    ) -> Result<()>;

    /// Keeps the code that is mailed to reset a password. Answers whether it does: if not, it must not be mailed.
    ///
    /// # Behavior
    /// - As [`Accounts::put_verification`].
    async fn put_reset(&self, now: Timestamp, user: UserId, code: MailedCode) -> Result<bool>;

    /// Whether a reset code can be used.
    async fn has_reset(&self, hash: &TokenHash, now: Timestamp) -> Result<bool>;

    /// Resets a password by the code that was mailed, which names the user.
    ///
    /// # Behavior
    /// - The right one, in time: the password is the new one, the user is verified and counts as proved, all their
    ///   sessions end, and all codes that were mailed are gone. The answer is the user.
    /// - A user who never was proved is an admin from now on.
    /// - Any other is `WrongResetCode`: never made, used, void, or `expires_at <= stamp.at`.
    async fn reset_password(
        &self,
        stamp: Stamp,
        hash: &TokenHash,
        password_hash: String,
    ) -> Result<User>;

    /// Changes somebody's address, which is then as verified as `is_verified` says; codes that were mailed are void.
    ///
    /// # Behavior
    /// - The same address changes nothing, `is_verified` included.
    /// - One that another user has is `EmailTaken`. Sessions go on.
    async fn change_email(
        &self,
        stamp: Stamp,
        user: UserId,
        email: Email,
        is_verified: bool,
    ) -> Result<User>;

    /// Changes somebody's password and ends their sessions, all but `keep`; reset codes that were mailed are void.
    ///
    /// # Behavior
    /// - Only when `expected` still is what is kept of the present password; else `Missing(User)`.
    async fn change_password(
        &self,
        stamp: Stamp,
        user: UserId,
        expected: &str,
        password_hash: String,
        keep: &TokenHash,
    ) -> Result<()>;

    /// Forgets somebody: their sessions, codes, known addresses, join requests and memberships go.
    ///
    /// # Behavior
    /// - An organization of which they are the only member goes too, with all that belongs to it.
    /// - `LastAdmin` when they are the last admin of a team that has other members, or of the Default Team of
    ///   an organization that has.
    async fn delete_account(&self, stamp: Stamp, user: UserId) -> Result<()>;
}
