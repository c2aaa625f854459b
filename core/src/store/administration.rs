use async_trait::async_trait;

use super::{Result, Stamp};
use crate::{
    email::Email,
    name::Name,
    page::{Page, Paged},
    tenancy::Org,
    user::User,
};

/// What an operator does on px0's own machine. It reaches across organizations, so no request over HTTP comes here.
#[async_trait]
pub trait Administration: Send + Sync + 'static {
    /// Everybody, by address, in byte order.
    async fn users(&self, page: Page<Email>) -> Result<Paged<User, Email>>;

    /// The organizations of this name, by id: at most `limit` of them.
    async fn orgs_named(&self, name: &Name, limit: usize) -> Result<Vec<Org>>;

    /// Gives somebody a new password without asking for the old one or for a code.
    ///
    /// # Behavior
    /// - Nobody of that address is `Missing(User)`.
    /// - The operator vouches for the address: the user is verified, and counts as proved. All their sessions end, and the codes that were mailed to them are void. The answer is the user.
    async fn set_password(
        &self,
        stamp: Stamp,
        email: &Email,
        password_hash: String,
    ) -> Result<User>;
}
