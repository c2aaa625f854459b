//! Join requests and the inbox of those who answer them.

use px0_core::{
    ids::JoinRequestId,
    store::{Reach, Refusal, Thing},
    tenancy::{InboxItem, JoinRequest, RequestStatus, Role, Team},
};
use uuid::Uuid;

use crate::world::{Law, World, laws, orgs, teams};

pub(crate) const LAWS: &[Law] = laws![
    a_request_is_kept_as_it_was_made,
    only_people_of_the_organization_ask_to_join_a_team,
    who_is_in_the_team_does_not_ask,
    nobody_asks_twice_while_it_is_pending,
    who_was_rejected_may_ask_again,
    the_inbox_has_pending_requests_within_reach_oldest_first,
    the_inbox_shows_teams_and_addresses_as_they_are_now,
    approving_adds_a_viewer,
    approving_the_first_member_of_a_team_makes_an_admin,
    rejecting_adds_nobody,
    a_request_is_answered_once,
    approving_who_is_in_by_now_changes_nothing_but_the_request,
    a_request_that_is_not_there_is_not_answered,
    who_leaves_the_organization_with_a_deleted_team_asks_no_more,
];

async fn a_request_is_kept_as_it_was_made(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let silent = JoinRequest { justification: None, ..w.new_request(&red, &bob) };
    assert_eq!(w.join_request(silent.id).await.unwrap(), None);
    w.create_join_request(w.stamp(), silent.clone()).await.unwrap();
    assert_eq!(w.join_request(silent.id).await.unwrap(), Some(silent));
}

async fn only_people_of_the_organization_ask_to_join_a_team(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let red = w.team_in(&home, "red").await;
    let stranger = w.new_account("nobody").user;
    for user in [&other.admin, &stranger] {
        let request = w.new_request(&red, user);
        w.refuses(Thing::Team, w.create_join_request(w.stamp(), request)).await;
    }
    let nowhere = w.new_team(&home.org, "nowhere");
    let request = w.new_request(&nowhere, &home.admin);
    w.refuses(Thing::Team, w.create_join_request(w.stamp(), request)).await;
}

async fn who_is_in_the_team_does_not_ask(w: World) {
    let home = w.home("acme").await;
    let request = w.new_request(&home.team, &home.admin);
    let attempt = w.create_join_request(w.stamp(), request);
    w.refuses(Refusal::AlreadyMember, attempt).await;
}

async fn nobody_asks_twice_while_it_is_pending(w: World) {
    let home = w.home("acme").await;
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&home, "blue").await);
    let (bob, eve) = (w.editor(&home.team, "bob").await, w.editor(&home.team, "eve").await);
    w.ask(&red, &bob).await;
    let again = w.new_request(&red, &bob);
    w.refuses(Refusal::RequestPending, w.create_join_request(w.stamp(), again)).await;
    w.ask(&blue, &bob).await;
    w.ask(&red, &eve).await;
}

async fn who_was_rejected_may_ask_again(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let first = w.ask(&red, &bob).await;
    w.resolve_join_request(w.stamp(), first.id, false).await.unwrap();
    let second = w.ask(&red, &bob).await;
    w.resolve_join_request(w.stamp(), second.id, true).await.unwrap();
    // Out of the team again, they may ask again.
    w.remove_member(w.stamp(), red.id, bob.id).await.unwrap();
    w.ask(&red, &bob).await;
}

async fn the_inbox_has_pending_requests_within_reach_oldest_first(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&home, "blue").await);
    let green = w.team_in(&other, "green").await;
    let (bob, eve) = (w.editor(&home.team, "bob").await, w.editor(&home.team, "eve").await);
    w.join(&other.team, &bob, Role::Viewer).await;

    // The oldest have the highest ids, so that the order of ids is not the order of time.
    let at = w.now();
    let mut twins = [1, 3].map(|number| JoinRequest {
        id: JoinRequestId::from_uuid(Uuid::from_u128(u128::MAX - number)),
        created_at: at,
        ..w.new_request(&red, &bob)
    });
    twins[1].user_id = eve.id;
    let late = w.ask(&green, &bob).await;
    let rejected = w.ask(&blue, &eve).await;
    let [second, first] = twins;
    for request in [&second, &first] {
        w.create_join_request(w.stamp(), request.clone()).await.unwrap();
    }
    let last = w.ask(&blue, &bob).await;
    w.resolve_join_request(w.stamp(), rejected.id, false).await.unwrap();

    let inbox = async |reach: Reach| {
        let items = w.inbox(&reach).await.unwrap();
        items.into_iter().map(|item| item.request).collect::<Vec<_>>()
    };
    let [first, second, late, last] = &[first, second, late, last];
    let of = |requests: &[&JoinRequest]| requests.iter().map(|r| (*r).clone()).collect::<Vec<_>>();
    assert_eq!(inbox(orgs(&[&home.org])).await, of(&[first, second, last]));
    assert_eq!(inbox(teams(&[&red])).await, of(&[first, second]));
    assert_eq!(inbox(orgs(&[&home.org, &other.org])).await, of(&[first, second, late, last]));
    let twice = Reach { teams: vec![red.id], ..orgs(&[&home.org]) };
    assert_eq!(inbox(twice).await, of(&[first, second, last]), "each once");
    assert_eq!(inbox(Reach::default()).await, []);
}

async fn the_inbox_shows_teams_and_addresses_as_they_are_now(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let request = w.ask(&red, &bob).await;
    let (new_name, new_email) = (crate::world::name("blue"), crate::world::email("robert"));
    w.rename_team(w.stamp(), red.id, new_name.clone()).await.unwrap();
    w.change_email(w.stamp(), bob.id, new_email.clone(), true).await.unwrap();
    let team = Team { name: new_name, ..red.clone() };
    let item = InboxItem { request, user_email: new_email, team };
    assert_eq!(w.inbox(&teams(&[&red])).await.unwrap(), [item]);
}

async fn approving_adds_a_viewer(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let request = w.ask(&red, &bob).await;
    let stamp = w.stamp();
    let answered = w.resolve_join_request(stamp, request.id, true).await.unwrap();
    let expected = JoinRequest { status: RequestStatus::Approved, updated_at: stamp.at, ..request };
    assert_eq!(answered, expected);
    assert_eq!(w.join_request(answered.id).await.unwrap(), Some(answered));
    assert_eq!(w.role(red.id, bob.id).await.unwrap(), Some(Role::Viewer));
    assert_eq!(w.inbox(&teams(&[&red])).await.unwrap(), []);
}

async fn approving_the_first_member_of_a_team_makes_an_admin(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let request = w.ask(&red, &bob).await;
    w.resolve_join_request(w.stamp(), request.id, true).await.unwrap();
    assert_eq!(w.role(red.id, bob.id).await.unwrap(), Some(Role::Admin));
}

async fn rejecting_adds_nobody(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let request = w.ask(&red, &bob).await;
    let answered = w.resolve_join_request(w.stamp(), request.id, false).await.unwrap();
    assert_eq!(answered.status, RequestStatus::Rejected);
    assert_eq!(w.role(red.id, bob.id).await.unwrap(), None);
}

async fn a_request_is_answered_once(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    for (name, first) in [("bob", true), ("eve", false)] {
        let user = w.editor(&home.team, name).await;
        let request = w.ask(&red, &user).await;
        w.resolve_join_request(w.stamp(), request.id, first).await.unwrap();
        for again in [true, false] {
            let attempt = w.resolve_join_request(w.stamp(), request.id, again);
            w.refuses(Refusal::AlreadyResolved, attempt).await;
        }
    }
}

async fn approving_who_is_in_by_now_changes_nothing_but_the_request(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let request = w.ask(&red, &bob).await;
    w.join(&red, &bob, Role::Admin).await;
    // Their being added has answered it.
    let attempt = w.resolve_join_request(w.stamp(), request.id, true);
    w.refuses(Refusal::AlreadyResolved, attempt).await;
    assert_eq!(w.role(red.id, bob.id).await.unwrap(), Some(Role::Admin));
}

async fn a_request_that_is_not_there_is_not_answered(w: World) {
    let home = w.home("acme").await;
    let request = w.new_request(&home.team, &home.admin);
    let attempt = w.resolve_join_request(w.stamp(), request.id, true);
    w.refuses(Thing::JoinRequest, attempt).await;
}

async fn who_leaves_the_organization_with_a_deleted_team_asks_no_more(w: World) {
    let home = w.home("acme").await;
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&home, "blue").await);
    let (bob, eve) = (w.editor(&red, "bob").await, w.editor(&red, "eve").await);
    w.join(&home.team, &eve, Role::Viewer).await;
    let (gone, kept) = (w.ask(&blue, &bob).await, w.ask(&blue, &eve).await);
    w.delete_team(w.stamp(), red.id, false).await.unwrap();
    assert_eq!(w.join_request(gone.id).await.unwrap(), None);
    assert_eq!(w.join_request(kept.id).await.unwrap(), Some(kept));
}
