use std::{collections::BTreeMap, convert::Infallible};

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    email::Email,
    name::Name,
    page::{Page, Paged},
    store::{Administration, Result, Stamp, Thing},
    tenancy::Org,
    user::User,
};

#[async_trait]
impl Administration for MemoryStore {
    async fn users(&self, page: Page<Email>) -> Result<Paged<User, Email>> {
        let state = self.0.lock();
        let users = state.accounts.values().map(|account| &account.user);
        let users =
            users.filter(|user| page.after.as_ref().is_none_or(|after| user.email > *after));
        let by_email: BTreeMap<_, _> = users.map(|user| (&user.email, user)).collect();
        let users = by_email.into_values().map(|user| Ok::<_, Infallible>(user.clone()));
        let Ok(page) = Paged::take(page.limit, users, |user| user.email.clone());
        Ok(page)
    }

    async fn orgs_named(&self, name: &Name, limit: usize) -> Result<Vec<Org>> {
        let state = self.0.lock();
        Ok(state.orgs.values().filter(|org| org.name == *name).take(limit).cloned().collect())
    }

    async fn set_password(&self, _: Stamp, email: &Email, password_hash: String) -> Result<User> {
        let mut state = self.0.lock();
        let user = state.by_email(email).ok_or(Thing::User)?.user.id;
        state.verifications.remove(&user);
        state.resets.remove(&user);
        state.sessions.retain(|_, session| session.user != user);
        let account = state.account_mut(user)?;
        account.password_hash = password_hash;
        account.prove();
        Ok(account.user.clone())
    }
}
