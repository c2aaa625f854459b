use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What the rule with these settings says to a text whose version has these parameters.
fn verdict(settings: Value, params: Value, text: &str) -> Verdict {
    let rule = JsonGuard::configure(serde_json::from_value(settings).unwrap()).unwrap();
    let on = Subject { model_params: Some(params.to_string()), ..Subject::default() };
    rule.after_render(&on, text).unwrap()
}

/// Why a text that should be JSON is refused; none if it passes.
fn refusal(text: &str) -> Option<String> {
    match verdict(json!({}), json!({"output": "json"}), text) {
        Verdict::Pass => None,
        Verdict::Refuse { code, reason } => {
            assert_eq!(code, "not_json");
            Some(reason.strip_prefix("the text is not JSON: ").unwrap().to_owned())
        }
        Verdict::Replace(_) => panic!("nothing is to be replaced"),
    }
}

#[test]
fn only_texts_that_should_be_json_are_looked_at() {
    let text = "Hello {";
    for params in
        [json!({}), json!({"output": "text"}), json!({"output": true}), json!({"o": "json"})]
    {
        assert_eq!(verdict(json!({}), params, text), Verdict::Pass);
    }
    let rule = JsonGuard::default();
    assert_eq!(rule.after_render(&Subject::default(), text).unwrap(), Verdict::Pass);
    assert!(refusal(text).is_some());
}

#[test]
fn which_parameter_says_so_can_be_set() {
    let settings = json!({"param": "format.type", "value": "object"});
    let refused = |params| verdict(settings.clone(), params, "{") != Verdict::Pass;
    assert!(refused(json!({"format": {"type": "object"}})));
    assert!(!refused(json!({"format": {"type": "text"}})));
    assert!(!refused(json!({"format": "object"})));
    assert!(!refused(json!({"output": "json"})));
    assert!(serde_json::from_value::<JsonGuard>(json!({"params": "x"})).is_err());
}

#[test]
fn any_one_value_is_json() {
    for text in [
        "{}",
        " [1, 2]\n",
        "null",
        "\"text\"",
        "-1.5e300",
        "1e999",
        r#"{"a": "\ud83d\ude42 é", "a": 1}"#,
    ] {
        assert_eq!(refusal(text), None, "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refusal(&deep), None);
}

#[test]
fn refusals_say_where() {
    for (text, reason) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("{\"a\": 1,}", "key must be a string (line 1, column 9)"),
        ("{\n  \"a\": tru\n}", "expected ident (line 2, column 11)"),
        ("{\"é\": x}", "expected value (line 1, column 7)"),
        ("[1, 2", "EOF while parsing a list (line 1, column 5)"),
        ("{} {}", "trailing characters (line 1, column 4)"),
        ("Here you are: {}", "expected value (line 1, column 1)"),
        ("{'a': 1}", "key must be a string (line 1, column 2)"),
        (
            "[\"a\nb\"]",
            "control character (\\u0000-\\u001F) found while parsing a string (line 1, column 3)",
        ),
    ] {
        assert_eq!(refusal(text).as_deref(), Some(reason), "{text}");
    }
}

/// Any JSON, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_passes(value in any_json()) {
        prop_assert_eq!(refusal(&value.to_string()), None);
        prop_assert_eq!(refusal(&serde_json::to_string_pretty(&value).unwrap()), None);
    }

    #[test]
    fn no_text_is_too_strange(text in "([\\[\\]{}\":,\\\\\n]|\\PC|true|1){0,30}") {
        let valid = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(refusal(&text).is_none(), valid);
    }
}
