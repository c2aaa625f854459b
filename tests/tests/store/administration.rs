//! What an operator does across organizations.

use px0_core::{
    Email,
    page::Page,
    store::{Refusal, Thing},
    tenancy::Role,
    user::{Account, User},
};

use crate::codes::verify;
use crate::race::race;
use crate::world::{Law, World, email, laws, name};

pub(crate) const LAWS: &[Law] = laws![
    everybody_is_listed_by_address_page_by_page,
    a_page_of_users_begins_after_its_cursor_also_when_nobody_has_that_address,
    organizations_of_a_name_are_found_by_id_and_no_other,
    no_more_organizations_are_found_than_were_wanted,
    a_password_that_is_set_verifies_and_ends_all_sessions_of_that_user,
    a_password_that_is_set_voids_the_codes_that_were_mailed,
    a_password_is_set_only_of_a_user,
    no_session_outlives_a_password_that_is_set_at_the_same_time,
];

/// The local parts of all addresses after `after`, in pages of `limit`.
async fn listed(w: &World, limit: usize, mut after: Option<Email>) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let page = w.users(Page { limit, after }).await.unwrap();
        pages.push(page.items.iter().map(|user| user.email.local().to_owned()).collect());
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

async fn everybody_is_listed_by_address_page_by_page(w: World) {
    assert_eq!(listed(&w, 2, None).await, [[""; 0]]);
    let home = w.home("acme").await;
    for local in ["zz", "a.z", "é", "Ann", "a+z"] {
        w.editor(&home.team, local).await;
    }
    let elsewhere = w.home("zen").await;
    let pages: [&[&str]; 4] =
        [&["a+z", "a.z"], &["admin-of-acme", "admin-of-zen"], &["ann", "zz"], &["é"]];
    assert_eq!(listed(&w, 2, None).await, pages);
    assert_eq!(listed(&w, 100, None).await, [pages.concat()]);

    let page = w.users(Page { limit: 4, after: None }).await.unwrap();
    assert_eq!(page.items[2..], [home.admin, elsewhere.admin]);
}

async fn a_page_of_users_begins_after_its_cursor_also_when_nobody_has_that_address(w: World) {
    let home = w.home("acme").await;
    w.editor(&home.team, "bob").await;
    w.editor(&home.team, "eve").await;
    assert_eq!(listed(&w, 9, Some(email("bob"))).await, [["eve"]]);
    assert_eq!(listed(&w, 9, Some(email("b"))).await, [["bob", "eve"]]);
    assert_eq!(listed(&w, 9, Some(email("zoe"))).await, [[""; 0]]);
}

async fn organizations_of_a_name_are_found_by_id_and_no_other(w: World) {
    let mut twins = Vec::new();
    for founder in ["one", "two", "three"] {
        twins.push(w.found(w.founding(founder, "twin")).await.org);
    }
    w.home("Twin").await;
    w.found(w.founding("four", "twin 2")).await;
    twins.sort_unstable_by_key(|org| org.id);
    assert_eq!(w.orgs_named(&name("twin"), 100).await.unwrap(), twins);
    assert_eq!(w.orgs_named(&name("nobody's"), 100).await.unwrap(), []);

    w.rename_org(w.stamp(), twins[0].id, name("other"), w.home("x").await.admin.id).await.unwrap();
    assert_eq!(w.orgs_named(&name("twin"), 100).await.unwrap(), twins[1..]);
    w.delete_org(w.stamp(), twins[1].id).await.unwrap();
    assert_eq!(w.orgs_named(&name("twin"), 100).await.unwrap(), twins[2..]);
}

async fn no_more_organizations_are_found_than_were_wanted(w: World) {
    let mut ids = Vec::new();
    for founder in ["one", "two", "three"] {
        ids.push(w.found(w.founding(founder, "twin")).await.org.id);
    }
    ids.sort_unstable();
    let found = w.orgs_named(&name("twin"), 2).await.unwrap();
    assert_eq!(found.iter().map(|org| org.id).collect::<Vec<_>>(), ids[..2]);
}

async fn a_password_that_is_set_verifies_and_ends_all_sessions_of_that_user(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let (first, second) = (w.login(&bob).await, w.login(&bob).await);
    let of_admin = w.login(&home.admin).await;
    let set = w.set_password(w.stamp(), &bob.email, "new".to_owned()).await.unwrap();

    assert_eq!(set, User { is_verified: true, ..bob.clone() }, "nothing else changes");
    let account = w.account(bob.id).await.unwrap();
    assert_eq!(
        account,
        Some(Account { user: set, password_hash: "new".to_owned(), was_proved: true })
    );
    for session in [first, second] {
        assert_eq!(w.session(&session.hash, w.now()).await.unwrap(), None);
    }
    assert!(w.session(&of_admin.hash, w.now()).await.unwrap().is_some());
    assert_eq!(w.role(home.team.id, bob.id).await.unwrap(), Some(Role::Editor));
}

async fn a_password_that_is_set_voids_the_codes_that_were_mailed(w: World) {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    let reset = w.code("reset");
    w.mail_reset(ann.id, reset.clone()).await;
    w.set_password(w.stamp(), &ann.email, "new".to_owned()).await.unwrap();

    assert_eq!(verify(&w, &ann, "right").await, Some(Refusal::WrongCode));
    let late = w.reset_password(w.stamp(), &reset.hash, "late".to_owned());
    w.refuses(Refusal::WrongResetCode, late).await;
}

async fn a_password_is_set_only_of_a_user(w: World) {
    w.home("acme").await;
    let nobody = email("nobody");
    let attempt = w.set_password(w.stamp(), &nobody, "new".to_owned());
    w.refuses(Thing::User, attempt).await;
}

async fn no_session_outlives_a_password_that_is_set_at_the_same_time(w: World) {
    let ann = w.home("acme").await.admin;
    for _ in 0..8 {
        // A login looks at the password again once its session is open (as `Px0::login` does), and takes the session back
        // when it changed: so one of both must have seen the other.
        let before = w.account(ann.id).await.unwrap().unwrap().password_hash;
        let new = format!("after {before}");
        race(9, |at| {
            let (w, ann, before, new) = (w.clone(), ann.clone(), before.clone(), new.clone());
            async move {
                if at == 0 {
                    w.set_password(w.stamp(), &ann.email, new).await.unwrap();
                    return;
                }
                let session = w.login(&ann).await;
                let now = w.account(ann.id).await.unwrap().unwrap().password_hash;
                if now != before {
                    w.close_session(&session.hash).await.unwrap();
                }
            }
        })
        .await;
        for hash in w.seen().sessions {
            assert_eq!(w.session(&hash, w.now()).await.unwrap(), None);
        }
    }
}
