//! Registering, sessions, mailed codes, changes of one's own account.

use px0_core::{
    secret::CodeKey,
    store::{Refusal, Thing},
    tenancy::Role,
    user::User,
};

use crate::codes::verify;
use crate::world::{Law, World, email, laws};

pub(crate) const LAWS: &[Law] = laws![
    the_code_key_of_the_first_caller_stays,
    who_registers_gets_an_organization_and_runs_it,
    an_address_that_is_taken_is_refused_and_no_organization_is_made,
    who_is_registered_into_a_team_is_in_it_in_that_role,
    an_account_is_added_only_to_a_team_that_is_there,
    an_account_is_added_only_under_a_free_address,
    a_missing_team_comes_before_a_taken_address,
    who_is_added_to_a_team_without_members_becomes_its_admin,
    an_account_is_found_by_id_and_by_address,
    a_new_address_is_not_verified_and_sessions_go_on,
    a_new_address_is_as_verified_as_was_said,
    the_former_address_is_free_again,
    the_same_address_changes_nothing,
    a_new_address_that_another_has_is_refused,
    an_address_is_changed_only_of_a_user,
    a_new_password_ends_all_sessions_but_one,
    a_password_changes_only_from_the_expected_one,
];

async fn the_code_key_of_the_first_caller_stays(w: World) {
    let first = CodeKey::from_bytes([1; 32]);
    assert_eq!(w.code_key(first).await.unwrap().expose(), &[1; 32]);
    let second = CodeKey::from_bytes([2; 32]);
    assert_eq!(w.code_key(second).await.unwrap().expose(), &[1; 32]);
    if w.keeps() {
        let again = w.reopened().await.code_key(second).await.unwrap();
        assert_eq!(again.expose(), &[1; 32], "after the store was opened again");
    }
}

async fn who_registers_gets_an_organization_and_runs_it(w: World) {
    let founding = w.founding("ann", "acme");
    let account = founding.account.clone();
    let stamp = w.stamp();
    let (org, team) = (founding.org.clone(), founding.team.clone());
    w.found_account(stamp, founding.account, founding.org, founding.team).await.unwrap();

    let user = account.user.id;
    assert_eq!(w.account(user).await.unwrap(), Some(account));
    assert_eq!(w.org(org.id).await.unwrap(), Some(org.clone()));
    assert_eq!(w.orgs_of(user).await.unwrap(), [(org, true)]);
    assert_eq!(w.teams_of(user).await.unwrap(), [(team.clone(), Role::Admin)]);
    let members = w.members(team.id, crate::world::ALL_NUMBERED).await.unwrap().items;
    assert_eq!((members[0].user, members[0].created_at), (user, stamp.at));
}

async fn an_address_that_is_taken_is_refused_and_no_organization_is_made(w: World) {
    w.found(w.founding("ann", "acme")).await;
    let late = w.founding("ann", "late");
    let org = late.org.id;
    let attempt = w.found_account(w.stamp(), late.account, late.org, late.team);
    w.refuses(Refusal::EmailTaken, attempt).await;
    assert_eq!(w.org(org).await.unwrap(), None);
}

async fn who_is_registered_into_a_team_is_in_it_in_that_role(w: World) {
    let home = w.home("acme").await;
    for (name, role) in [("vic", Role::Viewer), ("eve", Role::Editor), ("ada", Role::Admin)] {
        let user = w.user(&home.team, name, role).await;
        assert_eq!(w.role(home.team.id, user.id).await.unwrap(), Some(role));
    }
}

async fn an_account_is_added_only_to_a_team_that_is_there(w: World) {
    let home = w.home("acme").await;
    let nowhere = w.new_team(&home.org, "nowhere");
    let attempt = w.add_account(w.stamp(), w.new_account("bob"), nowhere.id, Role::Editor);
    w.refuses(Thing::Team, attempt).await;
}

async fn an_account_is_added_only_under_a_free_address(w: World) {
    let home = w.home("acme").await;
    w.editor(&home.team, "bob").await;
    let attempt = w.add_account(w.stamp(), w.new_account("bob"), home.team.id, Role::Editor);
    w.refuses(Refusal::EmailTaken, attempt).await;
}

async fn a_missing_team_comes_before_a_taken_address(w: World) {
    let home = w.home("acme").await;
    w.editor(&home.team, "bob").await;
    let nowhere = w.new_team(&home.org, "nowhere");
    let attempt = w.add_account(w.stamp(), w.new_account("bob"), nowhere.id, Role::Editor);
    w.refuses(Thing::Team, attempt).await;
}

async fn who_is_added_to_a_team_without_members_becomes_its_admin(w: World) {
    let home = w.home("acme").await;
    let team = w.empty_team(&home, "red").await;
    w.user(&team, "first", Role::Viewer).await;
    w.user(&team, "second", Role::Viewer).await;
    let roles = [("first".into(), Role::Admin), ("second".into(), Role::Viewer)];
    assert_eq!(w.roles_in(&team).await, roles);
}

async fn an_account_is_found_by_id_and_by_address(w: World) {
    let home = w.home("acme").await;
    let account = w.new_account("bob");
    assert_eq!(w.account(account.user.id).await.unwrap(), None);
    assert_eq!(w.account_by_email(&account.user.email).await.unwrap(), None);
    w.add_account(w.stamp(), account.clone(), home.team.id, Role::Editor).await.unwrap();
    let found = w.account_by_email(&account.user.email).await.unwrap();
    assert_eq!(found.as_ref(), Some(&account));
    assert_eq!(w.account(account.user.id).await.unwrap(), found);
}

/// Somebody whose address is verified.
async fn verified(w: &World) -> User {
    let ann = w.home("acme").await.admin;
    w.mail_verification(ann.id, w.code("right")).await;
    assert_eq!(verify(w, &ann, "right").await, None);
    w.account(ann.id).await.unwrap().unwrap().user
}

async fn a_new_address_is_not_verified_and_sessions_go_on(w: World) {
    let ann = verified(&w).await;
    let session = w.login(&ann).await;
    let changed = w.change_email(w.stamp(), ann.id, email("new"), false).await.unwrap();
    assert_eq!(changed, User { email: email("new"), is_verified: false, ..ann });
    let found = w.account_by_email(&email("new")).await.unwrap().unwrap().user;
    assert_eq!(found, changed);
    let (user, _) = w.session(&session.hash, w.now()).await.unwrap().unwrap();
    assert_eq!(user, changed);
}

async fn a_new_address_is_as_verified_as_was_said(w: World) {
    let ann = w.home("acme").await.admin;
    for (local, is_verified) in [("one", true), ("two", true), ("three", false), ("four", true)] {
        let changed = w.change_email(w.stamp(), ann.id, email(local), is_verified).await.unwrap();
        assert_eq!((&changed.email, changed.is_verified), (&email(local), is_verified));
    }
}

async fn the_former_address_is_free_again(w: World) {
    let ann = w.home("acme").await.admin;
    w.change_email(w.stamp(), ann.id, email("new"), false).await.unwrap();
    assert_eq!(w.account_by_email(&ann.email).await.unwrap(), None);
    w.found(w.founding(ann.email.local(), "second")).await;
}

async fn the_same_address_changes_nothing(w: World) {
    let ann = verified(&w).await;
    for is_verified in [true, false] {
        let same = w.change_email(w.stamp(), ann.id, ann.email.clone(), is_verified);
        assert_eq!(w.ignores(same).await, ann);
    }
}

async fn a_new_address_that_another_has_is_refused(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let attempt = w.change_email(w.stamp(), bob.id, home.admin.email.clone(), false);
    w.refuses(Refusal::EmailTaken, attempt).await;
}

async fn an_address_is_changed_only_of_a_user(w: World) {
    let taken = w.home("acme").await.admin.email;
    let stranger = w.new_account("bob").user;
    w.refuses(Thing::User, w.change_email(w.stamp(), stranger.id, taken, true)).await;
    w.refuses(Thing::User, w.change_email(w.stamp(), stranger.id, email("new"), false)).await;
}

async fn a_new_password_ends_all_sessions_but_one(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let (mine, other) = (w.login(&home.admin).await, w.login(&home.admin).await);
    let of_bob = w.login(&bob).await;
    let old = w.account(home.admin.id).await.unwrap().unwrap().password_hash;

    w.change_password(w.stamp(), home.admin.id, &old, "new".into(), &mine.hash).await.unwrap();

    let account = w.account(home.admin.id).await.unwrap().unwrap();
    assert_eq!(account.password_hash, "new");
    assert_eq!(account.user, home.admin, "nothing else changes");
    assert!(w.session(&mine.hash, w.now()).await.unwrap().is_some());
    assert_eq!(w.session(&other.hash, w.now()).await.unwrap(), None);
    assert!(w.session(&of_bob.hash, w.now()).await.unwrap().is_some());
}

async fn a_password_changes_only_from_the_expected_one(w: World) {
    let ann = w.home("acme").await.admin;
    let session = w.login(&ann).await;
    let attempt = w.change_password(w.stamp(), ann.id, "not it", "new".into(), &session.hash);
    w.refuses(Thing::User, attempt).await;
    let stranger = w.new_account("bob").user;
    let attempt = w.change_password(w.stamp(), stranger.id, "any", "new".into(), &session.hash);
    w.refuses(Thing::User, attempt).await;
}
