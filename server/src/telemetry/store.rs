//! The store, observed: how long each operation takes, and a span for it within a request that is traced.

use std::{future::Future, sync::Arc, time::Instant};

use async_trait::async_trait;
use px0_core::{
    Email, Name, SPANS, TagName, Timestamp,
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId, VersionId},
    key::ApiKey,
    lifecycle::Step,
    mailed::MailedCode,
    page::{Counted, Numbered, Page, Paged, Recent},
    plugin::{OrgPlugin, OrgPlugins, PluginId, ValueKey},
    prompt::{Payload, PayloadChange, Prompt, PromptChange, PromptFilter, PromptRef, PromptStatus},
    secret::{CodeKey, TokenHash},
    store::{
        Accounts, Administration, Found, KeyFilter, Keys, NewMember, Plugins, Prompts, Reach,
        Result, SharedStore, Stamp, Store, StoreError, StoreState, Tenancy, Watcher, archive,
    },
    tag::Selector,
    tenancy::{InboxItem, JoinRequest, Member, Membership, Org, Role, Team},
    user::{Account, Session, User},
    version::{Body, BodyChange, Version, VersionFilter},
};
use tracing::{Instrument, field::Empty};

use super::metrics::Metrics;

/// A store whose operations are told of.
pub(crate) struct Observed {
    store: SharedStore,
    backend: &'static str,
    metrics: Metrics,
}

impl Observed {
    /// Tells of the operations of `store`.
    pub(crate) fn over(store: SharedStore, backend: &'static str, metrics: Metrics) -> SharedStore {
        Arc::new(Self { store, backend, metrics })
    }

    async fn observe<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let span = tracing::info_span!(
            target: SPANS,
            "store",
            "otel.name" = operation,
            "otel.kind" = "client",
            "px0.store.operation" = operation,
            "px0.store.backend" = self.backend,
            "error.type" = Empty,
            "otel.status_code" = Empty,
        );
        let begun = Instant::now();
        let answer = work.instrument(span.clone()).await;
        // What is missing or refused is an answer.
        let error = match &answer {
            Err(StoreError::Unavailable(_)) => Some("unavailable"),
            Err(StoreError::ReadOnly(_)) => Some("read_only"),
            Err(StoreError::Broken { .. }) => Some("broken"),
            _ => None,
        };
        if let Some(error) = error {
            span.record("error.type", error);
            span.record("otel.status_code", "ERROR");
        }
        self.metrics.stored((self.backend, operation), begun.elapsed(), error);
        answer
    }
}

macro_rules! observed {
    ($($name:ident { $(fn $operation:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* })*) => {$(
        #[async_trait]
        impl $name for Observed {
            $(
                async fn $operation(&self, $($argument: $type),*) -> Result<$answer> {
                    let work = self.store.$operation($($argument),*);
                    self.observe(stringify!($operation), work).await
                }
            )*
        }
    )*};
}

observed! {
    Accounts {
        fn code_key(fresh: CodeKey) -> CodeKey;
        fn found_account(stamp: Stamp, account: Account, org: Org, team: Team) -> ();
        fn add_account(stamp: Stamp, account: Account, team: TeamId, role: Role) -> ();
        fn account(user: UserId) -> Option<Account>;
        fn account_by_email(email: &Email) -> Option<Account>;
        fn open_session(session: Session, from: TokenHash) -> ();
        fn last_login(user: UserId, from: &TokenHash) -> Option<Timestamp>;
        fn session(hash: &TokenHash, now: Timestamp) -> Option<(User, Vec<Membership>)>;
        fn close_session(hash: &TokenHash) -> ();
        fn put_verification(now: Timestamp, user: UserId, code: MailedCode) -> bool;
        fn verify_email(stamp: Stamp, email: &Email, hash: &TokenHash, from: &TokenHash) -> ();
        fn put_reset(now: Timestamp, user: UserId, code: MailedCode) -> bool;
        fn has_reset(hash: &TokenHash, now: Timestamp) -> bool;
        fn reset_password(stamp: Stamp, hash: &TokenHash, password_hash: String) -> User;
        fn change_email(stamp: Stamp, user: UserId, email: Email, is_verified: bool) -> User;
        fn change_password(stamp: Stamp, user: UserId, expected: &str, password_hash: String, keep: &TokenHash) -> ();
        fn delete_account(stamp: Stamp, user: UserId) -> ();
    }
    Administration {
        fn users(page: Page<Email>) -> Paged<User, Email>;
        fn orgs_named(name: &Name, limit: usize) -> Vec<Org>;
        fn set_password(stamp: Stamp, email: &Email, password_hash: String) -> User;
    }
    Tenancy {
        fn create_org(stamp: Stamp, org: Org, team: Team, founder: UserId) -> ();
        fn org(org: OrgId) -> Option<Org>;
        fn rename_org(stamp: Stamp, org: OrgId, name: Name, by: UserId) -> Org;
        fn delete_org(stamp: Stamp, org: OrgId) -> ();
        fn orgs_of(user: UserId) -> Vec<(Org, bool)>;
        fn teams_of(user: UserId) -> Vec<(Team, Role)>;
        fn people(org: OrgId, page: Numbered) -> Counted<User>;
        fn is_person(org: OrgId, user: UserId) -> bool;
        fn remove_person(stamp: Stamp, org: OrgId, user: UserId) -> ();
        fn create_team(stamp: Stamp, team: Team, admin: Option<UserId>) -> ();
        fn team(team: TeamId) -> Option<Team>;
        fn teams(org: OrgId) -> Vec<Team>;
        fn rename_team(stamp: Stamp, team: TeamId, name: Name) -> Team;
        fn delete_team(stamp: Stamp, team: TeamId, force: bool) -> ();
        fn members(team: TeamId, page: Numbered) -> Counted<Member>;
        fn role(team: TeamId, user: UserId) -> Option<Role>;
        fn add_member(stamp: Stamp, team: TeamId, who: NewMember, role: Role) -> ();
        fn remove_member(stamp: Stamp, team: TeamId, user: UserId) -> ();
        fn set_role(stamp: Stamp, team: TeamId, user: UserId, role: Role) -> ();
        fn create_join_request(stamp: Stamp, request: JoinRequest) -> ();
        fn join_request(request: JoinRequestId) -> Option<JoinRequest>;
        fn inbox(reach: &Reach) -> Vec<InboxItem>;
        fn resolve_join_request(stamp: Stamp, request: JoinRequestId, approve: bool) -> JoinRequest;
    }
    Keys {
        fn create_key(stamp: Stamp, key: ApiKey) -> ();
        fn key(key: KeyId) -> Option<ApiKey>;
        fn key_by_hash(hash: &TokenHash) -> Option<ApiKey>;
        fn keys(org: OrgId, filter: &KeyFilter, page: Page<Recent>) -> Paged<ApiKey, Recent>;
        fn touch_key(key: KeyId, at: Timestamp) -> ();
        fn delete_key(stamp: Stamp, key: KeyId) -> ();
    }
    Prompts {
        fn create_prompt(stamp: Stamp, prompt: Prompt) -> ();
        fn find_prompts(reach: &Reach, name: &PromptRef) -> Vec<Found>;
        fn prompts(team: TeamId, filter: &PromptFilter, page: Page<Recent>) -> Paged<Prompt, Recent>;
        fn update_prompt(stamp: Stamp, prompt: PromptId, change: PromptChange) -> Prompt;
        fn set_prompt_status(stamp: Stamp, prompt: PromptId, status: PromptStatus) -> Prompt;
        fn move_prompt(stamp: Stamp, prompt: PromptId, team: TeamId) -> Prompt;
        fn create_version(stamp: Stamp, prompt: PromptId, id: VersionId, body: Body) -> Version;
        fn version(prompt: PromptId, selector: &Selector) -> Option<Version>;
        fn versions(prompt: PromptId, filter: &VersionFilter, page: Page<u32>) -> Paged<Version, u32>;
        fn update_version(stamp: Stamp, version: VersionId, change: BodyChange) -> Version;
        fn delete_version(stamp: Stamp, version: VersionId) -> ();
        fn step_version(stamp: Stamp, version: VersionId, step: Step, seen: Option<Timestamp>) -> Version;
        fn duplicate_version(stamp: Stamp, version: VersionId, id: VersionId) -> Version;
        fn set_tag(stamp: Stamp, version: VersionId, tag: TagName) -> Version;
        fn tags(prompt: PromptId) -> Vec<(TagName, u32)>;
        fn remove_tag(stamp: Stamp, prompt: PromptId, tag: &TagName) -> ();
        fn create_payload(stamp: Stamp, payload: Payload) -> ();
        fn payload(prompt: PromptId, payload: PayloadId) -> Option<Payload>;
        fn payloads(prompt: PromptId, page: Page<Recent>) -> Paged<Payload, Recent>;
        fn update_payload(stamp: Stamp, prompt: PromptId, payload: PayloadId, change: PayloadChange) -> Payload;
        fn delete_payload(stamp: Stamp, prompt: PromptId, payload: PayloadId) -> ();
        fn resolve(reach: &Reach, name: &PromptRef, selector: &Selector) -> (Vec<Found>, Option<Version>);
    }
    Plugins {
        fn org_plugins(org: OrgId) -> OrgPlugins;
        fn set_org_plugin(stamp: Stamp, decision: OrgPlugin) -> ();
        fn plugin_value(org: OrgId, plugin: &PluginId, key: &ValueKey) -> Option<Vec<u8>>;
        fn set_plugin_value(stamp: Stamp, org: OrgId, plugin: &PluginId, key: &ValueKey, value: Option<Vec<u8>>) -> ();
    }
}

#[async_trait]
impl Store for Observed {
    async fn ping(&self) -> Result<StoreState> {
        self.observe("ping", self.store.ping()).await
    }

    async fn check(&self) -> Result<Vec<String>> {
        self.observe("check", self.store.check()).await
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) -> bool {
        self.store.watch(watcher)
    }

    async fn export(&self, to: &mut archive::Sink<'_>) -> Result<()> {
        self.observe("export", self.store.export(to)).await
    }

    async fn import(&self, from: &mut archive::Source<'_>) -> Result<()> {
        self.observe("import", self.store.import(from)).await
    }

    fn summary(&self) -> String {
        self.store.summary()
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}
