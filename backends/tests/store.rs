//! What is sled's own matter, and so not in the conformance suite: the data folder, long values, one moment for each reader.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use px0_backends::{SledSettings, SledStore};
use px0_core::{
    ids::{JoinRequestId, KeyId, PayloadId, TeamId, UserId},
    json::JsonText,
    key::{ApiKey, KeyOperation, KeyScope},
    lifecycle::{Status, Step},
    mailed::MailedCode,
    page::Page,
    plugin::{Kind, MAX_VALUE, OnFailure, OrgPlugin, PluginId, ValueKey},
    prompt::{Payload, PromptFilter},
    secret::{CodeKey, TokenHash},
    store::{Accounts, Keys, NewMember, Plugins, Prompts, Refusal, Store, StoreError, Tenancy},
    tag::{Selector, TagName},
    tenancy::{JoinRequest, RequestStatus, Role, Team},
    user::Session,
    version::{BodyChange, VersionFilter},
};

mod support;
use support::{World, account, body, draft, found, name, open, prompt_in, stamp};

fn error(path: &Path) -> String {
    let path = path.to_owned();
    SledStore::open(SledSettings { path, ..SledSettings::default() })
        .expect_err("it cannot be opened")
        .to_string()
}

/// Changes a store as a px0 with a fault might have: the layout that has no tally is counted when it is opened.
fn tamper(folder: &Path, change: impl FnOnce(&sled::Db)) {
    for file in ["sealed", "mark"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let db = sled::open(folder.join("db")).unwrap();
    db.insert("#schema", &1_u32.to_be_bytes()).unwrap();
    db.remove("#tally").unwrap();
    change(&db);
    db.flush().unwrap();
}

fn tag(text: &str) -> TagName {
    TagName::parse(text).unwrap()
}

#[tokio::test]
async fn a_folder_is_used_by_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(error(folder.path()).contains("in use by another px0"));
    assert!(store.ping().await.is_ok());
    store.close().await.unwrap();
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    open(folder.path()).close().await.unwrap();
    drop(open(folder.path()));
    assert_eq!(open(folder.path()).check().await.unwrap(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_a_data_folder_is_refused_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(error(&file).contains("is not a folder"));
    assert!(error(&file.join("below")).contains("data folder"));
}

#[cfg(unix)]
#[test]
fn a_new_data_folder_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let store = open(&path);
    assert_eq!(store.summary(), format!("sled at {}", path.display()));
    for path in [path.clone(), path.join("db")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn what_is_not_ours_or_newer_is_refused() {
    let changed = |change: &dyn Fn(&sled::Db)| {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()));
        tamper(folder.path(), change);
        error(folder.path())
    };
    let newer = changed(&|db| {
        db.insert("#schema", &7_u32.to_be_bytes()).unwrap();
    });
    assert!(newer.contains("newer px0 (schema 7;"), "{newer}");
    let foreign = changed(&|db| {
        db.remove("#schema").unwrap();
    });
    assert!(foreign.contains("not px0's"), "{foreign}");
}

#[tokio::test]
async fn what_a_killed_first_start_left_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let draft = folder.path().join("db.new");
    fs::create_dir_all(&draft).unwrap();
    fs::write(draft.join("conf"), "segment_").unwrap();
    found(&open(folder.path()), "ada@example.com").await;
    fs::remove_file(folder.path().join("sealed")).unwrap();
    fs::write(folder.path().join("db/snap.FFFFFFFFFFFFFFFF.generating"), "half").unwrap();
    assert_eq!(open(folder.path()).check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn long_values_survive_and_shrink() {
    let folder = tempfile::tempdir().unwrap();
    let long: String = ('a'..='z').cycle().take(1_000_000).collect();
    let store = open(folder.path());
    let world = found(&store, "ada@example.com").await;
    let prompt = prompt_in(&store, &world, "long").await;
    let version = draft(&store, prompt.id, &long).await;
    let payload = Payload {
        id: PayloadId::new(),
        prompt_id: prompt.id,
        name: None,
        variables: JsonText::parse(&format!("{{\"a\":  \"{long}\"}}")).unwrap(),
        created_at: stamp().at,
        updated_at: stamp().at,
    };
    store.create_payload(stamp(), payload.clone()).await.unwrap();
    drop(store);

    let store = open(folder.path());
    let latest = store.version(prompt.id, &Selector::Latest).await.unwrap();
    assert_eq!(latest.unwrap(), version);
    assert_eq!(store.payload(prompt.id, payload.id).await.unwrap(), Some(payload));
    assert_eq!(
        fs::read_dir(folder.path().join("db/blobs")).unwrap().count(),
        0,
        "no page is too long for the log"
    );
    for template in ["short", &long[..9000], "x"] {
        let change = BodyChange { template: Some(template.into()), ..BodyChange::default() };
        let changed = store.update_version(stamp(), version.id, change).await.unwrap();
        assert_eq!(&*changed.body.template, template);
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    }
    store.delete_version(stamp(), version.id).await.unwrap();
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_code_key_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (CodeKey::new().unwrap(), CodeKey::new().unwrap());
    for fresh in [first, second] {
        let kept = open(folder.path()).code_key(fresh).await.unwrap();
        assert_eq!(kept.expose(), first.expose());
    }
}

/// Many write at once; nobody ever sees two live versions, or none, nor a tag on two versions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let world = found(&store, "ada@example.com").await;
    let prompt = prompt_in(&store, &world, "prompt").await;
    let mut versions = Vec::new();
    for _ in 0..4 {
        let version = draft(&store, prompt.id, "x").await;
        store.step_version(stamp(), version.id, Step::Promote, None).await.unwrap();
        versions.push(version.id);
    }
    store.step_version(stamp(), versions[0], Step::Promote, None).await.unwrap();
    store.set_tag(stamp(), versions[0], tag("prod")).await.unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = versions
        .iter()
        .map(|version| {
            let (store, version) = (store.clone(), *version);
            tokio::spawn(async move {
                for _ in 0..50 {
                    // Live already: somebody else was faster.
                    let _ = store.step_version(stamp(), version, Step::Promote, None).await;
                    store.set_tag(stamp(), version, tag("prod")).await.unwrap();
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(async move {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) {
                    let page = Page { limit: 100, after: None };
                    let filter = VersionFilter::default();
                    let all = store.versions(prompt.id, &filter, page).await.unwrap().items;
                    let live = all.iter().filter(|v| v.status == Status::Live);
                    assert_eq!(live.count(), 1);
                    assert_eq!(all.iter().filter(|v| !v.tags.is_empty()).count(), 1);
                    let live = store.version(prompt.id, &Selector::Live).await.unwrap();
                    assert_eq!(live.unwrap().status, Status::Live);
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_have_no_gap_and_no_double() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let world = found(&store, "ada@example.com").await;
    let prompt = prompt_in(&store, &world, "prompt").await;
    let drafts = (0..300).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { draft(&store, prompt.id, "x").await.number })
    });
    let mut numbers = BTreeSet::new();
    for draft in drafts.collect::<Vec<_>>() {
        assert!(numbers.insert(draft.await.unwrap()));
    }
    assert!(numbers.into_iter().eq(1..=300));
}

#[tokio::test]
async fn a_search_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let world = found(&store, "ada@example.com").await;
    let make = (0..1300).map(|number| {
        let (store, world) = (store.clone(), world.clone());
        let text = format!("prompt {number} {}", if number % 100 == 0 { "rare" } else { "" });
        tokio::spawn(async move { prompt_in(&store, &world, &text).await })
    });
    for made in make.collect::<Vec<_>>() {
        made.await.unwrap();
    }
    let filter = PromptFilter { text: Some("RARE".to_owned()), ..PromptFilter::default() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = Page { limit: 4, after };
        let page = store.prompts(world.team.id, &filter, page).await.unwrap();
        assert!(page.items.len() == 4 || page.next.is_none());
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 13);
    assert!(seen.is_sorted_by_key(|p| std::cmp::Reverse((p.created_at, p.id))));
}

fn session(user: UserId, token: &str) -> Session {
    let at = stamp().at;
    Session {
        hash: TokenHash::of(token),
        user,
        created_at: at,
        expires_at: at.plus(std::time::Duration::from_secs(60)),
    }
}

fn code(text: &str) -> MailedCode {
    MailedCode::new(TokenHash::of(text), stamp().at.plus(std::time::Duration::from_secs(60)))
}

fn request(user: UserId, team: TeamId) -> JoinRequest {
    let at = stamp().at;
    JoinRequest {
        id: JoinRequestId::new(),
        team_id: team,
        user_id: user,
        status: RequestStatus::Pending,
        justification: Some("please".to_owned()),
        created_at: at,
        updated_at: at,
    }
}

fn key(world: &World, secret: &str, scope: KeyScope) -> ApiKey {
    ApiKey {
        id: KeyId::new(),
        name: name("key"),
        org_id: world.org.id,
        scope,
        operation: KeyOperation::All,
        hash: TokenHash::of(secret),
        prefix: "ak_1234".to_owned(),
        created_by: world.user.id,
        created_at: stamp().at,
        last_used_at: None,
    }
}

/// Everything that leads to something else is made and then removed from its end: nothing may be left.
#[tokio::test]
async fn deletions_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let clean = async || assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let ada = found(&store, "ada@example.com").await;
    let second =
        Team { id: TeamId::new(), name: name("Second"), is_default: false, ..ada.team.clone() };
    store.create_team(stamp(), second.clone(), None).await.unwrap();
    let bob = account("bob@example.com");
    store.add_account(stamp(), bob.clone(), ada.team.id, Role::Viewer).await.unwrap();
    let asks = request(bob.user.id, second.id);
    store.create_join_request(stamp(), asks.clone()).await.unwrap();
    store
        .add_member(stamp(), second.id, NewMember::Email(ada.user.email.clone()), Role::Viewer)
        .await
        .unwrap();
    store.open_session(session(bob.user.id, "b"), TokenHash::of("address")).await.unwrap();
    for text in ["1", "2"] {
        assert!(store.put_verification(stamp().at, bob.user.id, code(text)).await.unwrap());
        assert!(store.put_reset(stamp().at, bob.user.id, code(text)).await.unwrap());
    }
    let both = KeyScope::Teams([ada.team.id, second.id].into());
    let one = KeyScope::Teams([second.id].into());
    let (both, one) = (key(&ada, "k1", both), key(&ada, "k2", one));
    for key in [&both, &one, &key(&ada, "k3", KeyScope::Org)] {
        store.create_key(stamp(), key.clone()).await.unwrap();
    }
    store.touch_key(both.id, stamp().at).await.unwrap();
    let prompt = prompt_in(&store, &ada, "prompt").await;
    let version = draft(&store, prompt.id, &"x".repeat(30_000)).await;
    store.set_tag(stamp(), version.id, tag("a")).await.unwrap();
    store.step_version(stamp(), version.id, Step::Promote, None).await.unwrap();
    store.step_version(stamp(), version.id, Step::Promote, None).await.unwrap();
    let copy = store
        .duplicate_version(stamp(), version.id, px0_core::ids::VersionId::new())
        .await
        .unwrap();
    store.set_tag(stamp(), copy.id, tag("a")).await.unwrap();
    store.set_tag(stamp(), copy.id, tag("b")).await.unwrap();
    let guard = PluginId::parse("guard").unwrap();
    let decision = OrgPlugin {
        org_id: ada.org.id,
        plugin: guard.clone(),
        kind: Kind::Hook,
        enabled: true,
        on_failure: OnFailure::Refuse,
        settings: None,
        updated_at: stamp().at,
    };
    store.set_org_plugin(stamp(), decision).await.unwrap();
    // The second is forgotten, the first goes with its organization, and both are in parts before.
    for (key, then) in [("one", Some(vec![1; 9_000])), ("two", None)] {
        let key = ValueKey::parse(key).unwrap();
        let long = Some(vec![7; MAX_VALUE]);
        store.set_plugin_value(stamp(), ada.org.id, &guard, &key, long).await.unwrap();
        store.set_plugin_value(stamp(), ada.org.id, &guard, &key, then).await.unwrap();
    }
    clean().await;

    store.delete_version(stamp(), copy.id).await.unwrap();
    assert_eq!(store.tags(prompt.id).await.unwrap(), []);
    store.move_prompt(stamp(), prompt.id, second.id).await.unwrap();
    clean().await;
    let refused = store.delete_team(stamp(), second.id, false).await;
    assert_eq!(refused, Err(Refusal::TeamOwnsPrompts.into()));
    store.delete_team(stamp(), second.id, true).await.unwrap();
    clean().await;
    assert_eq!(store.key(one.id).await.unwrap(), None);
    let narrowed = store.key_by_hash(&both.hash).await.unwrap().unwrap();
    assert_eq!(narrowed.scope, KeyScope::Teams([ada.team.id].into()));
    assert_eq!(store.version(prompt.id, &Selector::Live).await.unwrap(), None);

    store.delete_account(stamp(), bob.user.id).await.unwrap();
    clean().await;
    assert_eq!(store.session(&TokenHash::of("b"), stamp().at).await.unwrap(), None);
    store.delete_account(stamp(), ada.user.id).await.unwrap();
    clean().await;
    drop(store);
    let left = sled::open(folder.path().join("db")).unwrap();
    let left: Vec<_> = left.iter().keys().map(Result::unwrap).collect();
    assert_eq!(left, ["#schema", "#tally"], "all of it is gone");
}

#[tokio::test]
async fn check_finds_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let world = found(&store, "ada@example.com").await;
    let prompt = prompt_in(&store, &world, "prompt").await;
    draft(&store, prompt.id, &body("x").template).await;
    drop(store);
    tamper(folder.path(), |db| {
        db.remove("Eada@example.com").unwrap();
        db.insert("Ebob@example.com", &[0; 16]).unwrap();
        let mut org = b"O".to_vec();
        org.extend_from_slice(world.org.id.uuid().as_bytes());
        db.insert(org, b"\x09{}").unwrap();
    });
    let problems = open(folder.path()).check().await.unwrap().join("\n");
    for part in [
        "is not what Eada@example.com leads to",
        "Ebob@example.com is there, but",
        "unknown format 9",
    ] {
        assert!(problems.contains(part), "{part} in:\n{problems}");
    }
}

#[tokio::test]
async fn a_store_of_the_layout_before_is_counted_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let world = found(&store, "ada@example.com").await;
    drop(store);
    tamper(folder.path(), |_| {});
    for _ in 0..2 {
        let store = open(folder.path());
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
        prompt_in(&store, &world, &px0_core::ids::PromptId::new().to_string()).await;
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_another_program_took_away_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    found(&store, "ada@example.com").await;
    drop(store);
    fs::remove_file(folder.path().join("sealed")).unwrap();
    let db = sled::open(folder.path().join("db")).unwrap();
    let kept = db.remove("Eada@example.com").unwrap().unwrap();
    db.flush().unwrap();
    drop(db);
    let why = error(folder.path());
    assert!(why.contains("has lost something: 7 of 8 entries are there"), "{why}");
    assert!(why.contains("px0 changed nothing in it"), "{why}");
    let db = sled::open(folder.path().join("db")).unwrap();
    db.insert("Eada@example.com", kept).unwrap();
    db.flush().unwrap();
    drop(db);
    assert_eq!(open(folder.path()).check().await.unwrap(), Vec::<String>::new());
}
