//! The document that describes the contract is the contract.

use std::collections::BTreeSet;

use px0_core::{
    access::{Callers, KeyNeeds, Needs, Operation, Rule},
    key::KeyOperation,
    tenancy::Role,
};
use px0_tests::App;

/// The 62 operations as the contract lists them: method, path, operationId, tag; and who may call it, as its tables say.
const CONTRACT: &str = include_str!("operations.txt");

/// A row of the access table, in the words of the list.
fn words(rule: Rule) -> String {
    let role = |role: Role| format!("team {}", role.as_str());
    let person = match rule.needs {
        Needs::Nothing => String::new(),
        Needs::Founder => "founder".to_owned(),
        Needs::OrgMember => "organization member".to_owned(),
        Needs::OrgAdmin => "organization admin".to_owned(),
        Needs::TeamPeer => "member of the organization".to_owned(),
        Needs::Team(least) => role(least),
    };
    match (rule.callers, rule.key) {
        (Callers::Anyone, KeyNeeds::Never) => "anyone".to_owned(),
        (Callers::AnyoneOrPerson, KeyNeeds::Never) => "anyone, or a person".to_owned(),
        (Callers::Person, KeyNeeds::Never) if person.is_empty() => "a person".to_owned(),
        (Callers::Person, KeyNeeds::Never) => format!("a person, {person}"),
        (Callers::PersonOrKey, KeyNeeds::Refused) => format!("{person}, no key"),
        (Callers::PersonOrKey, KeyNeeds::Operation(least)) => {
            let article = if least == KeyOperation::ReadRender { "a" } else { "an" };
            format!("{person}, or {article} {} key", least.as_str())
        }
        (Callers::PersonOrKey, KeyNeeds::OrgWide(least)) => {
            format!("{person}, or an organization-wide {} key", least.as_str())
        }
        other => panic!("{other:?} is in no table of the contract"),
    }
}

/// The access table is what the contract's tables say, written down a second time.
#[test]
fn who_may_do_what_is_what_the_contract_says() {
    for line in CONTRACT.lines() {
        let (operation, who) = line.split_once(" | ").unwrap();
        let id = operation.split(' ').nth(2).unwrap();
        let operation = Operation::ALL.iter().find(|operation| operation.id() == id).unwrap();
        assert_eq!(words(operation.rule()), who, "{id}");
    }
}

#[tokio::test]
async fn the_document_has_the_operations_of_the_contract_and_no_other() {
    let app = App::start().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let tag = operation["tags"][0].as_str().unwrap();
            found.insert(format!("{} {path} {id} {tag}", method.to_uppercase()));
            assert!(!operation["responses"].as_object().unwrap().is_empty());
        }
    }
    let wanted: BTreeSet<_> =
        CONTRACT.lines().map(|line| line.split(" | ").next().unwrap().to_owned()).collect();
    // The 62 of the contract, three about plugins, readiness, and the version.
    assert_eq!(wanted.len(), 67);
    let missing: Vec<_> = wanted.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, surplus {surplus:?}");
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let app = App::start().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    let text = document.text.clone();
    let mut references = 0;
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
        references += 1;
    }
    assert!(references > 50);
}

#[tokio::test]
async fn the_page_for_people_lists_the_operations() {
    let app = App::start().await;
    let page = app.anonymous().get("/docs").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    for operation in Operation::ALL {
        assert!(page.text.contains(&format!("id=\"{}\"", operation.id())), "{}", operation.id());
    }
}
