use crate::{
    error::Result,
    ids::UserId,
    name::Name,
    page::{Counted, Numbered},
    tenancy::Org,
    user::User,
    workflows::{Grant, Px0, accounts::new_org},
};

impl Px0 {
    /// Makes an organization with its Default Team; the caller runs it.
    ///
    /// # Errors
    /// [`crate::Code::NameTaken`].
    pub async fn create_org(&self, who: &Grant<()>, name: Name) -> Result<Org> {
        let stamp = who.stamp();
        let (org, team) = new_org(name, stamp.at);
        self.store.create_org(stamp, org.clone(), team, who.caller().person()?.user.id).await?;
        Ok(org)
    }

    /// Renames an organization.
    ///
    /// # Errors
    /// [`crate::Code::NameTaken`].
    pub async fn rename_org(&self, org: &Grant<Org>, name: Name) -> Result<Org> {
        let by = org.caller().person()?.user.id;
        Ok(self.store.rename_org(org.stamp(), org.id, name, by).await?)
    }

    /// Deletes an organization with all that belongs to it.
    ///
    /// # Errors
    /// Not found when it is gone already.
    pub async fn delete_org(&self, org: &Grant<Org>) -> Result<()> {
        Ok(self.store.delete_org(org.stamp(), org.id).await?)
    }

    /// The people of an organization.
    ///
    /// # Errors
    /// Not found when it is gone.
    pub async fn people(&self, org: &Grant<Org>, page: Numbered) -> Result<Counted<User>> {
        Ok(self.store.people(org.id, page).await?)
    }

    /// Takes somebody out of all teams of an organization.
    ///
    /// # Errors
    /// Not found when they are in none; [`crate::Code::LastAdmin`].
    pub async fn remove_person(&self, on: &Grant<(Org, UserId)>) -> Result<()> {
        let (org, user) = &**on;
        Ok(self.store.remove_person(on.stamp(), org.id, *user).await?)
    }
}
