use std::time::Duration;

use crate::{
    caller::{Caller, Person, unauthorized},
    clock::Timestamp,
    error::Result,
    key::ApiKey,
    secret::{TokenHash, TokenKind},
    workflows::Px0,
};

/// How fine `last_used_at` of a key is: a write for every render would make reads wait for the disk.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

impl Px0 {
    /// Who presents `token`.
    ///
    /// # Errors
    /// [`crate::Code::Unauthorized`] when it is nobody's, or not any longer.
    pub async fn authenticate(&self, token: &str) -> Result<Caller> {
        let hash = TokenHash::of(token);
        let now = Timestamp::now();
        if token.starts_with(TokenKind::Session.prefix()) {
            let (user, memberships) =
                self.store.session(&hash, now).await?.ok_or_else(unauthorized)?;
            return Ok(Caller::Person(Person { user, memberships, session: hash }));
        }
        if token.starts_with(TokenKind::ApiKey.prefix()) {
            let key = self.key(&hash).await?;
            self.touch(&key, now);
            return Ok(Caller::Key(key));
        }
        Err(unauthorized())
    }

    /// The key of this hash: the copy of it, if there is a good one.
    async fn key(&self, hash: &TokenHash) -> Result<ApiKey> {
        if let Some(copy) = self.cache.key(hash) {
            return Ok(ApiKey::clone(&copy));
        }
        let before = self.cache.before_key();
        let key = self.store.key_by_hash(hash).await?.ok_or_else(unauthorized)?;
        if let Some(before) = before {
            self.cache.keep_key(before, &key);
        }
        Ok(key)
    }

    /// Notes the use of a key, at most once a minute, off the request path: a key that cannot be noted works.
    fn touch(&self, key: &ApiKey, now: Timestamp) {
        let stale = |last: Timestamp| last.plus(TOUCH_EVERY) <= now;
        if key.last_used_at.is_some_and(|last| !stale(last)) {
            return;
        }
        let mut touched = self.touched.lock();
        if touched.get(&key.id).is_some_and(|last| !stale(*last)) {
            return;
        }
        touched.retain(|_, last| !stale(*last));
        touched.insert(key.id, now);
        let (store, id) = (self.store.clone(), key.id);
        tokio::spawn(async move {
            let _ = store.touch_key(id, now).await;
        });
    }
}
