//! Sizes: the largest there are, and those at which a backend may begin to cut a value into pieces.

use px0_core::{
    Description, Email,
    json::JsonText,
    page::Page,
    prompt::Payload,
    store::Refusal,
    tag::Selector,
    version::{Body, BodyChange, VersionFilter},
};

use crate::{
    versions::prompt,
    world::{Law, World, all, body, laws, name},
};

pub(crate) const LAWS: &[Law] = laws![
    large_templates_and_schemas_are_kept,
    a_draft_grows_and_shrinks_through_all_sizes,
    large_payloads_are_kept,
    long_names_and_addresses_are_kept,
    a_page_of_large_things_ends_early_and_goes_on,
];

/// As much text as this, no two pages of it the same.
fn much(bytes: usize) -> String {
    let mut text: String = (0..=bytes / 2).map(|number| format!("{number} ")).collect();
    text.truncate(bytes);
    text
}

async fn large_templates_and_schemas_are_kept(w: World) {
    let prompt = prompt(&w).await;
    for size in [4, 16, 32, 48, 64].map(|kib| kib * 1024) {
        for size in [size - 1, size, size + 1] {
            let schema = format!(r#"{{"description":"{}"}}"#, much(size));
            let schema = JsonText::parse(&schema).unwrap();
            let large = Body { variables_schema: Some(schema), ..body(&much(size)) };
            let id = w.new_version_id();
            let draft = w.create_version(w.stamp(), prompt.id, id, large.clone()).await.unwrap();
            assert_eq!(w.reread(&draft).await.body, large, "of {size} bytes");
        }
    }
    let listed = w.versions(prompt.id, &VersionFilter::default(), all()).await.unwrap().items;
    for version in listed {
        assert_eq!(
            w.version(prompt.id, &Selector::Number(version.number)).await,
            Ok(Some(version.clone()))
        );
        w.delete_version(w.stamp(), version.id).await.unwrap();
    }
}

async fn a_draft_grows_and_shrinks_through_all_sizes(w: World) {
    let prompt = prompt(&w).await;
    let draft = w.draft(&prompt, "Hello").await;
    // What is kept beside the template moves the border a little: so every size around it.
    let around = 3_600..4_200;
    let sizes = around.clone().chain(around.rev()).chain([65_536, 9_000, 40_000, 1, 20_000, 0]);
    for size in sizes {
        let template = much(size);
        let change =
            BodyChange { template: Some(template.as_str().into()), ..BodyChange::default() };
        w.update_version(w.stamp(), draft.id, change).await.unwrap();
        assert_eq!(*w.reread(&draft).await.body.template, *template, "of {size} bytes");
    }
}

async fn large_payloads_are_kept(w: World) {
    let prompt = prompt(&w).await;
    let variables = |bytes: usize| format!(r#"{{"text":"{}"}}"#, much(bytes - 11));
    let large = w.sample(&prompt, &variables(1024 * 1024)).await;
    let small = w.sample(&prompt, "{}").await;
    assert_eq!(w.payload(prompt.id, large.id).await.unwrap().as_ref(), Some(&large));
    let listed = w.payloads(prompt.id, all()).await.unwrap().items;
    assert_eq!(listed, [small.clone(), large.clone()]);
    w.delete_payload(w.stamp(), prompt.id, large.id).await.unwrap();
    assert_eq!(w.payloads(prompt.id, all()).await.unwrap().items, [small]);
}

async fn long_names_and_addresses_are_kept(w: World) {
    let long = "é".repeat(100);
    let home = w.home("acme").await;
    w.rename_org(w.stamp(), home.org.id, name(&long), home.admin.id).await.unwrap();
    assert_eq!(w.org(home.org.id).await.unwrap().unwrap().name.as_str(), long);
    let team = w.team_in(&home, &long).await;
    let again = w.new_team(&home.org, &long);
    let attempt = w.create_team(w.stamp(), again, None);
    w.refuses(Refusal::TeamNameTaken, attempt).await;

    let mut prompt = w.new_prompt(&team, &"p".repeat(100));
    prompt.description = Description::parse("description", &"é".repeat(2000)).unwrap();
    w.create_prompt(w.stamp(), prompt.clone()).await.unwrap();
    assert_eq!(w.prompt_now(&prompt).await, prompt);
    let domain = format!("{}.test", ["d".repeat(60), "e".repeat(60), "f".repeat(60)].join("."));
    let address = Email::parse(&format!("{}@{domain}", "l".repeat(64))).unwrap();
    let changed = w.change_email(w.stamp(), home.admin.id, address.clone(), true).await.unwrap();
    assert_eq!(w.account_by_email(&address).await.unwrap().unwrap().user, changed);
}

async fn a_page_of_large_things_ends_early_and_goes_on(w: World) {
    let prompt = prompt(&w).await;
    let large = JsonText::parse(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20))).unwrap();
    let body = Body { model_params: Some(large.clone()), ..body("x") };
    let mut made = Vec::new();
    for _ in 0..6 {
        w.create_version(w.stamp(), prompt.id, w.new_version_id(), body.clone()).await.unwrap();
        let payload = Payload { variables: large.clone(), ..w.new_payload(&prompt, "{}") };
        made.push(payload.id);
        w.create_payload(w.stamp(), payload).await.unwrap();
    }
    let filter = VersionFilter::default();
    let first = w.versions(prompt.id, &filter, all()).await.unwrap();
    let numbers: Vec<_> = first.items.iter().map(|version| version.number).collect();
    assert_eq!((numbers, first.next), (vec![6, 5, 4], Some(4)));
    let rest = w.versions(prompt.id, &filter, Page { after: first.next, ..all() }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (3, None));
    made.reverse();
    let first = w.payloads(prompt.id, all()).await.unwrap();
    let rest = Page { after: first.next, ..all() };
    let rest = w.payloads(prompt.id, rest).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (3, 3, None));
    let walked: Vec<_> = first.items.iter().chain(&rest.items).map(|payload| payload.id).collect();
    assert_eq!(walked, made);
}
