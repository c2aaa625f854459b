//! Warm instances, waiting for the next render of their version.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use px0_core::{ids::VersionId, render::TemplateRef};

use crate::{stats::PoolStats, template::TemplateInstance};

/// What an idle instance costs besides the memory that it asked for: its stack, its share of the
/// engine's tables, pages of its image that it wrote to.
const BASE: usize = 128 * 1024;

/// The idle instances of all versions, within one budget of memory.
///
/// An instance is taken out for a render and put back after it, so no two renders ever share one;
/// it goes back under the version it was made for, so no two versions do either.
pub(crate) struct Pool {
    memory: usize,
    per_version: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    versions: HashMap<VersionId, Warm>,
    /// Counts uses, to find the version that was used longest ago.
    clock: u64,
    memory: usize,
    stats: PoolStats,
}

/// What an instance was made with, besides its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct World {
    /// Which engine.
    pub(crate) engine: u64,
    /// Which functions of plugins; none is 0.
    pub(crate) functions: u64,
}

/// The idle instances of one version, all made for `source`.
struct Warm {
    world: World,
    source: Arc<str>,
    idle: Vec<TemplateInstance>,
    used: u64,
}

impl Warm {
    /// Whether this is what `template` needs: a draft may change under the same id, and plugins may come and go.
    fn fits(&self, template: &TemplateRef, world: World) -> bool {
        (Arc::ptr_eq(&self.source, &template.source) || self.source == template.source)
            && self.world == world
    }
}

impl Inner {
    /// Takes out the version that was used longest ago.
    fn evict(&mut self) -> Option<Warm> {
        let oldest = self.versions.iter().min_by_key(|(_, warm)| warm.used).map(|(id, _)| *id);
        let warm = self.versions.remove(&oldest?)?;
        self.memory -= warm.idle.iter().map(cost).sum::<usize>();
        self.stats.evictions += warm.idle.len() as u64;
        Some(warm)
    }
}

impl Pool {
    /// A pool of at most `memory` bytes, with `per_version` instances of each version.
    pub(crate) fn new(memory: usize, per_version: usize) -> Self {
        Self { memory, per_version, inner: Mutex::default() }
    }

    /// Takes out an instance that was made for `template` in `world`, if one is idle.
    pub(crate) fn take(&self, template: &TemplateRef, world: World) -> Option<TemplateInstance> {
        let mut inner = self.inner.lock();
        inner.clock += 1;
        let clock = inner.clock;
        let mut stale = None;
        let taken = match inner.versions.get_mut(&template.version) {
            Some(warm) if warm.fits(template, world) => {
                warm.used = clock;
                warm.idle.pop()
            }
            Some(_) => {
                stale = inner.versions.remove(&template.version);
                None
            }
            None => None,
        };
        // An entry without instances would keep its template, and nothing would ever evict it.
        if inner.versions.get(&template.version).is_some_and(|warm| warm.idle.is_empty()) {
            inner.versions.remove(&template.version);
        }
        let freed = taken.iter().chain(stale.iter().flat_map(|warm| &warm.idle));
        inner.memory -= freed.map(cost).sum::<usize>();
        match taken {
            Some(_) => inner.stats.hits += 1,
            None => inner.stats.misses += 1,
        }
        // Instances are dropped after the lock is let go: unmapping memory takes its time.
        drop(inner);
        drop(stale);
        taken
    }

    /// Puts `instance`, which was made for `template` in `world`, back.
    pub(crate) fn put(&self, template: &TemplateRef, world: World, instance: TemplateInstance) {
        let mut inner = self.inner.lock();
        if !instance.is_fit() {
            inner.stats.retired += 1;
            drop(inner);
            return;
        }
        inner.clock += 1;
        let clock = inner.clock;
        let grown = cost(&instance);
        let mut gone = Vec::new();
        let warm = inner.versions.entry(template.version).or_insert_with(|| Warm {
            world,
            source: template.source.clone(),
            idle: Vec::new(),
            used: clock,
        });
        warm.used = clock;
        if warm.fits(template, world) && warm.idle.len() < self.per_version {
            warm.idle.push(instance);
            inner.memory += grown;
        } else {
            gone.push(instance);
        }
        while inner.memory > self.memory {
            let Some(warm) = inner.evict() else { break };
            gone.extend(warm.idle);
        }
        drop(inner);
        drop(gone);
    }

    /// Drops the idle instances of the version that was used longest ago.
    pub(crate) fn make_room(&self) {
        let gone = self.inner.lock().evict();
        drop(gone);
    }

    /// Notes that an instance was stopped and thrown away.
    pub(crate) fn discarded(&self) {
        self.inner.lock().stats.discarded += 1;
    }

    /// The figures of this moment.
    pub(crate) fn stats(&self) -> PoolStats {
        let inner = self.inner.lock();
        PoolStats {
            versions: inner.versions.len(),
            instances: inner.versions.values().map(|warm| warm.idle.len()).sum(),
            memory: inner.memory,
            ..inner.stats
        }
    }
}

fn cost(instance: &TemplateInstance) -> usize {
    BASE + instance.held()
}
