//! Sample payloads.

use px0_core::{
    ids::PayloadId,
    json::JsonText,
    page::Page,
    prompt::{Payload, PayloadChange, Prompt},
    store::Thing,
};
use uuid::Uuid;

use crate::world::{Law, World, all, laws, name};

pub(crate) const LAWS: &[Law] = laws![
    a_payload_is_kept_as_it_was_made,
    a_payload_needs_its_prompt,
    a_payload_is_found_only_in_its_prompt,
    payloads_are_listed_newest_first_and_by_id_among_twins,
    a_page_of_payloads_goes_on_where_the_last_one_ended,
    a_payload_is_changed_in_what_is_given,
    an_empty_change_of_a_payload_changes_nothing,
    a_payload_of_another_prompt_is_neither_changed_nor_deleted,
    a_payload_is_deleted,
    payloads_of_an_archived_prompt_are_changed,
];

async fn prompt(w: &World) -> Prompt {
    let home = w.home("acme").await;
    w.prompt(&home.team, "greeting").await
}

async fn a_payload_is_kept_as_it_was_made(w: World) {
    let prompt = prompt(&w).await;
    let text = r#"{"n": 123456789012345678901234567890, "é":"\u00e9", "a" :1.0}"#;
    let nameless = Payload { name: None, ..w.new_payload(&prompt, text) };
    for payload in [w.new_payload(&prompt, "{}"), nameless] {
        assert_eq!(w.payload(prompt.id, payload.id).await.unwrap(), None);
        w.create_payload(w.stamp(), payload.clone()).await.unwrap();
        assert_eq!(w.payload(prompt.id, payload.id).await.unwrap(), Some(payload));
    }
}

async fn a_payload_needs_its_prompt(w: World) {
    let home = w.home("acme").await;
    let nowhere = w.new_prompt(&home.team, "nowhere");
    let payload = w.new_payload(&nowhere, "{}");
    w.refuses(Thing::Prompt, w.create_payload(w.stamp(), payload)).await;
}

async fn a_payload_is_found_only_in_its_prompt(w: World) {
    let home = w.home("acme").await;
    let (one, two) = (w.prompt(&home.team, "one").await, w.prompt(&home.team, "two").await);
    let payload = w.sample(&one, "{}").await;
    assert_eq!(w.payload(two.id, payload.id).await.unwrap(), None);
    assert_eq!(w.payloads(two.id, all()).await.unwrap().items, []);
    assert_eq!(w.payloads(one.id, all()).await.unwrap().items, [payload]);
}

/// Payloads that are each other's twins, in the order in which they are to be listed.
async fn twins(w: &World, prompt: &Prompt) -> Vec<PayloadId> {
    let at = w.now();
    for number in [5, 9, 1] {
        let id = PayloadId::from_uuid(Uuid::from_u128(number));
        let payload = Payload { id, created_at: at, ..w.new_payload(prompt, "{}") };
        w.create_payload(w.stamp(), payload).await.unwrap();
    }
    [9, 5, 1].map(|number| PayloadId::from_uuid(Uuid::from_u128(number))).into()
}

async fn payloads_are_listed_newest_first_and_by_id_among_twins(w: World) {
    let prompt = prompt(&w).await;
    let old = w.sample(&prompt, "{}").await.id;
    let twins = twins(&w, &prompt).await;
    let new = w.sample(&prompt, "{}").await.id;
    let page = w.payloads(prompt.id, all()).await.unwrap();
    let listed: Vec<_> = page.items.iter().map(|payload| payload.id).collect();
    assert_eq!(listed, [[new].as_slice(), &twins, &[old]].concat());
    assert_eq!(page.next, None);
}

async fn a_page_of_payloads_goes_on_where_the_last_one_ended(w: World) {
    let prompt = prompt(&w).await;
    w.sample(&prompt, "{}").await;
    twins(&w, &prompt).await;
    w.sample(&prompt, "{}").await;
    let whole = w.payloads(prompt.id, all()).await.unwrap().items;
    for limit in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = w.payloads(prompt.id, Page { limit, after }).await.unwrap();
            assert!(page.items.len() == limit || page.next.is_none(), "a short page: {limit}");
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, whole, "by {limit}");
    }
}

async fn a_payload_is_changed_in_what_is_given(w: World) {
    let prompt = prompt(&w).await;
    let mut payload = w.sample(&prompt, "{}").await;
    let variables = JsonText::parse(r#"{"a":1}"#).unwrap();
    let changes = [
        PayloadChange { name: Some(Some(name("new"))), variables: None },
        PayloadChange { name: None, variables: Some(variables) },
        PayloadChange { name: Some(None), variables: None },
    ];
    for change in changes {
        let stamp = w.stamp();
        payload.updated_at = stamp.at;
        payload.name = change.name.clone().unwrap_or(payload.name);
        payload.variables = change.variables.clone().unwrap_or(payload.variables);
        let changed = w.update_payload(stamp, prompt.id, payload.id, change).await.unwrap();
        assert_eq!(changed, payload);
        assert_eq!(w.payload(prompt.id, payload.id).await.unwrap().as_ref(), Some(&payload));
    }
}

async fn an_empty_change_of_a_payload_changes_nothing(w: World) {
    let prompt = prompt(&w).await;
    let payload = w.sample(&prompt, "{}").await;
    let empty = w.update_payload(w.stamp(), prompt.id, payload.id, PayloadChange::default());
    assert_eq!(w.ignores(empty).await, payload);
}

async fn a_payload_of_another_prompt_is_neither_changed_nor_deleted(w: World) {
    let home = w.home("acme").await;
    let (one, two) = (w.prompt(&home.team, "one").await, w.prompt(&home.team, "two").await);
    let payload = w.sample(&one, "{}").await.id;
    let never = w.new_payload(&one, "{}").id;
    let nowhere = w.new_prompt(&home.team, "nowhere").id;
    let change = w.update_payload(w.stamp(), nowhere, payload, PayloadChange::default());
    w.refuses(Thing::Prompt, change).await;
    w.refuses(Thing::Prompt, w.delete_payload(w.stamp(), nowhere, payload)).await;
    for (prompt, payload) in [(two.id, payload), (one.id, never)] {
        for change in [PayloadChange { name: Some(None), ..Default::default() }, Default::default()]
        {
            let attempt = w.update_payload(w.stamp(), prompt, payload, change);
            w.refuses(Thing::Payload, attempt).await;
        }
        let attempt = w.delete_payload(w.stamp(), prompt, payload);
        w.refuses(Thing::Payload, attempt).await;
    }
}

async fn a_payload_is_deleted(w: World) {
    let prompt = prompt(&w).await;
    let (gone, kept) = (w.sample(&prompt, "{}").await, w.sample(&prompt, "{}").await);
    w.delete_payload(w.stamp(), prompt.id, gone.id).await.unwrap();
    assert_eq!(w.payload(prompt.id, gone.id).await.unwrap(), None);
    assert_eq!(w.payloads(prompt.id, all()).await.unwrap().items, [kept]);
    let again = w.delete_payload(w.stamp(), prompt.id, gone.id);
    w.refuses(Thing::Payload, again).await;
}

async fn payloads_of_an_archived_prompt_are_changed(w: World) {
    let prompt = prompt(&w).await;
    let payload = w.sample(&prompt, "{}").await;
    w.archive(&prompt).await;
    w.sample(&prompt, "{}").await;
    let change = PayloadChange { name: Some(None), variables: None };
    w.update_payload(w.stamp(), prompt.id, payload.id, change).await.unwrap();
    w.delete_payload(w.stamp(), prompt.id, payload.id).await.unwrap();
}
