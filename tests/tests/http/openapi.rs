//! The document that describes the contract is the contract.

use std::collections::BTreeSet;

use px0_core::access::Operation;
use px0_tests::App;

#[tokio::test]
async fn the_document_has_every_operation_once() {
    let app = App::start().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = Vec::new();
    let mut tags = BTreeSet::new();
    for operation in document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
    {
        ids.push(operation["operationId"].as_str().unwrap().to_owned());
        tags.insert(operation["tags"][0].as_str().unwrap().to_owned());
        assert!(!operation["responses"].as_object().unwrap().is_empty());
    }
    let wanted: BTreeSet<_> =
        Operation::ALL.iter().map(|operation| operation.id().to_owned()).collect();
    assert_eq!(ids.len(), 62);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), wanted);
    let groups = [
        "API Keys",
        "Auth",
        "Health",
        "Inbox",
        "Organizations",
        "Profile",
        "Prompt Payloads",
        "Prompt Renders",
        "Prompt Versions",
        "Prompts",
        "Team Management",
        "Teams",
        "User Management",
    ];
    assert_eq!(tags.iter().map(String::as_str).collect::<Vec<_>>(), groups);
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
