use async_trait::async_trait;
use px0_core::{
    clock::Timestamp,
    email::Email,
    ids::{TeamId, UserId},
    mailed::{MailedCode, MailedCodes, Tried},
    secret::{CodeKey, TokenHash},
    store::{Accounts, Refusal, Result, Stamp, Thing},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, KnownAddress, Session, User},
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
                tx.mark(keyspace::CODE_KEY, Some(&fresh.expose()[..]));
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

    async fn open_session(&self, session: Session, from: TokenHash) -> Result<()> {
        self.write(move |tx| {
            let user = session.user;
            tx.account(user)?;
            tx.insert(&KnownAddress { user, address: from, last_login: session.created_at })?;
            let known = tx.records(&keyspace::addresses_of(user))?;
            tx.remove_all(&KnownAddress::surplus(known))?;
            tx.end_sessions(session.user, |old| old.expires_at > session.created_at)?;
            tx.insert(&session)
        })
        .await
    }

    async fn last_login(&self, user: UserId, from: &TokenHash) -> Result<Option<Timestamp>> {
        let known: Option<KnownAddress> =
            self.read(|view| view.get(&keyspace::address(user, from)))?;
        Ok(known.map(|known| known.last_login))
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

    async fn put_verification(
        &self,
        now: Timestamp,
        user: UserId,
        code: MailedCode,
    ) -> Result<bool> {
        self.write(move |tx| {
            tx.account(user)?;
            let before = tx.get::<Verification>(&keyspace::verification(user))?;
            let codes = MailedCodes::with(before.map(|before| before.codes), code, now);
            let kept = codes.map(|codes| tx.insert(&Verification { user, codes })).transpose()?;
            Ok(kept.is_some())
        })
        .await
    }

    async fn verify_email(
        &self,
        stamp: Stamp,
        email: &Email,
        hash: &TokenHash,
        from: &TokenHash,
    ) -> Result<()> {
        let (email, hash, from) = (email.clone(), *hash, *from);
        // A wrong try is counted, so it is a success of the command's.
        let right = self.write(move |tx| try_code(tx, stamp, &email, &hash, from));
        rule(right.await?, Refusal::WrongCode)
    }

    async fn put_reset(&self, now: Timestamp, user: UserId, code: MailedCode) -> Result<bool> {
        self.write(move |tx| {
            tx.account(user)?;
            let before = tx.get::<Reset>(&keyspace::reset(user))?;
            let former = before.as_ref().map(|before| before.codes.clone());
            let Some(codes) = MailedCodes::with(former, code, now) else {
                return Ok(false);
            };
            let after = Reset { user, codes };
            match before {
                Some(before) => tx.replace(&before, &after)?,
                None => tx.insert(&after)?,
            }
            Ok(true)
        })
        .await
    }

    async fn has_reset(&self, hash: &TokenHash, now: Timestamp) -> Result<bool> {
        self.read(|view| Ok(reset_of(view, hash, now)?.is_some()))
    }

    async fn reset_password(
        &self,
        stamp: Stamp,
        hash: &TokenHash,
        password_hash: String,
    ) -> Result<User> {
        let hash = *hash;
        self.write(move |tx| {
            let reset = reset_of(tx, &hash, stamp.at)?.ok_or(Refusal::WrongResetCode)?;
            let user = reset.user;
            tx.remove(&reset)?;
            tx.remove_at::<Verification>(&keyspace::verification(user))?;
            tx.end_sessions(user, |_| false)?;
            let old = tx.account(user)?;
            let mut new = old.clone();
            new.reset(password_hash);
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

pub(super) fn code_key(view: &View<'_>) -> Result<Option<CodeKey>> {
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

/// The reset codes of whoever was mailed this one, if it can be used.
fn reset_of(view: &View<'_>, hash: &TokenHash, now: Timestamp) -> Result<Option<Reset>> {
    let Some(user) = view.value(&keyspace::by_reset(hash))? else {
        return Ok(None);
    };
    // A reader may come between two writes that moved both.
    let user = UserId::from_uuid(record::id(&user)?);
    let reset = view.get::<Reset>(&keyspace::reset(user))?;
    Ok(reset.filter(|reset| reset.codes.has(hash, now)))
}

/// Whether it is a code that was mailed; a wrong one takes a try away.
fn try_code(
    tx: &mut Tx<'_>,
    stamp: Stamp,
    email: &Email,
    hash: &TokenHash,
    from: TokenHash,
) -> Result<bool> {
    let Some(account) = tx.account_by_email(email)? else {
        return Ok(false);
    };
    let key = keyspace::verification(account.user.id);
    let Some(before) = tx.get::<Verification>(&key)? else {
        return Ok(false);
    };
    let mut after = before.clone();
    match after.codes.try_code(hash, from, stamp.at) {
        Tried::Right => {
            tx.remove(&before)?;
            let mut proved = account.clone();
            proved.prove();
            tx.replace(&account, &proved)?;
            Ok(true)
        }
        Tried::Wrong => {
            tx.replace(&before, &after)?;
            Ok(false)
        }
        Tried::Uncounted => Ok(false),
    }
}
