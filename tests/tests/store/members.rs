//! Members of teams, their roles, and who is in charge.

use px0_core::{
    page::Numbered,
    store::{NewMember, Refusal, Thing},
    tenancy::{RequestStatus, Role},
};

use crate::world::{ALL_NUMBERED, Law, World, laws};

pub(crate) const LAWS: &[Law] = laws![
    members_are_listed_by_address_and_paged_by_number,
    a_role_is_none_of_whom_is_not_in_the_team,
    a_member_is_added_by_id_from_anywhere,
    a_member_is_added_by_address_only_from_the_organization,
    nobody_is_added_twice,
    only_who_is_there_is_added_to_a_team_that_is_there,
    the_first_member_becomes_admin_whatever_was_asked_for,
    adding_a_member_approves_their_pending_request,
    a_member_is_removed_from_one_team,
    who_leaves_their_last_team_takes_their_pending_requests_along,
    only_a_member_is_removed_or_gets_a_role,
    a_role_is_changed,
    the_role_somebody_has_is_fine,
    the_last_admin_does_not_step_down,
    the_last_admin_does_not_leave_members_behind,
    the_last_member_leaves_any_team_but_the_default_one,
];

async fn members_are_listed_by_address_and_paged_by_number(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    for name in ["dan", "bob", "eve", "cat"] {
        w.editor(&red, name).await;
    }
    let page = |page| w.members(red.id, Numbered { page, limit: 3 });
    let (first, second, third) =
        (page(1).await.unwrap(), page(2).await.unwrap(), page(3).await.unwrap());
    let locals = |page: &[px0_core::tenancy::Member]| {
        page.iter().map(|member| member.email.local().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(locals(&first.items), ["bob", "cat", "dan"]);
    assert_eq!(locals(&second.items), ["eve"]);
    assert_eq!(locals(&third.items), [""; 0]);
    assert_eq!([first.total, second.total, third.total], [4; 3]);
    assert_eq!(first.items[2].role, Role::Admin, "the first who came");
}

async fn a_role_is_none_of_whom_is_not_in_the_team(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    assert_eq!(w.role(home.team.id, other.admin.id).await.unwrap(), None);
    let nowhere = w.new_team(&home.org, "nowhere");
    assert_eq!(w.role(nowhere.id, home.admin.id).await.unwrap(), None);
}

async fn a_member_is_added_by_id_from_anywhere(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let stamp = w.stamp();
    let who = NewMember::Id(other.admin.id);
    w.add_member(stamp, home.team.id, who, Role::Viewer).await.unwrap();
    let members = w.members(home.team.id, ALL_NUMBERED).await.unwrap().items;
    let added = members.iter().find(|member| member.user == other.admin.id).unwrap();
    assert_eq!((added.role, added.created_at), (Role::Viewer, stamp.at));
}

async fn a_member_is_added_by_address_only_from_the_organization(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&home.team, "bob").await;
    let foreign = NewMember::Email(other.admin.email.clone());
    let attempt = w.add_member(w.stamp(), red.id, foreign, Role::Editor);
    w.refuses(Thing::UserToAdd, attempt).await;
    let own = NewMember::Email(bob.email.clone());
    w.add_member(w.stamp(), red.id, own, Role::Editor).await.unwrap();
    assert_eq!(w.role(red.id, bob.id).await.unwrap(), Some(Role::Editor));
}

async fn nobody_is_added_twice(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    for who in [NewMember::Id(bob.id), NewMember::Email(bob.email.clone())] {
        let attempt = w.add_member(w.stamp(), home.team.id, who, Role::Admin);
        w.refuses(Refusal::MemberExists, attempt).await;
    }
}

async fn only_who_is_there_is_added_to_a_team_that_is_there(w: World) {
    let home = w.home("acme").await;
    let stranger = w.new_account("nobody").user;
    for who in [NewMember::Id(stranger.id), NewMember::Email(stranger.email)] {
        let attempt = w.add_member(w.stamp(), home.team.id, who, Role::Editor);
        w.refuses(Thing::UserToAdd, attempt).await;
    }
    let nowhere = w.new_team(&home.org, "nowhere");
    let who = NewMember::Id(home.admin.id);
    w.refuses(Thing::Team, w.add_member(w.stamp(), nowhere.id, who, Role::Editor)).await;
}

async fn the_first_member_becomes_admin_whatever_was_asked_for(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let (bob, eve) = (w.editor(&home.team, "bob").await, w.editor(&home.team, "eve").await);
    w.join(&red, &bob, Role::Viewer).await;
    w.join(&red, &eve, Role::Viewer).await;
    let roles = [("bob".into(), Role::Admin), ("eve".into(), Role::Viewer)];
    assert_eq!(w.roles_in(&red).await, roles);
}

async fn adding_a_member_approves_their_pending_request(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let (bob, eve) = (w.editor(&home.team, "bob").await, w.editor(&home.team, "eve").await);
    let (of_bob, of_eve) = (w.ask(&red, &bob).await, w.ask(&red, &eve).await);
    let stamp = w.stamp();
    w.add_member(stamp, red.id, NewMember::Id(bob.id), Role::Editor).await.unwrap();

    let request = w.join_request(of_bob.id).await.unwrap().unwrap();
    assert_eq!((request.status, request.updated_at), (RequestStatus::Approved, stamp.at));
    assert_eq!(w.role(red.id, bob.id).await.unwrap(), Some(Role::Editor), "not a viewer");
    assert_eq!(w.join_request(of_eve.id).await.unwrap(), Some(of_eve));
}

async fn a_member_is_removed_from_one_team(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&red, "bob").await;
    w.join(&home.team, &bob, Role::Editor).await;
    w.remove_member(w.stamp(), red.id, bob.id).await.unwrap();
    assert_eq!(w.role(red.id, bob.id).await.unwrap(), None);
    assert_eq!(w.role(home.team.id, bob.id).await.unwrap(), Some(Role::Editor));
}

async fn who_leaves_their_last_team_takes_their_pending_requests_along(w: World) {
    let home = w.home("acme").await;
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&home, "blue").await);
    let bob = w.editor(&red, "bob").await;
    w.join(&home.team, &bob, Role::Viewer).await;
    let request = w.ask(&blue, &bob).await;
    w.remove_member(w.stamp(), home.team.id, bob.id).await.unwrap();
    assert_eq!(w.join_request(request.id).await.unwrap().as_ref(), Some(&request));
    w.remove_member(w.stamp(), red.id, bob.id).await.unwrap();
    assert_eq!(w.join_request(request.id).await.unwrap(), None);
}

async fn only_a_member_is_removed_or_gets_a_role(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let (team, stranger) = (home.team.id, other.admin.id);
    w.refuses(Thing::Member, w.remove_member(w.stamp(), team, stranger)).await;
    w.refuses(Thing::Member, w.set_role(w.stamp(), team, stranger, Role::Viewer)).await;
    let nowhere = w.new_team(&home.org, "nowhere").id;
    w.refuses(Thing::Team, w.remove_member(w.stamp(), nowhere, stranger)).await;
    w.refuses(Thing::Team, w.set_role(w.stamp(), nowhere, stranger, Role::Viewer)).await;
}

async fn a_role_is_changed(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let joined = w.members(home.team.id, ALL_NUMBERED).await.unwrap().items[1].created_at;
    for role in [Role::Admin, Role::Viewer, Role::Editor] {
        w.set_role(w.stamp(), home.team.id, bob.id, role).await.unwrap();
        let member = &w.members(home.team.id, ALL_NUMBERED).await.unwrap().items[1];
        assert_eq!((member.role, member.created_at), (role, joined));
    }
}

async fn the_role_somebody_has_is_fine(w: World) {
    let home = w.home("acme").await;
    let same = w.set_role(w.stamp(), home.team.id, home.admin.id, Role::Admin);
    w.ignores(same).await;
}

async fn the_last_admin_does_not_step_down(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    for team in [&home.team, &red] {
        for role in [Role::Viewer, Role::Editor] {
            let attempt = w.set_role(w.stamp(), team.id, home.admin.id, role);
            w.refuses(Refusal::LastAdmin, attempt).await;
        }
    }
    let bob = w.user(&home.team, "bob", Role::Admin).await;
    w.set_role(w.stamp(), home.team.id, home.admin.id, Role::Viewer).await.unwrap();
    let attempt = w.set_role(w.stamp(), home.team.id, bob.id, Role::Viewer);
    w.refuses(Refusal::LastAdmin, attempt).await;
}

async fn the_last_admin_does_not_leave_members_behind(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let bob = w.user(&red, "bob", Role::Editor).await;
    let leave = || w.remove_member(w.stamp(), red.id, home.admin.id);
    w.refuses(Refusal::LastAdmin, leave()).await;
    w.set_role(w.stamp(), red.id, bob.id, Role::Admin).await.unwrap();
    leave().await.unwrap();
}

async fn the_last_member_leaves_any_team_but_the_default_one(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    w.remove_member(w.stamp(), red.id, home.admin.id).await.unwrap();
    assert_eq!(w.roles_in(&red).await, []);
    let leave = w.remove_member(w.stamp(), home.team.id, home.admin.id);
    w.refuses(Refusal::LastAdmin, leave).await;
}
