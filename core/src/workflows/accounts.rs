use std::time::Duration;

use uuid::Uuid;

use crate::{
    caller::{Caller, Person},
    clock::Timestamp,
    email::Email,
    error::{Code, Error, Result},
    ids::{OrgId, TeamId, UserId},
    name::Name,
    network::Network,
    password::Password,
    secret::{Token, TokenHash, TokenKind},
    store::{Actor, Refusal, Stamp, Thing},
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

/// How long an address from which somebody logged in is a known one: 30 days.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Somebody who would log in.
pub struct Visitor {
    /// The account, if there is one.
    account: Option<Account>,
    from: Network,
    /// What is kept of the address.
    sealed: TokenHash,
    /// Whether the account logged in from this address within the last 30 days.
    pub is_known: bool,
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
    /// [`Code::EmailTaken`]; [`Code::Forbidden`] for who is no admin, or names a team without being one; [`Code::RateLimited`]
    /// and [`Code::Unavailable`] when too many passwords are being hashed.
    pub async fn register(
        &self,
        caller: &Caller,
        new: Registration,
        from: Network,
    ) -> Result<User> {
        match caller {
            Caller::Anonymous if new.team.is_some() => Err(Error::new(
                Code::Forbidden,
                "only an organization's admin can register people into a team",
            )),
            Caller::Anonymous => self.register_founder(new, from).await,
            Caller::Person(person) => self.register_member(person, new, from).await,
            Caller::Key(_) => Err(Error::new(Code::AccessTokenRequired, "access token required")),
        }
    }

    async fn register_founder(&self, new: Registration, from: Network) -> Result<User> {
        let account = self.account_of(new, from, true).await?;
        let at = account.user.created_at;
        let user = account.user.clone();
        let (org, team) = new_org(user.own_org_name(), at);
        let stamp = Stamp { by: Actor::User(user.id), at };
        self.store.found_account(stamp, account, org, team).await?;
        self.ask_for_proof(&user);
        Ok(user)
    }

    async fn register_member(
        &self,
        admin: &Person,
        new: Registration,
        from: Network,
    ) -> Result<User> {
        let team = self.team_to_register_into(admin, new.team).await?;
        let account = self.account_of(new, from, false).await?;
        let user = account.user.clone();
        let stamp = Stamp { by: Actor::User(admin.user.id), at: user.created_at };
        self.store.add_account(stamp, account, team, Role::Editor).await?;
        self.ask_for_proof(&user);
        Ok(user)
    }

    /// Mails a code to somebody whose account was made or changed. That is done whether or not mail can be sent now: another code
    /// can be asked for later.
    pub(super) fn ask_for_proof(&self, user: &User) {
        if !user.is_verified {
            self.post.try_verification(user.email.clone());
        }
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
        from: Network,
        is_admin: bool,
    ) -> Result<Account> {
        let password_hash = self.hasher.hash(new.password, from).await?;
        let user = User {
            id: UserId::new(),
            email: new.email,
            is_verified: self.policy.auto_verify,
            is_admin,
            created_at: Timestamp::now(),
        };
        Ok(Account { user, password_hash, was_proved: false })
    }

    /// Who would log in to an account from an address, known or not: the first half of a login.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn visitor(&self, email: &Email, from: Network) -> Result<Visitor> {
        let account = self.store.account_by_email(email).await?;
        // Where there is no account, as much is asked of the store as where there is one.
        let user = account.as_ref().map_or(UserId::from_uuid(Uuid::nil()), |one| one.user.id);
        let sealed = self.code_key.seal_address(&user.to_string(), from);
        let last_login = self.store.last_login(user, &sealed).await?;
        let is_known = last_login.is_some_and(|last| last.plus(KNOWN_FOR) > Timestamp::now());
        Ok(Visitor { account, from, sealed, is_known })
    }

    /// Opens a session for who knows the password.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`], in the same words and time for an unknown address; [`Code::UserNotVerified`];
    /// [`Code::RateLimited`] and [`Code::Unavailable`] when too many passwords are being checked.
    pub async fn login(&self, visitor: Visitor, password: String) -> Result<Login> {
        let Visitor { account, from, sealed, .. } = visitor;
        let kept = account.as_ref().map(|account| account.password_hash.as_str());
        let right = self.hasher.verify(password, kept, from).await?;
        let Some(Account { user, password_hash, .. }) = account.filter(|_| right) else {
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
        self.store.open_session(session, sealed).await?;
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
    pub async fn verify_email(&self, email: &Email, code: &str, from: Network) -> Result<()> {
        let stamp = Stamp { by: Actor::Anonymous, at: Timestamp::now() };
        let sealed = self.code_key.seal(email.as_str(), code);
        let from = self.code_key.seal_address(email.as_str(), from);
        Ok(self.store.verify_email(stamp, email, &sealed, &from).await?)
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
    /// [`Code::InvalidResetCode`]; [`Code::RateLimited`] and [`Code::Unavailable`] when too many passwords are being hashed.
    pub async fn reset_password(
        &self,
        code: &str,
        password: Password,
        from: Network,
    ) -> Result<User> {
        let code = TokenHash::of(code);
        // A look first, so that a wrong code costs no hash; it decides nothing for a right one.
        if !self.store.has_reset(&code, Timestamp::now()).await? {
            return Err(Refusal::WrongResetCode.into());
        }
        let password_hash = self.hasher.hash(password, from).await?;
        let stamp = Stamp { by: Actor::Anonymous, at: Timestamp::now() };
        Ok(self.store.reset_password(stamp, &code, password_hash).await?)
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
