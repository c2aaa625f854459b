use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, rule};
use crate::{
    clock::Timestamp,
    email::Email,
    ids::{TeamId, UserId},
    mailed::{MailedCode, MailedCodes, Tried},
    secret::{CodeKey, TokenHash},
    store::{Accounts, Refusal, Result, Stamp, Thing},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, KnownAddress, Session, User},
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

    async fn open_session(&self, session: Session, from: TokenHash) -> Result<()> {
        let mut state = self.0.lock();
        state.account(session.user)?;
        let (user, now) = (session.user, session.created_at);
        state.addresses.insert((user, from), now);
        for surplus in KnownAddress::surplus(state.addresses_of(user).collect()) {
            state.addresses.remove(&(user, surplus.address));
        }
        state.sessions.retain(|_, old| old.user != user || old.expires_at > now);
        state.sessions.insert(session.hash, session);
        Ok(())
    }

    async fn last_login(&self, user: UserId, from: &TokenHash) -> Result<Option<Timestamp>> {
        Ok(self.0.lock().addresses.get(&(user, *from)).copied())
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

    async fn put_verification(
        &self,
        now: Timestamp,
        user: UserId,
        code: MailedCode,
    ) -> Result<bool> {
        let mut state = self.0.lock();
        state.account(user)?;
        Ok(put(&mut state.verifications, now, user, code))
    }

    async fn verify_email(
        &self,
        stamp: Stamp,
        email: &Email,
        hash: &TokenHash,
        from: &TokenHash,
    ) -> Result<()> {
        let mut state = self.0.lock();
        let user =
            state.by_email(email).map(|account| account.user.id).ok_or(Refusal::WrongCode)?;
        let codes = state.verifications.get_mut(&user).ok_or(Refusal::WrongCode)?;
        rule(codes.try_code(hash, *from, stamp.at) == Tried::Right, Refusal::WrongCode)?;
        state.verifications.remove(&user);
        state.account_mut(user)?.prove();
        Ok(())
    }

    async fn put_reset(&self, now: Timestamp, user: UserId, code: MailedCode) -> Result<bool> {
        let mut state = self.0.lock();
        state.account(user)?;
        Ok(put(&mut state.resets, now, user, code))
    }

    async fn has_reset(&self, hash: &TokenHash, now: Timestamp) -> Result<bool> {
        Ok(self.0.lock().resets.values().any(|codes| codes.has(hash, now)))
    }

    async fn reset_password(
        &self,
        stamp: Stamp,
        hash: &TokenHash,
        password_hash: String,
    ) -> Result<User> {
        let mut state = self.0.lock();
        let codes = state.resets.iter().find(|(_, codes)| codes.has(hash, stamp.at));
        let user = codes.map(|(user, _)| *user).ok_or(Refusal::WrongResetCode)?;
        state.resets.remove(&user);
        state.verifications.remove(&user);
        state.sessions.retain(|_, session| session.user != user);
        let account = state.account_mut(user)?;
        account.reset(password_hash);
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
        state.addresses.retain(|(of, _), _| *of != user);
        state.verifications.remove(&user);
        state.resets.remove(&user);
        state.accounts.remove(&user);
        Ok(())
    }
}

/// Keeps a code, unless somebody has too many.
fn put(
    kept: &mut BTreeMap<UserId, MailedCodes>,
    now: Timestamp,
    user: UserId,
    code: MailedCode,
) -> bool {
    let codes = MailedCodes::with(kept.get(&user).cloned(), code, now);
    codes.map(|codes| kept.insert(user, codes)).is_some()
}
