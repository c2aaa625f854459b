//! What the render path would read from the store, kept in memory.
//!
//! Each organization has counters: of changes to its keys, to its prompts, and to what it decided about plugins. A copy
//! notes the counters of the organizations that it depends on *before* it is read from the store, and is used only while
//! they are the same. So a change that happens while a copy is being read makes the copy stale before it is used at all.
//! Counters are shared by organizations whose ids fall together: then one's change also drops copies of the other, which
//! costs a read.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use moka::sync::Cache as Moka;

use crate::{
    ids::OrgId,
    key::ApiKey,
    page::Weigh,
    plugin::OrgPlugins,
    prompt::PromptRef,
    secret::TokenHash,
    store::{Change, Found, Reach, Told, Watcher},
    tag::Selector,
    version::Version,
};

/// Counters of each kind: a power of two.
const COUNTERS: usize = 4096;

/// Most keys that are kept, a few hundred bytes each.
const KEYS: u64 = 10_000;

/// Most bytes of what organizations decided about plugins.
const PLUGINS: u64 = 16 * 1024 * 1024;

/// What a render resolves.
pub type Resolved = (Found, Version);

/// What a render asks: who reaches how far, for which version of which prompt.
pub type Question = (Reach, PromptRef, Selector);

/// The copies.
pub struct Cache {
    keys: Moka<TokenHash, Noted<ApiKey>>,
    resolved: Moka<Question, Noted<Resolved>>,
    plugins: Moka<OrgId, Noted<OrgPlugins>>,
    counters: Counters,
    looks: [Looks; Kind::ALL.len()],
}

/// A kind of copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// API keys.
    Keys,
    /// Versions, as renders resolve them.
    Versions,
    /// What organizations decided about plugins.
    Plugins,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keys, Self::Versions, Self::Plugins];

    /// What it is called in telemetry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Versions => "versions",
            Self::Plugins => "plugins",
        }
    }
}

/// How often copies of one kind were looked for, since the start.
#[derive(Debug, Default)]
struct Looks {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A copy, with what the counters said before it was read.
#[derive(Clone)]
struct Noted<T> {
    copy: Arc<T>,
    note: Note,
}

/// What counters said at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Note(Vec<(usize, u64)>);

/// The counters.
struct Counters {
    hasher: RandomState,
    counters: Vec<AtomicU64>,
    /// Of changes to any key.
    keys: AtomicU64,
    all: AtomicU64,
    /// Until when copies may be used, in microseconds after `begun`; 0 is never, and the highest number for ever.
    told_until: AtomicU64,
    begun: Instant,
}

/// The counter that counts everything.
const ALL: usize = usize::MAX;

impl Counters {
    fn place(&self, of: Change) -> usize {
        match of {
            Change::All => ALL,
            of => {
                let hash = self.hasher.hash_one(of);
                usize::try_from(hash % COUNTERS as u64).unwrap_or(0)
            }
        }
    }

    fn at(&self, place: usize) -> &AtomicU64 {
        self.counters.get(place).unwrap_or(&self.all)
    }

    /// What the counters of these say; `None` while changes are not told.
    fn note(&self, of: impl IntoIterator<Item = Change>) -> Option<Note> {
        if !self.are_told() {
            return None;
        }
        let places = of.into_iter().chain([Change::All]).map(|change| self.place(change));
        Some(Note(places.map(|place| (place, self.at(place).load(Ordering::SeqCst))).collect()))
    }

    fn are_told(&self) -> bool {
        match self.told_until.load(Ordering::SeqCst) {
            0 => false,
            u64::MAX => true,
            until => u128::from(until) > self.begun.elapsed().as_micros(),
        }
    }

    fn holds(&self, note: &Note) -> bool {
        self.are_told()
            && note.0.iter().all(|(place, count)| self.at(*place).load(Ordering::SeqCst) == *count)
    }

    fn changed(&self, changes: &[Change]) {
        for change in changes {
            if matches!(change, Change::Keys(_) | Change::All) {
                self.keys.fetch_add(1, Ordering::SeqCst);
            }
            self.at(self.place(*change)).fetch_add(1, Ordering::SeqCst);
        }
    }

    fn told(&self, told: Told) {
        let until = match told {
            Told::No => 0,
            Told::Yes => u64::MAX,
            Told::Until(moment) => {
                let micros = moment.saturating_duration_since(self.begun).as_micros();
                u64::try_from(micros).unwrap_or(u64::MAX)
            }
        };
        // What was told without a gap goes on to be.
        if !matches!(told, Told::Until(_)) || self.told_until.load(Ordering::SeqCst) == 0 {
            self.changed(&[Change::All]);
        }
        self.told_until.store(until, Ordering::SeqCst);
    }
}

impl Cache {
    /// An empty one that holds about so many bytes of templates; it is not used before changes are told.
    pub fn new(bytes: u64) -> Arc<Self> {
        let weigh = |_: &Question, noted: &Noted<Resolved>| {
            let (_, version) = &*noted.copy;
            u32::try_from(1024 + version.weight()).unwrap_or(u32::MAX)
        };
        let weigh_plugins = |_: &OrgId, noted: &Noted<OrgPlugins>| {
            let weight: usize = noted.copy.iter().map(|decision| 256 + decision.weight()).sum();
            u32::try_from(256 + weight).unwrap_or(u32::MAX)
        };
        Arc::new(Self {
            keys: Moka::new(KEYS),
            resolved: Moka::builder().max_capacity(bytes).weigher(weigh).build(),
            plugins: Moka::builder().max_capacity(PLUGINS).weigher(weigh_plugins).build(),
            counters: Counters {
                hasher: RandomState::new(),
                counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
                keys: AtomicU64::new(0),
                all: AtomicU64::new(0),
                told_until: AtomicU64::new(0),
                begun: Instant::now(),
            },
            looks: Default::default(),
        })
    }

    /// Whether changes are told at present, so that copies may be used.
    pub fn is_told(&self) -> bool {
        self.counters.are_told()
    }

    /// How often a good copy of this kind was there, and how often not, since the start.
    pub fn looks(&self, kind: Kind) -> (u64, u64) {
        let Looks { hits, misses } = &self.looks[kind as usize];
        (hits.load(Ordering::Relaxed), misses.load(Ordering::Relaxed))
    }

    /// The copy, if it is good; counts.
    fn good<T>(&self, kind: Kind, noted: Option<Noted<T>>) -> Option<Arc<T>> {
        let noted = noted.filter(|noted| self.counters.holds(&noted.note));
        let Looks { hits, misses } = &self.looks[kind as usize];
        let looks = if noted.is_some() { hits } else { misses };
        looks.fetch_add(1, Ordering::Relaxed);
        noted.map(|noted| noted.copy)
    }

    /// A copy of the key with this hash.
    pub fn key(&self, hash: &TokenHash) -> Option<Arc<ApiKey>> {
        self.good(Kind::Keys, self.keys.get(hash))
    }

    /// To be called before a key is read. Which organization it is of is not known then, so what is noted is how often
    /// any key was changed.
    pub fn before_key(&self) -> Option<u64> {
        self.counters.are_told().then(|| self.counters.keys.load(Ordering::SeqCst))
    }

    /// Keeps a key that was read after `before` was noted.
    pub fn keep_key(&self, before: u64, key: &ApiKey) {
        let note = self.counters.note([Change::Keys(key.org_id)]);
        // Were a key changed between the two notes, it might be this one.
        let same = self.counters.keys.load(Ordering::SeqCst) == before;
        if let Some(note) = note.filter(|_| same) {
            self.keys.insert(key.hash, Noted { copy: Arc::new(key.clone()), note });
        }
    }

    /// A copy of what was resolved.
    pub fn resolved(&self, question: &Question) -> Option<Arc<Resolved>> {
        self.good(Kind::Versions, self.resolved.get(question))
    }

    /// To be called before the store is asked, with the organizations that the reach is in.
    pub fn before_resolving(&self, orgs: &[OrgId]) -> Option<Note> {
        self.counters.note(orgs.iter().copied().map(Change::Prompts))
    }

    /// Keeps what was resolved after `note` was taken.
    pub fn keep_resolved(&self, note: Note, question: Question, resolved: Arc<Resolved>) {
        self.resolved.insert(question, Noted { copy: resolved, note });
    }

    /// A copy of what an organization decided about plugins.
    pub fn org_plugins(&self, org: OrgId) -> Option<Arc<OrgPlugins>> {
        self.good(Kind::Plugins, self.plugins.get(&org))
    }

    /// To be called before the store is asked what an organization decided about plugins.
    pub fn before_org_plugins(&self, org: OrgId) -> Option<Note> {
        self.counters.note([Change::Plugins(org)])
    }

    /// Keeps what an organization decided about plugins, read after `note` was taken.
    pub fn keep_org_plugins(&self, note: Note, org: OrgId, plugins: Arc<OrgPlugins>) {
        self.plugins.insert(org, Noted { copy: plugins, note });
    }
}

/// The store tells.
impl Watcher for Cache {
    fn changed(&self, changes: &[Change]) {
        self.counters.changed(changes);
    }

    fn told(&self, told: Told) {
        self.counters.told(told);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn noted(cache: &Cache, org: OrgId) -> Note {
        cache.before_resolving(&[org]).expect("changes are told")
    }

    #[test]
    fn a_note_holds_until_its_organization_changes_or_nothing_is_told() {
        let (cache, org) = (Cache::new(1 << 20), OrgId::new());
        assert!(cache.before_resolving(&[org]).is_none() && cache.before_key().is_none());
        cache.told(Told::Yes);
        let note = noted(&cache, org);
        assert!(cache.counters.holds(&note));
        cache.changed(&[Change::Prompts(org)]);
        assert!(!cache.counters.holds(&note));
        for change in [Change::All, Change::Prompts(org)] {
            let note = noted(&cache, org);
            cache.changed(&[Change::Keys(org)]);
            cache.changed(&[change]);
            assert!(!cache.counters.holds(&note), "{change}");
        }
        let note = noted(&cache, org);
        cache.told(Told::No);
        assert!(!cache.counters.holds(&note));
        cache.told(Told::Yes);
        assert!(!cache.counters.holds(&note), "what was missed meanwhile is not known");
    }

    #[test]
    fn a_copy_of_decisions_is_used_until_one_is_told() {
        let (cache, org, other) = (Cache::new(1 << 20), OrgId::new(), OrgId::new());
        assert!(cache.before_org_plugins(org).is_none());
        cache.told(Told::Yes);
        let keep = || {
            let note = cache.before_org_plugins(org).expect("changes are told");
            cache.keep_org_plugins(note, org, Arc::default());
        };
        assert_eq!(cache.org_plugins(org), None);
        assert_eq!(cache.looks(Kind::Plugins), (0, 1));
        keep();
        cache.changed(&[Change::Keys(org), Change::Prompts(org)]);
        assert!(cache.org_plugins(org).is_some() && cache.org_plugins(other).is_none());
        assert_eq!(cache.looks(Kind::Plugins), (1, 2));
        assert_eq!(cache.looks(Kind::Keys), (0, 0));
        for change in [Change::Plugins(org), Change::All] {
            keep();
            cache.changed(&[change]);
            assert_eq!(cache.org_plugins(org), None, "{change}");
        }
        let before = cache.before_key();
        cache.changed(&[Change::Plugins(org)]);
        assert_eq!(cache.before_key(), before, "no key was changed");
        let note = cache.before_org_plugins(org).expect("changes are told");
        cache.changed(&[Change::Plugins(org)]);
        cache.keep_org_plugins(note, org, Arc::default());
        assert_eq!(cache.org_plugins(org), None, "what was read before the change");
    }

    #[test]
    fn a_note_holds_for_as_long_as_was_said_and_again_when_more_is_said() {
        let (cache, org) = (Cache::new(1 << 20), OrgId::new());
        let hour = Duration::from_secs(3600);
        cache.told(Told::Until(Instant::now() + hour));
        let note = noted(&cache, org);
        cache.told(Told::Until(Instant::now()));
        assert!(!cache.counters.holds(&note) && cache.before_key().is_none());
        cache.told(Told::Until(Instant::now() + hour));
        assert!(cache.counters.holds(&note), "nothing was missed");
        cache.told(Told::No);
        cache.told(Told::Until(Instant::now() + hour));
        assert!(!cache.counters.holds(&note), "what was missed meanwhile is not known");
    }
}
