//! Who failed: a plugin that fails again and again for an organization is not asked for a while.
//!
//! Strikes are counted for each organization: a text of one tenant that makes a plugin crash takes it from nobody else. Those of
//! hooks are counted for each point at which they are asked: what passes variables may still fail on every text.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use px0_core::{
    ids::OrgId,
    plugin::{PluginId, Point},
};

/// So many failures in a row, and it is benched.
const STRIKES: u32 = 3;

/// What people are told of a plugin that is benched.
pub(crate) const BENCHED: &str = "it failed three times in a row and is not asked for a minute";

/// For so long. Then it has one more try.
const PAUSE: Duration = Duration::from_secs(60);

/// How many are remembered. When there are more, those that are not benched are forgotten.
const REMEMBERED: usize = 4096;

/// The strikes of all plugins.
#[derive(Default)]
pub(crate) struct Strikes {
    /// Whether there is any strike: nearly always there is none.
    any: AtomicBool,
    strikes: Mutex<HashMap<Of, Strike>>,
}

/// Whose strikes: a plugin's for an organization, at a point if it is a hook.
type Of = (PluginId, OrgId, Option<Point>);

#[derive(Clone, Copy, Default)]
struct Strike {
    count: u32,
    until: Option<Instant>,
}

impl Strike {
    fn is_benched(self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

impl Strikes {
    /// Whether `plugin` is benched for `org`.
    pub(crate) fn is_benched(&self, plugin: &PluginId, org: OrgId, at: Option<Point>) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let strikes = self.strikes.lock();
        let strike = strikes.get(&(plugin.clone(), org, at));
        strike.is_some_and(|strike| strike.is_benched(Instant::now()))
    }

    /// `plugin` answered `org`.
    pub(crate) fn answered(&self, plugin: &PluginId, org: OrgId, at: Option<Point>) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut strikes = self.strikes.lock();
        strikes.remove(&(plugin.clone(), org, at));
        self.any.store(!strikes.is_empty(), Ordering::Release);
    }

    /// `plugin` failed `org`; whether that benched it.
    pub(crate) fn failed(&self, plugin: &PluginId, org: OrgId, at: Option<Point>) -> bool {
        let mut strikes = self.strikes.lock();
        let now = Instant::now();
        if strikes.len() >= REMEMBERED {
            strikes.retain(|_, strike| strike.is_benched(now));
        }
        self.any.store(true, Ordering::Release);
        let strike = strikes.entry((plugin.clone(), org, at)).or_default();
        strike.count += 1;
        let benched = strike.count >= STRIKES;
        if benched {
            strike.until = Some(now + PAUSE);
        }
        benched
    }

    /// For how many organizations each plugin is benched.
    pub(crate) fn benched(&self) -> BTreeMap<PluginId, usize> {
        let now = Instant::now();
        let mut benched = BTreeMap::<_, BTreeSet<_>>::new();
        for ((plugin, org, _), strike) in &*self.strikes.lock() {
            if strike.is_benched(now) {
                benched.entry(plugin.clone()).or_default().insert(*org);
            }
        }
        benched.into_iter().map(|(plugin, orgs)| (plugin, orgs.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_row_and_for_one_organization() {
        let (strikes, plugin) = (Strikes::default(), PluginId::parse("a").expect("an id"));
        let (one, other) = (OrgId::new(), OrgId::new());
        assert!(!strikes.failed(&plugin, one, None) && !strikes.failed(&plugin, one, None));
        strikes.answered(&plugin, one, None);
        assert!(!strikes.failed(&plugin, one, None) && !strikes.failed(&plugin, one, None));
        assert!(!strikes.is_benched(&plugin, one, None));
        assert!(strikes.failed(&plugin, one, None));
        assert!(
            strikes.is_benched(&plugin, one, None) && !strikes.is_benched(&plugin, other, None)
        );
        assert_eq!(strikes.benched(), BTreeMap::from([(plugin.clone(), 1)]));
        strikes.answered(&plugin, one, None);
        assert!(strikes.benched().is_empty());
    }

    #[test]
    fn a_hook_has_strikes_for_each_point() {
        let (strikes, plugin) = (Strikes::default(), PluginId::parse("a").expect("an id"));
        let (org, before, after) =
            (OrgId::new(), Some(Point::BeforeRender), Some(Point::AfterRender));
        for _ in 0..3 {
            strikes.answered(&plugin, org, before);
            strikes.failed(&plugin, org, after);
        }
        assert!(
            strikes.is_benched(&plugin, org, after) && !strikes.is_benched(&plugin, org, before)
        );
        strikes.answered(&plugin, org, before);
        assert_eq!(strikes.benched(), BTreeMap::from([(plugin, 1)]));
    }

    #[test]
    fn not_all_are_remembered_for_ever() {
        let (strikes, plugin) = (Strikes::default(), PluginId::parse("a").expect("an id"));
        let benched = OrgId::new();
        for _ in 0..3 {
            strikes.failed(&plugin, benched, None);
        }
        for _ in 0..=REMEMBERED {
            strikes.failed(&plugin, OrgId::new(), None);
        }
        assert!(strikes.strikes.lock().len() <= REMEMBERED);
        assert!(strikes.is_benched(&plugin, benched, None));
    }
}
