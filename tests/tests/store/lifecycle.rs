//! The life of a version.

use px0_core::{
    lifecycle::{Status, Step},
    store::{Refusal, Thing},
    tag::Selector,
    version::{BodyChange, Version},
};

use crate::race::{race, winners};
use crate::versions::{fixed_versions, prompt, select};
use crate::world::{Law, World, laws};

pub(crate) const LAWS: &[Law] = laws![
    a_version_goes_from_draft_to_stable_to_live,
    what_becomes_live_makes_the_former_live_version_stable,
    a_live_version_is_demoted_and_promoted_again,
    a_version_is_archived_from_anywhere_once,
    an_archived_version_takes_no_step,
    only_a_live_version_is_demoted,
    versions_of_other_prompts_stay_live,
    an_archived_prompt_keeps_its_versions_as_they_are,
    a_step_from_what_was_seen_is_taken_while_it_is_still_so,
    a_step_from_what_was_changed_since_is_refused_after_all_else,
    of_many_steps_from_the_same_one_is_taken,
];

async fn a_version_goes_from_draft_to_stable_to_live(w: World) {
    let prompt = prompt(&w).await;
    let draft = w.draft(&prompt, "Hello").await;
    let stamp = w.stamp();
    let stable = w.step_version(stamp, draft.id, Step::Promote, None).await.unwrap();
    let expected = Version { status: Status::Stable, updated_at: stamp.at, ..draft };
    assert_eq!(stable, expected);
    let stamp = w.stamp();
    let live = w.step_version(stamp, stable.id, Step::Promote, None).await.unwrap();
    let expected = Version {
        status: Status::Live,
        updated_at: stamp.at,
        published_at: Some(stamp.at),
        ..stable
    };
    assert_eq!(live, expected);
    assert_eq!(w.reread(&live).await, live);
    w.refuses(Refusal::CannotPromote, w.step(&live, Step::Promote)).await;
}

async fn what_becomes_live_makes_the_former_live_version_stable(w: World) {
    let prompt = prompt(&w).await;
    let (former, next) = (w.live(&prompt).await, w.stable(&prompt).await);
    let stamp = w.stamp();
    let live = w.step_version(stamp, next.id, Step::Promote, None).await.unwrap();
    let expected = Version { status: Status::Stable, updated_at: stamp.at, ..former };
    assert_eq!(w.reread(&expected).await, expected, "published_at tells it was live");
    assert_eq!(w.version(prompt.id, &Selector::Live).await.unwrap(), Some(live));
}

async fn a_live_version_is_demoted_and_promoted_again(w: World) {
    let prompt = prompt(&w).await;
    let live = w.live(&prompt).await;
    let stamp = w.stamp();
    let stable = w.step_version(stamp, live.id, Step::Demote, None).await.unwrap();
    let expected = Version { status: Status::Stable, updated_at: stamp.at, ..live };
    assert_eq!(stable, expected);
    assert_eq!(select(&w, &prompt, Selector::Live).await, None);
    let stamp = w.stamp();
    let again = w.step_version(stamp, stable.id, Step::Promote, None).await.unwrap();
    assert_eq!(again.published_at, Some(stamp.at), "when it last became live");
}

async fn a_version_is_archived_from_anywhere_once(w: World) {
    let prompt = prompt(&w).await;
    let versions =
        [w.draft(&prompt, "Hello").await, w.stable(&prompt).await, w.live(&prompt).await];
    for version in versions {
        let stamp = w.stamp();
        let archived = w.step_version(stamp, version.id, Step::Archive, None).await.unwrap();
        let expected = Version { status: Status::Archived, updated_at: stamp.at, ..version };
        assert_eq!(archived, expected);
        w.refuses(Refusal::AlreadyArchived, w.step(&archived, Step::Archive)).await;
    }
    assert_eq!(select(&w, &prompt, Selector::Live).await, None);
}

async fn an_archived_version_takes_no_step(w: World) {
    let prompt = prompt(&w).await;
    let archived = w.archived(&prompt).await;
    w.refuses(Refusal::CannotPromote, w.step(&archived, Step::Promote)).await;
    w.refuses(Refusal::CannotDemote, w.step(&archived, Step::Demote)).await;
}

async fn only_a_live_version_is_demoted(w: World) {
    let prompt = prompt(&w).await;
    for version in [w.draft(&prompt, "Hello").await, w.stable(&prompt).await] {
        w.refuses(Refusal::CannotDemote, w.step(&version, Step::Demote)).await;
    }
}

async fn versions_of_other_prompts_stay_live(w: World) {
    let home = w.home("acme").await;
    let (one, two) = (w.prompt(&home.team, "one").await, w.prompt(&home.team, "two").await);
    let live = w.live(&one).await;
    w.live(&two).await;
    assert_eq!(w.reread(&live).await, live);
}

async fn an_archived_prompt_keeps_its_versions_as_they_are(w: World) {
    let prompt = prompt(&w).await;
    let [stable, live, _] = fixed_versions(&w, &prompt).await;
    w.archive(&prompt).await;
    let steps = [(&stable, Step::Promote), (&live, Step::Demote), (&live, Step::Archive)];
    for (version, step) in steps {
        w.refuses(Refusal::PromptArchived, w.step(version, step)).await;
    }
}

async fn a_step_from_what_was_seen_is_taken_while_it_is_still_so(w: World) {
    let prompt = prompt(&w).await;
    let mut version = w.draft(&prompt, "Hello").await;
    for step in [Step::Promote, Step::Promote, Step::Demote, Step::Archive] {
        // A tag is no part of what was seen.
        w.tag(&version, "prod").await;
        let seen = Some(version.updated_at);
        version = w.step_version(w.stamp(), version.id, step, seen).await.unwrap();
    }
    assert_eq!(version.status, Status::Archived);
}

async fn a_step_from_what_was_changed_since_is_refused_after_all_else(w: World) {
    let prompt = prompt(&w).await;
    let draft = w.draft(&prompt, "Hello").await;
    let change = BodyChange { template: Some("Bye".into()), ..BodyChange::default() };
    let changed = w.update_version(w.stamp(), draft.id, change).await.unwrap();
    let seen = Some(draft.updated_at);
    let attempt = |version: &Version, step| w.step_version(w.stamp(), version.id, step, seen);
    for step in [Step::Promote, Step::Archive] {
        w.refuses(Refusal::VersionChanged, attempt(&draft, step)).await;
    }
    w.refuses(Refusal::CannotDemote, attempt(&draft, Step::Demote)).await;
    let later = w.step_version(w.stamp(), draft.id, Step::Promote, Some(w.now()));
    w.refuses(Refusal::VersionChanged, later).await;

    // The former live version was changed by what came after it.
    let former = w.live(&prompt).await;
    let stable = w.step(&changed, Step::Promote).await.unwrap();
    w.step(&stable, Step::Promote).await.unwrap();
    let again = w.step_version(w.stamp(), former.id, Step::Promote, Some(former.updated_at));
    w.refuses(Refusal::VersionChanged, again).await;

    w.archive(&prompt).await;
    w.refuses(Refusal::PromptArchived, attempt(&draft, Step::Promote)).await;
    let nowhere = w.new_version_id();
    let attempt = w.step_version(w.stamp(), nowhere, Step::Promote, seen);
    w.refuses(Thing::Version, attempt).await;
}

async fn of_many_steps_from_the_same_one_is_taken(w: World) {
    let prompt = prompt(&w).await;
    let draft = w.draft(&prompt, "Hello").await;
    let answers = race(16, |_| {
        let (w, id, seen) = (w.clone(), draft.id, Some(draft.updated_at));
        async move { w.step_version(w.stamp(), id, Step::Promote, seen).await }
    });
    assert_eq!(winners(answers.await, Refusal::VersionChanged), 1);
    assert_eq!(w.reread(&draft).await.status, Status::Stable);
}
