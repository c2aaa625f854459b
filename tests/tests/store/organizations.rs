//! Organizations and the people in them.

use px0_core::{
    ids::OrgId,
    page::Numbered,
    store::{Refusal, Thing},
    tenancy::Role,
};
use uuid::Uuid;

use crate::world::{ALL_NUMBERED, Law, World, laws, name};

pub(crate) const LAWS: &[Law] = laws![
    who_makes_an_organization_runs_it,
    an_organization_needs_a_founder_who_is_there,
    nobody_makes_two_organizations_of_one_name,
    organizations_of_others_may_have_the_same_name,
    an_organization_is_renamed,
    a_new_name_of_an_organization_its_renamer_is_in_is_refused,
    an_organization_may_keep_its_own_name,
    only_an_organization_that_is_there_is_renamed_or_deleted,
    organizations_are_listed_by_name_then_id_with_who_runs_them,
    people_are_listed_once_by_address,
    people_are_counted_and_paged_by_number,
    who_is_a_person_of_an_organization_is_in_one_of_its_teams,
    a_person_is_removed_from_all_teams_of_one_organization,
    a_removed_persons_pending_requests_go_and_no_others,
    who_is_in_none_of_its_teams_is_not_removed,
    the_last_admin_of_an_organization_is_not_removed,
    the_last_admin_of_a_team_with_members_is_not_removed,
    who_is_not_removed_stays_in_all_teams,
    the_only_member_of_a_team_is_removed,
    an_organization_has_an_admin_also_when_others_run_its_teams,
];

async fn who_makes_an_organization_runs_it(w: World) {
    let ann = w.home("first").await.admin;
    let org = w.new_org("second");
    let team = w.new_default_team(&org);
    w.create_org(w.stamp(), org.clone(), team.clone(), ann.id).await.unwrap();
    assert_eq!(w.org(org.id).await.unwrap(), Some(org.clone()));
    assert!(w.orgs_of(ann.id).await.unwrap().contains(&(org.clone(), true)));
    assert_eq!(w.teams(org.id).await.unwrap(), [team]);
    assert!(w.is_person(org.id, ann.id).await.unwrap());
}

async fn an_organization_needs_a_founder_who_is_there(w: World) {
    let stranger = w.new_account("nobody").user;
    let org = w.new_org("acme");
    let team = w.new_default_team(&org);
    let attempt = w.create_org(w.stamp(), org, team, stranger.id);
    w.refuses(Thing::User, attempt).await;
}

async fn nobody_makes_two_organizations_of_one_name(w: World) {
    let home = w.home("acme").await;
    let org = w.new_org("acme");
    let team = w.new_default_team(&org);
    let attempt = w.create_org(w.stamp(), org.clone(), team.clone(), home.admin.id);
    w.refuses(Refusal::OrgNameTaken, attempt).await;

    let bob = w.editor(&home.team, "bob").await;
    let attempt = w.create_org(w.stamp(), org, team, bob.id);
    w.refuses(Refusal::OrgNameTaken, attempt).await;
}

async fn organizations_of_others_may_have_the_same_name(w: World) {
    w.home("acme").await;
    let other = w.home("other").await;
    let org = w.new_org("acme");
    let team = w.new_default_team(&org);
    w.create_org(w.stamp(), org, team, other.admin.id).await.unwrap();
    w.found(w.founding("third", "acme")).await;
}

async fn an_organization_is_renamed(w: World) {
    let home = w.home("acme").await;
    let renamed = w.rename_org(w.stamp(), home.org.id, name("new"), home.admin.id).await.unwrap();
    assert_eq!(renamed.name, name("new"));
    assert_eq!((renamed.id, renamed.created_at), (home.org.id, home.org.created_at));
    assert_eq!(w.org(home.org.id).await.unwrap(), Some(renamed));

    // The former name is free again.
    let org = w.new_org("acme");
    let team = w.new_default_team(&org);
    w.create_org(w.stamp(), org, team, home.admin.id).await.unwrap();
}

async fn a_new_name_of_an_organization_its_renamer_is_in_is_refused(w: World) {
    let (one, other) = (w.home("one").await, w.home("other").await);
    w.join(&other.team, &one.admin, Role::Viewer).await;
    let attempt = w.rename_org(w.stamp(), one.org.id, name("other"), one.admin.id);
    w.refuses(Refusal::OrgNameTaken, attempt).await;
    // Its own admin is not in `one`, so that name is free for them.
    w.rename_org(w.stamp(), other.org.id, name("one"), other.admin.id).await.unwrap();
}

async fn an_organization_may_keep_its_own_name(w: World) {
    let home = w.home("acme").await;
    let rename = w.rename_org(w.stamp(), home.org.id, name("acme"), home.admin.id);
    assert_eq!(w.ignores(rename).await, home.org);
}

async fn only_an_organization_that_is_there_is_renamed_or_deleted(w: World) {
    let ann = w.home("acme").await.admin;
    let nowhere = w.new_org("nowhere").id;
    assert_eq!(w.org(nowhere).await.unwrap(), None);
    w.refuses(Thing::Org, w.rename_org(w.stamp(), nowhere, name("acme"), ann.id)).await;
    w.refuses(Thing::Org, w.delete_org(w.stamp(), nowhere)).await;
    w.refuses(Thing::Org, w.remove_person(w.stamp(), nowhere, ann.id)).await;
    assert!(!w.is_person(nowhere, ann.id).await.unwrap());
}

async fn organizations_are_listed_by_name_then_id_with_who_runs_them(w: World) {
    let home = w.home("m").await;
    let bob = w.editor(&home.team, "bob").await;
    // Two of one name, the later id first: somebody may be added to both.
    for (number, name) in [(2_u128, "same"), (1, "same"), (3, "a"), (4, "Z")] {
        let mut founding = w.founding(&format!("founder-{number}"), name);
        founding.org.id = OrgId::from_uuid(Uuid::from_u128(number));
        founding.team.org_id = founding.org.id;
        let its = w.found(founding).await;
        w.join(&its.team, &bob, if number == 3 { Role::Admin } else { Role::Viewer }).await;
    }
    let orgs = w.orgs_of(bob.id).await.unwrap();
    let shown: Vec<_> = orgs.iter().map(|(org, runs)| (org.name.as_str(), *runs)).collect();
    let expected = [("Z", false), ("a", true), ("m", false), ("same", false), ("same", false)];
    assert_eq!(shown, expected);
    assert!(orgs[3].0.id < orgs[4].0.id);
}

async fn people_are_listed_once_by_address(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let zoe = w.editor(&red, "zoe").await;
    let bob = w.editor(&home.team, "bob").await;
    w.join(&red, &bob, Role::Viewer).await;
    w.home("other").await;

    let people = w.people(home.org.id, ALL_NUMBERED).await.unwrap();
    assert_eq!(people.items, [home.admin, bob, zoe]);
    assert_eq!(people.total, 3);
}

async fn people_are_counted_and_paged_by_number(w: World) {
    let home = w.home("acme").await;
    for number in 0..6 {
        w.editor(&home.team, &format!("user{number}")).await;
    }
    let mut locals: Vec<Vec<_>> = Vec::new();
    for page in 1..=4 {
        let people = w.people(home.org.id, Numbered { page, limit: 3 }).await.unwrap();
        assert_eq!(people.total, 7, "on page {page}");
        locals.push(people.items.iter().map(|user| user.email.local().to_owned()).collect());
    }
    let expected: [Vec<&str>; 4] = [
        vec!["admin-of-acme", "user0", "user1"],
        vec!["user2", "user3", "user4"],
        vec!["user5"],
        vec![],
    ];
    assert_eq!(locals, expected.map(|page| page.into_iter().map(String::from).collect::<Vec<_>>()));
}

async fn who_is_a_person_of_an_organization_is_in_one_of_its_teams(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&red, "bob").await;
    assert!(w.is_person(home.org.id, bob.id).await.unwrap());
    assert!(!w.is_person(other.org.id, bob.id).await.unwrap());
    w.remove_member(w.stamp(), red.id, bob.id).await.unwrap();
    assert!(!w.is_person(home.org.id, bob.id).await.unwrap());
}

async fn a_person_is_removed_from_all_teams_of_one_organization(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let red = w.team_in(&home, "red").await;
    let bob = w.editor(&red, "bob").await;
    for team in [&home.team, &other.team] {
        w.join(team, &bob, Role::Editor).await;
    }
    w.remove_person(w.stamp(), home.org.id, bob.id).await.unwrap();
    assert_eq!(w.teams_of(bob.id).await.unwrap(), [(other.team, Role::Editor)]);
    assert!(!w.is_person(home.org.id, bob.id).await.unwrap());
    assert!(w.account(bob.id).await.unwrap().is_some(), "users stay");
}

async fn a_removed_persons_pending_requests_go_and_no_others(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&other, "blue").await);
    let bob = w.editor(&home.team, "bob").await;
    let eve = w.editor(&home.team, "eve").await;
    w.join(&other.team, &bob, Role::Viewer).await;
    let gone = w.ask(&red, &bob).await;
    let stay = [w.ask(&blue, &bob).await, w.ask(&red, &eve).await];

    w.remove_person(w.stamp(), home.org.id, bob.id).await.unwrap();

    assert_eq!(w.join_request(gone.id).await.unwrap(), None);
    for request in stay {
        assert_eq!(w.join_request(request.id).await.unwrap(), Some(request));
    }
}

async fn who_is_in_none_of_its_teams_is_not_removed(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    for user in [other.admin.id, w.new_account("nobody").user.id] {
        w.refuses(Thing::Member, w.remove_person(w.stamp(), home.org.id, user)).await;
    }
}

async fn the_last_admin_of_an_organization_is_not_removed(w: World) {
    let home = w.home("acme").await;
    let remove = || w.remove_person(w.stamp(), home.org.id, home.admin.id);
    w.refuses(Refusal::LastAdmin, remove()).await;
    let bob = w.editor(&home.team, "bob").await;
    w.refuses(Refusal::LastAdmin, remove()).await;
    w.set_role(w.stamp(), home.team.id, bob.id, Role::Admin).await.unwrap();
    remove().await.unwrap();
}

async fn the_last_admin_of_a_team_with_members_is_not_removed(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let bob = w.user(&red, "bob", Role::Admin).await;
    let eve = w.user(&red, "eve", Role::Viewer).await;
    w.join(&home.team, &bob, Role::Editor).await;
    let remove = || w.remove_person(w.stamp(), home.org.id, bob.id);
    w.refuses(Refusal::LastAdmin, remove()).await;
    w.remove_member(w.stamp(), red.id, eve.id).await.unwrap();
    remove().await.unwrap();
}

async fn who_is_not_removed_stays_in_all_teams(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    // In teams before the one that holds them back, in any order of ids or names, and after.
    for called in ["a", "m", "z"] {
        let team = w.empty_team(&home, called).await;
        w.join(&team, &bob, Role::Viewer).await;
        if called == "m" {
            w.editor(&team, "eve").await;
        }
    }
    w.ask(&w.empty_team(&home, "wanted").await, &bob).await;
    let remove = w.remove_person(w.stamp(), home.org.id, bob.id);
    w.refuses(Refusal::LastAdmin, remove).await;
}

async fn the_only_member_of_a_team_is_removed(w: World) {
    let home = w.home("acme").await;
    let red = w.empty_team(&home, "red").await;
    let bob = w.user(&red, "bob", Role::Admin).await;
    w.remove_person(w.stamp(), home.org.id, bob.id).await.unwrap();
    assert_eq!(w.team(red.id).await.unwrap(), Some(red), "the team stays");
}

async fn an_organization_has_an_admin_also_when_others_run_its_teams(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    w.user(&red, "bob", Role::Admin).await;
    // The Default Team has no other member, but the organization has.
    let leave = w.remove_member(w.stamp(), home.team.id, home.admin.id);
    w.refuses(Refusal::LastAdmin, leave).await;
    let remove = w.remove_person(w.stamp(), home.org.id, home.admin.id);
    w.refuses(Refusal::LastAdmin, remove).await;
}
