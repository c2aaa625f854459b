//! What Go 1.19 does not have, the host's functions, and the names that a template takes.
#![allow(clippy::unwrap_used, reason = "a test that cannot compile its template has failed")]

use px0_gotemplate_core::{Arity, Functions, NoFunctions, RenderError, Template};
use serde_json::{Value, json};

#[track_caller]
fn gives(source: &str, variables: &str, text: &str) {
    let template = Template::compile(source, &NoFunctions).unwrap();
    assert_eq!(template.render(variables, 1000, &NoFunctions).as_deref(), Ok(text), "{source}");
}

#[test]
fn newer_than_go_1_19() {
    gives("{{range 3}}{{.}}{{end}}", "{}", "012");
    gives("{{range $i := .n}}{{$i}}{{else}}none{{end}}", r#"{"n": 2}"#, "01");
    gives("{{range .n}}x{{else}}none{{end}}", r#"{"n": -1}"#, "none");
    gives("{{with .a}}a{{else with .b}}{{.}}{{else}}c{{end}}", r#"{"b": "b"}"#, "b");
    gives("{{with .a}}a{{else with .b}}b{{else}}{{.c}}{{end}}", r#"{"c": "c"}"#, "c");
    let assigns = "{{$i := 0}}{{$x := 0}}{{$other := 7}}\
        {{range $i, $x = .l}}{{end}}{{$i}}{{$x}}{{$other}}";
    gives(assigns, r#"{"l": ["a", "b"]}"#, "1b7");
    let template = Template::compile("{{range $i, $x := 3}}{{end}}", &NoFunctions).unwrap();
    let result = template.render("{}", 10, &NoFunctions);
    assert!(matches!(result, Err(RenderError::Execution(_))));
}

#[test]
fn of_equal_keys_the_last_one_counts() {
    gives("{{.a}} {{len .}}", r#"{"a": 1, "b": 2, "a": 3}"#, "3 2");
}

#[test]
fn bytes_of_one_character_find_together_again() {
    gives("{{slice .a 0 1}}{{slice .a 1 2}}", r#"{"a": "é"}"#, "é");
    gives("{{slice .a 0 1}}", r#"{"a": "é"}"#, "\u{fffd}");
}

#[test]
fn names_are_those_taken_from_the_variables() {
    for (source, names) in [
        ("{{.b}}{{.a.x}}{{$.c}}{{.a}}", vec!["a", "b", "c"]),
        ("{{if .a}}{{.b}}{{else if .c}}{{.d}}{{else}}{{.e}}{{end}}", vec!["a", "b", "c", "d", "e"]),
        ("{{with .a}}{{.x}}{{$.b}}{{else}}{{.c}}{{end}}", vec!["a", "b", "c"]),
        ("{{range $i, $e := .a}}{{.x}}{{$e.y}}{{else}}{{.b}}{{end}}", vec!["a", "b"]),
        ("{{with .}}{{.a}}{{end}}{{with $x := $}}{{$x.b}}{{end}}", vec!["a", "b"]),
        ("{{$x := .}}{{$x.a}}{{$y := .b}}{{$y.c}}", vec!["a", "b"]),
        ("{{(.).a}}{{(.b).c}}{{print .d | html .e}}", vec!["a", "b", "d", "e"]),
        ("{{index . \"a\" \"b\"}}{{index $ .c}}{{index .d \"e\"}}", vec!["a", "c", "d"]),
        ("{{template \"t\" .}}{{define \"t\"}}{{.a}}{{template \"t\" .}}{{end}}", vec!["a"]),
        ("{{template \"t\" .a}}{{define \"t\"}}{{.b}}{{$.c}}{{end}}", vec!["a"]),
        ("{{block \"t\" $}}{{$.a}}{{.b}}{{end}}", vec!["a", "b"]),
        ("{{define \"t\"}}{{.a}}{{end}}", vec![]),
        ("{{/* .a */}}{{\".b\"}}", vec![]),
    ] {
        let template = Template::compile(source, &NoFunctions).unwrap();
        assert_eq!(template.variables(), names, "{source}");
    }
}

/// `shout`, `join` and some that are up to no good.
struct Filters;

impl Functions for Filters {
    fn arity(&self, name: &str) -> Option<Arity> {
        match name {
            "shout" | "deep" | "null" | "html" => Some(Arity::exactly(1)),
            "join" => Some(Arity::between(1, 2)),
            "fail" => Some(Arity::at_least(0)),
            _ => None,
        }
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (name, arguments) {
            ("shout", [Value::String(text)]) => Ok(text.to_uppercase().into()),
            ("join", [arguments @ .., Value::Array(items)]) => {
                let separator = arguments.first().and_then(Value::as_str).unwrap_or(",");
                let items: Vec<_> = items.iter().map(Value::to_string).collect();
                Ok(items.join(separator).into())
            }
            ("null", _) => Ok(json!({"x": null})),
            ("deep", [value]) => Ok((0..1000).fold(value.clone(), |inner, _| json!([inner]))),
            _ => Err(format!("{name} cannot take this")),
        }
    }
}

fn filtered(source: &str) -> Result<String, RenderError> {
    let variables = r#"{"name": "Ada", "list": [1, 2.5, "x", null], "n": 1}"#;
    Template::compile(source, &Filters).unwrap().render(variables, 1000, &Filters)
}

#[test]
fn the_host_offers_functions() {
    assert_eq!(filtered("{{shout .name}} {{.name | shout | len}}").as_deref(), Ok("ADA 3"));
    assert_eq!(filtered("{{.list | join \"-\"}}").as_deref(), Ok("1-2.5-\"x\"-null"));
    assert_eq!(filtered("{{join (slice .list 0 1)}}").as_deref(), Ok("1"));
    // The language's own function stays what it is.
    assert_eq!(filtered("{{html \"<\"}}").as_deref(), Ok("&lt;"));
    assert_eq!(filtered("{{if (null 1).x}}a{{else}}b{{end}}").as_deref(), Ok("b"));
}

#[test]
fn the_hosts_functions_are_held_to_the_same_rules() {
    let message = |result| match result {
        Err(RenderError::Execution(error)) => (error.message, error.column),
        other => panic!("{other:?}"),
    };
    let refused = |source| Template::compile(source, &Filters).unwrap_err().message;
    assert_eq!(filtered("{{shout .a}}"), Err(RenderError::Missing(vec!["a".into()])));
    assert_eq!(filtered("{{(null 1).x}}"), Err(RenderError::Missing(vec!["x".into()])));
    assert_eq!(message(filtered("a {{shout .n}}")), ("shout cannot take this".into(), Some(5)));
    assert_eq!(message(filtered("{{deep 1}}")).0, "the value is nested too deeply");
    assert_eq!(refused("{{shout}}"), "wrong number of arguments for shout: 1, not 0");
    assert_eq!(refused("{{join 1 2 3}}"), "wrong number of arguments for join: 1 to 2, not 3");
    assert_eq!(refused("{{nosuch}}"), "function \"nosuch\" is not defined");
}

/// A compiled template can be kept and used by any thread.
#[test]
fn templates_are_shared() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&Template::compile("{{\"x\"}}", &NoFunctions).unwrap());
}
