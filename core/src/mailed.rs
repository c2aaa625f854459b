//! Codes that were sent by mail, and how often a wrong one may be tried.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, secret::TokenHash};

/// A code that was sent by mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailedCode {
    /// What is kept of it.
    pub hash: TokenHash,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// How many wrong tries are left, from all addresses together.
    pub tries_left: u8,
    /// How many wrong tries there were, by the address they came from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wrong_tries: BTreeMap<TokenHash, u8>,
}

impl MailedCode {
    /// Wrong tries after which a verification code is void, with all others that the account has then.
    pub const TRIES: u8 = 50;

    /// Wrong tries from one address after which a verification code cannot be used from there.
    pub const TRIES_FROM_ONE: u8 = 5;

    /// A code that nobody has tried.
    pub const fn new(hash: TokenHash, expires_at: Timestamp) -> Self {
        Self { hash, expires_at, tries_left: Self::TRIES, wrong_tries: BTreeMap::new() }
    }

    fn lasts(&self, now: Timestamp) -> bool {
        self.expires_at > now
    }

    fn can_be_tried(&self, from: &TokenHash, now: Timestamp) -> bool {
        let wrong = self.wrong_tries.get(from).copied().unwrap_or(0);
        self.lasts(now) && self.tries_left > 0 && wrong < Self::TRIES_FROM_ONE
    }
}

/// The codes of one kind that were mailed to one user and not used yet.
///
/// A new one does not void the former ones: whoever asks for codes for somebody else's address would void what its owner was just
/// mailed. All of them went to the same address, so all are as good. Their number is bounded, and with it how much mail
/// others can have sent to somebody, and how many codes a guess can hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailedCodes {
    /// The one that was mailed last.
    pub code: MailedCode,
    /// Those before it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<MailedCode>,
}

impl MailedCodes {
    /// The most that have not ended. While there are so many, no further one is made; one without tries left counts, so
    /// that guesses cannot be had by having codes made.
    pub const MOST: usize = 5;

    /// Adds a code to those that somebody has; `None` while there are too many. What has ended is forgotten.
    pub fn with(before: Option<Self>, code: MailedCode, now: Timestamp) -> Option<Self> {
        let mut former = before.map(Self::into_vec).unwrap_or_default();
        former.retain(|code| code.lasts(now));
        // Wrong tries from everywhere are those of the account: nobody gets more of them by having codes made.
        let left = former.iter().map(|code| code.tries_left).min();
        let tries_left = left.map_or(code.tries_left, |left| left.min(code.tries_left));
        (former.len() < Self::MOST)
            .then_some(Self { code: MailedCode { tries_left, ..code }, former })
    }

    fn into_vec(mut self) -> Vec<MailedCode> {
        self.former.push(self.code);
        self.former
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &MailedCode> {
        self.former.iter().chain([&self.code])
    }

    /// Whether one of them has this hash and has not ended.
    pub fn has(&self, hash: &TokenHash, now: Timestamp) -> bool {
        self.iter().any(|code| code.hash == *hash && code.lasts(now))
    }

    /// Tries a verification code. A wrong one is held against each that it could have been.
    pub fn try_code(&mut self, hash: &TokenHash, from: TokenHash, now: Timestamp) -> Tried {
        let all = self.former.iter_mut().chain([&mut self.code]);
        let mut open: Vec<_> = all.filter(|code| code.can_be_tried(&from, now)).collect();
        if open.is_empty() {
            return Tried::Uncounted;
        }
        if open.iter().any(|code| code.hash == *hash) {
            return Tried::Right;
        }
        for code in &mut open {
            code.tries_left -= 1;
            *code.wrong_tries.entry(from).or_default() += 1;
        }
        Tried::Wrong
    }
}

/// How a try of a verification code ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was right.
    Right,
    /// It was wrong, and was counted.
    Wrong,
    /// No code can be tried (any more), so there is nothing to count.
    Uncounted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_was_kept_before_addresses_were_counted_is_read() {
        let hash = TokenHash::of("code");
        let text = serde_json::json!({
            "code": { "hash": hash, "expires_at": "2026-01-02T03:04:05Z", "tries_left": 3 }
        });
        let codes: MailedCodes = serde_json::from_value(text.clone()).expect("codes");
        assert_eq!(codes.code.tries_left, 3);
        assert_eq!(serde_json::to_value(&codes).expect("json"), text, "and written as before");
    }
}
