use crate::{
    caller::{Caller, Person},
    clock::Timestamp,
    email::Email,
    error::{Code, Error, Result},
    ids::{OrgId, TeamId, UserId},
    name::Name,
    password::Password,
    secret::{Token, TokenHash, TokenKind},
    store::{Actor, Stamp, Thing},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, Session, User},
    workflows::Px0,
};

/// Somebody who is to be registered.
pub struct Registration {
    /// Their address.
    pub email: Email,
    /// Their password.
    pub password: Password,
    /// The team to register them into; for admins only.
    pub team: Option<TeamId>,
}

/// An open session.
pub struct Login {
    /// Its token, shown this once.
    pub token: Token,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Whose it is.
    pub user: User,
}

impl Px0 {
    /// Registers somebody: themselves when `caller` is nobody, else by an organization's admin.
    ///
    /// # Errors
    /// [`Code::EmailTaken`]; [`Code::Forbidden`] for who is no admin, or names a team without being one.
    pub async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        match caller {
            Caller::Anonymous if new.team.is_some() => Err(Error::new(
                Code::Forbidden,
                "only an organization's admin can register people into a team",
            )),
            Caller::Anonymous => self.register_founder(new).await,
            Caller::Person(person) => self.register_member(person, new).await,
            Caller::Key(_) => Err(Error::new(Code::AccessTokenRequired, "access token required")),
        }
    }

    async fn register_founder(&self, new: Registration) -> Result<User> {
        let at = Timestamp::now();
        let account = self.account_of(new, at, self.policy.auto_verify, true).await?;
        let user = account.user.clone();
        let (org, team) = new_org(user.own_org_name(), at);
        let stamp = Stamp { by: Actor::User(user.id), at };
        self.store.found_account(stamp, account, org, team).await?;
        if !user.is_verified {
            self.post.verification(user.email.clone())?;
        }
        Ok(user)
    }

    async fn register_member(&self, admin: &Person, new: Registration) -> Result<User> {
        let team = self.team_to_register_into(admin, new.team).await?;
        let at = Timestamp::now();
        let account = self.account_of(new, at, true, false).await?;
        let user = account.user.clone();
        let stamp = Stamp { by: Actor::User(admin.user.id), at };
        self.store.add_account(stamp, account, team, Role::Editor).await?;
        Ok(user)
    }

    async fn team_to_register_into(&self, admin: &Person, team: Option<TeamId>) -> Result<TeamId> {
        let runs = |seat: &&Membership| seat.is_default && seat.role == Role::Admin;
        if !admin.runs_any() {
            return Err(Error::forbidden());
        }
        let Some(team) = team else {
            let mut mine = Vec::new();
            for seat in admin.memberships.iter().filter(runs) {
                let org = self.store.org(seat.org).await?.ok_or(Thing::Org)?;
                mine.push((org.created_at, org.id, seat.team));
            }
            let oldest = mine.into_iter().min().ok_or_else(Error::forbidden)?;
            return Ok(oldest.2);
        };
        let team = self.store.team(team).await?.ok_or(Thing::Team)?;
        match admin.role_on(team.org_id, team.id) {
            None => Err(Thing::Team.into()),
            Some(_) if !admin.runs(team.org_id) => Err(Error::forbidden()),
            Some(_) => Ok(team.id),
        }
    }

    async fn account_of(
        &self,
        new: Registration,
        at: Timestamp,
        is_verified: bool,
        is_admin: bool,
    ) -> Result<Account> {
        let password_hash = self.hasher.hash(new.password).await?;
        let user =
            User { id: UserId::new(), email: new.email, is_verified, is_admin, created_at: at };
        Ok(Account { user, password_hash })
    }

    /// Opens a session for who knows the password.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`], in the same words and time for an unknown address; [`Code::UserNotVerified`].
    pub async fn login(&self, email: &Email, password: String) -> Result<Login> {
        let account = self.store.account_by_email(email).await?;
        let kept = account.as_ref().map(|account| account.password_hash.as_str());
        let right = self.hasher.verify(password, kept).await?;
        let Some(Account { user, password_hash }) = account.filter(|_| right) else {
            return Err(invalid_credentials());
        };
        if !user.is_verified {
            return Err(Error::new(Code::UserNotVerified, "user is not verified"));
        }
        let token = Token::new(TokenKind::Session)?;
        let created_at = Timestamp::now();
        let expires_at = created_at.plus(self.policy.session_ttl);
        let session = Session { hash: token.hash(), user: user.id, created_at, expires_at };
        let hash = session.hash;
        self.store.open_session(session).await?;
        // Checking the password took a while. Whoever changed it meanwhile ended the sessions that there were then;
        // this one must not outlive that. A change from here on finds this session, and ends it.
        let now = self.store.account(user.id).await?;
        let same =
            now.is_some_and(|now| now.password_hash == password_hash && now.user.is_verified);
        if !same {
            self.store.close_session(&hash).await?;
            return Err(invalid_credentials());
        }
        Ok(Login { token, expires_at, user })
    }

    /// Ends the session of `token`, if it is one.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn logout(&self, token: &str) -> Result<()> {
        Ok(self.store.close_session(&TokenHash::of(token)).await?)
    }

    /// Mails a verification code, if there is somebody to prove that address.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when too much mail is waiting.
    pub fn send_verification(&self, email: Email) -> Result<()> {
        self.post.verification(email)
    }

    /// Proves an address by the code that was mailed there.
    ///
    /// # Errors
    /// [`Code::InvalidVerificationCode`].
    pub async fn verify_email(&self, email: &Email, code: &str) -> Result<()> {
        let stamp = Stamp { by: Actor::Anonymous, at: Timestamp::now() };
        let sealed = self.code_key.seal(email.as_str(), code);
        Ok(self.store.verify_email(stamp, email, &sealed).await?)
    }

    /// Mails a code that resets a password, if there is somebody of that address.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when too much mail is waiting.
    pub fn send_password_reset(&self, email: Email) -> Result<()> {
        self.post.password_reset(email)
    }

    /// Resets a password by the code that was mailed.
    ///
    /// # Errors
    /// [`Code::InvalidResetCode`].
    pub async fn reset_password(&self, code: &str, password: Password) -> Result<User> {
        let password_hash = self.hasher.hash(password).await?;
        let stamp = Stamp { by: Actor::Anonymous, at: Timestamp::now() };
        Ok(self.store.reset_password(stamp, &TokenHash::of(code), password_hash).await?)
    }
}

fn invalid_credentials() -> Error {
    Error::new(Code::InvalidCredentials, "invalid credentials")
}

/// A new organization with its Default Team.
pub(super) fn new_org(name: Name, at: Timestamp) -> (Org, Team) {
    let org = Org { id: OrgId::new(), name, created_at: at };
    let team = Team {
        id: TeamId::new(),
        org_id: org.id,
        name: Name::made(Team::DEFAULT_NAME),
        is_default: true,
        created_at: at,
    };
    (org, team)
}
