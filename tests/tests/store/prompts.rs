//! Prompts.

use px0_core::{
    Description,
    prompt::{Prompt, PromptChange, PromptFilter, PromptRef, PromptStatus},
    store::{Found, Refusal, Thing},
    tag::Selector,
};

use crate::finding::{find, list};
use crate::world::{Law, World, all, laws, name, orgs, slug, tag, teams};

pub(crate) const LAWS: &[Law] = laws![
    a_prompt_is_kept_as_it_was_made,
    a_prompt_needs_its_team,
    a_prompt_needs_a_name_and_a_slug_that_its_team_has_not,
    another_team_may_have_the_same_name_and_slug,
    an_archived_prompt_holds_its_name_and_slug,
    a_prompt_is_changed_in_what_is_given,
    a_changed_prompt_is_found_by_its_new_slug_alone,
    a_change_to_a_name_or_slug_that_is_taken_is_refused,
    a_prompt_may_keep_its_own_name_and_slug,
    an_empty_change_of_a_prompt_changes_nothing,
    an_archived_prompt_is_not_changed,
    a_prompt_is_archived_and_restored,
    the_status_a_prompt_has_changes_nothing,
    a_prompt_moves_with_all_it_has,
    a_prompt_moves_only_to_a_team_of_its_organization,
    a_prompt_does_not_move_onto_a_name_or_slug_that_is_taken,
    a_prompt_that_moves_to_its_own_team_stays_as_it_is,
    an_archived_prompt_moves,
    the_name_and_slug_a_prompt_had_are_free_again,
    only_a_prompt_that_is_there_is_changed,
];

async fn a_prompt_is_kept_as_it_was_made(w: World) {
    let home = w.home("acme").await;
    let prompt = Prompt {
        description: Description::parse("description", " for all\nwho come ").unwrap(),
        slug: slug("own_slug"),
        ..w.new_prompt(&home.team, "Greeting")
    };
    assert_eq!(w.prompt_by_id(prompt.id).await, None);
    w.create_prompt(w.stamp(), prompt.clone()).await.unwrap();
    let found = w.find_prompts(&teams(&[&home.team]), &PromptRef::Id(prompt.id)).await.unwrap();
    assert_eq!(found, [Found { org: home.org.id, prompt }]);
}

async fn a_prompt_needs_its_team(w: World) {
    let home = w.home("acme").await;
    let nowhere = w.new_team(&home.org, "nowhere");
    let prompt = w.new_prompt(&nowhere, "greeting");
    w.refuses(Thing::Team, w.create_prompt(w.stamp(), prompt)).await;
}

async fn a_prompt_needs_a_name_and_a_slug_that_its_team_has_not(w: World) {
    let home = w.home("acme").await;
    w.prompt(&home.team, "Greeting").await;
    let same_slug = w.new_prompt(&home.team, "greeting!");
    w.refuses(Refusal::PromptTaken, w.create_prompt(w.stamp(), same_slug)).await;
    let same_name = Prompt { slug: slug("other"), ..w.new_prompt(&home.team, "Greeting") };
    w.refuses(Refusal::PromptTaken, w.create_prompt(w.stamp(), same_name)).await;
    // A name in another case is another name.
    let other = Prompt { slug: slug("other"), ..w.new_prompt(&home.team, "GREETING") };
    w.create_prompt(w.stamp(), other).await.unwrap();
}

async fn another_team_may_have_the_same_name_and_slug(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let red = w.team_in(&home, "red").await;
    for team in [&home.team, &red, &other.team] {
        w.prompt(team, "greeting").await;
    }
}

async fn an_archived_prompt_holds_its_name_and_slug(w: World) {
    let home = w.home("acme").await;
    w.archived_prompt(&home.team, "greeting").await;
    let late = w.new_prompt(&home.team, "greeting");
    w.refuses(Refusal::PromptTaken, w.create_prompt(w.stamp(), late)).await;
}

pub(crate) fn renamed(to: &str) -> PromptChange {
    PromptChange { name: Some(name(to)), ..PromptChange::default() }
}

async fn a_prompt_is_changed_in_what_is_given(w: World) {
    let home = w.home("acme").await;
    let mut prompt = w.prompt(&home.team, "greeting").await;
    let description = Description::parse("description", "new").unwrap();
    let changes = [
        PromptChange { description: Some(description), ..PromptChange::default() },
        PromptChange { slug: Some(slug("hello")), ..PromptChange::default() },
        renamed("Hello"),
    ];
    for change in changes {
        let stamp = w.stamp();
        let changed = w.update_prompt(stamp, prompt.id, change.clone()).await.unwrap();
        prompt.name = change.name.unwrap_or(prompt.name);
        prompt.slug = change.slug.unwrap_or(prompt.slug);
        prompt.description = change.description.unwrap_or(prompt.description);
        prompt.updated_at = stamp.at;
        assert_eq!(changed, prompt);
        assert_eq!(w.prompt_now(&prompt).await, prompt);
    }
}

async fn a_changed_prompt_is_found_by_its_new_slug_alone(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let change = PromptChange { slug: Some(slug("hello")), ..PromptChange::default() };
    w.update_prompt(w.stamp(), prompt.id, change).await.unwrap();
    let reach = orgs(&[&home.org]);
    assert_eq!(find(&w, &reach, &PromptRef::Slug(slug("hello"))).await, [prompt.id]);
    assert_eq!(find(&w, &reach, &PromptRef::Slug(slug("greeting"))).await, []);
}

async fn a_change_to_a_name_or_slug_that_is_taken_is_refused(w: World) {
    let home = w.home("acme").await;
    w.prompt(&home.team, "Taken").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let changes = [renamed("Taken"), PromptChange { slug: Some(slug("taken")), ..renamed("free") }];
    for change in changes {
        let attempt = w.update_prompt(w.stamp(), prompt.id, change);
        w.refuses(Refusal::PromptTaken, attempt).await;
    }
}

async fn a_prompt_may_keep_its_own_name_and_slug(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let own = PromptChange { slug: Some(prompt.slug.clone()), ..renamed("greeting") };
    let kept = w.update_prompt(w.stamp(), prompt.id, own).await.unwrap();
    assert_eq!((kept.name, kept.slug), (prompt.name, prompt.slug));
}

async fn an_empty_change_of_a_prompt_changes_nothing(w: World) {
    let home = w.home("acme").await;
    let (active, archived) =
        (w.prompt(&home.team, "one").await, w.archived_prompt(&home.team, "two").await);
    for prompt in [active, archived] {
        let empty = w.update_prompt(w.stamp(), prompt.id, PromptChange::default());
        assert_eq!(w.ignores(empty).await, prompt);
    }
}

async fn an_archived_prompt_is_not_changed(w: World) {
    let home = w.home("acme").await;
    let prompt = w.archived_prompt(&home.team, "greeting").await;
    let attempt = w.update_prompt(w.stamp(), prompt.id, renamed("new"));
    w.refuses(Refusal::PromptArchived, attempt).await;
}

async fn a_prompt_is_archived_and_restored(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let live = w.live(&prompt).await;
    for status in [PromptStatus::Archived, PromptStatus::Active] {
        let stamp = w.stamp();
        let moved = w.set_prompt_status(stamp, prompt.id, status).await.unwrap();
        assert_eq!(moved, Prompt { status, updated_at: stamp.at, ..prompt.clone() });
        assert_eq!(w.prompt_now(&prompt).await, moved);
        // It renders all the same.
        let selected = w.version(prompt.id, &Selector::Live).await.unwrap();
        assert_eq!(selected.as_ref(), Some(&live));
    }
    w.update_prompt(w.stamp(), prompt.id, renamed("new")).await.unwrap();
}

async fn the_status_a_prompt_has_changes_nothing(w: World) {
    let home = w.home("acme").await;
    let (active, archived) =
        (w.prompt(&home.team, "one").await, w.archived_prompt(&home.team, "two").await);
    for prompt in [active, archived] {
        let same = w.set_prompt_status(w.stamp(), prompt.id, prompt.status);
        assert_eq!(w.ignores(same).await, prompt);
    }
}

async fn a_prompt_moves_with_all_it_has(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    w.tag(&w.live(&prompt).await, "prod").await;
    w.sample(&prompt, "{}").await;
    let has = async || {
        (
            w.versions(prompt.id, &Default::default(), all()).await.unwrap(),
            w.tags(prompt.id).await.unwrap(),
            w.payloads(prompt.id, all()).await.unwrap(),
        )
    };
    let before = has().await;
    let stamp = w.stamp();
    let moved = w.move_prompt(stamp, prompt.id, red.id).await.unwrap();
    assert_eq!(moved, Prompt { team_id: red.id, updated_at: stamp.at, ..prompt.clone() });
    assert_eq!(has().await, before);
    assert_eq!(list(&w, &home.team, &PromptFilter::default()).await, []);
    let tagged = PromptFilter { tag: Some(tag("prod")), ..PromptFilter::default() };
    assert_eq!(list(&w, &red, &tagged).await, [prompt.id]);
    let named = PromptRef::Slug(prompt.slug);
    assert_eq!(find(&w, &teams(&[&red]), &named).await, [prompt.id]);
    assert_eq!(find(&w, &teams(&[&home.team]), &named).await, []);
}

async fn a_prompt_moves_only_to_a_team_of_its_organization(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let prompt = w.prompt(&home.team, "greeting").await;
    let attempt = w.move_prompt(w.stamp(), prompt.id, other.team.id);
    w.refuses(Refusal::OtherOrganization, attempt).await;
    let nowhere = w.new_team(&home.org, "nowhere");
    let attempt = w.move_prompt(w.stamp(), prompt.id, nowhere.id);
    w.refuses(Thing::Team, attempt).await;
}

async fn a_prompt_does_not_move_onto_a_name_or_slug_that_is_taken(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let prompt = w.prompt(&home.team, "Greeting").await;
    let mut there = w.new_prompt(&red, "Greeting");
    there.slug = slug("other_slug");
    w.create_prompt(w.stamp(), there.clone()).await.unwrap();
    let attempt = || w.move_prompt(w.stamp(), prompt.id, red.id);
    w.refuses(Refusal::PromptTaken, attempt()).await;
    let change = PromptChange { slug: Some(prompt.slug.clone()), ..renamed("other name") };
    w.update_prompt(w.stamp(), there.id, change).await.unwrap();
    w.refuses(Refusal::PromptTaken, attempt()).await;
}

async fn a_prompt_that_moves_to_its_own_team_stays_as_it_is(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let stay = w.move_prompt(w.stamp(), prompt.id, home.team.id);
    assert_eq!(w.ignores(stay).await, prompt);
}

async fn an_archived_prompt_moves(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let prompt = w.archived_prompt(&home.team, "greeting").await;
    let moved = w.move_prompt(w.stamp(), prompt.id, red.id).await.unwrap();
    assert_eq!((moved.team_id, moved.status), (red.id, PromptStatus::Archived));
}

async fn the_name_and_slug_a_prompt_had_are_free_again(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let moved = w.prompt(&home.team, "moved").await;
    w.move_prompt(w.stamp(), moved.id, red.id).await.unwrap();
    w.prompt(&home.team, "moved").await;
    let changed = w.prompt(&home.team, "changed").await;
    let change = PromptChange { slug: Some(slug("new")), ..renamed("new") };
    w.update_prompt(w.stamp(), changed.id, change).await.unwrap();
    w.prompt(&home.team, "changed").await;
}

async fn only_a_prompt_that_is_there_is_changed(w: World) {
    let home = w.home("acme").await;
    let prompt = w.new_prompt(&home.team, "nowhere").id;
    let change = w.update_prompt(w.stamp(), prompt, PromptChange::default());
    w.refuses(Thing::Prompt, change).await;
    let change = w.update_prompt(w.stamp(), prompt, renamed("new"));
    w.refuses(Thing::Prompt, change).await;
    let archive = w.set_prompt_status(w.stamp(), prompt, PromptStatus::Archived);
    w.refuses(Thing::Prompt, archive).await;
    w.refuses(Thing::Prompt, w.move_prompt(w.stamp(), prompt, home.team.id)).await;
}
