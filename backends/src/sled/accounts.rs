use async_trait::async_trait;
use px0_core::{
    clock::Timestamp,
    email::Email,
    ids::{TeamId, UserId},
    secret::{CodeKey, TokenHash},
    store::{Accounts, Refusal, Result, Stamp, Thing},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, MailedCode, Session, User},
};

use super::{
    SledStore,
    error::corrupt,
    keyspace, record,
    records::{Reset, Verification},
    rule,
    tx::Tx,
    view::View,
};

#[async_trait]
impl Accounts for SledStore {
    async fn code_key(&self, fresh: CodeKey) -> Result<CodeKey> {
        if let Some(key) = self.read(code_key)? {
            return Ok(key);
        }
        self.write(move |tx| match code_key(tx)? {
            Some(key) => Ok(key),
            None => {
                tx.put(keyspace::about(keyspace::CODE_KEY), fresh.expose().to_vec());
                Ok(fresh)
            }
        })
        .await
    }

    async fn found_account(
        &self,
        stamp: Stamp,
        account: Account,
        org: Org,
        team: Team,
    ) -> Result<()> {
        self.write(move |tx| {
            add(tx, &account)?;
            tx.insert(&org)?;
            tx.insert(&team)?;
            tx.join(&team, account.user.id, Role::Admin, stamp.at)
        })
        .await
    }

    async fn add_account(
        &self,
        stamp: Stamp,
        account: Account,
        team: TeamId,
        role: Role,
    ) -> Result<()> {
        self.write(move |tx| {
            let team = tx.team(team)?;
            add(tx, &account)?;
            tx.join(&team, account.user.id, role, stamp.at)
        })
        .await
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>> {
        self.read(|view| view.get(&keyspace::account(user)))
    }

    async fn account_by_email(&self, email: &Email) -> Result<Option<Account>> {
        self.read(|view| view.account_by_email(email))
    }

    async fn open_session(&self, session: Session) -> Result<()> {
        self.write(move |tx| {
            tx.account(session.user)?;
            tx.end_sessions(session.user, |old| old.expires_at > session.created_at)?;
            tx.insert(&session)
        })
        .await
    }

    async fn session(
        &self,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<(User, Vec<Membership>)>> {
        self.read(|view| {
            let session: Option<Session> = view.get(&keyspace::session(hash))?;
            let Some(session) = session.filter(|session| session.expires_at > now) else {
                return Ok(None);
            };
            let account: Account = view.must(&keyspace::account(session.user))?;
            let places = view.places_of(session.user)?;
            let memberships = places.into_iter().map(|place| place.membership).collect();
            Ok(Some((account.user, memberships)))
        })
    }

    async fn close_session(&self, hash: &TokenHash) -> Result<()> {
        let key = keyspace::session(hash);
        self.write(move |tx| tx.remove_at::<Session>(&key)).await
    }

    async fn put_verification(&self, user: UserId, code: MailedCode) -> Result<()> {
        self.write(move |tx| {
            tx.account(user)?;
            tx.insert(&Verification { user, code })
        })
        .await
    }

    async fn verify_email(&self, stamp: Stamp, email: &Email, hash: &TokenHash) -> Result<()> {
        let (email, hash) = (email.clone(), *hash);
        // A wrong try is counted, so it is a success of the command's.
        let right = self.write(move |tx| try_code(tx, stamp, &email, &hash));
        rule(right.await?, Refusal::WrongCode)
    }

    async fn put_reset(&self, user: UserId, code: MailedCode) -> Result<()> {
        self.write(move |tx| {
            tx.account(user)?;
            tx.remove_at::<Reset>(&keyspace::reset(user))?;
            tx.insert(&Reset { user, code })
        })
        .await
    }

    async fn reset_password(
        &self,
        stamp: Stamp,
        hash: &TokenHash,
        password_hash: String,
    ) -> Result<User> {
        let hash = *hash;
        self.write(move |tx| {
            let user = tx.value(&keyspace::by_reset(&hash))?;
            let user = user.ok_or(Refusal::WrongResetCode)?;
            let user = UserId::from_uuid(record::id(&user)?);
            let reset: Reset = tx.must(&keyspace::reset(user))?;
            rule(reset.code.expires_at > stamp.at, Refusal::WrongResetCode)?;
            tx.remove(&reset)?;
            tx.remove_at::<Verification>(&keyspace::verification(user))?;
            tx.end_sessions(user, |_| false)?;
            let old = tx.account(user)?;
            let mut new = old.clone();
            new.password_hash = password_hash;
            new.user.is_verified = true;
            tx.replace(&old, &new)?;
            Ok(new.user)
        })
        .await
    }

    async fn change_email(
        &self,
        _: Stamp,
        user: UserId,
        email: Email,
        is_verified: bool,
    ) -> Result<User> {
        self.write(move |tx| {
            let old = tx.account(user)?;
            if old.user.email == email {
                return Ok(old.user);
            }
            let taken = tx.has(&keyspace::by_email(email.as_str()))?;
            rule(!taken, Refusal::EmailTaken)?;
            tx.remove_at::<Verification>(&keyspace::verification(user))?;
            tx.remove_at::<Reset>(&keyspace::reset(user))?;
            let mut new = old.clone();
            new.user.email = email;
            new.user.is_verified = is_verified;
            tx.replace(&old, &new)?;
            Ok(new.user)
        })
        .await
    }

    async fn change_password(
        &self,
        _: Stamp,
        user: UserId,
        expected: &str,
        password_hash: String,
        keep: &TokenHash,
    ) -> Result<()> {
        let (expected, keep) = (expected.to_owned(), *keep);
        self.write(move |tx| {
            let old = tx.account(user)?;
            if old.password_hash != expected {
                return Err(Thing::User.into());
            }
            tx.remove_at::<Reset>(&keyspace::reset(user))?;
            tx.end_sessions(user, |session| session.hash == keep)?;
            let new = Account { password_hash, ..old.clone() };
            tx.replace(&old, &new)
        })
        .await
    }

    async fn delete_account(&self, _: Stamp, user: UserId) -> Result<()> {
        self.write(move |tx| {
            tx.account(user)?;
            for place in tx.places_of(user)? {
                let org = place.membership.org;
                if tx.people_in(org)?.len() > 1 {
                    tx.may_leave(&place)?;
                } else if tx.has(&keyspace::org(org))? {
                    tx.drop_org(org)?;
                }
            }
            tx.drop_account(user)
        })
        .await
    }
}

fn code_key(view: &View<'_>) -> Result<Option<CodeKey>> {
    let Some(bytes) = view.value(&keyspace::about(keyspace::CODE_KEY))? else {
        return Ok(None);
    };
    let bytes = <[u8; 32]>::try_from(&*bytes);
    let bytes = bytes.map_err(|_| corrupt("the key of codes has another length"))?;
    Ok(Some(CodeKey::from_bytes(bytes)))
}

fn add(tx: &mut Tx<'_>, account: &Account) -> Result<()> {
    let taken = tx.has(&keyspace::by_email(account.user.email.as_str()))?;
    rule(!taken, Refusal::EmailTaken)?;
    tx.insert(account)
}

/// Whether it is the code that was mailed; a wrong one takes a try away.
fn try_code(tx: &mut Tx<'_>, stamp: Stamp, email: &Email, hash: &TokenHash) -> Result<bool> {
    let Some(account) = tx.account_by_email(email)? else {
        return Ok(false);
    };
    let key = keyspace::verification(account.user.id);
    let Some(mailed) = tx.get::<Verification>(&key)? else {
        return Ok(false);
    };
    if mailed.code.tries_left == 0 || mailed.code.expires_at <= stamp.at {
        return Ok(false);
    }
    if mailed.code.hash != *hash {
        let mut less = Verification { user: mailed.user, code: mailed.code.clone() };
        less.code.tries_left -= 1;
        tx.replace(&mailed, &less)?;
        return Ok(false);
    }
    tx.remove(&mailed)?;
    let mut verified = account.clone();
    verified.user.is_verified = true;
    tx.replace(&account, &verified)?;
    Ok(true)
}
