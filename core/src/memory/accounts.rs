use async_trait::async_trait;

use super::{MemoryStore, rule};
use crate::{
    clock::Timestamp,
    email::Email,
    ids::{TeamId, UserId},
    secret::{CodeKey, TokenHash},
    store::{Accounts, Refusal, Result, Stamp, Thing},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, MailedCode, Session, User},
};

#[async_trait]
impl Accounts for MemoryStore {
    async fn code_key(&self, fresh: CodeKey) -> Result<CodeKey> {
        Ok(*self.0.lock().code_key.get_or_insert(fresh))
    }

    async fn found_account(
        &self,
        stamp: Stamp,
        account: Account,
        org: Org,
        team: Team,
    ) -> Result<()> {
        let mut state = self.0.lock();
        rule(state.by_email(&account.user.email).is_none(), Refusal::EmailTaken)?;
        let (user, team_id) = (account.user.id, team.id);
        state.accounts.insert(user, account);
        state.orgs.insert(org.id, org);
        state.teams.insert(team_id, team);
        state.join(team_id, user, Role::Admin, stamp.at);
        Ok(())
    }

    async fn add_account(
        &self,
        stamp: Stamp,
        account: Account,
        team: TeamId,
        role: Role,
    ) -> Result<()> {
        let mut state = self.0.lock();
        state.team(team)?;
        rule(state.by_email(&account.user.email).is_none(), Refusal::EmailTaken)?;
        let user = account.user.id;
        state.accounts.insert(user, account);
        state.join(team, user, role, stamp.at);
        Ok(())
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>> {
        Ok(self.0.lock().accounts.get(&user).cloned())
    }

    async fn account_by_email(&self, email: &Email) -> Result<Option<Account>> {
        Ok(self.0.lock().by_email(email).cloned())
    }

    async fn open_session(&self, session: Session) -> Result<()> {
        let mut state = self.0.lock();
        state.account(session.user)?;
        let (user, now) = (session.user, session.created_at);
        state.sessions.retain(|_, old| old.user != user || old.expires_at > now);
        state.sessions.insert(session.hash, session);
        Ok(())
    }

    async fn session(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<(User, Vec<Membership>)>> {
        let state = self.0.lock();
        let Some(session) = state.sessions.get(hash).filter(|session| session.expires_at > now)
        else {
            return Ok(None);
        };
        let user = state.account(session.user)?.user.clone();
        let memberships = state.memberships_of(user.id);
        Ok(Some((user, memberships)))
    }

    async fn close_session(&self, hash: &TokenHash) -> Result<()> {
        self.0.lock().sessions.remove(hash);
        Ok(())
    }

    async fn put_verification(&self, user: UserId, code: MailedCode) -> Result<()> {
        let mut state = self.0.lock();
        state.account(user)?;
        state.verifications.insert(user, code);
        Ok(())
    }

    async fn verify_email(&self, stamp: Stamp, email: &Email, hash: &TokenHash) -> Result<()> {
        let mut state = self.0.lock();
        let user =
            state.by_email(email).map(|account| account.user.id).ok_or(Refusal::WrongCode)?;
        let code = state.verifications.get_mut(&user).ok_or(Refusal::WrongCode)?;
        rule(code.tries_left > 0 && code.expires_at > stamp.at, Refusal::WrongCode)?;
        if code.hash != *hash {
            code.tries_left -= 1;
            return Err(Refusal::WrongCode.into());
        }
        state.verifications.remove(&user);
        state.account_mut(user)?.user.is_verified = true;
        Ok(())
    }

    async fn put_reset(&self, user: UserId, code: MailedCode) -> Result<()> {
        let mut state = self.0.lock();
        state.account(user)?;
        state.resets.insert(user, code);
        Ok(())
    }

    async fn reset_password(
        &self,
        stamp: Stamp,
        hash: &TokenHash,
        password_hash: String,
    ) -> Result<User> {
        let mut state = self.0.lock();
        let code =
            state.resets.iter().find(|(_, code)| code.hash == *hash && code.expires_at > stamp.at);
        let user = code.map(|(user, _)| *user).ok_or(Refusal::WrongResetCode)?;
        state.resets.remove(&user);
        state.verifications.remove(&user);
        state.sessions.retain(|_, session| session.user != user);
        let account = state.account_mut(user)?;
        account.password_hash = password_hash;
        account.user.is_verified = true;
        Ok(account.user.clone())
    }

    async fn change_email(
        &self,
        _: Stamp,
        user: UserId,
        email: Email,
        is_verified: bool,
    ) -> Result<User> {
        let mut state = self.0.lock();
        state.account(user)?;
        let holder = state.by_email(&email).map(|account| account.user.id);
        rule(holder.is_none_or(|holder| holder == user), Refusal::EmailTaken)?;
        if holder.is_none() {
            state.verifications.remove(&user);
            state.resets.remove(&user);
            let account = state.account_mut(user)?;
            account.user.email = email;
            account.user.is_verified = is_verified;
        }
        Ok(state.account(user)?.user.clone())
    }

    async fn change_password(
        &self,
        _: Stamp,
        user: UserId,
        expected: &str,
        password_hash: String,
        keep: &TokenHash,
    ) -> Result<()> {
        let mut state = self.0.lock();
        let account = state.account_mut(user)?;
        if account.password_hash != expected {
            return Err(Thing::User.into());
        }
        account.password_hash = password_hash;
        state.resets.remove(&user);
        state.sessions.retain(|hash, session| session.user != user || hash == keep);
        Ok(())
    }

    async fn delete_account(&self, _: Stamp, user: UserId) -> Result<()> {
        let mut state = self.0.lock();
        state.account(user)?;
        let seats = state.memberships_of(user);
        let (alone, shared): (Vec<_>, Vec<_>) =
            seats.into_iter().partition(|seat| state.people_of(seat.org).len() == 1);
        for seat in &shared {
            let team = state.team(seat.team)?;
            state.may_leave(team, user)?;
        }
        for seat in alone {
            state.drop_org(seat.org);
        }
        state.members.retain(|(_, who), _| *who != user);
        state.requests.retain(|_, request| request.user_id != user);
        state.sessions.retain(|_, session| session.user != user);
        state.verifications.remove(&user);
        state.resets.remove(&user);
        state.accounts.remove(&user);
        Ok(())
    }
}
