//! What errors say, and where they are.
#![allow(clippy::unwrap_used, reason = "a test that cannot compile its template has failed")]

use px0_gotemplate_core::{NoFunctions, RenderError, Template, TemplateError};

fn error(message: &str, line: u32, column: u32) -> TemplateError {
    TemplateError { message: message.into(), line: Some(line), column: Some(column) }
}

#[track_caller]
fn refused(source: &str, message: &str, line: u32, column: u32) {
    let result = Template::compile(source, &NoFunctions);
    assert_eq!(result.err(), Some(error(message, line, column)), "{source}");
}

#[track_caller]
fn fails(source: &str, message: &str, line: u32, column: u32) {
    let template = Template::compile(source, &NoFunctions).unwrap();
    let variables = r#"{"name": "Ada", "n": 42, "list": [1, 2], "user": {"name": "Ada"}}"#;
    let result = template.render(variables, 1000, &NoFunctions);
    let wanted = RenderError::Execution(error(message, line, column));
    assert_eq!(result, Err(wanted), "{source}");
}

#[test]
fn templates_are_refused_where_they_are_wrong() {
    refused("{{.name", "unclosed action", 1, 8);
    refused("ab\n  {{.na@me}}", "bad character '@' after \".na\"", 2, 5);
    refused("é✓ {{nosuch .a}}", "function \"nosuch\" is not defined", 1, 6);
    refused("{{if .a}}\n{{end}}\n{{end}}", "unexpected {{end}}", 3, 1);
    refused("\n{{if .a}}x", "this has no {{end}}", 2, 1);
    refused("{{range .a}}{{else if .b}}{{end}}", "unexpected {{else if}}", 1, 13);
    refused("a\n{{/* b", "unclosed comment", 2, 1);
    refused("{{\"abc}}", "unterminated quoted string", 1, 3);
    refused("{{'ab'}}", "malformed character constant: 'ab'", 1, 3);
    refused("{{0x}}", "illegal number syntax: \"0x\"", 1, 3);
    refused("{{99999999999999999999}}", "integer overflow: \"99999999999999999999\"", 1, 3);
    refused("{{$x}}", "undefined variable \"$x\"", 1, 3);
    refused("{{$x = 1}}", "undefined variable \"$x\"", 1, 3);
    refused("{{}}", "missing value for command", 1, 3);
    refused("{{(1}}", "unclosed left paren", 1, 5);
    refused("{{break}}", "{{break}} outside of {{range}}", 1, 1);
    refused("a {{template \"x\" .}}", "template \"x\" is not defined", 1, 14);
    refused(
        "{{define \"x\"}}a{{end}}\n{{define \"x\"}}b{{end}}",
        "template \"x\" is defined twice",
        2,
        1,
    );
    refused("{{nil}}", "nil is not a command", 1, 3);
    refused("{{\"a\" 1}}", "this is not a function, so it cannot be given arguments", 1, 3);
    refused("{{1 | .x}}", "this is not a function, so it cannot be given arguments", 1, 7);
    refused("{{len}}", "wrong number of arguments for len: 1, not 0", 1, 3);
    refused("{{1 | eq}}", "wrong number of arguments for eq: at least 2, not 1", 1, 7);
    refused("{{print (slice)}}", "wrong number of arguments for slice: 1 to 4, not 0", 1, 10);
    refused("{{call .f}}", "there is nothing to call: no variable is a function", 1, 3);
    refused("{{1+2i}}", "bad number syntax: \"1+\"", 1, 3);
}

#[test]
fn renders_fail_where_the_template_went_wrong() {
    fails("a\n{{.name.x}}", "cannot take the field x of a value of type string", 2, 3);
    fails(
        "{{range .n}}{{end}}{{range .name}}{{end}}",
        "range cannot iterate over a value of type string",
        1,
        28,
    );
    fails("{{index .list 5}}", "index 5 is out of range", 1, 3);
    fails("{{index .list 2}}", "index 2 is out of range", 1, 3);
    fails("{{1 | index .list \"a\"}}", "an index is a whole number, not string", 1, 7);
    fails("{{len .n}}", "a value of type int64 has no length", 1, 3);
    fails("é {{if true}}{{lt 1 \"a\"}}{{end}}", "incompatible types for comparison", 1, 16);
    fails("{{slice .list 2 1}}", "the indexes of a slice are not in order", 1, 3);
    fails("{{printf .n}}", "the format of printf is a string, not int64", 1, 3);
    fails("{{or nil nil}}", "nil cannot be printed", 1, 3);
    let undeclared = "this variable is declared where the template did not pass";
    fails("{{and false ($x := 2)}}{{$x}}", undeclared, 1, 26);
}

#[test]
fn variables_must_be_an_object() {
    let template = Template::compile("x", &NoFunctions).unwrap();
    for variables in ["", "[]", "null", "{", "{} x", "1", r#"{"a": 1e999}"#] {
        let result = template.render(variables, 10, &NoFunctions);
        let Err(RenderError::Execution(error)) = result else { panic!("{variables}: {result:?}") };
        assert!(error.message.starts_with("the variables are not"), "{error}");
        assert_eq!((error.line, error.column), (None, None));
    }
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(200), "]".repeat(200));
    assert!(matches!(template.render(&deep, 10, &NoFunctions), Err(RenderError::Execution(_))));
}

#[test]
fn errors_read_well() {
    assert_eq!(error("unclosed action", 2, 3).to_string(), "unclosed action (line 2, column 3)");
    let missing = RenderError::Missing(vec!["a".into(), "b.c".into()]);
    assert_eq!(missing.to_string(), "missing variables: a, b.c");
}
