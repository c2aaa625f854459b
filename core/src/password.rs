//! Passwords: the rule, and argon2id behind a queue that is fair to addresses.

mod queue;
mod workers;

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use serde_json::json;

use self::workers::Workers;
use crate::{
    error::{Code, Error, Result},
    network::Network,
};

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

/// How many passwords may wait to be hashed or verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashLimits {
    /// From one address.
    pub from_one: usize,
    /// From all together.
    pub in_all: usize,
}

/// Hashes and verifies passwords: argon2id, 19 MiB, two passes, one lane (OWASP's first choice).
///
/// Each takes 19 MiB and tens of milliseconds of a core. So it is done by few threads of low priority, for one address after the
/// other (`password::queue`): logins can neither eat the memory nor stop renders, and many of one address hold up no other.
pub struct Hasher {
    workers: Workers<Argon2<'static>>,
}

/// What is verified where there is no user: of the same costs, and of no password anybody knows (its salt and its hash are
/// zeros). It is written down because making it would be a good part of a start.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                       AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Hasher {
    /// A hasher with the costs above.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(limits: HashLimits) -> Result<Self> {
        let workers = Workers::start(argon2()?, limits).map_err(Error::internal)?;
        Ok(Self { workers })
    }

    /// The hash to keep, in PHC form.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when too many wait from this address, [`Code::Unavailable`] when too many wait in all.
    pub async fn hash(&self, password: Password, from: Network) -> Result<String> {
        self.workers.run(from, move |argon2| hash(argon2, &password.0)).await?
    }

    /// Whether `given` is the password that `kept` is the hash of. With nothing kept (no such user) the
    /// answer is no, after the same work.
    ///
    /// # Errors
    /// As [`Hasher::hash`].
    pub async fn verify(&self, given: String, kept: Option<&str>, from: Network) -> Result<bool> {
        if Password::is_too_long(&given) {
            return Ok(false);
        }
        let known = kept.is_some();
        let kept: Arc<str> = kept.unwrap_or(NOBODYS).into();
        let matches = self
            .workers
            .run(from, move |argon2| argon2.verify_password(given.as_bytes(), &*kept).is_ok());
        Ok(matches.await? && known)
    }
}

/// The hash to keep, in PHC form, made here and now: for a command, which nobody else waits for.
///
/// # Errors
/// The machine's own failures only.
pub fn hash_alone(password: &Password) -> Result<String> {
    hash(&argon2()?, &password.0)
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String> {
    let hash = argon2.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|e| Error::internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHash, password_hash};

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
        let hasher = Hasher::new(HashLimits { from_one: 1, in_all: 1 }).expect("hasher");
        let from = Network::of([192, 0, 2, 1].into());
        let password = Password::parse("password", "Passw0rd!").expect("a password");
        let kept = hasher.hash(password, from).await.expect("hash");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        let verify = async |given: &str, kept| hasher.verify(given.into(), kept, from).await;
        assert!(verify("Passw0rd!", Some(&kept)).await.expect("ran"));
        assert!(!verify("Passw0rd?", Some(&kept)).await.expect("ran"));
        assert!(!verify("Passw0rd!", None).await.expect("ran"));
    }

    /// An answer that comes sooner would tell that there is no such user.
    #[test]
    fn to_verify_nobodys_password_costs_what_a_users_costs() {
        let nobodys = PasswordHash::new(NOBODYS).expect("a hash");
        let argon2 = argon2().expect("costs");
        let users = hash(&argon2, "Passw0rd!").expect("a hash");
        let users = PasswordHash::new(&users).expect("a hash");
        assert_eq!(nobodys.algorithm, users.algorithm);
        assert_eq!(nobodys.version, users.version);
        assert_eq!(nobodys.params, users.params);
        let length = |hash: &PasswordHash| hash.hash.as_ref().map(|hash| hash.as_bytes().len());
        assert_eq!(length(&nobodys), length(&users));
        let wrong = argon2.verify_password(b"Passw0rd!", NOBODYS).expect_err("nobody's");
        assert_eq!(wrong, password_hash::Error::PasswordInvalid);
    }
}
