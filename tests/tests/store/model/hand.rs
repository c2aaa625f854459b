//! What a step takes in its hand: things that are there, things that are not, and new ones, by its dice.

use std::time::Duration;

use px0_core::{
    Description, Email, Name, Slug, TagName, Timestamp,
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId, VersionId},
    json::JsonText,
    key::{ApiKey, KeyOperation, KeyScope},
    mailed::MailedCode,
    page::{Numbered, Page, Recent},
    plugin::{Kind, OnFailure, OrgPlugin, PluginId, ValueKey},
    prompt::{Payload, Prompt, PromptFilter, PromptRef, PromptStatus},
    render::EngineName,
    secret::TokenHash,
    store::{Actor, Reach, Stamp},
    tag::Selector,
    tenancy::{JoinRequest, Org, RequestStatus, Role, Team},
    user::{Account, Session, User},
    version::{Body, ModelName},
};
use uuid::Uuid;

use super::{Step, deeds::Deed};
use crate::world::{Seen, email, name, plugin, slug, tag, value_key};

/// What a sequence has made so far.
#[derive(Default)]
pub(super) struct Pools {
    pub(super) seen: Seen,
    /// Where things stand in lists.
    places: Vec<Recent>,
    resets: Vec<TokenHash>,
    /// Payloads with their prompts.
    payloads: Vec<(PromptId, PayloadId)>,
    /// When versions were made, changed or moved.
    touched: Vec<(VersionId, Timestamp)>,
    /// How many steps have made something: new ids are made of it.
    count: u32,
}

impl Pools {
    /// Takes what a step has made.
    pub(super) fn take(&mut self, made: Self) {
        let Seen {
            users,
            emails,
            sessions,
            orgs,
            teams,
            requests,
            keys,
            key_hashes,
            prompts,
            versions,
            payloads,
            values,
        } = made.seen;
        let seen = &mut self.seen;
        seen.users.extend(users);
        seen.emails.extend(emails);
        seen.sessions.extend(sessions);
        seen.orgs.extend(orgs);
        seen.teams.extend(teams);
        seen.requests.extend(requests);
        seen.keys.extend(keys);
        seen.key_hashes.extend(key_hashes);
        seen.prompts.extend(prompts);
        seen.versions.extend(versions);
        seen.payloads.extend(payloads);
        for value in values {
            if !seen.values.contains(&value) {
                seen.values.push(value);
            }
        }
        self.places.extend(made.places);
        self.resets.extend(made.resets);
        self.payloads.extend(made.payloads);
        self.touched.extend(made.touched);
        self.count += 1;
    }

    /// A text with names that can be read in the place of ids.
    pub(super) fn label(&self, mut text: String) -> String {
        fn ids(kind: &str, ids: &[impl ToString]) -> Vec<(String, String)> {
            let label = |(at, id): (usize, &_)| (ToString::to_string(id), format!("{kind}#{at}"));
            ids.iter().enumerate().map(label).collect()
        }
        let seen = &self.seen;
        let labels = [
            ids("user", &seen.users),
            ids("org", &seen.orgs),
            ids("team", &seen.teams),
            ids("request", &seen.requests),
            ids("key", &seen.keys),
            ids("prompt", &seen.prompts),
            ids("version", &seen.versions),
            ids("payload", &seen.payloads),
        ];
        for (id, label) in labels.into_iter().flatten() {
            text = text.replace(&id, &label);
        }
        text
    }
}

/// What every sequence begins with, so that few steps fall into the void: one of everything, and two where one could
/// be mistaken for the other.
pub(super) fn beginning() -> Vec<Step> {
    let step = |deed, dice: &[u8]| {
        let mut all = [0; 10];
        all[..dice.len()].copy_from_slice(dice);
        Step { deed, dice: all }
    };
    vec![
        step(Deed::FoundAccount, &[0, 0]),
        step(Deed::FoundAccount, &[1, 1]),
        step(Deed::AddAccount, &[0, 2]),
        step(Deed::AddAccount, &[0, 3, 1]),
        step(Deed::CreateTeam, &[0, 2]),
        step(Deed::CreatePrompt, &[0, 0, 0]),
        step(Deed::CreatePrompt, &[2, 0, 0]),
        step(Deed::CreateVersion, &[0, 0]),
        step(Deed::CreateVersion, &[0, 1]),
        step(Deed::CreateVersion, &[1, 0]),
        step(Deed::SetTag, &[0, 0]),
        step(Deed::SetTag, &[1, 1]),
        step(Deed::StepVersion, &[0, 0]),
        step(Deed::StepVersion, &[0, 0]),
        step(Deed::CreatePayload, &[0, 1]),
        step(Deed::CreatePayload, &[0, 0]),
        step(Deed::CreateKey, &[0, 0]),
        step(Deed::CreateKey, &[0, 1, 0, 1, 2]),
        step(Deed::CreateJoinRequest, &[2, 2]),
        step(Deed::OpenSession, &[0, 200]),
        step(Deed::OpenSession, &[2, 200]),
        step(Deed::PutVerification, &[2, 0, 200]),
        step(Deed::PutReset, &[2, 0, 200]),
        step(Deed::SetOrgPlugin, &[0, 0]),
        step(Deed::SetPluginValue, &[0, 0, 0, 1]),
        step(Deed::SetPluginValue, &[1, 0, 0, 2]),
    ]
}

/// The dice of a step, and what they are thrown for.
pub(super) struct Hand<'a> {
    pools: &'a Pools,
    dice: std::slice::Iter<'a, u8>,
    at: Timestamp,
    ids: u32,
    /// What there will be if the store takes it.
    pub(super) made: Pools,
}

/// Names few enough to be taken, odd enough to be sorted and searched wrongly.
const NAMES: [&str; 6] = ["a", "B", "é", "a%b", "A_b", Team::DEFAULT_NAME];

const SLUGS: [&str; 3] = ["a", "a_b", "b"];

const TAGS: [&str; 4] = ["prod", "Prod", "a.b", "a-b"];

const LOCALS: [&str; 6] = ["ann", "bob", "a.z", "ab", "é", "eve"];

const CODES: [&str; 2] = ["000001", "000002"];

pub(super) const PASSWORDS: [&str; 2] = ["one", "two"];

const PLUGINS: [&str; 2] = ["guard", "a-b"];

const VALUE_KEYS: [&str; 3] = ["a", "B", "é"];

const TEXTS: [&str; 6] = ["", "a", "%", "_", "É", "b"];

impl<'a> Hand<'a> {
    pub(super) fn new(pools: &'a Pools, dice: &'a [u8], at: Timestamp) -> Self {
        Self { pools, dice: dice.iter(), at, ids: 0, made: Pools::default() }
    }

    /// The next of the dice; zero, the simplest, when there is none.
    fn die(&mut self) -> usize {
        self.dice.next().map_or(0, |die| usize::from(*die))
    }

    /// Yes, by chance.
    pub(super) fn coin(&mut self) -> bool {
        self.die() % 2 == 1
    }

    /// One of these.
    pub(super) fn one<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.die() % things.len()].clone()
    }

    /// Something, by chance.
    pub(super) fn maybe<T>(&mut self, thing: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.coin() { Some(thing(self)) } else { None }
    }

    /// One that was made, or, rarely, one that never was.
    fn known<T: Clone>(&mut self, things: &[T], unknown: T) -> T {
        match self.die() {
            die if die < 240 && !things.is_empty() => things[die % things.len()].clone(),
            _ => unknown,
        }
    }

    /// An id that nothing has yet. Later ones are in no order: what comes by id does not come by time.
    fn fresh(&mut self) -> Uuid {
        self.ids += 1;
        let number = u128::from(self.pools.count * 16 + self.ids);
        // An odd factor: no two numbers give the same.
        Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    fn secret(&mut self) -> TokenHash {
        TokenHash::of(&self.fresh().to_string())
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { by: Actor::Anonymous, at: self.at }
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.at
    }

    /// A time around now, more often later.
    pub(super) fn around(&mut self) -> Timestamp {
        let back = Timestamp::from_micros(self.at.micros() - 180_000_000).unwrap();
        back.plus(Duration::from_secs(self.die() as u64 * 10))
    }
}

/// Things that are there.
impl Hand<'_> {
    pub(super) fn user(&mut self) -> UserId {
        self.known(&self.pools.seen.users, UserId::from_uuid(Uuid::nil()))
    }

    pub(super) fn org(&mut self) -> OrgId {
        self.known(&self.pools.seen.orgs, OrgId::from_uuid(Uuid::nil()))
    }

    pub(super) fn team(&mut self) -> TeamId {
        self.known(&self.pools.seen.teams, TeamId::from_uuid(Uuid::nil()))
    }

    pub(super) fn request(&mut self) -> JoinRequestId {
        self.known(&self.pools.seen.requests, JoinRequestId::from_uuid(Uuid::nil()))
    }

    pub(super) fn key(&mut self) -> KeyId {
        self.known(&self.pools.seen.keys, KeyId::from_uuid(Uuid::nil()))
    }

    pub(super) fn prompt(&mut self) -> PromptId {
        self.known(&self.pools.seen.prompts, PromptId::from_uuid(Uuid::nil()))
    }

    pub(super) fn version(&mut self) -> VersionId {
        self.known(&self.pools.seen.versions, VersionId::from_uuid(Uuid::nil()))
    }

    /// When a version was last changed, mostly: rarely when it was changed before.
    pub(super) fn seen(&mut self, version: VersionId) -> Timestamp {
        let touched = self.pools.touched.iter().rev();
        let times: Vec<_> = touched.filter(|(id, _)| *id == version).map(|(_, at)| *at).collect();
        let back = self.one(&[0, 0, 0, 1]);
        times.get(back).copied().unwrap_or(self.at)
    }

    /// A version is about to be changed.
    pub(super) fn touches(&mut self, version: VersionId) {
        self.made.touched.push((version, self.at));
    }

    /// A payload, and mostly its own prompt.
    pub(super) fn payload(&mut self) -> (PromptId, PayloadId) {
        let unknown = PayloadId::from_uuid(Uuid::nil());
        let (of, payload) = self.known(&self.pools.payloads, (self.pools.seen.prompts[0], unknown));
        (self.maybe(|hand| hand.known(&hand.pools.seen.prompts, of)).unwrap_or(of), payload)
    }

    pub(super) fn session(&mut self) -> TokenHash {
        self.known(&self.pools.seen.sessions, TokenHash::of("never"))
    }

    pub(super) fn key_hash(&mut self) -> TokenHash {
        self.known(&self.pools.seen.key_hashes, TokenHash::of("never"))
    }

    pub(super) fn reset(&mut self) -> TokenHash {
        self.known(&self.pools.resets, TokenHash::of("never"))
    }

    pub(super) fn reach(&mut self) -> Reach {
        let mut reach = Reach::default();
        if self.coin() {
            reach.teams.push(self.team());
        }
        if reach.teams.is_empty() || self.coin() {
            reach.orgs.push(self.org());
        }
        reach
    }

    pub(super) fn teams(&mut self) -> Vec<TeamId> {
        let mut teams = vec![self.team()];
        teams.extend(self.maybe(Self::team));
        teams
    }

    pub(super) fn prompt_ref(&mut self) -> PromptRef {
        if self.coin() { PromptRef::Id(self.prompt()) } else { PromptRef::Slug(self.slug()) }
    }

    pub(super) fn selector(&mut self) -> Selector {
        match self.die() % 4 {
            0 => Selector::Live,
            1 => Selector::Latest,
            2 => Selector::Number(self.number()),
            _ => Selector::Tag(self.tag()),
        }
    }

    fn number(&mut self) -> u32 {
        self.one(&[0, 1, 2, 3, 4, 5, 6, 7])
    }
}

/// Values of all kinds.
impl Hand<'_> {
    pub(super) fn name(&mut self) -> Name {
        name(self.one(&NAMES))
    }

    pub(super) fn email(&mut self) -> Email {
        let any = email(self.one(&LOCALS));
        if self.coin() { any } else { self.known(&self.pools.seen.emails, any) }
    }

    pub(super) fn slug(&mut self) -> Slug {
        slug(self.one(&SLUGS))
    }

    pub(super) fn tag(&mut self) -> TagName {
        tag(self.one(&TAGS))
    }

    pub(super) fn description(&mut self) -> Description {
        Description::parse("description", self.one(&TEXTS)).unwrap()
    }

    pub(super) fn text(&mut self) -> String {
        self.one(&TEXTS).to_owned()
    }

    pub(super) fn role(&mut self) -> Role {
        self.one(&Role::ALL)
    }

    pub(super) fn code(&mut self) -> TokenHash {
        TokenHash::of(self.one(&CODES))
    }

    /// What is kept of an address: one of more than are kept of one user.
    pub(super) fn address(&mut self) -> TokenHash {
        TokenHash::of(&format!("address {}", self.die() % 20))
    }

    pub(super) fn password(&mut self) -> String {
        self.one(&PASSWORDS).to_owned()
    }

    pub(super) fn prompt_status(&mut self) -> PromptStatus {
        self.one(&[PromptStatus::Archived, PromptStatus::Active])
    }

    pub(super) fn json(&mut self) -> JsonText {
        let text = self.one(&["{}", r#"{"b":1.0,"a":"é"}"#]);
        JsonText::parse(text).unwrap()
    }

    pub(super) fn plugin(&mut self) -> PluginId {
        plugin(self.one(&PLUGINS))
    }

    pub(super) fn value_key(&mut self) -> ValueKey {
        value_key(self.one(&VALUE_KEYS))
    }

    /// A value of any bytes; now and then a large one, or none.
    pub(super) fn maybe_value(&mut self) -> Option<Vec<u8>> {
        match self.die() % 5 {
            0 => None,
            1 => Some(Vec::new()),
            2 => Some(vec![0, 255]),
            3 => Some(b"a value".to_vec()),
            _ => Some(vec![7; 6_000]),
        }
    }

    pub(super) fn engine(&mut self) -> EngineName {
        EngineName::new(self.one(&[EngineName::DEFAULT, "gotemplate"]))
    }

    pub(super) fn model(&mut self) -> ModelName {
        ModelName::parse(self.one(&["small", "large"])).unwrap()
    }

    /// A template; now and then one that is larger than what a backend keeps in one piece.
    pub(super) fn template(&mut self) -> std::sync::Arc<str> {
        match self.die() {
            die if die < 224 => format!("template {}", die % 3).into(),
            die => "large ".repeat(3_000 + die).into(),
        }
    }

    pub(super) fn body(&mut self) -> Body {
        Body {
            template: self.template(),
            engine: self.engine(),
            model: self.maybe(Self::model),
            model_params: self.maybe(Self::json),
            variables_schema: None,
        }
    }

    pub(super) fn prompt_filter(&mut self) -> PromptFilter {
        PromptFilter {
            status: self.maybe(Self::prompt_status),
            text: self.maybe(Self::text),
            tag: self.maybe(Self::tag),
        }
    }

    pub(super) fn numbered(&mut self) -> Numbered {
        Numbered { page: self.one(&[1, 2, 3]), limit: self.one(&[100, 1, 2]) }
    }

    /// A page of what has the newest first: from the beginning, or from where something else stands.
    pub(super) fn page(&mut self) -> Page<Recent> {
        let limit = self.one(&[100, 1, 2, 3]);
        let places = &self.pools.places;
        let nowhere = Recent { at: self.at, id: Uuid::nil() };
        Page { limit, after: self.maybe(|hand| hand.known(places, nowhere)) }
    }

    pub(super) fn page_of_versions(&mut self) -> Page<u32> {
        Page { limit: self.one(&[100, 1, 2, 3]), after: self.maybe(Self::number) }
    }

    pub(super) fn mailed(&mut self) -> MailedCode {
        let code = MailedCode::new(self.code(), self.around());
        MailedCode { tries_left: self.one(&[5, 1, 0, 50]), ..code }
    }

    /// A reset code: long and random, so no two are the same.
    pub(super) fn mailed_reset(&mut self) -> MailedCode {
        let hash = self.secret();
        self.made.resets.push(hash);
        MailedCode { hash, ..self.mailed() }
    }
}

/// New things.
impl Hand<'_> {
    pub(super) fn new_account(&mut self) -> Account {
        let user = User {
            id: UserId::from_uuid(self.fresh()),
            email: email(self.one(&LOCALS)),
            is_verified: false,
            is_admin: false,
            created_at: self.at,
        };
        self.made.seen.users.push(user.id);
        self.made.seen.emails.push(user.email.clone());
        Account { user, password_hash: PASSWORDS[0].to_owned(), was_proved: false }
    }

    pub(super) fn new_org(&mut self) -> Org {
        let org =
            Org { id: OrgId::from_uuid(self.fresh()), name: self.name(), created_at: self.at };
        self.made.seen.orgs.push(org.id);
        org
    }

    pub(super) fn new_team(&mut self, org_id: OrgId, name: Name, is_default: bool) -> Team {
        let id = TeamId::from_uuid(self.fresh());
        self.made.seen.teams.push(id);
        Team { id, org_id, name, is_default, created_at: self.at }
    }

    pub(super) fn new_default_team(&mut self, org: &Org) -> Team {
        self.new_team(org.id, name(Team::DEFAULT_NAME), true)
    }

    pub(super) fn new_session(&mut self) -> Session {
        let session = Session {
            user: self.user(),
            hash: self.secret(),
            created_at: self.at,
            expires_at: self.around(),
        };
        self.made.seen.sessions.push(session.hash);
        session
    }

    pub(super) fn new_request(&mut self) -> JoinRequest {
        let request = JoinRequest {
            team_id: self.team(),
            user_id: self.user(),
            id: JoinRequestId::from_uuid(self.fresh()),
            status: RequestStatus::Pending,
            justification: self.maybe(Self::text),
            created_at: self.at,
            updated_at: self.at,
        };
        self.made.seen.requests.push(request.id);
        request
    }

    pub(super) fn new_key(&mut self) -> ApiKey {
        let key = ApiKey {
            org_id: self.org(),
            scope: match self.maybe(Self::teams) {
                None => KeyScope::Org,
                Some(teams) => KeyScope::Teams(teams.into_iter().collect()),
            },
            created_by: self.user(),
            operation: self.one(&KeyOperation::ALL),
            id: KeyId::from_uuid(self.fresh()),
            name: self.name(),
            hash: self.secret(),
            prefix: "ak_".into(),
            created_at: self.at,
            last_used_at: None,
        };
        self.made.seen.keys.push(key.id);
        self.made.seen.key_hashes.push(key.hash);
        self.made.places.push(Recent { at: key.created_at, id: key.id.uuid() });
        key
    }

    pub(super) fn new_prompt(&mut self) -> Prompt {
        let prompt = Prompt {
            team_id: self.team(),
            slug: self.slug(),
            name: self.name(),
            description: self.description(),
            id: PromptId::from_uuid(self.fresh()),
            status: PromptStatus::Active,
            created_at: self.at,
            updated_at: self.at,
        };
        self.made.seen.prompts.push(prompt.id);
        self.made.places.push(Recent { at: prompt.created_at, id: prompt.id.uuid() });
        prompt
    }

    pub(super) fn new_version(&mut self) -> VersionId {
        let id = VersionId::from_uuid(self.fresh());
        self.made.seen.versions.push(id);
        self.touches(id);
        id
    }

    pub(super) fn new_payload(&mut self) -> Payload {
        let payload = Payload {
            prompt_id: self.prompt(),
            name: self.maybe(Self::name),
            variables: self.json(),
            id: PayloadId::from_uuid(self.fresh()),
            created_at: self.at,
            updated_at: self.at,
        };
        self.made.seen.payloads.push(payload.id);
        self.made.payloads.push((payload.prompt_id, payload.id));
        self.made.places.push(Recent { at: payload.created_at, id: payload.id.uuid() });
        payload
    }

    pub(super) fn new_decision(&mut self) -> OrgPlugin {
        OrgPlugin {
            org_id: self.org(),
            plugin: self.plugin(),
            kind: self.one(&Kind::ALL),
            enabled: self.coin(),
            on_failure: self.one(&OnFailure::ALL),
            settings: self.maybe(Self::json),
            updated_at: self.at,
        }
    }

    /// Where a value is to be kept.
    pub(super) fn new_value(&mut self) -> (PluginId, ValueKey) {
        let at = (self.plugin(), self.value_key());
        self.made.seen.values.push(at.clone());
        at
    }
}
