//! What organizations decide about plugins, and what hooks keep for them.

use std::sync::Arc;

use parking_lot::Mutex;
use px0_core::{
    ids::OrgId,
    json::JsonText,
    memory::MemoryStore,
    plugin::{MAX_VALUE, MAX_VALUES, OnFailure, OrgPlugin, PluginId},
    store::{Change, Refusal, Result, Stamp, StoreError, Thing, Told, Watcher, archive::Record},
};

use crate::{
    archives::{fill, records},
    race::{race, watch, winners},
    world::{Law, World, laws, plugin, value_key},
};

pub(crate) const LAWS: &[Law] = laws![
    a_decision_is_kept_as_it_is_at_the_time_of_its_stamp,
    a_decision_takes_the_place_of_the_one_before,
    decisions_are_in_the_byte_order_of_their_plugins,
    settings_are_kept_byte_for_byte,
    nothing_is_decided_where_there_is_no_organization,
    a_value_is_kept_and_replaced_and_forgotten,
    a_value_that_is_not_there_is_forgotten_already,
    values_are_any_bytes,
    values_are_told_apart_by_every_byte_of_plugin_and_key,
    nothing_is_kept_or_forgotten_where_there_is_no_organization,
    no_more_values_are_kept_than_there_may_be,
    an_organization_decides_and_keeps_for_itself_alone,
    an_organization_takes_decisions_and_values_with_it,
    an_archive_has_decisions_and_values_in_byte_order,
    an_archive_with_more_values_than_there_may_be_fills_nothing,
    of_many_new_values_at_once_no_more_are_kept_than_there_may_be,
    of_many_decisions_at_once_one_stands_whole,
    what_is_decided_or_kept_while_its_organization_goes_goes_with_it,
    a_decision_and_the_end_of_an_organization_are_told,
    what_hooks_keep_is_told_to_nobody,
];

async fn a_decision_is_kept_as_it_is_at_the_time_of_its_stamp(w: World) {
    let org = w.home("acme").await.org.id;
    assert_eq!(w.org_plugins(org).await, Ok(Vec::new()));
    let mut all = Vec::new();
    for (number, on_failure) in OnFailure::ALL.into_iter().enumerate() {
        for enabled in [false, true] {
            let called = format!("p{number}-{enabled}");
            let decision = OrgPlugin { enabled, on_failure, ..w.new_decision(org, &called) };
            let stamp = w.stamp();
            w.set_org_plugin(stamp, decision.clone()).await.unwrap();
            all.push(OrgPlugin { updated_at: stamp.at, ..decision });
            assert_eq!(w.org_plugins(org).await.as_ref(), Ok(&all));
        }
    }
}

async fn a_decision_takes_the_place_of_the_one_before(w: World) {
    let org = w.home("acme").await.org.id;
    let settings = Some(JsonText::parse(r#"{"a":1}"#).unwrap());
    let first = OrgPlugin { settings, ..w.new_decision(org, "guard") };
    w.set_org_plugin(w.stamp(), first).await.unwrap();
    let other = w.decide(org, "other").await;
    let at = w.now();
    let second = OrgPlugin {
        enabled: false,
        on_failure: OnFailure::Pass,
        updated_at: at,
        ..w.new_decision(org, "guard")
    };
    w.set_org_plugin(Stamp { at, ..w.stamp() }, second.clone()).await.unwrap();
    assert_eq!(w.org_plugins(org).await, Ok(vec![second.clone(), other]));
    // A time before that of what it replaces is no reason to refuse it.
    let early = OrgPlugin { updated_at: w.now(), ..w.new_decision(org, "other") };
    let stamp = Stamp { at, ..w.stamp() };
    w.set_org_plugin(stamp, early.clone()).await.unwrap();
    let early = OrgPlugin { updated_at: at, ..early };
    assert_eq!(w.org_plugins(org).await, Ok(vec![second, early]));
}

async fn decisions_are_in_the_byte_order_of_their_plugins(w: World) {
    let org = w.home("acme").await.org.id;
    // A locale ignores marks, and has digits elsewhere.
    let in_order = ["a", "a-", "a-b", "a0", "a1", "a10", "a2", "aa", "ab", "b"];
    for at in [7, 2, 9, 0, 4, 5, 8, 1, 3, 6] {
        w.decide(org, in_order[at]).await;
    }
    let decisions = w.org_plugins(org).await.unwrap();
    let plugins: Vec<_> = decisions.iter().map(|decision| decision.plugin.as_str()).collect();
    assert_eq!(plugins, in_order);
}

async fn settings_are_kept_byte_for_byte(w: World) {
    let org = w.home("acme").await.org.id;
    let large = format!(r#"{{"a":"{}"}}"#, "é".repeat(40_000));
    for text in ["{}", "{\n  \"b\": 1.50,\r\n\t\"a\": \"\\u00e9\"}", &large, "{ }"] {
        let settings = Some(JsonText::parse(text).unwrap());
        let decision = OrgPlugin { settings, ..w.new_decision(org, "guard") };
        w.set_org_plugin(w.stamp(), decision).await.unwrap();
        let decisions = w.org_plugins(org).await.unwrap();
        assert_eq!(decisions[0].settings.as_ref().unwrap().as_str(), text);
    }
}

async fn nothing_is_decided_where_there_is_no_organization(w: World) {
    w.home("acme").await;
    let nowhere = w.new_org("nowhere").id;
    let decision = w.new_decision(nowhere, "guard");
    w.refuses(Thing::Org, w.set_org_plugin(w.stamp(), decision)).await;
    assert_eq!(w.org_plugins(nowhere).await, Ok(Vec::new()));
}

async fn a_value_is_kept_and_replaced_and_forgotten(w: World) {
    let org = w.home("acme").await.org.id;
    assert_eq!(w.kept(org, "guard", "count").await, None);
    for value in [b"1".as_slice(), b"22", b"", b"1"] {
        w.keep(org, "guard", "count", value).await.unwrap();
        assert_eq!(w.kept(org, "guard", "count").await.as_deref(), Some(value));
    }
    w.forget(org, "guard", "count").await.unwrap();
    assert_eq!(w.kept(org, "guard", "count").await, None);
    w.keep(org, "guard", "count", b"3").await.unwrap();
    assert_eq!(w.kept(org, "guard", "count").await.as_deref(), Some(b"3".as_slice()));
}

async fn a_value_that_is_not_there_is_forgotten_already(w: World) {
    let org = w.home("acme").await.org.id;
    w.keep(org, "guard", "one", b"1").await.unwrap();
    w.ignores(w.forget(org, "guard", "two")).await;
    w.ignores(w.forget(org, "other", "one")).await;
}

async fn values_are_any_bytes(w: World) {
    let org = w.home("acme").await.org.id;
    let every: Vec<u8> = (0..=255).collect();
    let largest: Vec<u8> = every.iter().copied().cycle().take(MAX_VALUE).collect();
    // The last grow and shrink through the sizes at which a backend may cut a value into pieces.
    let sizes = [1_900, 2_100, 4_000, 4_200, MAX_VALUE - 1, 2_000, 4_096, 1];
    let cut = sizes.map(|size| &largest[..size]);
    let values = [&[][..], &[0], &[255, 254], &every, &largest].into_iter().chain(cut);
    for value in values {
        w.keep(org, "guard", "any", value).await.unwrap();
        assert!(w.kept(org, "guard", "any").await.as_deref() == Some(value), "{}", value.len());
    }
    w.keep(org, "guard", "any", &largest).await.unwrap();
    w.forget(org, "guard", "any").await.unwrap();
    assert_eq!(w.kept(org, "guard", "any").await, None);
}

async fn values_are_told_apart_by_every_byte_of_plugin_and_key(w: World) {
    let org = w.home("acme").await.org.id;
    let longest = ["é".repeat(64), "a".repeat(128)];
    let keys = ["a", "A", "ab", "b", "a ", "é", "e\u{301}", "\u{1}", &longest[0], &longest[1]];
    let plugins = ["a", "ab", "a-b", &"p".repeat(PluginId::MAX)];
    let all = plugins.iter().flat_map(|by| keys.iter().map(move |key| (*by, *key)));
    let all: Vec<_> = all.collect();
    for &(by, key) in &all {
        assert_eq!(w.kept(org, by, key).await, None, "{by} {key}");
        w.keep(org, by, key, format!("{by} {key}").as_bytes()).await.unwrap();
    }
    w.forget(org, "a", "ab").await.unwrap();
    for (by, key) in all {
        let value = Some(format!("{by} {key}").into_bytes()).filter(|_| (by, key) != ("a", "ab"));
        assert_eq!(w.kept(org, by, key).await, value, "{by} {key}");
    }
}

async fn nothing_is_kept_or_forgotten_where_there_is_no_organization(w: World) {
    let acme = w.home("acme").await.org.id;
    w.keep(acme, "guard", "one", b"1").await.unwrap();
    let nowhere = w.new_org("nowhere").id;
    w.refuses(Thing::Org, w.keep(nowhere, "guard", "one", b"1")).await;
    w.refuses(Thing::Org, w.forget(nowhere, "guard", "one")).await;
    assert_eq!(w.kept(nowhere, "guard", "one").await, None);
}

/// Keeps as many values as there may be but for some.
async fn nearly_full(w: &World, org: OrgId, by: &'static str, room: usize) {
    const TASKS: usize = 16;
    race(TASKS, |task| {
        let w = w.clone();
        async move {
            for number in (task..MAX_VALUES - room).step_by(TASKS) {
                w.keep(org, by, &format!("key {number}"), b"x").await.unwrap();
            }
        }
    })
    .await;
}

async fn no_more_values_are_kept_than_there_may_be(w: World) {
    let (acme, other) = (w.home("acme").await.org.id, w.home("other").await.org.id);
    nearly_full(&w, acme, "guard", 1).await;
    w.keep(acme, "guard", "last", b"x").await.unwrap();
    w.refuses(Refusal::PluginValuesFull, w.keep(acme, "guard", "more", b"x")).await;
    w.refuses(Thing::Org, w.keep(w.new_org("nowhere").id, "guard", "more", b"x")).await;
    // What is there is replaced, and what others keep is not counted.
    w.keep(acme, "guard", "last", b"y").await.unwrap();
    w.ignores(w.forget(acme, "guard", "more")).await;
    for (org, by) in [(acme, "guard2"), (acme, "guar"), (other, "guard")] {
        w.keep(org, by, "more", b"x").await.unwrap();
    }
    w.forget(acme, "guard", "key 7").await.unwrap();
    w.keep(acme, "guard", "more", b"x").await.unwrap();
    w.refuses(Refusal::PluginValuesFull, w.keep(acme, "guard", "key 7", b"x")).await;
}

async fn an_organization_decides_and_keeps_for_itself_alone(w: World) {
    let (acme, other) = (w.home("acme").await.org.id, w.home("other").await.org.id);
    let theirs = w.decide(other, "guard").await;
    w.keep(other, "guard", "one", b"theirs").await.unwrap();
    assert_eq!(w.org_plugins(acme).await, Ok(Vec::new()));
    assert_eq!(w.kept(acme, "guard", "one").await, None);
    let mine = OrgPlugin { enabled: false, ..w.new_decision(acme, "guard") };
    let stamp = Stamp { at: mine.updated_at, ..w.stamp() };
    w.set_org_plugin(stamp, mine.clone()).await.unwrap();
    w.keep(acme, "guard", "one", b"mine").await.unwrap();
    assert_eq!(w.org_plugins(acme).await, Ok(vec![mine]));
    assert_eq!(w.org_plugins(other).await, Ok(vec![theirs]));
    w.forget(acme, "guard", "one").await.unwrap();
    assert_eq!(w.kept(other, "guard", "one").await.as_deref(), Some(b"theirs".as_slice()));
}

async fn an_organization_takes_decisions_and_values_with_it(w: World) {
    let (acme, alone) = (w.home("acme").await, w.home("alone").await);
    let other = w.home("other").await.org.id;
    for org in [acme.org.id, alone.org.id, other] {
        for called in ["guard", "other"] {
            w.decide(org, called).await;
            w.keep(org, called, "small", b"1").await.unwrap();
            w.keep(org, called, "large", &[7; MAX_VALUE]).await.unwrap();
        }
    }
    let before = w.org_plugins(other).await;
    w.delete_org(w.stamp(), acme.org.id).await.unwrap();
    w.delete_account(w.stamp(), alone.admin.id).await.unwrap();
    for gone in [acme.org.id, alone.org.id] {
        assert_eq!(w.org_plugins(gone).await, Ok(Vec::new()));
        assert_eq!(w.kept(gone, "guard", "small").await, None);
        assert_eq!(w.kept(gone, "other", "large").await, None);
        let decision = w.new_decision(gone, "guard");
        w.refuses(Thing::Org, w.set_org_plugin(w.stamp(), decision)).await;
        w.refuses(Thing::Org, w.keep(gone, "guard", "small", b"1")).await;
    }
    assert_eq!(w.org_plugins(other).await, before);
    assert_eq!(w.kept(other, "other", "large").await, Some(vec![7; MAX_VALUE]));
}

async fn an_archive_has_decisions_and_values_in_byte_order(w: World) {
    let mut orgs = [w.home("acme").await.org.id, w.home("other").await.org.id];
    for org in orgs {
        for called in ["ab", "a", "a-"] {
            let settings = Some(JsonText::parse(r#"{"b": 1.50, "a":2}"#).unwrap());
            let decision = OrgPlugin { settings, ..w.new_decision(org, called) };
            w.set_org_plugin(w.stamp(), decision).await.unwrap();
            for key in ["é", "b", "A"] {
                w.keep(org, called, key, &[0, 255, b'"', b'\n']).await.unwrap();
            }
        }
    }
    let taken = records(&*w).await;
    orgs.sort();
    let plugins = ["a", "a-", "ab"];
    let decisions = orgs.iter().flat_map(|org| plugins.map(|called| (*org, plugin(called))));
    let kept = orgs.iter().flat_map(|org| {
        plugins
            .into_iter()
            .flat_map(|called| ["A", "b", "é"].map(|key| (*org, plugin(called), value_key(key))))
    });
    let found = taken.iter().filter_map(|record| match record {
        Record::OrgPlugin(decision) => Some((decision.org_id, decision.plugin.clone())),
        _ => None,
    });
    assert!(found.eq(decisions));
    let found = taken.iter().filter_map(|record| match record {
        Record::PluginValue { org, plugin, key, .. } => Some((*org, plugin.clone(), key.clone())),
        _ => None,
    });
    assert!(found.eq(kept));
    let rest = taken.iter().skip_while(|record| !matches!(record, Record::OrgPlugin(_)));
    let rest: Vec<_> = rest.collect();
    assert_eq!(rest.len(), 6 + 18, "they are the last, decisions before values");
    assert!(rest[..6].iter().all(|record| matches!(record, Record::OrgPlugin(_))));

    // As text and back, into any store.
    let lines = taken.iter().map(|record| serde_json::to_string(record).unwrap());
    let read = lines.map(|line| serde_json::from_str(&line).unwrap());
    let read: Vec<Record> = read.collect();
    assert_eq!(read, taken);
    let (reference, again) = (MemoryStore::new(), w.elsewhere().await);
    fill(&reference, &read).await.unwrap();
    fill(&*again, &read).await.unwrap();
    assert_eq!(again.check().await.unwrap(), [""; 0]);
    assert_eq!((records(&reference).await, records(&*again).await), (taken.clone(), taken));
}

async fn an_archive_with_more_values_than_there_may_be_fills_nothing(w: World) {
    let org = w.home("acme").await.org.id;
    let mut taken = records(&*w).await;
    for number in 0..=MAX_VALUES {
        let (plugin, key) = (plugin("guard"), value_key(&format!("{number:03}")));
        taken.push(Record::PluginValue { org, plugin, key, value: b"x".to_vec() });
    }
    let other = w.elsewhere().await;
    assert!(fill(&*other, &taken).await.is_err());
    assert_eq!(records(&*other).await, []);
    taken.pop();
    fill(&*other, &taken).await.unwrap();
    assert_eq!(records(&*other).await, taken);
}

async fn of_many_new_values_at_once_no_more_are_kept_than_there_may_be(w: World) {
    const ROOM: usize = 5;
    let org = w.home("acme").await.org.id;
    nearly_full(&w, org, "guard", ROOM).await;
    let answers = race(32, |task| {
        let w = w.clone();
        async move {
            // Each new key by two at once: it is one value all the same. What is there is replaced meanwhile.
            let key = format!("new {}", task / 2);
            let answer = w.keep(org, "guard", &key, &[1]).await;
            w.keep(org, "guard", &format!("key {task}"), &[2]).await.unwrap();
            answer.map(|()| key)
        }
    });
    let (won, lost): (Vec<_>, Vec<_>) = answers.await.into_iter().partition(Result::is_ok);
    assert_eq!(winners(lost, Refusal::PluginValuesFull), 0);
    let mut won: Vec<_> = won.into_iter().map(Result::unwrap).collect();
    won.sort();
    won.dedup();
    assert_eq!(won.len(), ROOM);
    for key in won {
        assert_eq!(w.kept(org, "guard", &key).await, Some(vec![1]));
    }
    assert_eq!(w.keep(org, "guard", "more", b"x").await, Err(Refusal::PluginValuesFull.into()));
}

async fn of_many_decisions_at_once_one_stands_whole(w: World) {
    let org = w.home("acme").await.org.id;
    let decisions: Vec<_> = (0..16)
        .map(|number| OrgPlugin {
            enabled: number % 2 == 0,
            on_failure: OnFailure::ALL[number / 2 % 2],
            settings: Some(JsonText::parse(&format!(r#"{{"number":{number}}}"#)).unwrap()),
            ..w.new_decision(org, "guard")
        })
        .collect();
    let deciding = race(decisions.len(), |at| {
        let (w, decision) = (w.clone(), decisions[at].clone());
        async move {
            for _ in 0..4 {
                let stamp = Stamp { at: decision.updated_at, ..w.stamp() };
                w.set_org_plugin(stamp, decision.clone()).await.unwrap();
            }
        }
    });
    watch(deciding, {
        let (w, decisions) = (w.clone(), decisions.clone());
        move || {
            let (w, decisions) = (w.clone(), decisions.clone());
            async move {
                let there = w.org_plugins(org).await.unwrap();
                assert!(there.len() <= 1, "{there:?}");
                assert!(there.iter().all(|one| decisions.contains(one)), "half of two: {there:?}");
            }
        }
    })
    .await;
    assert_eq!(w.org_plugins(org).await.unwrap().len(), 1);
}

async fn what_is_decided_or_kept_while_its_organization_goes_goes_with_it(w: World) {
    for round in 0..8 {
        let org = w.home(&format!("acme-{round}")).await.org.id;
        w.decide(org, "old").await;
        w.keep(org, "old", "key", b"x").await.unwrap();
        let answers = race(9, |task| {
            let w = w.clone();
            async move {
                match task {
                    0 => w.delete_org(w.stamp(), org).await,
                    1 => w.keep(org, "old", "key", b"y").await,
                    2 => w.forget(org, "old", "key").await,
                    3..6 => w.keep(org, "new", &format!("key {task}"), b"x").await,
                    6 => w.set_org_plugin(w.stamp(), w.new_decision(org, "old")).await,
                    _ => w.set_org_plugin(w.stamp(), w.new_decision(org, "new")).await,
                }
            }
        });
        for (task, answer) in answers.await.into_iter().enumerate() {
            match answer {
                Ok(()) => {}
                Err(error) => assert_eq!((error, task > 0), (Thing::Org.into(), true)),
            }
        }
        assert_eq!(w.org_plugins(org).await, Ok(Vec::new()));
        assert_eq!(w.kept(org, "old", "key").await, None);
        assert_eq!(w.kept(org, "new", "key 3").await, None);
    }
}

/// What a store told.
#[derive(Default)]
struct Heard(Mutex<Vec<Change>>);

impl Heard {
    /// Begins to listen, where the store tells at all.
    fn from(w: &World) -> Option<Arc<Self>> {
        let heard = Arc::new(Self::default());
        w.watch(heard.clone()).then_some(heard)
    }

    fn has(&self, change: Change) -> bool {
        self.0.lock().contains(&change)
    }
}

impl Watcher for Heard {
    fn changed(&self, changes: &[Change]) {
        self.0.lock().extend(changes);
    }

    fn told(&self, _: Told) {}
}

async fn a_decision_and_the_end_of_an_organization_are_told(w: World) {
    let (acme, other, alone) = (w.home("acme").await, w.home("other").await, w.home("alone").await);
    let Some(heard) = Heard::from(&w) else {
        return;
    };
    let (acme, other) = (acme.org.id, other.org.id);
    let nowhere = w.new_org("nowhere").id;
    let attempt = w.set_org_plugin(w.stamp(), w.new_decision(nowhere, "guard")).await;
    assert_eq!(attempt, Err(StoreError::Missing(Thing::Org)));
    assert_eq!(*heard.0.lock(), [], "a refusal is no change");
    w.decide(acme, "guard").await;
    assert!(heard.has(Change::Plugins(acme)));
    assert!(!heard.has(Change::Keys(acme)) && !heard.has(Change::Prompts(acme)));
    w.delete_org(w.stamp(), other).await.unwrap();
    assert!(heard.has(Change::Plugins(other)), "also when nothing was decided");
    w.delete_account(w.stamp(), alone.admin.id).await.unwrap();
    assert!(heard.has(Change::Plugins(alone.org.id)));
}

async fn what_hooks_keep_is_told_to_nobody(w: World) {
    let org = w.home("acme").await.org.id;
    let Some(heard) = Heard::from(&w) else {
        return;
    };
    for value in [b"1", b"2"] {
        w.keep(org, "guard", "one", value).await.unwrap();
    }
    w.forget(org, "guard", "one").await.unwrap();
    assert_eq!(*heard.0.lock(), []);
}
