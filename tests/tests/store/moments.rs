//! What is seen while many write: at every moment one state or the next, and nothing between.

use px0_core::{
    lifecycle::{Status, Step},
    prompt::{PromptChange, PromptFilter, PromptRef},
    store::{KeyFilter, Reach, Refusal},
    tag::Selector,
    tenancy::Role,
    version::VersionFilter,
};

use crate::race::{race, watch};
use crate::world::{ALL_NUMBERED, Law, World, all, laws, orgs, slug, tag};

pub(crate) const LAWS: &[Law] = laws![
    at_every_moment_of_many_promotions_one_version_is_live,
    at_every_moment_of_many_tag_moves_one_version_has_the_tag,
    at_every_moment_of_many_moves_a_prompt_is_in_one_team,
    at_every_moment_of_many_renames_a_prompt_has_one_slug,
    at_every_moment_somebody_is_in_all_teams_or_in_none,
    at_every_moment_an_organization_is_there_whole_or_not_at_all,
];

async fn at_every_moment_of_many_promotions_one_version_is_live(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let mut versions = vec![w.live(&prompt).await];
    for _ in 1..64 {
        versions.push(w.stable(&prompt).await);
    }
    let promoting = race(64, |at| {
        let (w, version) = (w.clone(), versions[at].clone());
        async move {
            for _ in 0..8 {
                // What is live already is refused; whoever is not becomes it.
                match w.step(&version, Step::Promote).await {
                    Ok(live) => assert_eq!(live.status, Status::Live),
                    Err(error) => assert_eq!(error, Refusal::CannotPromote.into()),
                }
            }
        }
    });
    let id = prompt.id;
    let (reach, named) = (orgs(&[&home.org]), PromptRef::Slug(prompt.slug));
    watch(promoting, {
        let w = w.clone();
        move || {
            let (w, reach, named) = (w.clone(), reach.clone(), named.clone());
            async move {
                let live = VersionFilter { status: Some(Status::Live), tags: Vec::new() };
                let live = w.versions(id, &live, all()).await.unwrap().items;
                assert_eq!(live.len(), 1, "live: {live:?}");
                let all = w.versions(id, &VersionFilter::default(), all()).await.unwrap().items;
                let live = all.iter().filter(|version| version.status == Status::Live).count();
                assert_eq!(live, 1, "in one list of all");
                let selected = w.version(id, &Selector::Live).await.unwrap().unwrap();
                assert_eq!(selected.status, Status::Live, "not what was selected");
                let resolved = w.resolve(&reach, &named, &Selector::Live).await.unwrap();
                assert_eq!(resolved.1.map(|version| version.status), Some(Status::Live));
            }
        }
    })
    .await;
    let mut all = w.versions(id, &VersionFilter::default(), all()).await.unwrap().items;
    all.retain(|version| version.status != Status::Stable);
    assert_eq!(all.len(), 1, "the others are stable");
}

async fn at_every_moment_of_many_tag_moves_one_version_has_the_tag(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let mut versions = Vec::new();
    for _ in 0..16 {
        versions.push(w.draft(&prompt, "Hello").await);
    }
    w.tag(&versions[0], "prod").await;
    let moving = race(64, |at| {
        let (w, version) = (w.clone(), versions[at % versions.len()].clone());
        async move {
            for _ in 0..8 {
                let tagged = w.tag(&version, "prod").await;
                assert_eq!(tagged.tags, [tag("prod")]);
            }
        }
    });
    let id = prompt.id;
    watch(moving, {
        let w = w.clone();
        move || {
            let w = w.clone();
            async move {
                let tagged = VersionFilter { status: None, tags: vec![tag("prod")] };
                let tagged = w.versions(id, &tagged, all()).await.unwrap().items;
                assert_eq!(tagged.len(), 1, "tagged: {tagged:?}");
                let all = w.versions(id, &VersionFilter::default(), all()).await.unwrap().items;
                assert_eq!(all.iter().filter(|version| !version.tags.is_empty()).count(), 1);
                assert_eq!(w.tags(id).await.unwrap().len(), 1);
                let selected = w.version(id, &Selector::Tag(tag("prod"))).await.unwrap().unwrap();
                assert_eq!(selected.tags, [tag("prod")], "not what was selected");
            }
        }
    })
    .await;
}

async fn at_every_moment_of_many_moves_a_prompt_is_in_one_team(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    w.tag(&w.live(&prompt).await, "prod").await;
    let mut teams = vec![home.team.id];
    for number in 0..3 {
        teams.push(w.empty_team(&home, &format!("team {number}")).await.id);
    }
    let moving = race(4, |at| {
        let (w, prompt, teams) = (w.clone(), prompt.id, teams.clone());
        async move {
            for number in 0..32 {
                let team = teams[(at + number) % teams.len()];
                w.move_prompt(w.stamp(), prompt, team).await.unwrap();
            }
        }
    });
    let reach = orgs(&[&home.org]);
    let each = Reach { orgs: Vec::new(), teams: teams.clone() };
    watch(moving, {
        let w = w.clone();
        move || {
            let (w, reaches) = (w.clone(), [reach.clone(), each.clone()]);
            let names = [PromptRef::Id(prompt.id), PromptRef::Slug(prompt.slug.clone())];
            async move {
                for reach in &reaches {
                    for named in &names {
                        let found = w.find_prompts(reach, named).await.unwrap();
                        assert_eq!(found.len(), 1, "{named:?} is found: {found:?}");
                        let (found, live) = w.resolve(reach, named, &Selector::Live).await.unwrap();
                        assert_eq!((found.len(), live.is_some()), (1, true), "{named:?}");
                    }
                }
            }
        }
    })
    .await;
}

async fn at_every_moment_of_many_renames_a_prompt_has_one_slug(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "one").await;
    let renaming = race(4, |_| {
        let (w, prompt) = (w.clone(), prompt.id);
        async move {
            for number in 0..32 {
                let to = if number % 2 == 0 { "two" } else { "one" };
                let change = PromptChange { slug: Some(slug(to)), ..PromptChange::default() };
                w.update_prompt(w.stamp(), prompt, change).await.unwrap();
            }
        }
    });
    let reach = orgs(&[&home.org]);
    watch(renaming, {
        let w = w.clone();
        move || {
            let (w, reach) = (w.clone(), reach.clone());
            async move {
                for called in ["one", "two"] {
                    let named = PromptRef::Slug(slug(called));
                    for found in w.find_prompts(&reach, &named).await.unwrap() {
                        assert_eq!(found.prompt.slug.as_str(), called, "found by another slug");
                    }
                }
            }
        }
    })
    .await;
}

async fn at_every_moment_somebody_is_in_all_teams_or_in_none(w: World) {
    let home = w.home("acme").await;
    let bob = w.editor(&home.team, "bob").await;
    let session = w.login(&bob).await;
    for round in 0..8 {
        for number in 0..8 {
            let team = w.team_in(&home, &format!("team {round}.{number}")).await;
            w.join(&team, &bob, Role::Viewer).await;
        }
        let whole = w.teams_of(bob.id).await.unwrap().len();
        let removing = race(1, |_| {
            let (w, org, bob) = (w.clone(), home.org.id, bob.id);
            async move { w.remove_person(w.stamp(), org, bob).await.unwrap() }
        });
        watch(removing, {
            let (w, bob, hash) = (w.clone(), bob.id, session.hash);
            move || {
                let w = w.clone();
                async move {
                    let (_, memberships) = w.session(&hash, w.now()).await.unwrap().unwrap();
                    let teams = w.teams_of(bob).await.unwrap();
                    for some in [memberships.len(), teams.len()] {
                        assert!(some == 0 || some == whole, "in {some} of {whole} teams");
                    }
                }
            }
        })
        .await;
        w.join(&home.team, &bob, Role::Editor).await;
    }
}

async fn at_every_moment_an_organization_is_there_whole_or_not_at_all(w: World) {
    const MANY: usize = 12;
    for round in 0..4 {
        let home = w.home(&format!("acme-{round}")).await;
        for number in 0..MANY {
            w.editor(&home.team, &format!("user-{number}-of-{round}")).await;
            w.key_for(&home, &[&home.team]).await;
            w.live(&w.prompt(&home.team, &format!("prompt {number}")).await).await;
            w.empty_team(&home, &format!("team {number}")).await;
            w.decide(home.org.id, &format!("plugin-{number}")).await;
        }
        let deleting = race(1, |_| {
            let (w, org) = (w.clone(), home.org.id);
            async move { w.delete_org(w.stamp(), org).await.unwrap() }
        });
        let (org, team) = (home.org.id, home.team.id);
        watch(deleting, {
            let w = w.clone();
            move || {
                let w = w.clone();
                async move {
                    let any = PromptFilter::default();
                    let parts = [
                        (
                            "people",
                            w.people(org, ALL_NUMBERED).await.map_or(0, |p| p.items.len() - 1),
                        ),
                        (
                            "members",
                            w.members(team, ALL_NUMBERED).await.map_or(0, |p| p.items.len() - 1),
                        ),
                        ("teams", w.teams(org).await.map_or(0, |t| t.len().saturating_sub(1))),
                        ("decisions", w.org_plugins(org).await.unwrap().len()),
                        (
                            "keys",
                            w.keys(org, &KeyFilter::All, all()).await.map_or(0, |p| p.items.len()),
                        ),
                        (
                            "prompts",
                            w.prompts(team, &any, all()).await.map_or(0, |p| p.items.len()),
                        ),
                    ];
                    for (what, there) in parts {
                        assert!(there == 0 || there == MANY, "{there} of {MANY} {what}");
                    }
                }
            }
        })
        .await;
    }
}
