//! Templates read the same by their plan as by minijinja's interpreter, which is what counts.
//!
//! The plan may leave any render to the interpreter; what it finishes must be the interpreter's text.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop where it stands")]

use std::{
    cell::Cell,
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use px0_document::Tape;
use px0_minijinja::Template;

/// What became of a render.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is no template.
    Refused,
    /// The plan left it to the interpreter, or there is none.
    Interpreted,
    /// The interpreter gave the plan's text.
    Planned,
}

/// Renders both ways.
fn render(template: &str, variables: &str) -> Outcome {
    let Ok(template) = Template::compile(template.to_owned()) else {
        return Outcome::Refused;
    };
    let variables = Arc::new(Tape::read(variables).unwrap());
    let Some(text) = template.planned(&variables) else {
        return Outcome::Interpreted;
    };
    assert_eq!(Ok(text), template.interpreted(&variables));
    // Nothing is left behind for the next render.
    assert!(template.planned(&variables).is_some());
    Outcome::Planned
}

/// The variables and the template of each fixture that does not need the sandbox to end.
fn fixtures() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/inputs");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let read = |file| {
        let text = fs::read_to_string(file).unwrap();
        let (variables, template) = text.split_once("\n---\n").unwrap();
        let template = template.strip_suffix('\n').unwrap_or(template);
        (variables.to_owned(), template.to_owned())
    };
    let is_harmless = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        let hostile = ["error_limit", "error_run_recursion", "error_syntax_too_deep"];
        name.ends_with(".txt") && !hostile.iter().any(|hostile| name.starts_with(hostile))
    };
    files.filter(is_harmless).map(read).collect()
}

#[test]
fn fixtures_read_the_same_with_their_own_variables_and_with_those_of_others() {
    let fixtures = fixtures();
    let (mut own, mut others) = (0, 0);
    for (at, (variables, template)) in fixtures.iter().enumerate() {
        if Tape::read(variables).is_ok() {
            own += usize::from(render(template, variables) == Outcome::Planned);
        }
        for step in [1, 7, 40, 111] {
            let (variables, _) = &fixtures[(at + step) % fixtures.len()];
            if Tape::read(variables).is_ok() {
                others += usize::from(render(template, variables) == Outcome::Planned);
            }
        }
    }
    // A plan that never took part would prove nothing.
    assert!(own > fixtures.len() / 3, "{own} of {}", fixtures.len());
    assert!(others > 25, "{others}");
}

#[test]
fn what_a_plan_once_read_otherwise_it_reads_the_same() {
    let variables = r#"{"n": null, "s": "text", "u": " ä <b> ", "l": [3, 1], "o": {"a": 1}, "ol": [{"a": 1}], "e": [], "es": ""}"#;
    for template in [
        "{% for x in [1,2] %}{{ y|default('n') }}{% set y = x %}{% endfor %}",
        "{% set y=0 %}{% for x in [1,2] %}{{ y }}{% set y=x %}{% endfor %}{{ y }}",
        "{% for x in [1,2,3] %}{% if x==2 %}{% set skip=true %}{% endif %}{% if skip is defined %}S{% endif %}{% endfor %}",
        "{% for x in [1,2] %}{% set c %}{{ c|d('n') }}{{ x }}{% endset %}{{ c }}{% endfor %}",
        "{% for x in [1,2] %}{% break %}{% else %}E{% endfor %}",
        "{% for x in [1,2] if x %}{{ x }}{% break %}{% else %}E{% endfor %}",
        "{% for x in [1,2] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% else %}E{% endfor %}",
        "{{ missing|default(none) }}",
        "{{ n|d(none, true) }}",
        "{% set q=none %}{{ missing|default(q) }}",
        "{{ missing|default({'a':1}.get('zz')) }}",
        "{% if missing|d(none) is none %}y{% else %}n{% endif %}",
        "{{ ('<b>'|safe|upper)|escape }}",
        "{{ (u|escape|trim)|escape }}",
        "{{ ('<b>'|escape|lower) is safe }}",
        "{{ range(2)|list }}{% for range in [1] %}{% endfor %}",
        "{{ dict(a=1) }}{% with dict = 1 %}{% endwith %}",
        "{{ {1:'a', 1.0:s} }}",
        "{{ {true:s, 1:'b'} }}",
        "{{ {1:'a', 1.0:'b'} }}",
        "{% set q = o %}{{ q is sameas(q) }}",
        "{% for x in ol %}{{ x is sameas x }}{% endfor %}",
        "{{ ol|select('sameas', o)|list }}",
        "{{ l[::-1] }}{{ e[::-1] }}{{ es[::-1] }}{{ s[::-1] }}{{ s[3:1:-1] }}{{ l[::2] }}",
    ] {
        render(template, variables);
    }
}

/// A name of a variable, or of something that the template may set.
fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "list", "object", "text", "number", "x", "y", "nothing"])
        .prop_map(str::to_owned)
}

fn literal() -> impl Strategy<Value = String> {
    select(vec![
        "0",
        "1",
        "1.0",
        "2",
        "-1",
        "7.5",
        "true",
        "false",
        "none",
        "''",
        "'a'",
        "' Ä b '",
        "'list'",
        "[]",
        "[1, 'a', none]",
        "{}",
        "{'a': 1}",
        "\"it's\"",
        "99999999999999999999",
    ])
    .prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    let looped = select(vec![
        "loop.index",
        "loop.index0",
        "loop.first",
        "loop.last",
        "loop.length",
        "loop.revindex",
        "loop.revindex0",
        "loop.depth",
        "loop",
    ]);
    let leaf = prop_oneof![5 => name(), 3 => literal(), 1 => looped.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operators = select(vec![
            "+", "-", "*", "/", "//", "%", "~", "and", "or", "==", "!=", "<", "<=", ">", ">=",
            "in", "not in",
        ]);
        let filters = select(vec![
            "trim",
            "upper",
            "lower",
            "title",
            "length",
            "default",
            "default('d')",
            "default(b, true)",
            "default(a)",
            "default(none)",
            "escape",
            "select('sameas', a)",
            "first",
            "last",
            "list",
            "join(', ')",
            "string",
            "int",
            "tojson",
            "items",
            "reverse",
            "sort",
            "unique",
            "map('upper')",
            "map(attribute='a')",
            "selectattr('a')",
            "replace('a', 'b')",
            "abs",
            "sum",
            "dictsort",
            "indent(2)",
            "default(value='d')",
            "safe",
            "batch(2)",
            "round(1)",
            "d(number)",
        ]);
        let tests = select(vec![
            "defined",
            "undefined",
            "none",
            "not none",
            "not defined",
            "string",
            "number",
            "mapping",
            "sequence",
            "odd",
            "eq(1)",
            "in(list)",
            "true",
            "iterable",
            "safe",
            "sameas(a)",
        ]);
        let methods = select(vec![
            "strip()",
            "upper()",
            "items()",
            "keys()",
            "values()",
            "get('a')",
            "get('a', 1)",
            "split(',')",
            "startswith('a')",
            "nosuch()",
            "count('a')",
        ]);
        prop_oneof![
            (inner.clone(), filters).prop_map(|(of, filter)| format!("{of}|{filter}")),
            (inner.clone(), filters_of_more()).prop_map(|(of, filter)| format!("({of})|{filter}")),
            (inner.clone(), tests).prop_map(|(of, test)| format!("({of}) is {test}")),
            (inner.clone(), methods).prop_map(|(of, method)| format!("({of}).{method}")),
            (inner.clone(), name()).prop_map(|(of, name)| format!("({of}).{name}")),
            (inner.clone(), inner.clone()).prop_map(|(of, key)| format!("({of})[{key}]")),
            (inner.clone(), -2..3i32, -2..3i32).prop_map(|(of, a, b)| format!("({of})[{a}:{b}]")),
            (inner.clone(), -3..3i32, -2..3i32)
                .prop_map(|(of, a, step)| format!("({of})[{a}::{step}]")),
            (inner.clone(), operators, inner.clone())
                .prop_map(|(left, op, right)| format!("({left}) {op} ({right})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} if {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("(({a}) < ({b}) <= ({c}))")),
            inner.clone().prop_map(|of| format!("not ({of})")),
            inner.clone().prop_map(|of| format!("-({of})")),
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'k': {a}, {b}: 2}}")),
            (0..4i32, 0..4i32).prop_map(|(a, b)| format!("range({a}, {b})")),
            inner.prop_map(|of| format!("dict(k={of})")),
        ]
    })
}

fn filters_of_more() -> impl Strategy<Value = String> {
    let what = select(vec!["default", "join", "trim", "replace('a', ", "d"]);
    (what, name()).prop_map(|(filter, arg)| match filter.strip_suffix(", ") {
        Some(open) => format!("{open}, {arg})"),
        None => format!("{filter}({arg})"),
    })
}

fn statements() -> impl Strategy<Value = String> {
    let text = select(vec!["text", " ", "\n", "Ä", "{% raw %}{{{% endraw %}"]);
    let leaf = prop_oneof![
        2 => text.prop_map(str::to_owned),
        6 => expression().prop_map(|expr| format!("{{{{ {expr} }}}}")),
        2 => (name(), expression()).prop_map(|(to, expr)| format!("{{% set {to} = {expr} %}}")),
        2 => (name(), expression())
            .prop_map(|(to, expr)| format!("{{{{ {to}|d }}}}{{% set {to} = {expr} %}}")),
        1 => expression().prop_map(|expr| format!("{{% set x, y = {expr} %}}")),
    ];
    let some = vec(leaf, 1..4).prop_map(|parts| parts.concat());
    some.prop_recursive(3, 24, 4, |inner| {
        let jump = select(vec!["", "{% break %}", "{% continue %}", "{% if x %}{% break %}{% endif %}"]);
        let part = prop_oneof![
            (expression(), inner.clone(), inner.clone()).prop_map(|(test, then, otherwise)| {
                format!("{{% if {test} %}}{then}{{% else %}}{otherwise}{{% endif %}}")
            }),
            (name(), expression(), inner.clone(), jump.clone()).prop_map(|(to, of, body, jump)| {
                format!("{{% for {to} in {of} %}}{body}{jump}{body}{{% else %}}none{{% endfor %}}")
            }),
            (expression(), inner.clone(), inner.clone()).prop_map(|(of, body, otherwise)| {
                format!("{{% for x, y in {of} %}}{body}{{% else %}}{otherwise}{{% endfor %}}")
            }),
            (name(), expression(), expression(), inner.clone()).prop_map(|(to, of, condition, body)| {
                format!("{{% for {to} in {of} if {condition} %}}{body}{{% endfor %}}")
            }),
            (name(), expression(), inner.clone(), jump).prop_map(|(to, value, body, jump)| {
                format!("{{% for x in list %}}{{% with {to} = {value} %}}{body}{jump}{{% endwith %}}{{% endfor %}}")
            }),
            (name(), inner.clone())
                .prop_map(|(to, body)| format!("{{% set {to} %}}{body}{{% endset %}}")),
            inner,
        ];
        vec(part, 1..4).prop_map(|parts| parts.concat())
    })
}

fn json() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "2",
        "7.5",
        "1e3",
        "0.0",
        "-0.0",
        "12345678901234567890",
        "99999999999999999999999999999999999999999",
        "\"\"",
        "\"a\"",
        "\" b \"",
        "\"it's \\u00e4\\n\"",
        "\"list\"",
        "\"a,b\"",
        "[]",
        "{}",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 16, 4, |inner| {
        let keys = select(vec!["a", "b", "c", "x", "text", "k"]);
        let pair = (keys, inner.clone()).prop_map(|(key, value)| format!("\"{key}\": {value}"));
        prop_oneof![
            vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            vec(pair, 0..4).prop_map(|pairs| format!("{{{}}}", pairs.join(", "))),
        ]
    })
}

/// Values for all names but, sometimes, one.
fn variables() -> impl Strategy<Value = String> {
    let object = vec((select(vec!["a", "b", "k"]), json()), 1..4);
    let object = object.prop_map(|pairs| {
        let pairs: Vec<_> =
            pairs.into_iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        format!("{{{}}}", pairs.join(", "))
    });
    (vec(json(), 3), vec(object, 0..4), -2..4i32, 0..6usize).prop_map(
        |(values, objects, number, left_out)| {
            let names = ["a", "b", "c"].into_iter().zip(values).enumerate();
            let kept = names.filter(|(at, _)| *at != left_out);
            let any: String =
                kept.map(|(_, (name, value))| format!("\"{name}\": {value}, ")).collect();
            let object = objects.first().map_or("{}", String::as_str);
            let list = objects.join(", ");
            format!(
                r#"{{{any}"list": [{list}], "object": {object}, "number": {number}, "text": "Some text, "}}"#
            )
        },
    )
}

#[test]
fn templates_that_nobody_thought_of_read_the_same() {
    let cases = env::var("PX0_PLAN_CASES").map_or(1500, |cases| cases.parse().unwrap());
    let mut runner = TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let (refused, planned) = (Cell::new(0), Cell::new(0));
    runner
        .run(&(statements(), variables()), |(template, variables)| {
            match render(&template, &variables) {
                Outcome::Refused => refused.set(refused.get() + 1),
                Outcome::Interpreted => {}
                Outcome::Planned => planned.set(planned.get() + 1),
            }
            Ok(())
        })
        .unwrap();
    let (refused, planned) = (refused.get(), planned.get());
    assert!(refused < cases / 2, "{refused} of {cases} are no templates");
    assert!(planned > cases / 40, "{planned} of {cases} by their plan");
}
