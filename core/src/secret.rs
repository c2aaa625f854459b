//! Bearer tokens and codes: random when made, hashes when kept.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    hex,
    network::Network,
};

/// What a bearer token is for; its prefix says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A user's session: `sess_…`.
    Session,
    /// An API key: `ak_…`.
    ApiKey,
    /// A password reset: `rst_…`, sent by mail.
    Reset,
}

impl TokenKind {
    /// What tokens of this kind begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "sess_",
            Self::ApiKey => "ak_",
            Self::Reset => "rst_",
        }
    }
}

/// A secret of 256 random bits, as its owner gets it once. Only its [`TokenHash`] is kept.
pub struct Token(String);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new(kind: TokenKind) -> Result<Self> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).map_err(Error::internal)?;
        Ok(Self(format!("{}{}", kind.prefix(), hex::text(&bits))))
    }

    /// The token itself: for its owner, and nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-256 of a token. Not salted and not slow, because 256 random bits cannot be guessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of what a caller presents.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::text(&self.0[..4]))?;
        f.write_str("…")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = hex::deserialize(deserializer)?.try_into();
        bytes.map(Self).map_err(|_| serde::de::Error::custom("not a SHA-256"))
    }
}

/// The key under which short codes and addresses are hashed: without it, six digits could be read back from their hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new() -> Result<Self> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).map_err(Error::internal)?;
        Ok(Self(bits))
    }

    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key, for the store that keeps it.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// What is kept of `code`, which was sent to `whom`: HMAC-SHA-256.
    pub fn seal(&self, whom: &str, code: &str) -> TokenHash {
        // HMAC pads a short key with zeros to the block of its hash (RFC 2104): done here, it cannot fail.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(whom.as_bytes());
        mac.update(&[0]);
        mac.update(code.as_bytes());
        TokenHash(mac.finalize().into_bytes().into())
    }
}

impl Serialize for CodeKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for CodeKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = hex::deserialize(deserializer)?.try_into();
        bytes.map(Self).map_err(|_| serde::de::Error::custom("not a key of 32 bytes"))
    }
}

impl CodeKey {
    /// What is kept of an address from which something of `whose` was tried: none is kept in clear text.
    pub fn seal_address(&self, whose: &str, from: Network) -> TokenHash {
        self.seal(whose, &format!("address {from}"))
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

/// A verification code: six random digits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn six_digits() -> Result<String> {
    // The remainder's bias (1 in 4,294) is far below what five tries could use.
    let random = getrandom::u32().map_err(Error::internal)?;
    Ok(format!("{:06}", random % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_and_never_printed() {
        let token = Token::new(TokenKind::ApiKey).expect("random");
        assert!(token.expose().starts_with("ak_"));
        assert_eq!(token.expose().len(), 3 + 64);
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(TokenHash::of(token.expose()), token.hash());
    }

    #[test]
    fn hashes_survive_their_text() {
        let hash = TokenHash::of("x");
        let text = serde_json::to_string(&hash).expect("text");
        assert_eq!(serde_json::from_str::<TokenHash>(&text).expect("hash"), hash);
        assert!(serde_json::from_str::<TokenHash>("\"é\"").is_err());
    }

    #[test]
    fn a_code_is_sealed_for_one_address() {
        let key = CodeKey::new().expect("random");
        assert_ne!(key.seal("a@b.c", "123456"), key.seal("a@b.d", "123456"));
        assert_eq!(six_digits().expect("random").len(), 6);
    }
}
