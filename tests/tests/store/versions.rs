//! Versions and their life.

use px0_core::{
    json::JsonText,
    lifecycle::{Status, Step},
    page::Page,
    prompt::Prompt,
    render::EngineName,
    store::{Refusal, Thing},
    tag::Selector,
    version::{Body, BodyChange, ModelName, Version, VersionFilter},
};

use crate::world::{Law, World, all, body, laws, tag};

pub(crate) const LAWS: &[Law] = laws![
    a_version_begins_as_a_draft,
    a_version_is_kept_as_it_was_made,
    versions_are_numbered_from_one_in_each_prompt,
    the_number_of_a_deleted_version_is_not_given_again,
    a_version_needs_its_prompt,
    an_archived_prompt_gets_no_versions,
    live_selects_the_live_version,
    latest_selects_the_highest_number_that_is_not_archived,
    a_number_selects_the_version_of_that_number_and_prompt,
    versions_are_listed_highest_number_first,
    a_page_of_versions_goes_on_where_the_last_one_ended,
    versions_are_filtered_by_status_and_any_of_the_tags,
    a_page_is_filled_with_versions_that_pass_the_filter,
    a_draft_is_changed_in_what_is_given,
    a_draft_is_cleared_of_what_is_taken_away,
    anything_but_a_draft_is_not_changed,
    an_empty_change_changes_nothing,
    a_draft_of_an_archived_prompt_is_not_changed,
    a_draft_is_deleted,
    anything_but_a_draft_is_not_deleted,
    a_duplicate_is_a_draft_that_says_the_same,
    an_archived_version_is_duplicated,
    only_a_version_that_is_there_is_changed,
    versions_and_tags_of_no_prompt_are_not_listed,
];

pub(crate) async fn prompt(w: &World) -> Prompt {
    let home = w.home("acme").await;
    w.prompt(&home.team, "greeting").await
}

fn full_body() -> Body {
    let json = |text| Some(JsonText::parse(text).unwrap());
    Body {
        template: "Hello {{ name }}\r\n".into(),
        engine: EngineName::new("gotemplate"),
        model: Some(ModelName::parse("gpt-5").unwrap()),
        model_params: json(r#"{"top_p": 1.0,  "seed": 123456789012345678901234567890}"#),
        variables_schema: json(r#"{"type":"object","b":1,"a":2}"#),
    }
}

async fn a_version_begins_as_a_draft(w: World) {
    let prompt = prompt(&w).await;
    let (stamp, id) = (w.stamp(), w.new_version_id());
    let version = w.create_version(stamp, prompt.id, id, body("Hello")).await.unwrap();
    let expected = Version {
        id,
        prompt_id: prompt.id,
        number: 1,
        status: Status::Draft,
        body: body("Hello"),
        created_at: stamp.at,
        updated_at: stamp.at,
        published_at: None,
        tags: Vec::new(),
    };
    assert_eq!(version, expected);
    assert_eq!(w.reread(&version).await, expected);
    assert_eq!(w.prompt_now(&prompt).await, prompt, "the prompt has times of its own");
}

async fn a_version_is_kept_as_it_was_made(w: World) {
    let prompt = prompt(&w).await;
    let version =
        w.create_version(w.stamp(), prompt.id, w.new_version_id(), full_body()).await.unwrap();
    assert_eq!(version.body, full_body());
    assert_eq!(w.reread(&version).await.body, full_body());
}

async fn versions_are_numbered_from_one_in_each_prompt(w: World) {
    let home = w.home("acme").await;
    for name in ["one", "two"] {
        let prompt = w.prompt(&home.team, name).await;
        for number in 1..=3 {
            assert_eq!(w.draft(&prompt, "Hello").await.number, number);
        }
    }
}

async fn the_number_of_a_deleted_version_is_not_given_again(w: World) {
    let prompt = prompt(&w).await;
    for number in 1..=3 {
        let draft = w.draft(&prompt, "Hello").await;
        assert_eq!(draft.number, number);
        w.delete_version(w.stamp(), draft.id).await.unwrap();
    }
    // Not even when nobody remembers.
    let w = if w.keeps() { w.reopened().await } else { w };
    assert_eq!(w.draft(&prompt, "Hello").await.number, 4);
}

async fn a_version_needs_its_prompt(w: World) {
    let home = w.home("acme").await;
    let nowhere = w.new_prompt(&home.team, "nowhere");
    let attempt = w.create_version(w.stamp(), nowhere.id, w.new_version_id(), body("Hello"));
    w.refuses(Thing::Prompt, attempt).await;
}

async fn an_archived_prompt_gets_no_versions(w: World) {
    let prompt = prompt(&w).await;
    let version = w.draft(&prompt, "Hello").await;
    w.archive(&prompt).await;
    let attempt = w.create_version(w.stamp(), prompt.id, w.new_version_id(), body("Hello"));
    w.refuses(Refusal::PromptArchived, attempt).await;
    let attempt = w.duplicate_version(w.stamp(), version.id, w.new_version_id());
    w.refuses(Refusal::PromptArchived, attempt).await;
}

/// The number that a selector selects.
pub(crate) async fn select(w: &World, prompt: &Prompt, selector: Selector) -> Option<u32> {
    w.version(prompt.id, &selector).await.unwrap().map(|version| version.number)
}

async fn live_selects_the_live_version(w: World) {
    let prompt = prompt(&w).await;
    assert_eq!(select(&w, &prompt, Selector::Live).await, None);
    w.stable(&prompt).await;
    assert_eq!(select(&w, &prompt, Selector::Live).await, None);
    let live = w.live(&prompt).await;
    w.draft(&prompt, "Bye").await;
    assert_eq!(select(&w, &prompt, Selector::Live).await, Some(2));
    w.step(&live, Step::Archive).await.unwrap();
    assert_eq!(select(&w, &prompt, Selector::Live).await, None);
}

async fn latest_selects_the_highest_number_that_is_not_archived(w: World) {
    let prompt = prompt(&w).await;
    assert_eq!(select(&w, &prompt, Selector::Latest).await, None);
    w.live(&prompt).await;
    let draft = w.draft(&prompt, "Hello").await;
    let deleted = w.draft(&prompt, "Hello").await;
    w.delete_version(w.stamp(), deleted.id).await.unwrap();
    w.archived(&prompt).await;
    assert_eq!(select(&w, &prompt, Selector::Latest).await, Some(2));
    w.step(&draft, Step::Archive).await.unwrap();
    assert_eq!(select(&w, &prompt, Selector::Latest).await, Some(1));
}

async fn a_number_selects_the_version_of_that_number_and_prompt(w: World) {
    let home = w.home("acme").await;
    let (one, two) = (w.prompt(&home.team, "one").await, w.prompt(&home.team, "two").await);
    for _ in 0..2 {
        w.archived(&one).await;
    }
    for number in [0, 3, u32::MAX] {
        assert_eq!(select(&w, &one, Selector::Number(number)).await, None);
    }
    assert_eq!(select(&w, &one, Selector::Number(2)).await, Some(2));
    assert_eq!(select(&w, &two, Selector::Number(1)).await, None);
    let nowhere = w.new_prompt(&home.team, "nowhere");
    assert_eq!(select(&w, &nowhere, Selector::Number(1)).await, None);
}

/// The numbers of a prompt's versions that pass the filter.
async fn list(w: &World, prompt: &Prompt, filter: VersionFilter) -> Vec<u32> {
    let page = w.versions(prompt.id, &filter, all()).await.unwrap();
    assert_eq!(page.next, None);
    page.items.iter().map(|version| version.number).collect()
}

async fn versions_are_listed_highest_number_first(w: World) {
    let prompt = prompt(&w).await;
    // More than 255 and 9, where a careless order of bytes or digits would show.
    for _ in 0..260 {
        w.draft(&prompt, "Hello").await;
    }
    let expected: Vec<_> = (1..=260).rev().collect();
    assert_eq!(list(&w, &prompt, VersionFilter::default()).await, expected);
}

async fn a_page_of_versions_goes_on_where_the_last_one_ended(w: World) {
    let prompt = prompt(&w).await;
    for number in 1..=12 {
        let draft = w.draft(&prompt, "Hello").await;
        if number % 5 == 0 {
            w.delete_version(w.stamp(), draft.id).await.unwrap();
        }
    }
    let any = VersionFilter::default();
    for limit in [1, 3, 9, 10, 11] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = w.versions(prompt.id, &any, Page { limit, after }).await.unwrap();
            assert!(page.items.len() == limit || page.next.is_none(), "a short page: {limit}");
            seen.extend(page.items.iter().map(|version| version.number));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [12, 11, 9, 8, 7, 6, 4, 3, 2, 1], "by {limit}");
    }
    // A number that is no longer there is a place all the same.
    let page = w.versions(prompt.id, &any, Page { limit: 2, after: Some(10) }).await.unwrap();
    assert_eq!(page.items.iter().map(|version| version.number).collect::<Vec<_>>(), [9, 8]);
    assert_eq!(page.next, Some(8));
}

async fn versions_are_filtered_by_status_and_any_of_the_tags(w: World) {
    let prompt = prompt(&w).await;
    let (draft, stable) = (w.draft(&prompt, "Hello").await, w.stable(&prompt).await);
    let (live, archived) = (w.live(&prompt).await, w.archived(&prompt).await);
    for (version, name) in [(&draft, "a"), (&live, "b"), (&archived, "a2")] {
        w.tag(version, name).await;
    }
    let tags = |names: &[&str], status| VersionFilter {
        status,
        tags: names.iter().map(|name| tag(name)).collect(),
    };
    for version in [&draft, &stable, &live, &archived] {
        let filter = tags(&[], Some(version.status));
        assert_eq!(list(&w, &prompt, filter).await, [version.number]);
    }
    assert_eq!(list(&w, &prompt, tags(&["a", "b", "none"], None)).await, [3, 1]);
    assert_eq!(list(&w, &prompt, tags(&["a", "b"], Some(Status::Live))).await, [3]);
    assert_eq!(list(&w, &prompt, tags(&["none"], None)).await, [0; 0]);
}

async fn a_page_is_filled_with_versions_that_pass_the_filter(w: World) {
    let prompt = prompt(&w).await;
    for _ in 0..3 {
        w.stable(&prompt).await;
        w.draft(&prompt, "Hello").await;
    }
    let filter = VersionFilter { status: Some(Status::Stable), tags: Vec::new() };
    let page = |after| w.versions(prompt.id, &filter, Page { limit: 2, after });
    let numbers = |items: &[Version]| items.iter().map(|v| v.number).collect::<Vec<_>>();
    let first = page(None).await.unwrap();
    assert_eq!((numbers(&first.items), first.next), (vec![5, 3], Some(3)));
    let rest = page(first.next).await.unwrap();
    assert_eq!((numbers(&rest.items), rest.next), (vec![1], None));
}

async fn a_draft_is_changed_in_what_is_given(w: World) {
    let prompt = prompt(&w).await;
    let mut draft = w.tag(&w.draft(&prompt, "Hello").await, "prod").await;
    let full = full_body();
    let nothing = BodyChange::default;
    let changes = [
        BodyChange { template: Some(full.template), ..nothing() },
        BodyChange { engine: Some(full.engine), ..nothing() },
        BodyChange { model: Some(full.model), ..nothing() },
        BodyChange { model_params: Some(full.model_params), ..nothing() },
        BodyChange { variables_schema: Some(full.variables_schema), ..nothing() },
    ];
    for change in changes {
        let stamp = w.stamp();
        change.clone().apply(&mut draft.body);
        draft.updated_at = stamp.at;
        assert_eq!(w.update_version(stamp, draft.id, change).await.unwrap(), draft);
        assert_eq!(w.reread(&draft).await, draft);
    }
    assert_eq!(draft.body, full_body());
}

async fn a_draft_is_cleared_of_what_is_taken_away(w: World) {
    let prompt = prompt(&w).await;
    let draft =
        w.create_version(w.stamp(), prompt.id, w.new_version_id(), full_body()).await.unwrap();
    let change = BodyChange {
        model: Some(None),
        model_params: Some(None),
        variables_schema: Some(None),
        ..BodyChange::default()
    };
    let cleared = w.update_version(w.stamp(), draft.id, change).await.unwrap();
    let expected = Body { model: None, model_params: None, variables_schema: None, ..full_body() };
    assert_eq!(cleared.body, expected);
    assert_eq!(w.reread(&draft).await, cleared);
}

/// A stable, a live and an archived version.
pub(crate) async fn fixed_versions(w: &World, prompt: &Prompt) -> [Version; 3] {
    [w.stable(prompt).await, w.live(prompt).await, w.archived(prompt).await]
}

async fn anything_but_a_draft_is_not_changed(w: World) {
    let prompt = prompt(&w).await;
    for version in fixed_versions(&w, &prompt).await {
        let change = BodyChange { template: Some("Bye".into()), ..BodyChange::default() };
        let attempt = w.update_version(w.stamp(), version.id, change);
        w.refuses(Refusal::NotDraftToChange, attempt).await;
    }
}

async fn an_empty_change_changes_nothing(w: World) {
    let prompt = prompt(&w).await;
    let draft = w.draft(&prompt, "Hello").await;
    let empty = |version: &Version| w.update_version(w.stamp(), version.id, BodyChange::default());
    assert_eq!(w.ignores(empty(&draft)).await, draft);
    for version in fixed_versions(&w, &prompt).await {
        assert_eq!(w.ignores(empty(&version)).await, version, "nor of what is no draft");
    }
    w.archive(&prompt).await;
    assert_eq!(w.ignores(empty(&draft)).await, draft, "also in an archived prompt");
}

async fn a_draft_of_an_archived_prompt_is_not_changed(w: World) {
    let prompt = prompt(&w).await;
    let draft = w.draft(&prompt, "Hello").await;
    w.archive(&prompt).await;
    let change = BodyChange { template: Some("Bye".into()), ..BodyChange::default() };
    let attempt = w.update_version(w.stamp(), draft.id, change);
    w.refuses(Refusal::PromptArchived, attempt).await;
    w.refuses(Refusal::PromptArchived, w.delete_version(w.stamp(), draft.id)).await;
    w.refuses(Refusal::PromptArchived, w.step(&draft, Step::Promote)).await;
}

async fn a_draft_is_deleted(w: World) {
    let prompt = prompt(&w).await;
    let (kept, gone) = (w.draft(&prompt, "Hello").await, w.draft(&prompt, "Hello").await);
    w.delete_version(w.stamp(), gone.id).await.unwrap();
    assert_eq!(select(&w, &prompt, Selector::Number(2)).await, None);
    assert_eq!(list(&w, &prompt, VersionFilter::default()).await, [1]);
    w.refuses(Thing::Version, w.delete_version(w.stamp(), gone.id)).await;
    assert_eq!(w.reread(&kept).await, kept);
}

async fn anything_but_a_draft_is_not_deleted(w: World) {
    let prompt = prompt(&w).await;
    for version in fixed_versions(&w, &prompt).await {
        let attempt = w.delete_version(w.stamp(), version.id);
        w.refuses(Refusal::NotDraftToDelete, attempt).await;
    }
}

async fn a_duplicate_is_a_draft_that_says_the_same(w: World) {
    let prompt = prompt(&w).await;
    let original =
        w.create_version(w.stamp(), prompt.id, w.new_version_id(), full_body()).await.unwrap();
    w.tag(&original, "prod").await;
    for step in [Step::Promote, Step::Promote] {
        w.step(&original, step).await.unwrap();
    }
    let before = w.reread(&original).await;
    w.draft(&prompt, "between").await;
    let (stamp, id) = (w.stamp(), w.new_version_id());

    let duplicate = w.duplicate_version(stamp, original.id, id).await.unwrap();

    let expected = Version {
        id,
        prompt_id: prompt.id,
        number: 3,
        status: Status::Draft,
        body: full_body(),
        created_at: stamp.at,
        updated_at: stamp.at,
        published_at: None,
        tags: Vec::new(),
    };
    assert_eq!(duplicate, expected);
    assert_eq!(w.reread(&duplicate).await, duplicate);
    assert_eq!(w.reread(&original).await, before, "tags stay where they are");
}

async fn an_archived_version_is_duplicated(w: World) {
    let prompt = prompt(&w).await;
    let archived = w.archived(&prompt).await;
    let id = w.new_version_id();
    let duplicate = w.duplicate_version(w.stamp(), archived.id, id).await.unwrap();
    assert_eq!((duplicate.status, duplicate.number), (Status::Draft, 2));
}

async fn only_a_version_that_is_there_is_changed(w: World) {
    w.home("acme").await;
    let nowhere = w.new_version_id();
    let change = w.update_version(w.stamp(), nowhere, BodyChange::default());
    w.refuses(Thing::Version, change).await;
    w.refuses(Thing::Version, w.delete_version(w.stamp(), nowhere)).await;
    w.refuses(Thing::Version, w.step_version(w.stamp(), nowhere, Step::Archive, None)).await;
    let copy = w.duplicate_version(w.stamp(), nowhere, w.new_version_id());
    w.refuses(Thing::Version, copy).await;
    w.refuses(Thing::Version, w.set_tag(w.stamp(), nowhere, tag("prod"))).await;
}

async fn versions_and_tags_of_no_prompt_are_not_listed(w: World) {
    let home = w.home("acme").await;
    let nowhere = w.new_prompt(&home.team, "nowhere").id;
    w.refuses(Thing::Prompt, w.versions(nowhere, &VersionFilter::default(), all())).await;
    w.refuses(Thing::Prompt, w.tags(nowhere)).await;
    w.refuses(Thing::Prompt, w.payloads(nowhere, all())).await;
}
