//! The keys of the one tree: a byte for the kind, then fixed-width parts and texts. A text that something follows is ended by a
//! NUL (which no slug and no plugin's id has). So a range of keys is a list in the order that the traits promise.
//!
//! ```text
//! records                                    indexes
//! U user                                     E email                        → user
//! S session hash                             s user, hash                   → hash
//! A user, sealed address (known)
//! V user (verification codes)
//! R user (reset codes)                       r hash                         → user
//! O org
//! T team                                     N org, name                    → team
//! m user, team (membership)                  M team, user                   → role
//! J request                                  j team, request → request      k user, request → request
//!                                            w team, user (pending)         → request
//! K api key                                  H hash → key                   o org, newest first → key
//!                                            q team, key (limited to it)    → key
//! P prompt                                   p team, newest first → prompt  n team, name → prompt
//!                                            G org, slug, NUL, team         → prompt
//! W prompt, highest number first (version)   v version → prompt, number     L prompt (live) → number
//! B version (body)
//! t prompt, tag                              a prompt, number, tag          → tag
//! Y payload                                  y prompt, newest first         → payload
//! D org, plugin (decision)
//! X org, plugin, NUL, key (value)
//! # name (what the store is)                 + key, number: a part of a value too long for one key
//! ```

use px0_core::{
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId, VersionId},
    name::Name,
    page::Recent,
    plugin::{PluginId, ValueKey},
    secret::TokenHash,
    slug::Slug,
    tag::TagName,
};
use uuid::Uuid;

/// A key, or what several begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>);

impl Key {
    fn of(kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(kind);
        Self(bytes)
    }

    fn id(self, id: Uuid) -> Self {
        self.bytes(id.as_bytes())
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Later and higher sorts first. Times before 1970 are negative: flipping all bits but the sign
    /// turns signed ascending into unsigned descending order.
    fn recent(self, place: Recent) -> Self {
        let at = place.at.micros() ^ i64::MAX;
        self.bytes(&at.to_be_bytes()).bytes(&(!place.id.as_u128()).to_be_bytes())
    }

    /// Higher sorts first.
    fn number(self, number: u32) -> Self {
        self.bytes(&(!number).to_be_bytes())
    }

    /// The bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Key> for Vec<u8> {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// The schema version of the store.
pub(super) const SCHEMA: &str = "schema";
/// The key that seals verification codes and addresses.
pub(super) const CODE_KEY: &str = "code key";
/// What says that an import was begun and not ended.
pub(super) const IMPORTING: &str = "importing";
/// What the store holds, in numbers.
pub(super) const TALLY: &str = "tally";
/// All that is noted about the store itself.
pub(super) const ABOUT: [&str; 4] = [SCHEMA, CODE_KEY, IMPORTING, TALLY];

/// Declares the functions that build keys: name, kind, parts.
macro_rules! keys {
    ($($name:ident = $kind:literal ($($arg:ident: $ty:ty => $part:ident($value:expr)),*);)*) => {$(
        pub(super) fn $name($($arg: $ty),*) -> Key {
            Key::of($kind)$(.$part($value))*
        }
    )*};
}

keys! {
    about = b'#' (what: &str => bytes(what.as_bytes()));

    account = b'U' (user: UserId => id(user.uuid()));
    emails = b'E' ();
    by_email = b'E' (email: &str => bytes(email.as_bytes()));
    session = b'S' (hash: &TokenHash => bytes(hash.as_bytes()));
    sessions_of = b's' (user: UserId => id(user.uuid()));
    session_of = b's' (user: UserId => id(user.uuid()), hash: &TokenHash => bytes(hash.as_bytes()));
    addresses_of = b'A' (user: UserId => id(user.uuid()));
    address = b'A' (user: UserId => id(user.uuid()), address: &TokenHash => bytes(address.as_bytes()));
    verification = b'V' (user: UserId => id(user.uuid()));
    reset = b'R' (user: UserId => id(user.uuid()));
    by_reset = b'r' (hash: &TokenHash => bytes(hash.as_bytes()));

    orgs = b'O' ();
    org = b'O' (org: OrgId => id(org.uuid()));
    team = b'T' (team: TeamId => id(team.uuid()));
    teams_in = b'N' (org: OrgId => id(org.uuid()));
    team_named = b'N' (org: OrgId => id(org.uuid()), name: &Name => bytes(name.as_str().as_bytes()));
    places_of = b'm' (user: UserId => id(user.uuid()));
    place = b'm' (user: UserId => id(user.uuid()), team: TeamId => id(team.uuid()));
    members_of = b'M' (team: TeamId => id(team.uuid()));
    member = b'M' (team: TeamId => id(team.uuid()), user: UserId => id(user.uuid()));
    request = b'J' (request: JoinRequestId => id(request.uuid()));
    requests_to = b'j' (team: TeamId => id(team.uuid()));
    request_to = b'j' (team: TeamId => id(team.uuid()), request: JoinRequestId => id(request.uuid()));
    requests_of = b'k' (user: UserId => id(user.uuid()));
    request_of = b'k' (user: UserId => id(user.uuid()), request: JoinRequestId => id(request.uuid()));
    pending_in = b'w' (team: TeamId => id(team.uuid()));
    pending = b'w' (team: TeamId => id(team.uuid()), user: UserId => id(user.uuid()));

    key = b'K' (key: KeyId => id(key.uuid()));
    by_secret = b'H' (hash: &TokenHash => bytes(hash.as_bytes()));
    keys_in = b'o' (org: OrgId => id(org.uuid()));
    key_in = b'o' (org: OrgId => id(org.uuid()), place: Recent => recent(place));
    keys_for = b'q' (team: TeamId => id(team.uuid()));
    key_for = b'q' (team: TeamId => id(team.uuid()), key: KeyId => id(key.uuid()));

    prompt = b'P' (prompt: PromptId => id(prompt.uuid()));
    prompts_in = b'p' (team: TeamId => id(team.uuid()));
    prompt_in = b'p' (team: TeamId => id(team.uuid()), place: Recent => recent(place));
    prompt_named = b'n' (team: TeamId => id(team.uuid()), name: &Name => bytes(name.as_str().as_bytes()));
    by_slug = b'G' (org: OrgId => id(org.uuid()), slug: &Slug => ended(slug.as_str()));
    slug_in = b'G' (org: OrgId => id(org.uuid()), slug: &Slug => ended(slug.as_str()), team: TeamId => id(team.uuid()));

    versions_of = b'W' (prompt: PromptId => id(prompt.uuid()));
    version = b'W' (prompt: PromptId => id(prompt.uuid()), number: u32 => number(number));
    version_by_id = b'v' (version: VersionId => id(version.uuid()));
    live = b'L' (prompt: PromptId => id(prompt.uuid()));
    body = b'B' (version: VersionId => id(version.uuid()));
    tags_of = b't' (prompt: PromptId => id(prompt.uuid()));
    tag = b't' (prompt: PromptId => id(prompt.uuid()), tag: &TagName => bytes(tag.as_str().as_bytes()));
    tags_at = b'a' (prompt: PromptId => id(prompt.uuid()), number: u32 => number(number));
    tag_at = b'a' (prompt: PromptId => id(prompt.uuid()), number: u32 => number(number), tag: &TagName => bytes(tag.as_str().as_bytes()));

    payload = b'Y' (payload: PayloadId => id(payload.uuid()));
    payloads_of = b'y' (prompt: PromptId => id(prompt.uuid()));
    payload_of = b'y' (prompt: PromptId => id(prompt.uuid()), place: Recent => recent(place));

    decisions_of = b'D' (org: OrgId => id(org.uuid()));
    decision = b'D' (org: OrgId => id(org.uuid()), plugin: &PluginId => bytes(plugin.as_str().as_bytes()));
    values_in = b'X' (org: OrgId => id(org.uuid()));
    values_of = b'X' (org: OrgId => id(org.uuid()), plugin: &PluginId => ended(plugin.as_str()));
    value = b'X' (org: OrgId => id(org.uuid()), plugin: &PluginId => ended(plugin.as_str()), key: &ValueKey => bytes(key.as_str().as_bytes()));

    part = b'+' (of: &Key => bytes(of.as_bytes()), number: u32 => bytes(&number.to_be_bytes()));
}

impl Key {
    /// A text that something may follow: the NUL tells `a` followed by a team from `ab`.
    fn ended(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).bytes(&[0])
    }

    /// The key that these bytes are.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// Of which key, and which part of its value, the key of a part is.
pub(super) fn part_of(key: &[u8]) -> Option<(Key, u32)> {
    let (of, number) = key.strip_prefix(b"+")?.split_last_chunk()?;
    Some((Key::from_bytes(of), u32::from_be_bytes(*number)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use px0_core::clock::Timestamp;

    use super::*;

    #[test]
    fn newest_and_highest_sort_first() {
        let team = TeamId::new();
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let place = |micros, id| Recent { at: at(micros), id: Uuid::from_u128(id) };
        let places = [place(7, 1), place(1, 2), place(1, 1), place(0, 9), place(-5, 3)];
        assert!(places.map(|place| prompt_in(team, place)).is_sorted());
        let prompt = PromptId::new();
        assert!([u32::MAX, 300, 2, 1].map(|number| version(prompt, number)).is_sorted());
    }

    #[test]
    fn a_slug_is_not_the_beginning_of_another() {
        let org = OrgId::new();
        let slug = |text| Slug::exact(text).unwrap();
        let longer = slug_in(org, &slug("ab"), TeamId::new());
        assert!(!longer.as_bytes().starts_with(by_slug(org, &slug("a")).as_bytes()));
    }

    #[test]
    fn values_are_in_the_order_of_their_plugins_and_keys() {
        let org = OrgId::new();
        let at = |plugin, key| {
            value(org, &PluginId::parse(plugin).unwrap(), &ValueKey::parse(key).unwrap())
        };
        let keys = [at("a", "x"), at("a", "é"), at("a-", "a"), at("a0", "a"), at("ab", "a")];
        assert!(keys.is_sorted());
    }

    #[test]
    fn a_part_knows_its_whole() {
        let key = prompt(PromptId::new());
        assert_eq!(part_of(part(&key, 7).as_bytes()), Some((key.clone(), 7)));
        assert_eq!(part_of(key.as_bytes()), None);
    }
}
