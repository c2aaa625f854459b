//! A test's world in one line: `let home = w.home("acme").await;`.

use std::{
    fmt::Debug,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use px0_core::{
    Email, Name, Slug, TagName, Timestamp,
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId, VersionId},
    page::{Numbered, Page},
    plugin::{PluginId, ValueKey},
    prompt::Prompt,
    render::EngineName,
    secret::TokenHash,
    store::{Actor, Reach, Result, SharedStore, Stamp, Store, StoreError},
    tag::Selector,
    tenancy::{Org, Role, Team},
    version::{Body, Version},
};

use crate::{
    audit::audit,
    backends::{Backend, Place},
    portrait::same,
};

pub(crate) use crate::making::Home;

/// What a backend must do, whatever it is.
pub(crate) struct Law {
    /// The chapter it stands in.
    pub(crate) chapter: &'static str,
    /// What it demands.
    pub(crate) demand: &'static str,
    /// Panics when it is broken.
    pub(crate) hold: fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Law {
    /// `accounts::an_address_that_is_taken_is_refused`.
    pub(crate) fn name(&self) -> String {
        let chapter = self.chapter.rsplit("::").next().unwrap();
        format!("{chapter}::{}", self.demand)
    }
}

/// The laws of a chapter. One that is written and not named here is an unused function: a warning.
macro_rules! laws {
    ($($law:ident),* $(,)?) => {
        &[$(crate::world::Law {
            chapter: module_path!(),
            demand: stringify!($law),
            hold: |world| Box::pin($law(world)),
        }),*]
    };
}
pub(crate) use laws;

/// A store with what was put into it. Clones share it.
#[derive(Clone)]
pub(crate) struct World {
    store: SharedStore,
    shared: Arc<Shared>,
}

struct Shared {
    backend: &'static dyn Backend,
    place: Box<dyn Place>,
    others: Mutex<Vec<Box<dyn Place>>>,
    /// The store that was opened last.
    open: Mutex<SharedStore>,
    clock: AtomicI64,
    seen: Mutex<Seen>,
}

/// The methods of the store are the world's.
impl Deref for World {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// All ids that were ever given to a thing in this world, also to one that the store refused.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) users: Vec<UserId>,
    pub(crate) emails: Vec<Email>,
    pub(crate) sessions: Vec<TokenHash>,
    pub(crate) orgs: Vec<OrgId>,
    pub(crate) teams: Vec<TeamId>,
    pub(crate) requests: Vec<JoinRequestId>,
    pub(crate) keys: Vec<KeyId>,
    pub(crate) key_hashes: Vec<TokenHash>,
    pub(crate) prompts: Vec<PromptId>,
    pub(crate) versions: Vec<VersionId>,
    pub(crate) payloads: Vec<PayloadId>,
    pub(crate) values: Vec<(PluginId, ValueKey)>,
}

impl World {
    /// An empty world on a backend.
    pub(crate) async fn new(backend: &'static dyn Backend) -> Self {
        let place = backend.place().await;
        let store = place.open().await;
        let shared = Arc::new(Shared {
            backend,
            place,
            others: Mutex::default(),
            open: Mutex::new(store.clone()),
            // Microseconds that are no whole second, millisecond, or minute.
            clock: AtomicI64::new(1_767_323_045_000_001),
            seen: Mutex::default(),
        });
        Self { store, shared }
    }

    /// Takes everything out of the store, where that is quicker than a new world. Answers whether it did.
    pub(crate) async fn empty(&self) -> bool {
        self.shared.place.empty().await
    }

    /// Another empty store of the same kind, which lasts as long as the world.
    pub(crate) async fn elsewhere(&self) -> SharedStore {
        let place = self.shared.backend.place().await;
        let store = place.open().await;
        self.shared.others.lock().push(place);
        store
    }

    /// Whether the store can be opened again and have everything still.
    pub(crate) fn keeps(&self) -> bool {
        self.shared.place.keeps()
    }

    /// The same world after its store was closed and opened again.
    pub(crate) async fn reopened(&self) -> Self {
        let store = self.shared.place.open().await;
        self.shared.open.lock().clone_from(&store);
        Self { store, shared: self.shared.clone() }
    }

    /// The end of every test: nothing is wrong in the store, and it keeps what it shows.
    pub(crate) async fn end(self) {
        let store = self.shared.open.lock().clone();
        let last = Self { store, ..self };
        let shown = last.portrait().await;
        audit(&last).await;
        assert_eq!(last.check().await.unwrap(), [""; 0], "the backend finds faults");
        if last.keeps() {
            let again = last.reopened().await.portrait().await;
            same(&shown, &again, "after the store was opened again");
        }
    }

    /// Later than whatever was before.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.shared.clock.fetch_add(1_000_003, Ordering::Relaxed)).unwrap()
    }

    /// The time, a while from now.
    pub(crate) fn in_seconds(&self, seconds: u64) -> Timestamp {
        self.now().plus(Duration::from_secs(seconds))
    }

    /// Somebody writes, now.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { by: Actor::Anonymous, at: self.now() }
    }

    /// What was ever named here.
    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen.lock().clone()
    }

    /// What was ever named here, to add to it.
    pub(crate) fn seen_mut(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock()
    }

    /// Holds that `what` is answered with `why`, and that nothing changes.
    pub(crate) async fn refuses<T: Debug>(
        &self,
        why: impl Into<StoreError>,
        what: impl Future<Output = Result<T>>,
    ) {
        let before = self.portrait().await;
        assert_eq!(what.await.map(|answer| format!("{answer:?}")), Err(why.into()));
        same(&before, &self.portrait().await, "after a refusal");
    }

    /// Holds that `what` succeeds, and that nothing changes.
    pub(crate) async fn ignores<T>(&self, what: impl Future<Output = Result<T>>) -> T {
        let before = self.portrait().await;
        let answer = what.await.unwrap();
        same(&before, &self.portrait().await, "after what should change nothing");
        answer
    }
}

/// Things that are read back.
impl World {
    /// A version as it is now.
    pub(crate) async fn reread(&self, version: &Version) -> Version {
        let selector = Selector::Number(version.number);
        self.version(version.prompt_id, &selector).await.unwrap().unwrap()
    }

    /// A prompt as it is now.
    pub(crate) async fn prompt_now(&self, prompt: &Prompt) -> Prompt {
        self.prompt_by_id(prompt.id).await.unwrap()
    }

    pub(crate) async fn prompt_by_id(&self, prompt: PromptId) -> Option<Prompt> {
        let everywhere = Reach { orgs: self.seen().orgs, teams: Vec::new() };
        let named = px0_core::prompt::PromptRef::Id(prompt);
        let mut found = self.find_prompts(&everywhere, &named).await.unwrap();
        assert!(found.len() <= 1, "one id, several prompts: {found:?}");
        found.pop().map(|found| found.prompt)
    }

    /// The roles in a team, by address without its `@px0.test`.
    pub(crate) async fn roles_in(&self, team: &Team) -> Vec<(String, Role)> {
        let members = self.members(team.id, ALL_NUMBERED).await.unwrap().items;
        let short = |email: &Email| email.local().to_owned();
        members.iter().map(|member| (short(&member.email), member.role)).collect()
    }
}

/// All people or members on one page.
pub(crate) const ALL_NUMBERED: Numbered = Numbered { page: 1, limit: 100_000 };

/// All of a list on one page.
pub(crate) const fn all<K>() -> Page<K> {
    Page { limit: 100_000, after: None }
}

/// Every team of these organizations.
pub(crate) fn orgs(orgs: &[&Org]) -> Reach {
    Reach { orgs: orgs.iter().map(|org| org.id).collect(), teams: Vec::new() }
}

/// These teams.
pub(crate) fn teams(teams: &[&Team]) -> Reach {
    Reach { orgs: Vec::new(), teams: teams.iter().map(|team| team.id).collect() }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

pub(crate) fn tag(text: &str) -> TagName {
    TagName::parse(text).unwrap()
}

pub(crate) fn slug(text: &str) -> Slug {
    Slug::exact(text).unwrap()
}

pub(crate) fn plugin(text: &str) -> PluginId {
    PluginId::parse(text).unwrap()
}

pub(crate) fn value_key(text: &str) -> ValueKey {
    ValueKey::parse(text).unwrap()
}

/// `local@px0.test`.
pub(crate) fn email(local: &str) -> Email {
    Email::parse(&format!("{local}@px0.test")).unwrap()
}

/// What is kept of an address.
pub(crate) fn address(called: &str) -> TokenHash {
    TokenHash::of(&format!("the address {called}"))
}

/// What a version says that is nothing but a template.
pub(crate) fn body(template: &str) -> Body {
    Body {
        template: template.into(),
        engine: EngineName::default(),
        model: None,
        model_params: None,
        variables_schema: None,
    }
}

/// The hash of a secret that nobody else has.
pub(crate) fn secret() -> TokenHash {
    TokenHash::of(&uuid::Uuid::new_v4().to_string())
}
