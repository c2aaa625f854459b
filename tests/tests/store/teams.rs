//! Teams, their members and who is in charge of them.

use px0_core::{
    store::{Refusal, Thing},
    tenancy::Role,
};

use crate::world::{ALL_NUMBERED, Law, World, laws, name};

pub(crate) const LAWS: &[Law] = laws![
    a_team_is_made_with_its_first_admin_or_without,
    a_team_needs_its_organization_and_its_admin,
    a_team_is_made_only_under_a_free_name_of_its_organization,
    teams_are_listed_by_name,
    somebodys_teams_are_listed_by_name_then_id_with_their_role,
    a_team_is_renamed,
    a_team_is_renamed_only_to_a_free_name_of_its_organization,
    only_a_team_that_is_there_is_renamed_or_deleted,
    the_default_team_is_not_deleted,
    a_team_that_owns_prompts_is_deleted_only_by_force,
    a_team_whose_prompts_moved_away_is_deleted,
    a_deleted_teams_name_is_free_again,
];

async fn a_team_is_made_with_its_first_admin_or_without(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let (red, blue) = (w.new_team(&home.org, "red"), w.new_team(&home.org, "blue"));
    w.create_team(w.stamp(), red.clone(), Some(bob.id)).await.unwrap();
    w.create_team(w.stamp(), blue.clone(), None).await.unwrap();
    assert_eq!(w.roles_in(&red).await, [("bob".into(), Role::Admin)]);
    assert_eq!(w.roles_in(&blue).await, []);
    assert_eq!(w.team(red.id).await.unwrap(), Some(red));
}

async fn a_team_needs_its_organization_and_its_admin(w: World) {
    let home = w.home("acme").await;
    let nowhere = w.new_org("nowhere");
    let team = w.new_team(&nowhere, "red");
    w.refuses(Thing::Org, w.create_team(w.stamp(), team, Some(home.admin.id))).await;
    let stranger = w.new_account("nobody").user;
    let team = w.new_team(&home.org, "red");
    w.refuses(Thing::User, w.create_team(w.stamp(), team, Some(stranger.id))).await;
}

async fn a_team_is_made_only_under_a_free_name_of_its_organization(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    w.team_in(&home, "red").await;
    let team = w.new_team(&home.org, "red");
    w.refuses(Refusal::TeamNameTaken, w.create_team(w.stamp(), team, None)).await;
    w.team_in(&home, "Red").await;
    w.team_in(&other, "red").await;
}

async fn teams_are_listed_by_name(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    for name in ["red", "Blue", "azure"] {
        w.team_in(&home, name).await;
    }
    w.team_in(&other, "green").await;
    let teams = w.teams(home.org.id).await.unwrap();
    let names: Vec<_> = teams.iter().map(|team| team.name.as_str()).collect();
    assert_eq!(names, ["Blue", "Default Team", "azure", "red"]);
}

async fn somebodys_teams_are_listed_by_name_then_id_with_their_role(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let bob = w.editor(&home.team, "bob").await;
    w.join(&other.team, &bob, Role::Viewer).await;
    let red = w.team_in(&home, "red").await;
    let azure = w.empty_team(&home, "Azure").await;
    for team in [&red, &azure] {
        w.join(team, &bob, Role::Viewer).await;
    }
    let mut defaults = [(home.team, Role::Editor), (other.team, Role::Viewer)];
    defaults.sort_by_key(|(team, _)| team.id);
    let [one, two] = defaults;
    let expected = [(azure, Role::Admin), one, two, (red, Role::Viewer)];
    assert_eq!(w.teams_of(bob.id).await.unwrap(), expected);
}

async fn a_team_is_renamed(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let renamed = w.rename_team(w.stamp(), red.id, name("blue")).await.unwrap();
    assert_eq!(renamed.name, name("blue"));
    assert_eq!(w.team(red.id).await.unwrap(), Some(renamed));
    w.team_in(&home, "red").await;
}

async fn a_team_is_renamed_only_to_a_free_name_of_its_organization(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let red = w.team_in(&home, "red").await;
    w.team_in(&home, "blue").await;
    w.team_in(&other, "green").await;
    let attempt = w.rename_team(w.stamp(), red.id, name("blue"));
    w.refuses(Refusal::TeamNameTaken, attempt).await;
    w.ignores(w.rename_team(w.stamp(), red.id, name("red"))).await;
    w.rename_team(w.stamp(), red.id, name("green")).await.unwrap();
}

async fn only_a_team_that_is_there_is_renamed_or_deleted(w: World) {
    let home = w.home("acme").await;
    let nowhere = w.new_team(&home.org, "nowhere").id;
    assert_eq!(w.team(nowhere).await.unwrap(), None);
    w.refuses(Thing::Team, w.rename_team(w.stamp(), nowhere, name("Default Team"))).await;
    w.refuses(Thing::Team, w.delete_team(w.stamp(), nowhere, true)).await;
    w.refuses(Thing::Team, w.members(nowhere, ALL_NUMBERED)).await;
}

async fn the_default_team_is_not_deleted(w: World) {
    let home = w.home("acme").await;
    w.prompt(&home.team, "greeting").await;
    for force in [false, true] {
        let attempt = w.delete_team(w.stamp(), home.team.id, force);
        w.refuses(Refusal::DefaultTeam, attempt).await;
    }
}

async fn a_team_that_owns_prompts_is_deleted_only_by_force(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    // An archived prompt is owned like any other.
    w.archived_prompt(&red, "greeting").await;
    let attempt = w.delete_team(w.stamp(), red.id, false);
    w.refuses(Refusal::TeamOwnsPrompts, attempt).await;
    w.delete_team(w.stamp(), red.id, true).await.unwrap();
    assert_eq!(w.team(red.id).await.unwrap(), None);
}

async fn a_team_whose_prompts_moved_away_is_deleted(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let prompt = w.prompt(&red, "greeting").await;
    w.live(&prompt).await;
    w.move_prompt(w.stamp(), prompt.id, home.team.id).await.unwrap();
    w.delete_team(w.stamp(), red.id, false).await.unwrap();
    assert!(w.prompt_by_id(prompt.id).await.is_some());
}

async fn a_deleted_teams_name_is_free_again(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    w.delete_team(w.stamp(), red.id, false).await.unwrap();
    w.team_in(&home, "red").await;
}
