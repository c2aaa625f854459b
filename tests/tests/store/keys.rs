//! API keys.

use px0_core::{
    Timestamp,
    ids::KeyId,
    key::{ApiKey, KeyOperation, KeyScope},
    page::{Page, Recent},
    store::{KeyFilter, Thing},
};
use uuid::Uuid;

use crate::world::{Home, Law, World, all, laws, secret};

pub(crate) const LAWS: &[Law] = laws![
    a_key_is_found_by_id_and_by_hash_as_it_was_made,
    a_key_needs_its_organization,
    a_key_is_limited_only_to_teams_of_its_organization,
    keys_are_listed_newest_first_and_by_id_among_twins,
    keys_of_other_organizations_are_not_listed,
    a_team_admin_lists_the_keys_that_are_limited_to_their_teams,
    a_page_of_keys_goes_on_where_the_last_one_ended,
    a_page_is_filled_with_keys_that_pass_the_filter,
    the_use_of_a_key_is_noted,
    the_last_use_never_goes_back_in_time,
    touching_a_key_that_is_not_there_is_no_error,
    a_deleted_key_is_gone,
    only_a_key_that_is_there_is_deleted,
    a_key_outlives_its_makers_membership_and_account,
    a_key_limited_to_teams_loses_a_deleted_team_and_never_widens,
];

async fn a_key_is_found_by_id_and_by_hash_as_it_was_made(w: World) {
    let home = w.home("acme").await;
    for operation in KeyOperation::ALL {
        let key = ApiKey { operation, ..w.new_key(&home, KeyScope::Org) };
        assert_eq!(w.key(key.id).await.unwrap(), None);
        w.create_key(w.stamp(), key.clone()).await.unwrap();
        assert_eq!(w.key_by_hash(&key.hash).await.unwrap().as_ref(), Some(&key));
        assert_eq!(w.key(key.id).await.unwrap(), Some(key));
    }
    assert_eq!(w.key_by_hash(&secret()).await.unwrap(), None);
}

async fn a_key_needs_its_organization(w: World) {
    let mut nowhere = w.home("acme").await;
    nowhere.org = w.new_org("nowhere");
    let key = w.new_key(&nowhere, KeyScope::Org);
    w.refuses(Thing::Org, w.create_key(w.stamp(), key)).await;
    let key = w.new_key(&nowhere, KeyScope::Teams([nowhere.team.id].into()));
    w.refuses(Thing::Org, w.create_key(w.stamp(), key)).await;
}

async fn a_key_is_limited_only_to_teams_of_its_organization(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    let nowhere = w.new_team(&home.org, "nowhere");
    for team in [other.team.id, nowhere.id] {
        let key = w.new_key(&home, KeyScope::Teams([home.team.id, team].into()));
        w.refuses(Thing::Team, w.create_key(w.stamp(), key)).await;
    }
}

/// The ids of a list of keys.
fn ids(keys: &[ApiKey]) -> Vec<KeyId> {
    keys.iter().map(|key| key.id).collect()
}

/// Keys with these ids, all made at one time.
async fn twins(w: &World, home: &Home, numbers: &[u128]) -> Vec<KeyId> {
    let at = w.now();
    let mut ids = Vec::new();
    for number in numbers {
        let id = KeyId::from_uuid(Uuid::from_u128(*number));
        let key = ApiKey { id, created_at: at, ..w.new_key(home, KeyScope::Org) };
        w.create_key(w.stamp(), key).await.unwrap();
        ids.push(id);
    }
    ids
}

async fn keys_are_listed_newest_first_and_by_id_among_twins(w: World) {
    let home = w.home("acme").await;
    let old = w.key_for(&home, &[]).await.id;
    let [five, nine, one] = twins(&w, &home, &[5, 9, 1]).await[..] else { unreachable!() };
    let new = w.key_for(&home, &[]).await.id;
    let keys = w.keys(home.org.id, &KeyFilter::All, all()).await.unwrap();
    assert_eq!(ids(&keys.items), [new, nine, five, one, old]);
    assert_eq!(keys.next, None);
}

async fn keys_of_other_organizations_are_not_listed(w: World) {
    let (home, other) = (w.home("acme").await, w.home("other").await);
    w.key_for(&other, &[]).await;
    let mine = w.key_for(&home, &[]).await.id;
    let keys = w.keys(home.org.id, &KeyFilter::All, all()).await.unwrap();
    assert_eq!(ids(&keys.items), [mine]);
}

async fn a_team_admin_lists_the_keys_that_are_limited_to_their_teams(w: World) {
    let home = w.home("acme").await;
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&home, "blue").await);
    w.key_for(&home, &[]).await;
    let of_red = w.key_for(&home, &[&red]).await.id;
    let of_blue = w.key_for(&home, &[&blue]).await.id;
    let of_both = w.key_for(&home, &[&red, &blue]).await.id;
    let within = async |teams: &[&px0_core::tenancy::Team]| {
        let filter = KeyFilter::Within(teams.iter().map(|team| team.id).collect());
        ids(&w.keys(home.org.id, &filter, all()).await.unwrap().items)
    };
    assert_eq!(within(&[&red]).await, [of_red]);
    assert_eq!(within(&[&red, &blue, &home.team]).await, [of_both, of_blue, of_red]);
    assert_eq!(within(&[]).await, []);
}

async fn a_page_of_keys_goes_on_where_the_last_one_ended(w: World) {
    let home = w.home("acme").await;
    twins(&w, &home, &[8, 2, 6, 4]).await;
    for _ in 0..3 {
        w.key_for(&home, &[]).await;
    }
    let whole = ids(&w.keys(home.org.id, &KeyFilter::All, all()).await.unwrap().items);
    for limit in [1, 2, 3, 6, 7, 8] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = Page { limit, after };
            let page = w.keys(home.org.id, &KeyFilter::All, page).await.unwrap();
            assert!(page.items.len() == limit || page.next.is_none(), "a short page: {limit}");
            seen.extend(ids(&page.items));
            after = page.next;
            if after.is_none() {
                break;
            }
            assert_eq!(after.map(|place| place.id), seen.last().map(|key| key.uuid()));
        }
        assert_eq!(seen, whole, "by {limit}");
    }
}

async fn a_page_is_filled_with_keys_that_pass_the_filter(w: World) {
    let home = w.home("acme").await;
    let red = w.team_in(&home, "red").await;
    let mut mine = Vec::new();
    for _ in 0..3 {
        mine.push(w.key_for(&home, &[&red]).await.id);
        w.key_for(&home, &[]).await;
    }
    mine.reverse();
    let filter = KeyFilter::Within([red.id].into());
    let first = w.keys(home.org.id, &filter, Page { limit: 2, after: None }).await.unwrap();
    assert_eq!(ids(&first.items), mine[..2]);
    let rest = w.keys(home.org.id, &filter, Page { limit: 2, after: first.next }).await.unwrap();
    assert_eq!(ids(&rest.items), mine[2..]);
    assert_eq!(rest.next, None::<Recent>, "what follows does not pass");
}

async fn the_use_of_a_key_is_noted(w: World) {
    let home = w.home("acme").await;
    let (used, other) = (w.key_for(&home, &[]).await, w.key_for(&home, &[]).await);
    let at = w.now();
    w.touch_key(used.id, at).await.unwrap();
    let noted = ApiKey { last_used_at: Some(at), ..used };
    assert_eq!(w.key_by_hash(&noted.hash).await.unwrap().as_ref(), Some(&noted));
    let listed = w.keys(home.org.id, &KeyFilter::All, all()).await.unwrap().items;
    assert_eq!(listed, [other, noted]);
}

async fn the_last_use_never_goes_back_in_time(w: World) {
    let home = w.home("acme").await;
    let key = w.key_for(&home, &[]).await;
    let at = w.now();
    w.touch_key(key.id, at).await.unwrap();
    let before = Timestamp::from_micros(at.micros() - 1).unwrap();
    w.ignores(w.touch_key(key.id, before)).await;
    let later = w.now();
    w.touch_key(key.id, later).await.unwrap();
    let now = w.key(key.id).await.unwrap().unwrap();
    assert_eq!(now.last_used_at, Some(later));
}

async fn touching_a_key_that_is_not_there_is_no_error(w: World) {
    let home = w.home("acme").await;
    let key = w.new_key(&home, KeyScope::Org);
    w.ignores(w.touch_key(key.id, w.now())).await;
}

async fn a_deleted_key_is_gone(w: World) {
    let home = w.home("acme").await;
    let (gone, kept) = (w.key_for(&home, &[]).await, w.key_for(&home, &[]).await);
    w.delete_key(w.stamp(), gone.id).await.unwrap();
    assert_eq!(w.key(gone.id).await.unwrap(), None);
    assert_eq!(w.key_by_hash(&gone.hash).await.unwrap(), None);
    let listed = w.keys(home.org.id, &KeyFilter::All, all()).await.unwrap().items;
    assert_eq!(listed, [kept]);
}

async fn only_a_key_that_is_there_is_deleted(w: World) {
    let home = w.home("acme").await;
    let key = w.new_key(&home, KeyScope::Org);
    w.refuses(Thing::Key, w.delete_key(w.stamp(), key.id)).await;
}

async fn a_key_outlives_its_makers_membership_and_account(w: World) {
    let mut home = w.home("acme").await;
    home.admin = w.editor(&home.team, "bob").await;
    let key = w.key_for(&home, &[]).await;
    w.remove_person(w.stamp(), home.org.id, home.admin.id).await.unwrap();
    assert_eq!(w.key(key.id).await.unwrap().as_ref(), Some(&key));
    w.delete_account(w.stamp(), home.admin.id).await.unwrap();
    assert_eq!(w.key_by_hash(&key.hash).await.unwrap(), Some(key));
}

async fn a_key_limited_to_teams_loses_a_deleted_team_and_never_widens(w: World) {
    let home = w.home("acme").await;
    let (red, blue) = (w.team_in(&home, "red").await, w.team_in(&home, "blue").await);
    let both = w.key_for(&home, &[&red, &blue]).await;
    let wide = w.key_for(&home, &[]).await;
    w.delete_team(w.stamp(), red.id, false).await.unwrap();
    let narrowed = ApiKey { scope: KeyScope::Teams([blue.id].into()), ..both };
    assert_eq!(w.key(narrowed.id).await.unwrap().as_ref(), Some(&narrowed));
    assert_eq!(w.key_by_hash(&narrowed.hash).await.unwrap().as_ref(), Some(&narrowed));

    w.delete_team(w.stamp(), blue.id, false).await.unwrap();
    assert_eq!(w.key(narrowed.id).await.unwrap(), None);
    assert_eq!(w.key_by_hash(&narrowed.hash).await.unwrap(), None);
    assert_eq!(w.key(wide.id).await.unwrap(), Some(wide), "org-wide keys stay");
}
