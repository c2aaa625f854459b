//! Passwords: the rule, and argon2id behind a bound on how many are hashed at once.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::error::{Code, Error, Result};

/// A password that follows the rule: 8 to 1,024 characters, with an upper-case and a lower-case letter, a digit and
/// a special character.
pub struct Password(String);

impl Password {
    /// Longest password, in characters: hashing must not be fed megabytes.
    pub const MAX: usize = 1024;

    /// Whether a text is too long to be one: of at most four bytes a character.
    fn is_too_long(text: &str) -> bool {
        text.len() > 4 * Self::MAX || text.chars().count() > Self::MAX
    }

    /// Parses a new password; `field` is what the caller called it, for the error.
    ///
    /// # Errors
    /// [`Code::WeakPassword`], whose words and `details.missing` name all that lacks; [`Code::InvalidField`] when it is too
    /// long.
    pub fn parse(field: &'static str, text: &str) -> Result<Self> {
        if Self::is_too_long(text) {
            let message = format!("{field} must have at most {} characters", Self::MAX);
            return Err(Error::field(Code::InvalidField, field, message));
        }
        let rules = [
            ("at least 8 characters", text.chars().count() >= 8),
            ("an upper-case letter", text.chars().any(char::is_uppercase)),
            ("a lower-case letter", text.chars().any(char::is_lowercase)),
            ("a digit", text.chars().any(|c| c.is_ascii_digit())),
            (
                "a special character",
                text.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace()),
            ),
        ];
        let missing: Vec<_> = rules.iter().filter(|(_, met)| !met).map(|(what, _)| *what).collect();
        if missing.is_empty() {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Code::WeakPassword, format!("password needs {}", missing.join(", ")))
            .with_details(json!({ "field": field, "missing": missing })))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Hashes and verifies passwords: argon2id, 19 MiB, two passes, one lane (OWASP's first choice).
///
/// Each takes 19 MiB and tens of milliseconds of a core, so at most as many run at once as there are
/// cores, on blocking threads; the others wait. Logins can then neither eat the memory nor stop renders.
#[derive(Clone)]
pub struct Hasher {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    dummy: Arc<str>,
}

impl Hasher {
    /// A hasher with the costs above.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let params =
            Params::new(19 * 1024, 2, 1, None).map_err(|e| Error::internal(e.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash(&argon2, "not a password of anybody's")?;
        Ok(Self { argon2, turns: Arc::new(Semaphore::new(cores)), dummy: dummy.into() })
    }

    /// The hash to keep, in PHC form.
    ///
    /// # Errors
    /// The server's own failures only.
    pub async fn hash(&self, password: Password) -> Result<String> {
        self.run(move |argon2| hash(argon2, &password.0)).await?
    }

    /// Whether `given` is the password that `kept` is the hash of. With nothing kept (no such user) the
    /// answer is no, after the same work.
    ///
    /// # Errors
    /// The server's own failures only.
    pub async fn verify(&self, given: String, kept: Option<&str>) -> Result<bool> {
        if Password::is_too_long(&given) {
            return Ok(false);
        }
        let known = kept.is_some();
        let kept: Arc<str> = kept.map_or_else(|| self.dummy.clone(), Into::into);
        let matches =
            self.run(move |argon2| argon2.verify_password(given.as_bytes(), &*kept).is_ok());
        Ok(matches.await? && known)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T> {
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::internal)?;
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&argon2)
        })
        .await
        .map_err(Error::internal)
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String> {
    let hash = argon2.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|e| Error::internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_all_that_lacks() {
        assert!(Password::parse("password", "Passw0rd!").is_ok());
        let error = Password::parse("password", "abc").expect_err("weak");
        assert_eq!(error.code, Code::WeakPassword);
        assert_eq!(
            error.message,
            "password needs at least 8 characters, an upper-case letter, a digit, a special character"
        );
        assert_eq!(
            Password::parse("password", &"a".repeat(1025)).expect_err("long").code,
            Code::InvalidField
        );
    }

    #[tokio::test]
    async fn only_the_same_password_verifies() {
        let hasher = Hasher::new().expect("hasher");
        let password = Password::parse("password", "Passw0rd!").expect("a password");
        let kept = hasher.hash(password).await.expect("hash");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(hasher.verify("Passw0rd!".into(), Some(&kept)).await.expect("ran"));
        assert!(!hasher.verify("Passw0rd?".into(), Some(&kept)).await.expect("ran"));
        assert!(!hasher.verify("not a password of anybody's".into(), None).await.expect("ran"));
    }
}
