//! Finding prompts: by id and slug within reach, in lists, and for a render.

use px0_core::{
    Description,
    ids::{PromptId, TeamId},
    page::Page,
    prompt::{Prompt, PromptFilter, PromptRef, PromptStatus},
    store::Reach,
    tag::Selector,
    tenancy::Team,
};
use uuid::Uuid;

use crate::prompts::renamed;
use crate::world::{Law, World, all, laws, orgs, slug, tag, teams};

pub(crate) const LAWS: &[Law] = laws![
    a_prompt_is_found_by_id_only_within_reach,
    a_slug_finds_one_prompt_of_each_team_in_the_order_of_team_ids,
    a_prompt_in_reach_twice_is_found_once,
    prompts_are_listed_newest_first_and_by_id_among_twins,
    a_page_of_prompts_goes_on_where_the_last_one_ended,
    prompts_are_filtered_by_status_text_and_tag,
    a_page_is_filled_with_prompts_that_pass_the_filter,
    what_resolves_is_what_is_found_and_selected,
    several_prompts_resolve_to_no_version,
];

/// The ids of the prompts that `named` names within reach.
pub(crate) async fn find(w: &World, reach: &Reach, named: &PromptRef) -> Vec<PromptId> {
    let found = w.find_prompts(reach, named).await.unwrap();
    found.iter().map(|found| found.prompt.id).collect()
}

async fn a_prompt_is_found_by_id_only_within_reach(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let red = w.team_in(&home, "red").await;
    let prompt = w.prompt(&red, "greeting").await;
    for named in [PromptRef::Id(prompt.id), PromptRef::Slug(prompt.slug)] {
        assert_eq!(find(&w, &orgs(&[&home.org]), &named).await, [prompt.id]);
        assert_eq!(find(&w, &teams(&[&red]), &named).await, [prompt.id]);
        assert_eq!(find(&w, &teams(&[&home.team]), &named).await, []);
        assert_eq!(find(&w, &orgs(&[&other.org]), &named).await, []);
        assert_eq!(find(&w, &Reach::default(), &named).await, []);
    }
}

async fn a_slug_finds_one_prompt_of_each_team_in_the_order_of_team_ids(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let mut expected = Vec::new();
    for number in [6_u128, 2, 4] {
        let mut team = w.new_team(&home.org, &format!("team {number}"));
        team.id = TeamId::from_uuid(Uuid::from_u128(number));
        w.create_team(w.stamp(), team.clone(), None).await.unwrap();
        expected.push((team.id, w.prompt(&team, "greeting").await.id));
        w.prompt(&team, "greeting_2").await;
    }
    let foreign = w.prompt(&other.team, "greeting").await;
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, prompt)| prompt).collect();
    let named = PromptRef::Slug(slug("greeting"));
    assert_eq!(find(&w, &orgs(&[&home.org]), &named).await, expected);
    assert_eq!(find(&w, &orgs(&[&other.org]), &named).await, [foreign.id]);
    assert_eq!(find(&w, &orgs(&[&home.org]), &PromptRef::Slug(slug("greet"))).await, []);
}

async fn a_prompt_in_reach_twice_is_found_once(w: World) {
    let home = w.home("acme").await;
    let prompt = w.prompt(&home.team, "greeting").await;
    let twice =
        Reach { orgs: vec![home.org.id, home.org.id], teams: vec![home.team.id, home.team.id] };
    for named in [PromptRef::Id(prompt.id), PromptRef::Slug(prompt.slug)] {
        assert_eq!(find(&w, &twice, &named).await, [prompt.id]);
        let (found, _) = w.resolve(&twice, &named, &Selector::Latest).await.unwrap();
        assert_eq!(found.len(), 1);
    }
}

/// The ids of a team's prompts that pass the filter.
pub(crate) async fn list(w: &World, team: &Team, filter: &PromptFilter) -> Vec<PromptId> {
    let page = w.prompts(team.id, filter, all()).await.unwrap();
    assert_eq!(page.next, None);
    page.items.iter().map(|prompt| prompt.id).collect()
}

/// A prompt with this id, made at that time.
async fn made_at(w: &World, team: &Team, at: px0_core::Timestamp, number: u128) -> PromptId {
    let prompt = Prompt {
        id: PromptId::from_uuid(Uuid::from_u128(number)),
        created_at: at,
        ..w.new_prompt(team, &format!("prompt {number}"))
    };
    w.create_prompt(w.stamp(), prompt.clone()).await.unwrap();
    prompt.id
}

async fn prompts_are_listed_newest_first_and_by_id_among_twins(w: World) {
    let home = w.home("acme").await;
    let (before, at) = (w.now(), w.now());
    let five = made_at(&w, &home.team, at, 5).await;
    let nine = made_at(&w, &home.team, before, 9).await;
    let one = made_at(&w, &home.team, at, 1).await;
    let new = w.prompt(&home.team, "new").await.id;
    let red = w.team_in(&home, "red").await;
    w.prompt(&red, "of another team").await;
    assert_eq!(list(&w, &home.team, &PromptFilter::default()).await, [new, five, one, nine]);
    // Being changed makes a prompt no newer.
    w.update_prompt(w.stamp(), nine, renamed("changed")).await.unwrap();
    assert_eq!(list(&w, &home.team, &PromptFilter::default()).await, [new, five, one, nine]);
}

async fn a_page_of_prompts_goes_on_where_the_last_one_ended(w: World) {
    let home = w.home("acme").await;
    let at = w.now();
    for number in [8, 2, 6, 4] {
        made_at(&w, &home.team, at, number).await;
    }
    for number in 0..3 {
        w.prompt(&home.team, &format!("new {number}")).await;
    }
    let any = PromptFilter::default();
    let whole = list(&w, &home.team, &any).await;
    for limit in [1, 2, 3, 6, 7, 8] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = w.prompts(home.team.id, &any, Page { limit, after }).await.unwrap();
            assert!(page.items.len() == limit || page.next.is_none(), "a short page: {limit}");
            seen.extend(page.items.iter().map(|prompt| prompt.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, whole, "by {limit}");
    }
    // A cursor is a place, not a thing: what stood there may have moved away.
    let first = w.prompts(home.team.id, &any, Page { limit: 2, after: None }).await.unwrap();
    let red = w.team_in(&home, "red").await;
    w.move_prompt(w.stamp(), whole[1], red.id).await.unwrap();
    w.prompt(&home.team, "newest").await;
    let page = Page { limit: 100, after: first.next };
    let rest = w.prompts(home.team.id, &any, page).await.unwrap().items;
    assert_eq!(rest.iter().map(|prompt| prompt.id).collect::<Vec<_>>(), whole[2..]);
}

async fn prompts_are_filtered_by_status_text_and_tag(w: World) {
    let home = w.home("acme").await;
    let named = w.prompt(&home.team, "A Needle here").await;
    let mut slugged = w.new_prompt(&home.team, "slugged");
    slugged.slug = slug("has_needle_in_it");
    let mut described = w.new_prompt(&home.team, "described");
    described.description = Description::parse("description", "one nEEDLE more").unwrap();
    for prompt in [&slugged, &described] {
        w.create_prompt(w.stamp(), prompt.clone()).await.unwrap();
    }
    let other = w.prompt(&home.team, "nothing").await;
    for prompt in [&named, &other] {
        w.tag(&w.draft(prompt, "Hello").await, "prod").await;
    }
    w.archive(&named).await;

    let filter = |text: Option<&str>, tagged: Option<&str>, status| PromptFilter {
        text: text.map(String::from),
        tag: tagged.map(tag),
        status,
    };
    let (active, archived) = (Some(PromptStatus::Active), Some(PromptStatus::Archived));
    let cases = [
        (filter(Some("NEEDLE"), None, None), vec![described.id, slugged.id, named.id]),
        (filter(Some(""), None, active), vec![other.id, described.id, slugged.id]),
        (filter(None, None, archived), vec![named.id]),
        (filter(None, Some("prod"), None), vec![other.id, named.id]),
        (filter(None, Some("Prod"), None), vec![]),
        (filter(Some("needle"), Some("prod"), None), vec![named.id]),
        (filter(Some("needle"), Some("prod"), active), vec![]),
        (filter(Some("a needle here"), None, archived), vec![named.id]),
    ];
    for (filter, expected) in cases {
        assert_eq!(list(&w, &home.team, &filter).await, expected, "{filter:?}");
    }
}

async fn a_page_is_filled_with_prompts_that_pass_the_filter(w: World) {
    let home = w.home("acme").await;
    let mut wanted = Vec::new();
    for number in 0..3 {
        let prompt = w.prompt(&home.team, &format!("wanted {number}")).await;
        w.tag(&w.draft(&prompt, "Hello").await, "prod").await;
        wanted.push(prompt.id);
        w.prompt(&home.team, &format!("other {number}")).await;
    }
    wanted.reverse();
    let filters = [
        PromptFilter { text: Some("wanted".into()), ..PromptFilter::default() },
        PromptFilter { tag: Some(tag("prod")), ..PromptFilter::default() },
    ];
    for filter in filters {
        let page = |after| w.prompts(home.team.id, &filter, Page { limit: 2, after });
        let first = page(None).await.unwrap();
        let rest = page(first.next).await.unwrap();
        let both = first.items.iter().chain(&rest.items).map(|prompt| prompt.id);
        assert_eq!((first.items.len(), rest.next), (2, None));
        assert_eq!(both.collect::<Vec<_>>(), wanted);
    }
}

async fn what_resolves_is_what_is_found_and_selected(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let prompt = w.prompt(&home.team, "greeting").await;
    w.tag(&w.live(&prompt).await, "prod").await;
    w.draft(&prompt, "Bye").await;
    let empty = w.prompt(&home.team, "empty").await;
    let nowhere = w.new_prompt(&home.team, "nowhere");
    let selectors = [
        Selector::Live,
        Selector::Latest,
        Selector::Number(1),
        Selector::Number(9),
        Selector::Tag(tag("prod")),
        Selector::Tag(tag("none")),
    ];
    for prompt in [&prompt, &empty, &nowhere] {
        for named in [PromptRef::Id(prompt.id), PromptRef::Slug(prompt.slug.clone())] {
            for reach in [orgs(&[&home.org]), teams(&[&home.team]), orgs(&[&other.org])] {
                for selector in &selectors {
                    let found = w.find_prompts(&reach, &named).await.unwrap();
                    let version = match &found[..] {
                        [one] => w.version(one.prompt.id, selector).await.unwrap(),
                        _ => None,
                    };
                    let resolved = w.resolve(&reach, &named, selector).await.unwrap();
                    assert_eq!(resolved, (found, version), "{named:?} {selector:?}");
                }
            }
        }
    }
    let named = PromptRef::Slug(prompt.slug);
    let (_, live) = w.resolve(&orgs(&[&home.org]), &named, &Selector::Live).await.unwrap();
    assert_eq!(live.map(|version| version.number), Some(1));
}

async fn several_prompts_resolve_to_no_version(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    for team in [&home.team, &red] {
        w.live(&w.prompt(team, "greeting").await).await;
    }
    let named = PromptRef::Slug(slug("greeting"));
    let (found, version) = w.resolve(&orgs(&[&home.org]), &named, &Selector::Live).await.unwrap();
    assert_eq!((found.len(), version), (2, None));
}
