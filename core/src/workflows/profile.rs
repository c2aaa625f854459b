use crate::{
    email::Email,
    error::{Code, Error, Result},
    ids::TeamId,
    network::Network,
    password::Password,
    store::{StoreError, Thing},
    tenancy::{Org, Role, Team},
    user::User,
    workflows::{Grant, Px0},
};

/// What somebody is in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OrgRole {
    /// Admin of its Default Team.
    Admin,
    /// In one of its teams.
    Member,
}

impl Px0 {
    /// Changes the caller's address. Another one must be verified before the next login; a code is mailed there.
    ///
    /// # Errors
    /// [`Code::EmailTaken`].
    pub async fn change_email(&self, who: &Grant<()>, email: Email) -> Result<User> {
        let before = &who.caller().person()?.user;
        let is_verified = self.policy.auto_verify;
        let user = self.store.change_email(who.stamp(), before.id, email, is_verified).await?;
        if before.email != user.email {
            self.ask_for_proof(&user);
        }
        Ok(user)
    }

    /// Changes the caller's password; their other sessions end.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`] when `current` is not their password; [`Code::RateLimited`] and [`Code::Unavailable`] when
    /// too many passwords are being checked.
    pub async fn change_password(
        &self,
        who: &Grant<()>,
        current: String,
        new: Password,
        from: Network,
    ) -> Result<()> {
        let wrong = || Error::new(Code::InvalidCredentials, "current password is wrong");
        let person = who.caller().person()?;
        let account = self.store.account(person.user.id).await?.ok_or(Thing::User)?;
        if !self.hasher.verify(current, Some(&account.password_hash), from).await? {
            return Err(wrong());
        }
        let hash = self.hasher.hash(new, from).await?;
        let expected = account.password_hash;
        let changed = self.store.change_password(
            who.stamp(),
            person.user.id,
            &expected,
            hash,
            &person.session,
        );
        changed.await.map_err(|error| match error {
            // Changed or forgotten while the given one was being checked: it is not the present one any more.
            StoreError::Missing(Thing::User) => wrong(),
            other => other.into(),
        })
    }

    /// Forgets the caller.
    ///
    /// # Errors
    /// [`Code::LastAdmin`].
    pub async fn delete_me(&self, who: &Grant<()>) -> Result<()> {
        let person = who.caller().person()?;
        Ok(self.store.delete_account(who.stamp(), person.user.id).await?)
    }

    /// The caller's organizations.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn my_orgs(&self, who: &Grant<()>) -> Result<Vec<(Org, OrgRole)>> {
        let orgs = self.store.orgs_of(who.caller().person()?.user.id).await?;
        let role = |runs| {
            if runs { OrgRole::Admin } else { OrgRole::Member }
        };
        Ok(orgs.into_iter().map(|(org, runs)| (org, role(runs))).collect())
    }

    /// The caller's teams.
    ///
    /// # Errors
    /// The store's own failures only.
    pub async fn my_teams(&self, who: &Grant<()>) -> Result<Vec<(Team, Role)>> {
        Ok(self.store.teams_of(who.caller().person()?.user.id).await?)
    }

    /// Takes the caller out of a team.
    ///
    /// # Errors
    /// Not found when they are not in it; [`Code::LastAdmin`].
    pub async fn leave_team(&self, who: &Grant<()>, team: TeamId) -> Result<()> {
        let person = who.caller().person()?;
        if !person.memberships.iter().any(|seat| seat.team == team) {
            return Err(Thing::Team.into());
        }
        Ok(self.store.remove_member(who.stamp(), team, person.user.id).await?)
    }
}
