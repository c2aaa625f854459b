//! Templates and variables that want to do harm. Each ends as an answer, on save and on render.

mod support;

use std::time::{Duration, Instant};

use px0_core::render::{EngineName, Limit, RenderError, Renderer};
use px0_render_wasm::RenderSettings;
use support::{sandbox, sandbox_with, template};

/// A template that can be neither saved nor rendered, or can but does no harm.
async fn ends_well(name: &str, source: &str, variables: &str) -> Result<usize, RenderError> {
    let sandbox = sandbox();
    let start = Instant::now();
    let checked = sandbox
        .check(
            &px0_core::render::Tenant::plain(px0_core::ids::OrgId::new()),
            &EngineName::default(),
            source,
        )
        .await;
    assert!(checked.is_ok(), "{name}: on save the sandbox failed: {checked:?}");
    let rendered = sandbox.render(&template(source), variables).await.map(|text| text.len());
    if let Err(RenderError::Internal(message)) = &rendered {
        panic!("{name}: the guest crashed: {message}");
    }
    // Generous, because this may run beside other tests on a small machine.
    assert!(start.elapsed() < Duration::from_secs(5), "{name} took {:?}", start.elapsed());
    rendered
}

#[tokio::test]
async fn hostile_templates_end_as_answers() {
    let deep = |before: &str, middle: &str, after: &str, times: usize| {
        format!("{{{{ {}{middle}{} }}}}", before.repeat(times), after.repeat(times))
    };
    let templates: Vec<(&str, String)> = vec![
        ("sum", format!("{{{{ 1{} }}}}", "+1".repeat(7500))),
        ("sum of variables", format!("{{{{ a{} }}}}", "+a".repeat(7500))),
        ("parens", deep("(", "1", ")", 100_000)),
        ("brackets", deep("[", "1", "]", 30_000)),
        ("nots", deep("not ", "1", "", 20_000)),
        ("minuses", deep("-", "1", "", 60_000)),
        ("filters", deep("", "a", "|upper", 10_000)),
        ("attributes", deep("", "a", ".a", 30_000)),
        ("items", deep("", "a", "[0]", 20_000)),
        ("calls", deep("", "a.b", "()", 30_000)),
        ("concatenations", deep("", "a", "~a", 30_000)),
        ("comparisons", deep("", "a", "<a", 30_000)),
        ("ands", deep("", "a", " and a", 10_000)),
        ("ifs", deep("", "a", " if a else a", 5_000)),
        ("elifs", format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(5_000))),
        ("nested ifs", format!("{}{}", "{% if 1 %}".repeat(3_000), "{% endif %}".repeat(3_000))),
        ("nested loops", format!("{}{}", "{% for a in [1] %}".repeat(1_000), "{% endfor %}".repeat(1_000))),
        ("braces", "{{".repeat(500_000)),
        ("comment", "{#".repeat(30_000)),
        ("many arguments", format!("{{{{ dict({}) }}}}", "1,".repeat(30_000))),
        ("keys", format!("{{{{ {{{}}} }}}}", "1:1,".repeat(15_000))),
        ("endless", "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".into()),
        ("endless text", "{% for a in range(100000) %}{% for b in range(100000) %}xxxxxxxx{% endfor %}{% endfor %}".into()),
        ("doubling", "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(100) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}".into()),
        ("adding", "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}".into()),
        ("lists doubling", "{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}".into()),
        ("lists of lists", "{% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}".into()),
        ("lists of lists as JSON", "{% set n = namespace(x=[1]) %}{% for i in range(1000) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}".into()),
        ("deep lists", "{% set n = namespace(x=1) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}".into()),
        ("deep lists compared", "{% set n = namespace(x=1, y=1) %}{% for i in range(50000) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x == n.y }}".into()),
        ("a namespace in itself", "{% set n = namespace() %}{% set n.n = n %}{{ n }}".into()),
        ("a namespace in itself as JSON", "{% set n = namespace() %}{% set n.n = n %}{{ n|tojson }}".into()),
        ("format", "{{ '%1000000000d'|format(1) }}".into()),
        ("format with stars", "{{ '%*d'|format(1000000000, 1) }}".into()),
        ("indent", "{{ 'a\nb'|indent(1000000000) }}".into()),
        ("indent beyond memory", "{{ 'a\nb'|indent(3000000000) }}".into()),
        ("JSON indented", "{{ [[[1]]]|tojson(indent=1000000000) }}".into()),
        ("repeat", "{{ 'x' * 100000000 }}".into()),
        ("repeat far", "{{ 'x' * 9223372036854775807 }}".into()),
        ("batch", "{{ [1]|batch(1000000000, 0) }}".into()),
        ("slice", "{{ [1]|slice(1000000000) }}".into()),
        ("replace", "{{ ('x' * 4000)|replace('', 'y' * 4000) }}".into()),
        ("replace method", "{{ ('x' * 4000).replace('', 'y' * 4000) }}".into()),
        ("join", "{{ range(100000)|join('x' * 4000) }}".into()),
        ("split", "{{ ('x' * 60000).split('x', 9223372036854775807) }}".into()),
        ("range", "{{ range(9223372036854775807) }}".into()),
        ("range of the smallest", "{{ range(0, 10, -2147483648) }}{{ range(10, 0, -2147483648)|list }}".into()),
        ("power", "{{ 2 ** 100000 }}".into()),
        ("float power", "{{ 2.0 ** 100000 }}".into()),
        ("round", "{{ 1.5|round(1000000000) }}".into()),
        ("recursion", "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}".into()),
        ("recursion through caller", "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}".into()),
        ("recursive loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".into()),
        ("many names", "{% for i in range(100000) %}{{ o[i] }}{% endfor %}".into()),
        ("sort", "{{ range(100000)|sort(reverse=true)|sort|unique|list|length }}".into()),
        ("null bytes", "\0{{ '\\u0000' }}\0".into()),
        ("bad escapes", "{{ '\\ud800' }}".into()),
        ("byte order", "\u{feff}\u{202e}{{ '\u{202e}' }}".into()),
    ];
    for (name, source) in templates {
        let _ = ends_well(name, &source, r#"{"a": 1, "o": {}}"#).await;
    }
}

#[tokio::test]
async fn hostile_variables_end_as_answers() {
    let nested = |open: &str, middle: &str, close: &str, times: usize| {
        format!(r#"{{"a": {}{middle}{}}}"#, open.repeat(times), close.repeat(times))
    };
    for (name, variables) in [
        ("deep lists", nested("[", "", "]", 100_000)),
        ("deep lists, open", format!(r#"{{"a": {}"#, "[".repeat(100_000))),
        ("deep objects", nested(r#"{"a":"#, "1", "}", 100_000)),
        ("a long number", format!(r#"{{"a": {}}}"#, "9".repeat(500_000))),
        ("a long fraction", format!(r#"{{"a": 0.{}1}}"#, "0".repeat(500_000))),
        ("a large exponent", r#"{"a": 1e99999999999999999999}"#.into()),
        (
            "many keys",
            format!(
                r#"{{"a": {{{}"z": 1}}}}"#,
                (0..60_000).map(|n| format!(r#""{:05}":1,"#, 60_000 - n)).collect::<String>()
            ),
        ),
        ("the same key", format!(r#"{{{}"a": 1}}"#, r#""a":1,"#.repeat(100_000))),
        ("many items", format!(r#"{{"a": [{}1]}}"#, "1,".repeat(300_000))),
        ("escapes", format!(r#"{{"a": "{}"}}"#, "\\u00e9".repeat(100_000))),
    ] {
        let answer = ends_well(name, "{{ a is defined }}", &variables).await;
        let expected_refusal =
            name.starts_with("deep") || name.starts_with("a l") && !name.contains("fraction");
        match answer {
            Ok(_) => assert!(!expected_refusal, "{name} was read"),
            Err(RenderError::Variables(_)) => assert!(expected_refusal, "{name} was refused"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn limits_are_told_apart() {
    // With the usual fuel, strings that double run out of it before they run out of memory.
    let sandbox = sandbox_with(|settings| settings.fuel = RenderSettings::MAX_FUEL);
    for (source, limit) in [
        (
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            Limit::Fuel,
        ),
        (
            "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(100) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
            Limit::Memory,
        ),
        ("{{ 'a\nb'|indent(1000000000) }}", Limit::Memory),
        ("{{ 'a\nb'|indent(3000000000) }}", Limit::Memory),
        ("{% set x = 'x' * 100000 %}{% for i in range(20) %}{{ x }}{% endfor %}", Limit::Output),
    ] {
        let answer = sandbox.render(&template(source), "{}").await;
        assert_eq!(answer, Err(RenderError::Limit(limit)), "{source}");
    }
    let deep = format!("{{{{ 1{} }}}}", "+1".repeat(7500));
    let error = sandbox
        .check(
            &px0_core::render::Tenant::plain(px0_core::ids::OrgId::new()),
            &EngineName::default(),
            &deep,
        )
        .await
        .expect("the sandbox works");
    assert_eq!(error.expect_err("it is deep").message, "template too deeply nested");
}
