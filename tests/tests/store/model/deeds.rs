//! Every method of the store's traits as something that can be done by chance.

use std::fmt::Debug;

use proptest::{sample::select, strategy::Strategy};
use px0_core::{
    lifecycle::{Status, Step},
    page::Page,
    prompt::{PayloadChange, PromptChange},
    secret::CodeKey,
    store::{KeyFilter, NewMember, Result, Store, StoreError},
    version::{BodyChange, VersionFilter},
};

use super::hand::Hand;

/// A call and what was answered.
#[derive(PartialEq)]
pub(super) struct Told {
    pub(super) call: String,
    pub(super) answer: String,
    /// Whether it succeeded.
    pub(super) ok: bool,
    /// Whether the store itself failed, which none should.
    pub(super) failed: bool,
}

impl Told {
    fn new<T: Debug>(method: &str, arguments: &[String], answer: Result<T>) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| brief(argument)).collect();
        Self {
            call: format!("{method}({})", arguments.join(", ")),
            ok: answer.is_ok(),
            failed: matches!(answer, Err(StoreError::Unavailable(_) | StoreError::Broken { .. })),
            answer: format!("{answer:?}"),
        }
    }
}

/// A text that is no longer than somebody reads.
fn brief(text: &str) -> String {
    match text.char_indices().nth(1_000) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Calls a method, and tells what was called and answered. Each argument is the name of a variable, lent or given.
macro_rules! call {
    ($store:ident.$method:ident($($($argument:ident)? $(&$lent:ident)?),*)) => {{
        let arguments = [$(format!("{:?}", $($argument)? $($lent)?)),*];
        let answer = $store.$method($($($argument)? $(&$lent)?),*).await;
        Told::new(stringify!($method), &arguments, answer)
    }};
}

/// Declares the deeds, each with how often it is done against the others.
macro_rules! deeds {
    ($($weight:literal $($deed:ident)*;)*) => {
        /// A method of the store.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Deed { $($($deed,)*)* }

        /// Any deed; those that build more often than those that tear down.
        pub(super) fn any_deed() -> impl Strategy<Value = Deed> {
            let mut deeds = Vec::new();
            $(for _ in 0..$weight { deeds.extend([$(Deed::$deed),*]); })*
            select(deeds)
        }
    };
}

deeds! {
    3   Session LastLogin HasReset Inbox Keys Prompts FindPrompts Versions Version Payloads Resolve Tags;
    1   CodeKey Account AccountByEmail Org OrgsOf TeamsOf People IsPerson Team Teams Members Role;
    1   JoinRequest Key KeyByHash Payload OrgPlugins PluginValue;
    4   AddMember CreateTeam CreateJoinRequest ResolveJoinRequest SetRole OpenSession;
    4   SetOrgPlugin SetPluginValue;
    4   AddAccount CreateKey CreatePrompt UpdatePrompt MovePrompt CreatePayload;
    6   CreateVersion SetTag;
    14  StepVersion;
    3   FoundAccount CreateOrg RenameOrg RenameTeam ChangeEmail ChangePassword TouchKey;
    6   VerifyEmail ResetPassword;
    3   PutVerification PutReset RemoveMember RemovePerson;
    3   SetPromptStatus UpdateVersion DeleteVersion DuplicateVersion RemoveTag UpdatePayload;
    1   Users OrgsNamed SetPassword;
    2   CloseSession DeleteKey DeletePayload DeleteTeam DeleteAccount;
    1   DeleteOrg;
}

/// Does a deed on a store, with what the hand holds.
#[expect(
    clippy::too_many_lines,
    reason = "a table: one entry a method, in the order of the traits"
)]
pub(super) async fn play(store: &dyn Store, deed: Deed, hand: &mut Hand<'_>) -> Told {
    let stamp = hand.stamp();
    match deed {
        Deed::CodeKey => {
            let fresh = CodeKey::from_bytes([hand.one(&[1, 2]); 32]);
            let kept = store.code_key(fresh).await.map(|key| *key.expose());
            Told::new("code_key", &[format!("{:?}", fresh.expose())], kept)
        }
        Deed::FoundAccount => {
            let (account, org) = (hand.new_account(), hand.new_org());
            let team = hand.new_default_team(&org);
            call!(store.found_account(stamp, account, org, team))
        }
        Deed::AddAccount => {
            let (team, account, role) = (hand.team(), hand.new_account(), hand.role());
            call!(store.add_account(stamp, account, team, role))
        }
        Deed::Account => {
            let user = hand.user();
            call!(store.account(user))
        }
        Deed::AccountByEmail => {
            let email = hand.email();
            call!(store.account_by_email(&email))
        }
        Deed::OpenSession => {
            let (session, from) = (hand.new_session(), hand.address());
            call!(store.open_session(session, from))
        }
        Deed::LastLogin => {
            let (user, from) = (hand.user(), hand.address());
            call!(store.last_login(user, &from))
        }
        Deed::Session => {
            let (hash, now) = (hand.session(), hand.now());
            call!(store.session(&hash, now))
        }
        Deed::CloseSession => {
            let hash = hand.session();
            call!(store.close_session(&hash))
        }
        Deed::PutVerification => {
            let (now, user, code) = (hand.now(), hand.user(), hand.mailed());
            call!(store.put_verification(now, user, code))
        }
        Deed::VerifyEmail => {
            let (email, hash, from) = (hand.email(), hand.code(), hand.address());
            call!(store.verify_email(stamp, &email, &hash, &from))
        }
        Deed::PutReset => {
            let (now, user, code) = (hand.now(), hand.user(), hand.mailed_reset());
            call!(store.put_reset(now, user, code))
        }
        Deed::HasReset => {
            let (hash, now) = (hand.reset(), hand.now());
            call!(store.has_reset(&hash, now))
        }
        Deed::ResetPassword => {
            let (hash, password) = (hand.reset(), hand.password());
            call!(store.reset_password(stamp, &hash, password))
        }
        Deed::ChangeEmail => {
            let (user, email, is_verified) = (hand.user(), hand.email(), hand.coin());
            call!(store.change_email(stamp, user, email, is_verified))
        }
        Deed::ChangePassword => {
            let (user, expected, new) = (hand.user(), hand.password(), hand.password());
            let (expected, keep) = (expected.as_str(), hand.session());
            call!(store.change_password(stamp, user, expected, new, &keep))
        }
        Deed::DeleteAccount => {
            let user = hand.user();
            call!(store.delete_account(stamp, user))
        }

        Deed::Users => {
            let after = hand.maybe(Hand::email);
            let page = Page { limit: hand.one(&[1, 2, 100]), after };
            call!(store.users(page))
        }
        Deed::OrgsNamed => {
            let (name, limit) = (hand.name(), hand.one(&[1, 2, 100]));
            call!(store.orgs_named(&name, limit))
        }
        Deed::SetPassword => {
            let (email, password) = (hand.email(), hand.password());
            call!(store.set_password(stamp, &email, password))
        }

        Deed::CreateOrg => {
            let (founder, org) = (hand.user(), hand.new_org());
            let team = hand.new_default_team(&org);
            call!(store.create_org(stamp, org, team, founder))
        }
        Deed::Org => {
            let org = hand.org();
            call!(store.org(org))
        }
        Deed::RenameOrg => {
            let (org, name, by) = (hand.org(), hand.name(), hand.user());
            call!(store.rename_org(stamp, org, name, by))
        }
        Deed::DeleteOrg => {
            let org = hand.org();
            call!(store.delete_org(stamp, org))
        }
        Deed::OrgsOf => {
            let user = hand.user();
            call!(store.orgs_of(user))
        }
        Deed::TeamsOf => {
            let user = hand.user();
            call!(store.teams_of(user))
        }
        Deed::People => {
            let (org, page) = (hand.org(), hand.numbered());
            call!(store.people(org, page))
        }
        Deed::IsPerson => {
            let (org, user) = (hand.org(), hand.user());
            call!(store.is_person(org, user))
        }
        Deed::RemovePerson => {
            let (org, user) = (hand.org(), hand.user());
            call!(store.remove_person(stamp, org, user))
        }
        Deed::CreateTeam => {
            let (org, name) = (hand.org(), hand.name());
            let (admin, team) = (hand.maybe(Hand::user), hand.new_team(org, name, false));
            call!(store.create_team(stamp, team, admin))
        }
        Deed::Team => {
            let team = hand.team();
            call!(store.team(team))
        }
        Deed::Teams => {
            let org = hand.org();
            call!(store.teams(org))
        }
        Deed::RenameTeam => {
            let (team, name) = (hand.team(), hand.name());
            call!(store.rename_team(stamp, team, name))
        }
        Deed::DeleteTeam => {
            let (team, force) = (hand.team(), hand.coin());
            call!(store.delete_team(stamp, team, force))
        }
        Deed::Members => {
            let (team, page) = (hand.team(), hand.numbered());
            call!(store.members(team, page))
        }
        Deed::Role => {
            let (team, user) = (hand.team(), hand.user());
            call!(store.role(team, user))
        }
        Deed::AddMember => {
            let team = hand.team();
            let who = if hand.coin() {
                NewMember::Email(hand.email())
            } else {
                NewMember::Id(hand.user())
            };
            let role = hand.role();
            call!(store.add_member(stamp, team, who, role))
        }
        Deed::RemoveMember => {
            let (team, user) = (hand.team(), hand.user());
            call!(store.remove_member(stamp, team, user))
        }
        Deed::SetRole => {
            let (team, user, role) = (hand.team(), hand.user(), hand.role());
            call!(store.set_role(stamp, team, user, role))
        }
        Deed::CreateJoinRequest => {
            let request = hand.new_request();
            call!(store.create_join_request(stamp, request))
        }
        Deed::JoinRequest => {
            let request = hand.request();
            call!(store.join_request(request))
        }
        Deed::Inbox => {
            let reach = hand.reach();
            call!(store.inbox(&reach))
        }
        Deed::ResolveJoinRequest => {
            let (request, approve) = (hand.request(), hand.coin());
            call!(store.resolve_join_request(stamp, request, approve))
        }

        Deed::CreateKey => {
            let key = hand.new_key();
            call!(store.create_key(stamp, key))
        }
        Deed::Key => {
            let key = hand.key();
            call!(store.key(key))
        }
        Deed::KeyByHash => {
            let hash = hand.key_hash();
            call!(store.key_by_hash(&hash))
        }
        Deed::Keys => {
            let org = hand.org();
            let filter = match hand.maybe(Hand::teams) {
                None => KeyFilter::All,
                Some(teams) => KeyFilter::Within(teams.into_iter().collect()),
            };
            let page = hand.page();
            call!(store.keys(org, &filter, page))
        }
        Deed::TouchKey => {
            let (key, at) = (hand.key(), hand.around());
            call!(store.touch_key(key, at))
        }
        Deed::DeleteKey => {
            let key = hand.key();
            call!(store.delete_key(stamp, key))
        }

        Deed::CreatePrompt => {
            let prompt = hand.new_prompt();
            call!(store.create_prompt(stamp, prompt))
        }
        Deed::FindPrompts => {
            let (reach, name) = (hand.reach(), hand.prompt_ref());
            call!(store.find_prompts(&reach, &name))
        }
        Deed::Prompts => {
            let (team, filter, page) = (hand.team(), hand.prompt_filter(), hand.page());
            call!(store.prompts(team, &filter, page))
        }
        Deed::UpdatePrompt => {
            let prompt = hand.prompt();
            let change = PromptChange {
                name: hand.maybe(Hand::name),
                slug: hand.maybe(Hand::slug),
                description: hand.maybe(Hand::description),
            };
            call!(store.update_prompt(stamp, prompt, change))
        }
        Deed::SetPromptStatus => {
            let (prompt, status) = (hand.prompt(), hand.prompt_status());
            call!(store.set_prompt_status(stamp, prompt, status))
        }
        Deed::MovePrompt => {
            let (prompt, team) = (hand.prompt(), hand.team());
            call!(store.move_prompt(stamp, prompt, team))
        }
        Deed::CreateVersion => {
            let (prompt, body, id) = (hand.prompt(), hand.body(), hand.new_version());
            call!(store.create_version(stamp, prompt, id, body))
        }
        Deed::Version => {
            let (prompt, selector) = (hand.prompt(), hand.selector());
            call!(store.version(prompt, &selector))
        }
        Deed::Versions => {
            let prompt = hand.prompt();
            let filter = VersionFilter {
                status: hand.maybe(|hand| hand.one(&Status::ALL)),
                tags: hand.maybe(|hand| vec![hand.tag(), hand.tag()]).unwrap_or_default(),
            };
            let page = hand.page_of_versions();
            call!(store.versions(prompt, &filter, page))
        }
        Deed::UpdateVersion => {
            let version = hand.version();
            hand.touches(version);
            let change = BodyChange {
                template: hand.maybe(Hand::template),
                model: hand.maybe(|hand| hand.maybe(Hand::model)),
                variables_schema: hand.maybe(|hand| hand.maybe(Hand::json)),
                ..BodyChange::default()
            };
            call!(store.update_version(stamp, version, change))
        }
        Deed::DeleteVersion => {
            let version = hand.version();
            call!(store.delete_version(stamp, version))
        }
        Deed::StepVersion => {
            let version = hand.version();
            let step = hand.one(&[Step::Promote, Step::Promote, Step::Demote, Step::Archive]);
            let seen = hand.maybe(|hand| hand.seen(version));
            hand.touches(version);
            call!(store.step_version(stamp, version, step, seen))
        }
        Deed::DuplicateVersion => {
            let (version, id) = (hand.version(), hand.new_version());
            call!(store.duplicate_version(stamp, version, id))
        }
        Deed::SetTag => {
            let (version, tag) = (hand.version(), hand.tag());
            call!(store.set_tag(stamp, version, tag))
        }
        Deed::Tags => {
            let prompt = hand.prompt();
            call!(store.tags(prompt))
        }
        Deed::RemoveTag => {
            let (prompt, tag) = (hand.prompt(), hand.tag());
            call!(store.remove_tag(stamp, prompt, &tag))
        }
        Deed::CreatePayload => {
            let payload = hand.new_payload();
            call!(store.create_payload(stamp, payload))
        }
        Deed::Payload => {
            let (prompt, payload) = hand.payload();
            call!(store.payload(prompt, payload))
        }
        Deed::Payloads => {
            let (prompt, page) = (hand.prompt(), hand.page());
            call!(store.payloads(prompt, page))
        }
        Deed::UpdatePayload => {
            let (prompt, payload) = hand.payload();
            let change = PayloadChange {
                name: hand.maybe(|hand| hand.maybe(Hand::name)),
                variables: hand.maybe(Hand::json),
            };
            call!(store.update_payload(stamp, prompt, payload, change))
        }
        Deed::DeletePayload => {
            let (prompt, payload) = hand.payload();
            call!(store.delete_payload(stamp, prompt, payload))
        }
        Deed::Resolve => {
            let (reach, name, selector) = (hand.reach(), hand.prompt_ref(), hand.selector());
            call!(store.resolve(&reach, &name, &selector))
        }

        Deed::OrgPlugins => {
            let org = hand.org();
            call!(store.org_plugins(org))
        }
        Deed::SetOrgPlugin => {
            let decision = hand.new_decision();
            call!(store.set_org_plugin(stamp, decision))
        }
        Deed::PluginValue => {
            let (org, plugin, key) = (hand.org(), hand.plugin(), hand.value_key());
            call!(store.plugin_value(org, &plugin, &key))
        }
        Deed::SetPluginValue => {
            let (org, (plugin, key)) = (hand.org(), hand.new_value());
            let value = hand.maybe_value();
            call!(store.set_plugin_value(stamp, org, &plugin, &key, value))
        }
    }
}
