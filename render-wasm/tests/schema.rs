//! JSON Schema in the sandbox.

mod support;

use std::time::{Duration, Instant};

use px0_core::render::{Renderer, SchemaError, Violation};
use support::sandbox;

async fn violations(schema: &str, document: &str) -> Vec<Violation> {
    match sandbox().validate(px0_core::ids::OrgId::new(), schema, document).await {
        Ok(()) => Vec::new(),
        Err(SchemaError::Violations(violations)) => violations,
        other => panic!("{schema} with {document}: {other:?}"),
    }
}

#[tokio::test]
async fn documents_are_held_against_their_schema() {
    let schema = r##"{
        "type": "object",
        "required": ["name", "messages"],
        "properties": {
            "name": {"type": "string", "minLength": 2},
            "age": {"type": "integer", "minimum": 0},
            "messages": {"type": "array", "items": {"$ref": "#/$defs/message"}}
        },
        "additionalProperties": false,
        "$defs": {"message": {"type": "object", "required": ["role"], "properties": {"role": {"enum": ["user", "assistant"]}}}}
    }"##;
    assert_eq!(sandbox().check_schema(px0_core::ids::OrgId::new(), schema).await, Ok(()));
    assert_eq!(
        violations(schema, r#"{"name": "Ana", "age": 1, "messages": [{"role": "user"}]}"#).await,
        []
    );
    let found = violations(
        schema,
        r#"{"name": "A", "age": -1, "messages": [{"role": "user"}, {"role": "x"}, {}], "more": 1}"#,
    )
    .await;
    let paths: Vec<_> = found.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths, ["", "/age", "/messages/1/role", "/messages/2", "/name"], "{found:#?}");
    assert!(found.iter().all(|violation| !violation.message.is_empty()));
}

#[tokio::test]
async fn the_draft_is_2020_12() {
    let schema = r#"{"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}"#;
    assert_eq!(violations(schema, r#"["a", 1]"#).await, []);
    assert!(!violations(schema, r#"["a", 1, 2]"#).await.is_empty());
    assert!(!violations(r#"{"type": "integer"}"#, "1.5").await.is_empty());
    assert!(violations(r#"{"type": "integer"}"#, "9007199254740993").await.is_empty());
    assert!(!violations(r#"{"pattern": "^\\p{Lu}\\w+$"}"#, r#""ana""#).await.is_empty());
    assert!(violations(r#"{"pattern": "^\\p{Lu}\\w+$"}"#, r#""Ánd""#).await.is_empty());
}

#[tokio::test]
async fn bad_schemas_are_refused() {
    for schema in [
        "",
        "{",
        "1",
        r#"{"type": "nosuch"}"#,
        r#"{"type": 1}"#,
        r#"{"required": "x"}"#,
        r#"{"pattern": "("}"#,
        r##"{"$ref": "#/$defs/nosuch"}"##,
        r#"{"$ref": "https://example.com/schema.json"}"#,
        r#"{"$ref": "file:///etc/passwd"}"#,
    ] {
        let answer = sandbox().check_schema(px0_core::ids::OrgId::new(), schema).await;
        assert!(matches!(answer, Err(SchemaError::Schema(_))), "{schema}: {answer:?}");
    }
}

#[tokio::test]
async fn hostile_schemas_end_as_answers() {
    let deep = format!("{}{}", r#"{"not":"#.repeat(20_000), "{}".to_owned() + &"}".repeat(20_000));
    let explode = {
        let defs: String = (0..30).map(|n| format!(r##""{n}": {{"allOf": [{{"$ref": "#/$defs/{m}"}}, {{"$ref": "#/$defs/{m}"}}]}},"##, m = n + 1)).collect();
        format!(r##"{{"$ref": "#/$defs/0", "$defs": {{{defs} "30": {{"type": "string"}}}}}}"##)
    };
    let letters = format!(r#""{}!""#, "a".repeat(5_000));
    for (name, schema, document) in [
        ("deep", deep.as_str(), "1"),
        ("a loop", r##"{"$ref": "#"}"##, "1"),
        (
            "a loop of two",
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##,
            "1",
        ),
        ("branching references", explode.as_str(), "1"),
        ("backtracking", r#"{"pattern": "^(a+)+$"}"#, letters.as_str()),
        ("backtracking with a reference", r#"{"pattern": "^(a+)+\\1$"}"#, letters.as_str()),
        ("a huge repeat", r#"{"pattern": "((a{1000}){1000}){1000}"}"#, r#""a""#),
        ("all of Unicode", r#"{"pattern": "^(\\p{L}{100}){100}$"}"#, r#""a""#),
    ] {
        let start = Instant::now();
        let (checked, answer) = (
            sandbox().check_schema(px0_core::ids::OrgId::new(), schema).await,
            sandbox().validate(px0_core::ids::OrgId::new(), schema, document).await,
        );
        for answer in [checked, answer] {
            assert!(!matches!(answer, Err(SchemaError::Internal(_))), "{name}: {answer:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{name} took {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn violations_are_bounded() {
    let document = format!("[{}1]", "1,".repeat(10_000));
    assert_eq!(violations(r#"{"items": {"type": "string"}}"#, &document).await.len(), 100);
    let long = format!(r#""{}""#, "x".repeat(100_000));
    let found = violations(r#"{"maxLength": 1}"#, &long).await;
    assert!(found[0].message.len() < 1_500, "{} bytes", found[0].message.len());
}

#[tokio::test]
async fn a_document_that_is_no_json_breaks_every_schema() {
    assert_eq!(violations("{}", "{").await.len(), 1);
}
