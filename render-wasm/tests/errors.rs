//! Every kind of error page: message, place, and the excerpt with its caret.

mod support;

use std::fmt::Write;

use px0_core::render::{RenderError, TemplateError};
use support::{check, render};

fn page(error: &TemplateError) -> String {
    let TemplateError { message, line, column, excerpt } = error;
    format!("{message}\nline {line:?} column {column:?}\n{}\n", excerpt.as_deref().unwrap_or("-"))
}

#[tokio::test]
async fn syntax_errors() {
    let mut pages = String::new();
    for source in [
        "Hello {{ name }",
        "one\ntwo {{ a b }} two\nthree\nfour",
        "{% if x %}",
        "{% for x in %}{% endfor %}",
        "a\n\t{% nosuch %}",
        "{{ 'unterminated }}",
        "{% endif %}",
        "ünïcödé {{ a. }}",
        "{{ x|uper }}",
        "{{ a }}\r\n{{ b|nosuch }}\r\n{{ c }}",
        &format!("{}{{{{ x|nosuch }}}}{}", "long ".repeat(60), " after".repeat(60)),
    ] {
        let error = check(source).await.expect_err(source);
        let _ = writeln!(pages, "{}", page(&error));
    }
    insta::assert_snapshot!(pages);
}

#[tokio::test]
async fn execution_errors() {
    let mut pages = String::new();
    for (source, variables) in [
        ("a\n{{ x + 1 }}", r#"{"x": "s"}"#),
        ("{{ 1 // x }}", r#"{"x": 0}"#),
        ("{% for a in x %}{% endfor %}", r#"{"x": 1}"#),
        ("{{ x.nosuch() }}", r#"{"x": {}}"#),
        ("{{ 'a'.nosuch() }}", "{}"),
        ("{% set x = 1 %}{{ x() }}", "{}"),
        ("{{ x|int }}", r#"{"x": "a"}"#),
        ("{{ raise_exception('no ' ~ x) }}", r#"{"x": "luck"}"#),
        ("{% macro m(a) %}\n  {{ a|abs }}\n{% endmacro %}\n{{ m('x') }}", "{}"),
        ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}", "{}"),
        ("{% macro m(a) %}{{ m(a) }}{% endmacro %}{{ m(1) }}", "{}"),
        ("{% set a, b = x %}", r#"{"x": [1]}"#),
        ("{{ 'abc'|upper(1) }}", "{}"),
        ("{{ range(10000000) }}", "{}"),
    ] {
        match render(source, variables).await {
            Err(RenderError::Execution(error)) => {
                let _ = writeln!(pages, "{}", page(&error));
            }
            other => panic!("{source}: {other:?}"),
        }
    }
    insta::assert_snapshot!(pages);
}
