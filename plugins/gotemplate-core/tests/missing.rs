//! The strict-missing rule: what is used must be there, and one answer names all that lacks.
#![allow(clippy::unwrap_used, reason = "a test that cannot compile its template has failed")]

use px0_gotemplate_core::{NoFunctions, RenderError, Template};

fn render(source: &str, variables: &str) -> Result<String, RenderError> {
    Template::compile(source, &NoFunctions).unwrap().render(variables, 1000, &NoFunctions)
}

#[track_caller]
fn lacks(source: &str, variables: &str, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(render(source, variables), Err(RenderError::Missing(names)), "{source}");
}

#[track_caller]
fn gives(source: &str, variables: &str, text: &str) {
    assert_eq!(render(source, variables).as_deref(), Ok(text), "{source}");
}

#[test]
fn printing_needs_the_variable() {
    lacks("{{.a}}", "{}", &["a"]);
    lacks("{{.a}}", r#"{"a": null}"#, &["a"]);
    lacks("{{$.a}}", "{}", &["a"]);
    lacks("{{(.a)}}", "{}", &["a"]);
}

#[test]
fn one_answer_names_all_of_them() {
    lacks("{{.b}} {{.a}} {{.c}} {{.a}}", r#"{"c": 1}"#, &["a", "b"]);
    lacks("{{printf \"%v %v\" .b .a}}{{.c | len}}", "{}", &["a", "b", "c"]);
}

#[test]
fn names_are_dotted_inside_of_objects_and_lists() {
    lacks("{{.user.name}}", r#"{"user": {}}"#, &["user.name"]);
    lacks("{{.user.name.first}}", r#"{"user": {"name": null}}"#, &["user.name"]);
    lacks("{{.user.name}}", "{}", &["user"]);
    lacks("{{with .user}}{{.name}}{{end}}", r#"{"user": {"a": 1}}"#, &["user.name"]);
    let messages = r#"{"messages": [{"content": "x"}, {"role": "user"}, null]}"#;
    let names = ["messages.1.content", "messages.2"];
    lacks("{{range .messages}}{{.content}}{{end}}", messages, &names);
    lacks("{{range $i, $m := .messages}}{{$m.content}}{{end}}", messages, &names);
    lacks("{{(index .messages 1).content}}", messages, &["messages.1.content"]);
    lacks("{{index .messages 1 \"content\"}}", messages, &["messages.1.content"]);
    lacks("{{index . \"a\" \"b\"}}", r#"{"a": {}}"#, &["a.b"]);
    lacks("{{range slice .messages 1}}{{.content}}{{end}}", messages, &names);
    lacks("{{range .m}}{{.}}{{end}}", r#"{"m": {"x": null, "y": 1}}"#, &["m.x"]);
}

#[test]
fn iterating_needs_the_variable() {
    lacks("{{range .a}}x{{end}}", "{}", &["a"]);
    lacks("{{range $i, $e := .a}}x{{end}}", r#"{"a": null}"#, &["a"]);
    gives("{{range .a}}x{{else}}none{{end}}", r#"{"a": []}"#, "none");
}

#[test]
fn passing_on_needs_the_variable() {
    for source in [
        "{{len .a}}",
        "{{print .a}}",
        "{{.a | printf \"%s\"}}",
        "{{printf .a}}",
        "{{html .a}}",
        "{{eq .a 1}}",
        "{{if eq .a nil}}x{{end}}",
        "{{if lt .a 1}}x{{else}}y{{end}}",
        "{{index .a \"k\"}}",
        "{{index .m .a}}",
        "{{slice .a 1}}",
        "{{default \"x\" (print .a)}}",
        "{{if len .a}}x{{end}}",
    ] {
        lacks(source, r#"{"m": {}}"#, &["a"]);
    }
}

#[test]
fn what_follows_from_a_missing_variable_names_nothing_else() {
    lacks("{{len .a | printf \"%d\" | html}}", "{}", &["a"]);
    lacks("{{(index .a 0).b}}", "{}", &["a"]);
    // The index is out of range only because the length is not known.
    lacks("{{.a}}{{index .list 9}}", r#"{"list": []}"#, &["a"]);
}

#[test]
fn truth_tests_take_absent_for_false() {
    for variables in ["{}", r#"{"a": null}"#] {
        gives("{{if .a}}x{{else}}y{{end}}", variables, "y");
        gives("{{with .a}}x{{else}}y{{end}}", variables, "y");
        gives("{{if .a.b.c}}x{{else}}y{{end}}", variables, "y");
        gives("{{if not .a}}x{{end}}", variables, "x");
        gives("{{if or .a true}}x{{end}}{{if and true .a}}y{{end}}", variables, "x");
        gives("{{or .a \"x\"}}", variables, "x");
        gives("{{not .a}}", variables, "true");
        gives("{{if .a | not}}x{{end}}", variables, "x");
    }
    lacks("{{or .a .b}}", "{}", &["b"]);
    lacks("{{and .a .b}}", "{}", &["a"]);
}

#[test]
fn a_branch_not_taken_needs_nothing() {
    gives("{{if .a}}{{.b}}{{end}}", "{}", "");
    gives("{{if .a}}{{.a.b}}{{else}}none{{end}}", "{}", "none");
    gives("{{and .a (len .b)}}{{define \"x\"}}{{.c}}{{end}}", r#"{"a": 0}"#, "0");
    gives("{{range .list}}{{.x}}{{end}}", r#"{"list": []}"#, "");
    gives("{{range .list}}{{break}}{{$.x}}{{end}}", r#"{"list": [1]}"#, "");
}

#[test]
fn default_replaces_absent_null_and_the_empty_string() {
    for variables in ["{}", r#"{"a": null}"#, r#"{"a": ""}"#] {
        gives("{{default \"x\" .a}}", variables, "x");
        gives("{{.a | default \"x\"}}", variables, "x");
        gives("{{.a | default \"x\" | printf \"%s!\"}}", variables, "x!");
    }
    for (variables, text) in [
        (r#"{"a": 0}"#, "0"),
        (r#"{"a": false}"#, "false"),
        (r#"{"a": []}"#, "[]"),
        (r#"{"a": " "}"#, " "),
    ] {
        gives("{{default \"x\" .a}}", variables, text);
    }
    gives("{{default \"x\" .user.name}}", "{}", "x");
    gives("{{default \"x\" (index .m \"k\")}}", r#"{"m": {}}"#, "x");
    gives("{{range default .other .list}}{{.}}{{end}}", r#"{"other": [1, 2]}"#, "12");
    lacks("{{default .b .a}}", "{}", &["b"]);
    gives("{{default .b .a}}", r#"{"a": "x"}"#, "x");
}

#[test]
fn variables_and_templates_hand_on_what_is_missing() {
    gives("{{$x := .a}}{{if $x}}{{$x}}{{end}}", "{}", "");
    lacks("{{$x := .a}}{{$x}}", "{}", &["a"]);
    lacks("{{$x := .a}}{{$x.b}}", "{}", &["a"]);
    gives("{{template \"t\" .a}}{{define \"t\"}}{{if .}}{{.}}{{end}}{{end}}", "{}", "");
    lacks("{{template \"t\" .a}}{{define \"t\"}}{{.}}{{end}}", "{}", &["a"]);
    lacks("{{template \"t\"}}{{define \"t\"}}{{.name}}{{end}}", r#"{"name": 1}"#, &["name"]);
    lacks("{{$x := \"\"}}{{range .l}}{{$x = .}}{{end}}{{$x}}", r#"{"l": [null]}"#, &["l.0"]);
}

#[test]
fn a_null_inside_of_what_is_printed_is_nil() {
    gives("{{.a}}", r#"{"a": [1, null, {"b": null}]}"#, "[1 <nil> map[b:<nil>]]");
}

#[test]
fn an_answer_holds_a_thousand_names_of_a_decent_length() {
    let items = vec!["null"; 2000].join(",");
    let error = render("{{range .a}}{{.}}{{end}}", &format!("{{\"a\": [{items}]}}"));
    assert!(matches!(error, Err(RenderError::Missing(names)) if names.len() == 1000));
    let error = render(&format!("{{{{.{}}}}}", "é".repeat(1000)), "{}");
    let Err(RenderError::Missing(names)) = error else { panic!("nothing was missing") };
    assert_eq!(names, [format!("{}…", "é".repeat(100))]);
}
