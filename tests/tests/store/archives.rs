//! Archives: what leaves a store by one door and enters another by the same.

use std::sync::atomic::{AtomicBool, Ordering};

use px0_core::{
    ids::{OrgId, PromptId, TeamId, UserId},
    lifecycle::Status,
    memory::MemoryStore,
    prompt::Prompt,
    secret::CodeKey,
    store::{
        Result, Store, StoreError, Thing,
        archive::{Record, Source},
    },
    tenancy::Role,
};

use crate::{
    versions::prompt,
    world::{Law, World, address, body, laws},
};

pub(crate) const LAWS: &[Law] = laws![
    an_archive_has_everything_in_one_order_and_fills_any_store,
    an_archive_fills_only_an_empty_store,
    an_archive_that_breaks_off_fills_nothing,
    an_archive_that_contradicts_itself_fills_nothing,
    an_export_sees_one_moment,
];

/// All records of a store.
pub(crate) async fn records(store: &dyn Store) -> Vec<Record> {
    let mut records = Vec::new();
    let sink = &mut |record| {
        records.push(record);
        Ok(())
    };
    store.export(sink).await.unwrap();
    records
}

/// Fills a store.
pub(crate) async fn fill(store: &dyn Store, records: &[Record]) -> Result<()> {
    store.import(&mut records.iter().cloned().map(Ok) as &mut Source<'_>).await
}

/// One of everything, and two of most.
async fn full(w: &World) -> Prompt {
    let home = w.home("alpha").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    w.join(&red, &bob, Role::Viewer).await;
    w.home("beta").await;
    let blue = w.team_in(&home, "blue").await;
    w.ask(&blue, &bob).await;
    w.code_key(CodeKey::from_bytes([7; 32])).await.unwrap();
    for user in [&home.admin, &bob] {
        w.login_from(user, address("home")).await;
        w.login_from(user, address("office")).await;
        w.mail_reset(user.id, w.code(&format!("first for {}", user.id))).await;
        w.mail_reset(user.id, w.code(&format!("second for {}", user.id))).await;
    }
    w.mail_verification(bob.id, w.code("right")).await;
    let (hash, from) = (w.code("right").hash, address("home"));
    w.verify_email(w.stamp(), &bob.email, &hash, &from).await.unwrap();
    let line = prompt(w).await;
    let draft = w.draft(&line, "{{ a }}").await;
    w.live(&line).await;
    w.stable(&line).await;
    w.delete_version(w.stamp(), w.draft(&line, "gone").await.id).await.unwrap();
    w.set_tag(w.stamp(), draft.id, "one".parse_tag()).await.unwrap();
    w.set_tag(w.stamp(), draft.id, "two".parse_tag()).await.unwrap();
    w.create_payload(w.stamp(), w.new_payload(&line, r#"{"a":1.50}"#)).await.unwrap();
    w.create_payload(w.stamp(), w.new_payload(&line, "{}")).await.unwrap();
    for called in ["guard", "a-b"] {
        w.decide(home.org.id, called).await;
        w.keep(home.org.id, called, "one", b"1").await.unwrap();
        w.keep(home.org.id, called, "two", &[0, 255]).await.unwrap();
    }
    line
}

trait ParseTag {
    fn parse_tag(&self) -> px0_core::TagName;
}

impl ParseTag for str {
    fn parse_tag(&self) -> px0_core::TagName {
        px0_core::TagName::parse(self).unwrap()
    }
}

async fn an_archive_has_everything_in_one_order_and_fills_any_store(w: World) {
    full(&w).await;
    let taken = records(&*w).await;
    let other = MemoryStore::new();
    fill(&other, &taken).await.unwrap();
    assert_eq!(other.check().await.unwrap(), [""; 0]);
    assert_eq!(records(&other).await, taken);
    let again = w.elsewhere().await;
    fill(&*again, &taken).await.unwrap();
    assert_eq!(again.check().await.unwrap(), [""; 0]);
    assert_eq!(records(&*again).await, taken);
    // The key came along, so addresses are known there as here; and codes can be used.
    assert_eq!(again.code_key(CodeKey::from_bytes([8; 32])).await.unwrap().expose(), &[7; 32]);
    for record in &taken {
        match record {
            Record::KnownAddress(known) => {
                let last = again.last_login(known.user, &known.address).await.unwrap();
                assert_eq!(last, Some(known.last_login));
            }
            Record::Reset { codes, .. } => {
                let hashes: Vec<_> = codes.iter().map(|code| code.hash).collect();
                for hash in hashes {
                    assert_eq!(again.has_reset(&hash, w.now()).await, Ok(true));
                }
            }
            _ => {}
        }
    }
    // It goes on: numbers are not given again.
    let line = taken.iter().find_map(|record| match record {
        Record::Prompt { prompt, last_number: 4 } => Some(prompt.id),
        _ => None,
    });
    let next = again.create_version(w.stamp(), line.unwrap(), w.new_version_id(), body("x"));
    assert_eq!(next.await.unwrap().number, 5);
}

async fn an_archive_fills_only_an_empty_store(w: World) {
    w.home("acme").await;
    let mine = records(&*w).await;
    let refused = fill(&*w, &mine).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(records(&*w).await, mine);
}

async fn an_archive_that_breaks_off_fills_nothing(w: World) {
    full(&w).await;
    let taken = records(&*w).await;
    let other = w.elsewhere().await;
    let mut broken =
        taken.iter().take(taken.len() - 1).cloned().map(Ok).chain([Err(Thing::Org.into())]);
    assert_eq!(other.import(&mut broken).await, Err(Thing::Org.into()));
    assert_eq!(records(&*other).await, []);
    fill(&*other, &taken).await.unwrap();
    assert_eq!(records(&*other).await, taken);
}

async fn an_archive_that_contradicts_itself_fills_nothing(w: World) {
    full(&w).await;
    let taken = records(&*w).await;
    type Alter = fn(&mut Record) -> bool;
    let wrongs: [(&str, Alter); 11] = [
        ("an address of nobody", |record| match record {
            Record::KnownAddress(known) => {
                known.user = UserId::new();
                true
            }
            _ => false,
        }),
        ("a second live version", |record| match record {
            Record::Version(version) if version.status == Status::Stable => {
                version.status = Status::Live;
                true
            }
            _ => false,
        }),
        ("a number that would be given again", |record| match record {
            Record::Prompt { last_number, .. } if *last_number > 1 => {
                *last_number = 1;
                true
            }
            _ => false,
        }),
        ("a tag on no version", |record| match record {
            Record::Tag { number, .. } => {
                *number = 999;
                true
            }
            _ => false,
        }),
        ("a second Default Team", |record| match record {
            Record::Team(team) if !team.is_default => {
                team.is_default = true;
                true
            }
            _ => false,
        }),
        ("an organization without a Default Team", |record| match record {
            Record::Team(team) if team.is_default => {
                team.is_default = false;
                true
            }
            _ => false,
        }),
        ("a team without an admin", |record| match record {
            Record::Member { membership, .. } if membership.role == Role::Admin => {
                membership.role = Role::Viewer;
                true
            }
            _ => false,
        }),
        ("a prompt of no team", |record| match record {
            Record::Prompt { prompt, .. } => {
                prompt.team_id = TeamId::new();
                true
            }
            _ => false,
        }),
        ("a decision of no organization", |record| match record {
            Record::OrgPlugin(decision) => {
                decision.org_id = OrgId::new();
                true
            }
            _ => false,
        }),
        ("a value for no organization", |record| match record {
            Record::PluginValue { org, .. } => {
                *org = OrgId::new();
                true
            }
            _ => false,
        }),
        ("a payload of no prompt", |record| match record {
            Record::Payload(payload) => {
                payload.prompt_id = PromptId::new();
                true
            }
            _ => false,
        }),
    ];
    let other = w.elsewhere().await;
    for (what, make_wrong) in wrongs {
        let mut wrong = taken.clone();
        assert!(wrong.iter_mut().any(make_wrong), "{what}: nothing to make it of");
        assert!(fill(&*other, &wrong).await.is_err(), "{what}");
        assert_eq!(records(&*other).await, [], "{what}");
    }
    // Nothing of them is left behind.
    fill(&*other, &taken).await.unwrap();
    assert_eq!(records(&*other).await, taken);
    let other = w.elsewhere().await;
    let twice = taken.iter().chain(taken.iter().take(1)).cloned().collect::<Vec<_>>();
    let again = fill(&*other, &twice).await;
    // Whether the same thing twice is wrong or the same thing is a backend's to say; it is never there twice.
    assert_eq!(records(&*other).await, if again.is_ok() { taken.clone() } else { Vec::new() });
}

async fn an_export_sees_one_moment(w: World) {
    let line = full(&w).await;
    for number in 0..600 {
        w.create_payload(w.stamp(), w.new_payload(&line, &format!("[{number}]"))).await.unwrap();
    }
    let begun = std::sync::Arc::new(AtomicBool::new(false));
    let writer = w.clone();
    let end = std::sync::Arc::new(AtomicBool::new(false));
    let (over, under_way, id) = (end.clone(), begun.clone(), line.id);
    let writing = tokio::spawn(async move {
        // Homes come and go, and what there is changes, while the export goes on.
        let mut number = 0;
        while !over.load(Ordering::Relaxed) {
            number += 1;
            let draft = writer
                .create_version(writer.stamp(), id, writer.new_version_id(), body("x"))
                .await
                .unwrap();
            writer.delete_version(writer.stamp(), draft.id).await.unwrap();
            // No more than the memory's check, which compares all with all, gets through.
            if number <= 200 {
                let home = writer.home(&format!("home{number}")).await;
                if number % 2 == 0 {
                    writer.delete_org(writer.stamp(), home.org.id).await.unwrap();
                }
            }
            under_way.store(true, Ordering::Relaxed);
        }
    });
    while !begun.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    for _ in 0..5 {
        let taken = records(&*w).await;
        let other = MemoryStore::new();
        fill(&other, &taken).await.unwrap();
        assert_eq!(other.check().await.unwrap(), [""; 0], "of two moments");
    }
    end.store(true, Ordering::Relaxed);
    writing.await.unwrap();
}
