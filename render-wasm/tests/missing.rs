//! The missing rule: what a template needs must be there, and one answer names all that lacks.

mod support;

use px0_core::render::RenderError;
use support::render;

/// template, variables, what lacks
#[tokio::test]
async fn what_is_used_must_be_there() {
    let mut wrong = Vec::new();
    for (template, variables, names) in [
        // printed, absent or null
        ("{{ a }}", "{}", "a"),
        ("{{ a }}", r#"{"a": null}"#, "a"),
        // all of them in one answer, sorted, each once
        ("{{ c }}{{ a }}{{ b }}{{ a }}", "{}", "a b c"),
        // dotted inside objects
        ("{{ user.name }}", r#"{"user": {}}"#, "user.name"),
        ("{{ user.name }}", r#"{"user": {"name": null}}"#, "user.name"),
        ("{{ user['name'] }}", r#"{"user": {}}"#, "user.name"),
        ("{{ a.b.c.d }}", r#"{"a": {"b": {"c": {}}}}"#, "a.b.c.d"),
        ("{{ a.b.c.d }}", r#"{"a": {"b": null}}"#, "a.b"),
        // only the object when the object itself lacks
        ("{{ user.name }}{{ user.age }}", "{}", "user"),
        ("{{ user.name.first }}", r#"{"user": null}"#, "user"),
        // places in lists
        ("{{ messages[0].content }}", r#"{"messages": [{}]}"#, "messages.0.content"),
        (
            "{{ messages[-1].content }}",
            r#"{"messages": [{"content": 1}, {}]}"#,
            "messages.1.content",
        ),
        ("{{ messages[2].content }}", r#"{"messages": []}"#, "messages.2"),
        (
            "{% for m in messages %}{{ m.role }}{% endfor %}",
            r#"{"messages": [{"role": 1}, {}, {"role": null}]}"#,
            "messages.1.role messages.2.role",
        ),
        ("{% for x in xs %}{{ x }}{% endfor %}", r#"{"xs": [1, null]}"#, "xs.1"),
        ("{% for k, v in o|items %}{{ k }}{{ v }}{% endfor %}", r#"{"o": {"k": null}}"#, "o.k"),
        ("{% for k, v in o.items() %}{{ v }}{% endfor %}", r#"{"o": {"k": null}}"#, "o.k"),
        // iterated
        ("{% for x in xs %}{{ x }}{% endfor %}", "{}", "xs"),
        ("{% for x in xs %}{% else %}none{% endfor %}", r#"{"xs": null}"#, "xs"),
        ("{% for a, b in pairs %}{{ a }}{% endfor %}", "{}", "pairs"),
        // passed to a filter, also as an argument
        ("{{ a|upper }}", "{}", "a"),
        ("{{ 'x'|replace(a, b) }}", "{}", "a b"),
        ("{{ xs|join(sep) }}", r#"{"xs": [1]}"#, "sep"),
        ("{{ 'x'|indent(width=w) }}", "{}", "w"),
        ("{{ a|upper|lower|trim }}", "{}", "a"),
        ("{{ xs|join(',') }}", r#"{"xs": ["a", null]}"#, "xs.1"),
        ("{{ xs|map('upper')|join }}", r#"{"xs": ["a", null]}"#, "xs.1"),
        ("{{ ms|map(attribute='t')|join }}", r#"{"ms": [{"t": 1}, {}]}"#, "ms.1.t"),
        ("{{ a|tojson }}", r#"{"a": null}"#, "a"),
        // to a function or a method
        ("{% for i in range(n) %}{{ i }}{% endfor %}", "{}", "n"),
        ("{{ 'a'.startswith(p) }}", "{}", "p"),
        ("{{ s.strip() }}", "{}", "s"),
        ("{{ user.name.strip() }}", r#"{"user": {}}"#, "user.name"),
        // to a test that is not about being there
        ("{% if a is string %}{% endif %}", "{}", "a"),
        ("{% if 1 is eq(a) %}{% endif %}", "{}", "a"),
        // to an operator
        ("{% if a == 1 %}{% endif %}", "{}", "a"),
        ("{% if a == b %}{% endif %}", "{}", "a b"),
        ("{% if a != 'x' %}{% endif %}", "{}", "a"),
        ("{% if 1 < a < b %}{% endif %}", r#"{"a": 2}"#, "b"),
        ("{% if a == none %}{% endif %}", "{}", "a"),
        ("{{ a + 1 }}{{ b }}", "{}", "a b"),
        ("{{ 'x' + a + 'y' + b }}", "{}", "a b"),
        ("{{ (a * 2) - b ** c }}", "{}", "a b c"),
        ("{{ -a }}", "{}", "a"),
        ("{{ a ~ b }}", "{}", "a b"),
        ("{% if a in 'abc' %}{% endif %}", "{}", "a"),
        ("{% if 'a' in a %}{% endif %}", "{}", "a"),
        ("{% if 'a' not in a %}{% endif %}", "{}", "a"),
        ("{{ xs[1:n] }}", r#"{"xs": [1]}"#, "n"),
        ("{{ xs[:2] }}{{ y }}", "{}", "xs y"),
        ("{{ o[k] }}", r#"{"o": {"a": 1}}"#, "k"),
        // through names of the template's own
        ("{% set x = user.name %}{{ x }}", r#"{"user": {}}"#, "user.name"),
        ("{% with x = a %}{{ x }}{% endwith %}", "{}", "a"),
        ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(a) }}", "{}", "a"),
        ("{% macro m(x) %}[{{ y }}]{% endmacro %}{{ m(1) }}", "{}", "y"),
        ("{% set ns = namespace(x=a) %}{{ ns.x }}", "{}", "a"),
        ("{% set o = {'x': a} %}{{ o.x }}", "{}", "a"),
        ("{{ [a, 1] }}", "{}", "a"),
        ("{{ user.get('name') }}", r#"{"user": {}}"#, "user.name"),
        // and/or/if give back what they were given
        ("{{ a or b }}", "{}", "b"),
        ("{{ a and 'x' }}", "{}", "a"),
        ("{{ a if true }}", "{}", "a"),
        // a default of its own that lacks
        ("{{ a|default(b) }}", "{}", "b"),
        // rather than the error that is its consequence
        ("{{ a.x + 1 }}{{ raise_exception('no') }}", "{}", "a"),
        (
            "{% if role == 'x' %}{% else %}{{ raise_exception('bad role') }}{% endif %}",
            "{}",
            "role",
        ),
    ] {
        let answer = render(template, variables).await;
        let expected = names.split(' ').map(String::from).collect();
        if answer != Err(RenderError::Missing(expected)) {
            wrong.push(format!("{template} with {variables}: {answer:?}, not {names}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// template, variables, text
#[tokio::test]
async fn what_is_optional_may_be_missing() {
    let mut wrong = Vec::new();
    for (template, variables, text) in [
        // default replaces absent and null, and with true all that is false
        ("{{ a|default('x') }}", "{}", "x"),
        ("{{ a|default('x') }}", r#"{"a": null}"#, "x"),
        ("{{ a|default('x') }}", r#"{"a": ""}"#, ""),
        ("{{ a|default('x', true) }}", r#"{"a": ""}"#, "x"),
        ("{{ a|default('x', boolean=true) }}", r#"{"a": 0}"#, "x"),
        ("{{ a|d('x') }}", "{}", "x"),
        ("{{ a|default }}", "{}", ""),
        ("{{ user.name|default('x') }}", "{}", "x"),
        ("{{ user.name|default('x') }}", r#"{"user": {"name": null}}"#, "x"),
        ("{{ a|default('x')|upper }}", "{}", "X"),
        ("{% for x in xs|default([]) %}{% else %}none{% endfor %}", "{}", "none"),
        ("{{ ms|map(attribute='t', default='-')|join }}", r#"{"ms": [{"t": 1}, {}]}"#, "1-"),
        // truth
        ("{% if a %}x{% else %}y{% endif %}", "{}", "y"),
        ("{% if user.name %}x{% else %}y{% endif %}", "{}", "y"),
        ("{% if user.name %}x{% else %}y{% endif %}", r#"{"user": null}"#, "y"),
        ("{% if not a %}x{% endif %}", "{}", "x"),
        ("{% if a or b %}x{% elif c %}y{% else %}z{% endif %}", "{}", "z"),
        ("{% if a and b == 1 %}x{% else %}z{% endif %}", "{}", "z"),
        ("{{ 'x' if a else 'y' }}", "{}", "y"),
        ("[{{ 'x' if a }}]", "{}", "[]"),
        ("{{ a or 'x' }}", r#"{"a": null}"#, "x"),
        ("{{ not a }}", "{}", "True"),
        (
            "{% for m in ms if m.ok %}{{ m.t }}{% endfor %}",
            r#"{"ms": [{"t": 1}, {"t": 2, "ok": true}]}"#,
            "2",
        ),
        (
            "{{ ms|selectattr('ok')|map(attribute='t')|join }}",
            r#"{"ms": [{"t": 1}, {"t": 2, "ok": true}]}"#,
            "2",
        ),
        // tests about being there
        ("{{ a is defined }}{{ a is undefined }}{{ a is none }}", "{}", "FalseTrueFalse"),
        (
            "{{ a is defined }}{{ a is undefined }}{{ a is none }}",
            r#"{"a": null}"#,
            "TrueFalseTrue",
        ),
        ("{{ user.name is defined }}", "{}", "False"),
        ("{{ user.name is none }}", r#"{"user": null}"#, "False"),
        ("{{ ms|selectattr('t', 'defined')|list|length }}", r#"{"ms": [{"t": 1}, {}]}"#, "1"),
        (
            "{{ 'a' in o }}{{ 'b' in o }}{{ 'b' not in o }}",
            r#"{"o": {"a": null}}"#,
            "TrueFalseTrue",
        ),
        // a branch that is not taken
        ("{% if false %}{{ a }}{{ b.c|upper }}{% endif %}ok", "{}", "ok"),
        ("{{ 'x' if true else a }}", "{}", "x"),
        ("{% for x in [] %}{{ a }}{% endfor %}ok", "{}", "ok"),
        // given to a macro that does not use it
        ("{% macro m(x) %}ok{% endmacro %}{{ m(a) }}", "{}", "ok"),
        ("{% set x = a %}ok", "{}", "ok"),
        // nulls inside of what is printed whole are data
        (
            "{{ o|tojson }}",
            r#"{"o": {"b": [null, 1], "a": null}}"#,
            r#"{"a": null, "b": [null, 1]}"#,
        ),
        ("{{ o }}", r#"{"o": {"a": [null, "x"]}}"#, "{'a': [None, 'x']}"),
        ("{{ user.get('name', 'x') }}", r#"{"user": {}}"#, "x"),
        // none that the template says itself
        ("{{ none }}", "{}", "None"),
        ("{% set x = none %}{{ x is none }}", "{}", "True"),
    ] {
        let answer = render(template, variables).await;
        if answer.as_deref() != Ok(text) {
            wrong.push(format!("{template} with {variables}: {answer:?}, not {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_hole_of_the_templates_own_making_is_its_error() {
    for template in ["{% macro m(x) %}{{ x }}{% endmacro %}{{ m() }}", "{% set o = {} %}{{ o.x }}"]
    {
        let error = render(template, "{}").await.expect_err(template);
        assert!(error.to_string().contains("has no value"), "{template}: {error}");
    }
}

#[tokio::test]
async fn names_are_bounded() {
    let template = "{% for i in range(100000) %}{{ o[i ~ 'x'] }}{% endfor %}";
    let error = render(template, r#"{"o": {}}"#).await.expect_err("nothing is there");
    assert!(error.to_string().len() < 100_000, "an answer of {} bytes", error.to_string().len());
}
