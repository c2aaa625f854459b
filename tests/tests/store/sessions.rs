//! Sessions.

use px0_core::{Timestamp, secret::TokenHash, store::Thing, tenancy::Role};

use crate::world::{Law, World, laws, secret};

pub(crate) const LAWS: &[Law] = laws![
    a_session_is_opened_only_for_a_user,
    a_session_shows_the_user_and_memberships_in_the_order_of_team_ids,
    a_session_shows_changes_of_memberships_at_once,
    a_session_ends_when_its_time_is_reached,
    a_session_that_never_was_is_none,
    opening_a_session_ends_no_other_that_lasts,
    closing_a_session_ends_it_alone,
    closing_a_session_that_is_not_there_succeeds,
];

async fn a_session_is_opened_only_for_a_user(w: World) {
    let stranger = w.new_account("bob").user;
    let session = w.new_session(&stranger, 60);
    w.refuses(Thing::User, w.open_session(session)).await;
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
    w.open_session(brief).await.unwrap();
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
