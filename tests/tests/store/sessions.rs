//! Sessions.

use px0_core::{
    Timestamp, ids::UserId, secret::TokenHash, store::Thing, tenancy::Role, user::KnownAddress,
};

use crate::world::{Law, World, address, laws, secret};

pub(crate) const LAWS: &[Law] = laws![
    a_session_is_opened_only_for_a_user,
    a_session_shows_the_user_and_memberships_in_the_order_of_team_ids,
    a_session_shows_changes_of_memberships_at_once,
    a_session_ends_when_its_time_is_reached,
    a_session_that_never_was_is_none,
    opening_a_session_ends_no_other_that_lasts,
    closing_a_session_ends_it_alone,
    closing_a_session_that_is_not_there_succeeds,
    an_address_is_known_after_a_login_from_there_to_that_user_alone,
    the_latest_login_from_an_address_counts,
    the_addresses_of_the_latest_logins_are_kept_and_so_many_only,
];

async fn a_session_is_opened_only_for_a_user(w: World) {
    let stranger = w.new_account("bob").user;
    let session = w.new_session(&stranger, 60);
    w.refuses(Thing::User, w.open_session(session, address("home"))).await;
}

async fn a_session_shows_the_user_and_memberships_in_the_order_of_team_ids(w: World) {
    let home = w.home("acme").await;
    let mut ids = vec![(home.team.id, true, Role::Admin)];
    for number in [7_u128, 1, 9, 3] {
        let mut team = w.new_team(&home.org, &format!("team {number}"));
        team.id = px0_core::ids::TeamId::from_uuid(uuid::Uuid::from_u128(number));
        ids.push((team.id, false, Role::Admin));
        w.create_team(w.stamp(), team, Some(home.admin.id)).await.unwrap();
    }
    ids.sort_unstable_by_key(|(team, ..)| *team);
    let session = w.login(&home.admin).await;

    let (user, memberships) = w.session(&session.hash, w.now()).await.unwrap().unwrap();
    assert_eq!(user, home.admin);
    let shown: Vec<_> = memberships.iter().map(|m| (m.team, m.is_default, m.role)).collect();
    assert_eq!(shown, ids);
    assert!(memberships.iter().all(|membership| membership.org == home.org.id));
}

async fn a_session_shows_changes_of_memberships_at_once(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let session = w.login(&bob).await;
    let red = w.team_in(&home, "red").await;

    w.join(&red, &bob, Role::Viewer).await;
    assert_eq!(roles(&w, &session.hash).await.len(), 2);
    w.set_role(w.stamp(), red.id, bob.id, Role::Admin).await.unwrap();
    assert!(roles(&w, &session.hash).await.contains(&Role::Admin));
    w.remove_member(w.stamp(), red.id, bob.id).await.unwrap();
    assert_eq!(roles(&w, &session.hash).await, [Role::Editor]);
    w.remove_person(w.stamp(), home.org.id, bob.id).await.unwrap();
    assert_eq!(roles(&w, &session.hash).await, [], "in no team, but logged in");
}

async fn roles(w: &World, session: &TokenHash) -> Vec<Role> {
    let (_, memberships) = w.session(session, w.now()).await.unwrap().unwrap();
    memberships.iter().map(|membership| membership.role).collect()
}

async fn a_session_ends_when_its_time_is_reached(w: World) {
    let home = w.home("acme").await;
    let session = w.login(&home.admin).await;
    let just_before = Timestamp::from_micros(session.expires_at.micros() - 1).unwrap();
    assert!(w.session(&session.hash, just_before).await.unwrap().is_some());
    assert_eq!(w.session(&session.hash, session.expires_at).await.unwrap(), None);
}

async fn a_session_that_never_was_is_none(w: World) {
    w.home("acme").await;
    assert_eq!(w.session(&secret(), w.now()).await.unwrap(), None);
}

async fn opening_a_session_ends_no_other_that_lasts(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let brief = w.new_session(&home.admin, 1);
    w.open_session(brief, address("home")).await.unwrap();
    let lasting = [w.login(&home.admin).await, w.login(&bob).await];
    // By now the brief one has ended; what is forgotten with it must be it alone.
    let last = w.login(&home.admin).await;
    for session in lasting.into_iter().chain([last]) {
        assert!(w.session(&session.hash, w.now()).await.unwrap().is_some(), "{session:?}");
    }
}

async fn closing_a_session_ends_it_alone(w: World) {
    let home = w.home("acme").await;
    let (one, other) = (w.login(&home.admin).await, w.login(&home.admin).await);
    w.close_session(&one.hash).await.unwrap();
    assert_eq!(w.session(&one.hash, w.now()).await.unwrap(), None);
    assert!(w.session(&other.hash, w.now()).await.unwrap().is_some());
}

async fn closing_a_session_that_is_not_there_succeeds(w: World) {
    let home = w.home("acme").await;
    let session = w.login(&home.admin).await;
    w.ignores(w.close_session(&secret())).await;
    w.close_session(&session.hash).await.unwrap();
    w.ignores(w.close_session(&session.hash)).await;
}

async fn an_address_is_known_after_a_login_from_there_to_that_user_alone(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let session = w.login_from(&home.admin, address("office")).await;
    let known = w.last_login(home.admin.id, &address("office")).await.unwrap();
    assert_eq!(known, Some(session.created_at));
    assert_eq!(w.last_login(home.admin.id, &address("elsewhere")).await.unwrap(), None);
    assert_eq!(w.last_login(bob.id, &address("office")).await.unwrap(), None);
    assert_eq!(w.last_login(UserId::new(), &address("office")).await.unwrap(), None);
    // It outlives the session.
    w.close_session(&session.hash).await.unwrap();
    assert_eq!(w.last_login(home.admin.id, &address("office")).await.unwrap(), known);
}

async fn the_latest_login_from_an_address_counts(w: World) {
    let ann = w.home("acme").await.admin;
    w.login_from(&ann, address("office")).await;
    let latest = w.login_from(&ann, address("office")).await.created_at;
    assert_eq!(w.last_login(ann.id, &address("office")).await.unwrap(), Some(latest));
}

async fn the_addresses_of_the_latest_logins_are_kept_and_so_many_only(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    w.login_from(&bob, address("0")).await;
    for at in 0..KnownAddress::MOST {
        w.login_from(&home.admin, address(&at.to_string())).await;
    }
    // The first is the latest now, so the second is the one to go.
    w.login_from(&home.admin, address("0")).await;
    w.login_from(&home.admin, address("new")).await;
    let mut known = Vec::new();
    for at in 0..KnownAddress::MOST {
        known.push(w.last_login(home.admin.id, &address(&at.to_string())).await.unwrap().is_some());
    }
    let expected: Vec<_> = (0..KnownAddress::MOST).map(|at| at != 1).collect();
    assert_eq!(known, expected);
    assert!(w.last_login(home.admin.id, &address("new")).await.unwrap().is_some());
    assert!(w.last_login(bob.id, &address("0")).await.unwrap().is_some(), "another's stays");
}
