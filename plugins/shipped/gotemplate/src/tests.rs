use px0_plugin::{
    CallError,
    functions::{Function, lend},
};
use serde_json::json;

use super::*;

fn rendered(source: &str, variables: serde_json::Value) -> Result<String, RenderError> {
    GoTemplate::compile(source).unwrap().render(&variables.to_string(), 1_000)
}

#[test]
fn templates_are_go() {
    let source =
        "{{range $i, $m := .messages}}{{if $i}}, {{end}}{{$m.role | printf \"%q\"}}{{end}}";
    let variables = json!({"messages": [{"role": "user"}, {"role": "tool"}]});
    assert_eq!(rendered(source, variables).unwrap(), r#""user", "tool""#);
    assert_eq!(GoTemplate::compile("{{.b}}{{.a.c}}{{.b}}").unwrap().variables(), ["a", "b"]);
}

#[test]
fn every_missing_variable_is_named() {
    let missing = rendered("{{.user.name}} {{.topic}}", json!({"user": {}})).unwrap_err();
    assert_eq!(missing, RenderError::Missing(vec!["topic".into(), "user.name".into()]));
}

#[test]
fn texts_have_an_end() {
    let template = GoTemplate::compile("{{range .l}}0123456789{{end}}").unwrap();
    let variables = json!({"l": [1, 2]}).to_string();
    assert_eq!(template.render(&variables, 20).unwrap().len(), 20);
    assert_eq!(template.render(&variables, 19), Err(RenderError::Output));
}

#[test]
fn errors_show_where() {
    let error = GoTemplate::compile("one\n{{nothing .x}}\nthree").unwrap_err();
    assert_eq!((error.line, error.column), (Some(2), Some(3)));
    assert_eq!(error.excerpt.unwrap(), "1 | one\n2 | {{nothing .x}}\n  |   ^\n3 | three");

    let Err(RenderError::Execution(error)) = rendered("{{index .l 5}}", json!({"l": []})) else {
        panic!("an execution error is expected");
    };
    assert_eq!(error.line, Some(1));
    assert!(error.excerpt.unwrap().starts_with("1 | {{index .l 5}}\n"));
}

#[test]
fn functions_of_other_plugins_are_called() {
    lend(Function::between("join", 1, 2), |arguments| {
        let items = arguments[0].as_array().ok_or(CallError::arguments("a list is expected"))?;
        let separator = arguments.get(1).and_then(|value| value.as_str()).unwrap_or(" ");
        let items: Vec<_> = items.iter().filter_map(|item| item.as_str()).collect();
        Ok(items.join(separator).into())
    });
    lend(Function::exactly("broken", 0), |_| Err(CallError::failed("it is out of order")));

    let list = json!({"l": ["a", "b"]});
    assert_eq!(rendered("{{join .l}}", list.clone()).unwrap(), "a b");
    assert_eq!(rendered("{{join .l \"-\"}}", list.clone()).unwrap(), "a-b");
    assert_eq!(rendered("{{.l | join | printf \"%q\"}}", list).unwrap(), "\"a b\"");

    let Err(RenderError::Execution(error)) = rendered("{{join .l}}", json!({"l": 1})) else {
        panic!("an execution error is expected");
    };
    assert_eq!(error.message, "join: a list is expected");
    let Err(RenderError::Execution(error)) = rendered("{{broken}}", json!({})) else {
        panic!("an execution error is expected");
    };
    assert_eq!(error.message, "broken: it is out of order");

    // How many arguments they take is known before any render.
    assert!(GoTemplate::compile("{{join}}").is_err());
    assert!(GoTemplate::compile("{{join .l \"-\" 3}}").is_err());
    // What is missing is not passed on.
    let missing = rendered("{{join .l}}", json!({})).unwrap_err();
    assert_eq!(missing, RenderError::Missing(vec!["l".into()]));
}

#[test]
fn what_the_readme_shows_works() {
    assert_eq!(rendered("{{.tone | default \"friendly\"}}", json!({})).unwrap(), "friendly");
}
