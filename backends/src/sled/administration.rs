use async_trait::async_trait;
use px0_core::{
    email::Email,
    ids::{OrgId, UserId},
    name::Name,
    page::{Page, Paged},
    store::{Administration, Result, Stamp, Thing},
    tenancy::Org,
    user::{Account, User},
};

use super::{
    SledStore,
    committer::Gate,
    keyspace, record,
    records::{Reset, Verification},
};

/// Organizations that are looked at in one go: while one method reads, nobody writes.
const STRIDE: usize = 512;

#[async_trait]
impl Administration for SledStore {
    async fn users(&self, page: Page<Email>) -> Result<Paged<User, Email>> {
        self.list(move |gate| {
            gate.read(|view| {
                let after = page.after.as_ref().map(|email| keyspace::by_email(email.as_str()));
                let users = view.scan_after(&keyspace::emails(), after.as_ref())?.map(|pair| {
                    let user = UserId::from_uuid(record::id(&pair?.1)?);
                    Ok(view.must::<Account>(&keyspace::account(user))?.user)
                });
                Paged::take(page.limit, users, |user: &User| user.email.clone())
            })
        })
        .await
    }

    async fn orgs_named(&self, name: &Name, limit: usize) -> Result<Vec<Org>> {
        let name = name.clone();
        self.list(move |gate| orgs_named(gate, &name, limit)).await
    }

    async fn set_password(&self, _: Stamp, email: &Email, password_hash: String) -> Result<User> {
        let email = email.clone();
        self.write(move |tx| {
            let old = tx.account_by_email(&email)?.ok_or(Thing::User)?;
            let user = old.user.id;
            tx.remove_at::<Reset>(&keyspace::reset(user))?;
            tx.remove_at::<Verification>(&keyspace::verification(user))?;
            tx.end_sessions(user, |_| false)?;
            let mut new = Account { password_hash, ..old.clone() };
            new.user.is_verified = true;
            tx.replace(&old, &new)?;
            Ok(new.user)
        })
        .await
    }
}

/// No index has names: an operator asks seldom.
fn orgs_named(gate: &Gate, name: &Name, limit: usize) -> Result<Vec<Org>> {
    let (mut found, mut after) = (Vec::new(), None::<OrgId>);
    loop {
        let (orgs, is_last) = gate.read(|view| {
            let place = after.map(keyspace::org);
            let ids = view.scan_after(&keyspace::orgs(), place.as_ref())?.take(STRIDE);
            let orgs = ids.map(|pair| view.org(OrgId::from_uuid(record::last_id(&pair?.0)?)));
            let orgs = orgs.collect::<Result<Vec<_>>>()?;
            let is_last = orgs.len() < STRIDE;
            Ok((orgs, is_last))
        })?;
        after = orgs.last().map(|org| org.id);
        found.extend(orgs.into_iter().filter(|org| org.name == *name));
        if is_last || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
    }
}
