//! Copies kept in memory, beside a model run: none may say anything else than the store does.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use px0_core::{
    cache::Cache,
    key::ApiKey,
    prompt::PromptRef,
    store::{Change, Reach, Store, Watcher as _},
    tag::Selector,
};

use crate::world::Seen;

/// How many of the youngest prompts and keys are looked at after each step.
const YOUNGEST: usize = 3;

pub(crate) struct Copies {
    cache: Option<Arc<Cache>>,
    /// How often a copy was used.
    used: AtomicUsize,
}

impl Copies {
    /// Keeps copies of what is in a store, if it tells what changes.
    pub(crate) fn of(store: &dyn Store) -> Self {
        let cache = Cache::new(1 << 20);
        let cache = store.watch(cache.clone()).then_some(cache);
        Self { cache, used: AtomicUsize::new(0) }
    }

    /// The store was emptied behind its own back.
    pub(crate) fn forget(&self) {
        if let Some(cache) = &self.cache {
            cache.changed(&[Change::All]);
        }
    }

    /// Whether copies were kept and none was ever used: then nothing was compared.
    pub(crate) fn useless(&self) -> bool {
        self.cache.is_some() && self.used.load(Ordering::Relaxed) == 0
    }

    /// Compares copies with the store, and keeps what there is no copy of. Answers what is old.
    pub(crate) async fn compare(&self, store: &dyn Store, seen: &Seen) -> Option<String> {
        let cache = self.cache.as_ref()?;
        let reach = Reach { orgs: seen.orgs.clone(), teams: Vec::new() };
        for prompt in seen.prompts.iter().rev().take(YOUNGEST) {
            let name = PromptRef::Id(*prompt);
            for selector in [Selector::Live, Selector::Latest] {
                let note = cache.before_resolving(&reach.orgs);
                let question = (reach.clone(), name.clone(), selector.clone());
                let copy = cache.resolved(&question);
                let (found, version) = store.resolve(&reach, &name, &selector).await.unwrap();
                let fresh = found.into_iter().next().zip(version);
                self.used.fetch_add(usize::from(copy.is_some()), Ordering::Relaxed);
                match (copy, note) {
                    (Some(copy), _) if Some(&*copy) != fresh.as_ref() => {
                        return Some(format!("{selector:?}: kept {copy:?}, now {fresh:?}"));
                    }
                    (None, Some(note)) => {
                        if let Some(fresh) = fresh {
                            cache.keep_resolved(note, question, Arc::new(fresh));
                        }
                    }
                    _ => {}
                }
            }
        }
        for hash in seen.key_hashes.iter().rev().take(YOUNGEST) {
            let before = cache.before_key();
            let copy = cache.key(hash);
            let fresh = store.key_by_hash(hash).await.unwrap();
            // When it was last used is no business of a copy's.
            let same = |copy: &ApiKey| {
                fresh.as_ref().is_some_and(|fresh| {
                    *copy == ApiKey { last_used_at: copy.last_used_at, ..fresh.clone() }
                })
            };
            match (copy, before) {
                (Some(copy), _) if !same(&copy) => {
                    return Some(format!("kept {copy:?}, now {fresh:?}"));
                }
                (None, Some(before)) => {
                    if let Some(fresh) = &fresh {
                        cache.keep_key(before, fresh);
                    }
                }
                _ => {}
            }
        }
        for &org in seen.orgs.iter().rev().take(YOUNGEST) {
            let note = cache.before_org_plugins(org);
            let copy = cache.org_plugins(org);
            let fresh = store.org_plugins(org).await.unwrap();
            self.used.fetch_add(usize::from(copy.is_some()), Ordering::Relaxed);
            match (copy, note) {
                (Some(copy), _) if *copy != fresh => {
                    return Some(format!("kept {copy:?}, now {fresh:?}"));
                }
                (None, Some(note)) => cache.keep_org_plugins(note, org, Arc::new(fresh)),
                _ => {}
            }
        }
        None
    }
}
