//! Tags of versions.

use px0_core::{
    lifecycle::Step,
    store::{Refusal, Thing},
    tag::Selector,
    version::Version,
};

use crate::world::{Law, World, laws, tag};

pub(crate) const LAWS: &[Law] = laws![
    a_tag_selects_its_version,
    a_tag_moves_from_one_version_to_another,
    a_tag_given_again_stays,
    a_version_shows_its_tags_in_byte_order,
    tags_are_listed_in_byte_order_with_their_numbers,
    tags_that_differ_in_case_are_different,
    each_prompt_has_tags_of_its_own,
    a_version_of_any_status_is_tagged,
    tags_stay_through_the_life_of_a_version,
    a_deleted_draft_takes_its_tags_with_it,
    a_tag_is_taken_away,
    a_tag_that_no_version_has_is_missing,
    an_archived_prompt_keeps_its_tags_as_they_are,
];

async fn two_versions(w: &World) -> [Version; 2] {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    [w.draft(&prompt, "one").await, w.draft(&prompt, "two").await]
}

/// The number that a tag selects in the prompt of this version.
async fn select(w: &World, of: &Version, name: &str) -> Option<u32> {
    let selected = w.version(of.prompt_id, &Selector::Tag(tag(name))).await.unwrap();
    selected.map(|version| version.number)
}

/// The tags of the version's prompt.
async fn listed(w: &World, of: &Version) -> Vec<(String, u32)> {
    let tags = w.tags(of.prompt_id).await.unwrap();
    tags.into_iter().map(|(tag, number)| (tag.to_string(), number)).collect()
}

async fn a_tag_selects_its_version(w: World) {
    let [one, two] = two_versions(&w).await;
    assert_eq!(select(&w, &one, "prod").await, None);
    let tagged = w.tag(&two, "prod").await;
    assert_eq!(tagged.tags, [tag("prod")]);
    assert_eq!(w.reread(&two).await, tagged);
    assert_eq!(select(&w, &one, "prod").await, Some(2));
    assert_eq!(select(&w, &one, "pro").await, None);
}

async fn a_tag_moves_from_one_version_to_another(w: World) {
    let [one, two] = two_versions(&w).await;
    for name in ["prod", "stays"] {
        w.tag(&one, name).await;
    }
    w.tag(&two, "prod").await;
    assert_eq!(w.reread(&one).await.tags, [tag("stays")]);
    assert_eq!(w.reread(&two).await.tags, [tag("prod")]);
    assert_eq!(listed(&w, &one).await, [("prod".into(), 2), ("stays".into(), 1)]);
}

async fn a_tag_given_again_stays(w: World) {
    let [one, _] = two_versions(&w).await;
    let once = w.tag(&one, "prod").await;
    let again = w.tag(&one, "prod").await;
    assert_eq!(again.tags, once.tags);
    assert_eq!(listed(&w, &one).await, [("prod".into(), 1)]);
}

/// In byte order, and in no other: a locale would ignore the marks, and put small letters first.
const IN_ORDER: [&str; 8] = ["9a", "B", "a", "a-b", "a.a", "a_0", "aa", "b"];

async fn a_version_shows_its_tags_in_byte_order(w: World) {
    let [one, _] = two_versions(&w).await;
    for name in ["b", "a_0", "B", "9a", "a", "aa", "a.a", "a-b"] {
        w.tag(&one, name).await;
    }
    assert_eq!(w.reread(&one).await.tags, IN_ORDER.map(tag));
}

async fn tags_are_listed_in_byte_order_with_their_numbers(w: World) {
    let [one, two] = two_versions(&w).await;
    for (at, name) in ["b", "a_0", "B", "9a", "a", "aa", "a.a", "a-b"].into_iter().enumerate() {
        w.tag(if at % 2 == 0 { &one } else { &two }, name).await;
    }
    let expected =
        [("9a", 2), ("B", 1), ("a", 1), ("a-b", 2), ("a.a", 1), ("a_0", 2), ("aa", 2), ("b", 1)];
    assert_eq!(listed(&w, &one).await, expected.map(|(name, number)| (name.to_owned(), number)));
}

async fn tags_that_differ_in_case_are_different(w: World) {
    let [one, two] = two_versions(&w).await;
    w.tag(&one, "prod").await;
    w.tag(&two, "PROD").await;
    assert_eq!(select(&w, &one, "prod").await, Some(1));
    assert_eq!(select(&w, &one, "PROD").await, Some(2));
    assert_eq!(select(&w, &one, "Prod").await, None);
}

async fn each_prompt_has_tags_of_its_own(w: World) {
    let home = w.home("acme").await;
    let (one, two) = (w.prompt(&home.team, "one").await, w.prompt(&home.team, "two").await);
    w.draft(&two, "first").await;
    let (of_one, of_two) = (w.draft(&one, "Hello").await, w.draft(&two, "Hello").await);
    w.tag(&of_one, "prod").await;
    w.tag(&of_two, "prod").await;
    assert_eq!(listed(&w, &of_one).await, [("prod".into(), 1)]);
    assert_eq!(listed(&w, &of_two).await, [("prod".into(), 2)]);
    w.remove_tag(w.stamp(), one.id, &tag("prod")).await.unwrap();
    assert_eq!(select(&w, &of_two, "prod").await, Some(2));
}

async fn a_version_of_any_status_is_tagged(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let versions = [w.stable(&prompt).await, w.live(&prompt).await, w.archived(&prompt).await];
    for version in versions {
        w.tag(&version, "prod").await;
        assert_eq!(select(&w, &version, "prod").await, Some(version.number));
    }
}

async fn tags_stay_through_the_life_of_a_version(w: World) {
    let [one, two] = two_versions(&w).await;
    w.tag(&one, "prod").await;
    for step in [Step::Promote, Step::Promote, Step::Demote, Step::Archive] {
        assert_eq!(w.step(&one, step).await.unwrap().tags, [tag("prod")]);
    }
    w.delete_version(w.stamp(), two.id).await.unwrap();
    assert_eq!(listed(&w, &one).await, [("prod".into(), 1)]);
}

async fn a_deleted_draft_takes_its_tags_with_it(w: World) {
    let [one, two] = two_versions(&w).await;
    for (version, name) in [(&one, "stays"), (&two, "goes"), (&two, "free")] {
        w.tag(version, name).await;
    }
    w.delete_version(w.stamp(), two.id).await.unwrap();
    assert_eq!(listed(&w, &one).await, [("stays".into(), 1)]);
    assert_eq!(select(&w, &one, "goes").await, None);
    w.refuses(Thing::Tag, w.remove_tag(w.stamp(), one.prompt_id, &tag("goes"))).await;
    w.tag(&one, "free").await;
}

async fn a_tag_is_taken_away(w: World) {
    let [one, two] = two_versions(&w).await;
    for (version, name) in [(&one, "a"), (&one, "b"), (&two, "c")] {
        w.tag(version, name).await;
    }
    w.remove_tag(w.stamp(), one.prompt_id, &tag("a")).await.unwrap();
    assert_eq!(w.reread(&one).await.tags, [tag("b")]);
    assert_eq!(listed(&w, &one).await, [("b".into(), 1), ("c".into(), 2)]);
}

async fn a_tag_that_no_version_has_is_missing(w: World) {
    let [one, _] = two_versions(&w).await;
    w.tag(&one, "prod").await;
    for name in ["PROD", "other"] {
        w.refuses(Thing::Tag, w.remove_tag(w.stamp(), one.prompt_id, &tag(name))).await;
    }
    let home = w.home("other").await;
    let nowhere = w.new_prompt(&home.team, "nowhere").id;
    w.refuses(Thing::Prompt, w.remove_tag(w.stamp(), nowhere, &tag("prod"))).await;
}

async fn an_archived_prompt_keeps_its_tags_as_they_are(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let version = w.draft(&prompt, "Hello").await;
    w.tag(&version, "prod").await;
    w.archive(&prompt).await;
    let remove = async |name| w.remove_tag(w.stamp(), prompt.id, &tag(name)).await;
    w.refuses(Refusal::PromptArchived, w.set_tag(w.stamp(), version.id, tag("new"))).await;
    w.refuses(Refusal::PromptArchived, remove("prod")).await;
    // What is missing comes before what is refused.
    w.refuses(Thing::Tag, remove("none")).await;
}
