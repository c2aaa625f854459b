//! What templates render to.

mod support;

use support::{check, render, sandbox, template};

use px0_core::render::{EngineName, RenderError, Renderer};

/// template, variables, text
#[tokio::test]
async fn templates_render() {
    let mut wrong = Vec::new();
    for (template, variables, text) in [
        // text is never escaped, and kept to the last newline
        ("{{ a }}", r#"{"a": "<b> & \"c\" 'd'"}"#, "<b> & \"c\" 'd'"),
        ("{{ a|tojson }}", r#"{"a": "<b> & 'c' \n \u0001 ü"}"#, r#""<b> & 'c' \n \u0001 ü""#),
        ("a\n", "{}", "a\n"),
        ("a\n\n", "{}", "a\n\n"),
        ("{% if true %}\nx\n{% endif %}\n", "{}", "\nx\n\n"),
        ("{%- if true -%}\n x \n{%- endif -%} \n", "{}", "x"),
        // numbers stay what they are
        ("{{ a }}", r#"{"a": 9007199254740993}"#, "9007199254740993"),
        ("{{ a }}", r#"{"a": 18446744073709551615}"#, "18446744073709551615"),
        ("{{ a }}", r#"{"a": -9223372036854775808}"#, "-9223372036854775808"),
        (
            "{{ a }}",
            r#"{"a": 170141183460469231731687303715884105727}"#,
            "170141183460469231731687303715884105727",
        ),
        ("{{ a + 1 }}", r#"{"a": 9223372036854775807}"#, "9223372036854775808"),
        ("{{ a }}|{{ b }}|{{ c }}", r#"{"a": 1.0, "b": 0.1, "c": 1e3}"#, "1.0|0.1|1000.0"),
        ("{{ a }}", r#"{"a": 1e40}"#, "10000000000000000000000000000000000000000.0"),
        (
            "{{ a * 3 }} {{ a - 5 }} {{ a / 2 }} {{ a // 2 }} {{ a % 2 }} {{ a ** 2 }} {{ -a }}",
            r#"{"a": 3}"#,
            "9 -2 1.5 1 1 9 -3",
        ),
        ("{{ -7 // 2 }} {{ a // 2 }} {{ -7 % 3 }} {{ a % 3 }}", r#"{"a": -7}"#, "-4 -4 2 2"),
        ("{{ a * 2 }} {{ xs + xs }} {{ 'x' * 3 }}", r#"{"a": "ab", "xs": [1]}"#, "abab [1, 1] xxx"),
        // strings
        (r"{{ a }}", r#"{"a": "\u00fc\ud83d\ude00\\\/\b"}"#, "ü😀\\/\u{8}"),
        ("{{ a ~ 1 ~ b }}", r#"{"a": "x", "b": true}"#, "x1True"),
        ("{{ a[1:3] }} {{ a[-1] }}", r#"{"a": "hello"}"#, "el o"),
        // objects: by key, the last of two wins, many keys
        ("{{ o }}", r#"{"o": {"b": 1, "a": 2, "b": 3}}"#, "{'a': 2, 'b': 3}"),
        (
            "{{ o.k07 }}{{ o.k19 }}{{ o|length }}",
            r#"{"o": {"k19": 19, "k18": 18, "k17": 17, "k16": 16, "k15": 15, "k14": 14, "k13": 13, "k12": 12, "k11": 11, "k07": 7}}"#,
            "71910",
        ),
        (
            "{% for k, v in o|dictsort %}{{ k }}={{ v }};{% endfor %}",
            r#"{"o": {"b": 1, "a": 2}}"#,
            "a=2;b=1;",
        ),
        (
            "{% for k in o %}{{ k }}{% endfor %}{{ o.items()|list }}{{ o.keys()|join }}{{ o.values()|list }}",
            r#"{"o": {"b": 1, "a": 2}}"#,
            "ab[('a', 2), ('b', 1)]ab[2, 1]",
        ),
        ("{{ {'x': 1, 'y': [1, 'z']} }}", "{}", "{'x': 1, 'y': [1, 'z']}"),
        // lists
        (
            "{{ xs|first }}{{ xs|last }}{{ xs[-2] }}{{ xs|reverse|join }}{{ xs[::-1]|join }}{{ xs|sort(reverse=true)|join }}",
            r#"{"xs": [1, 3, 2]}"#,
            "123231231321",
        ),
        (
            "{{ xs|length }} {{ xs|sum }} {{ xs|max }} {{ 3 in xs }} {{ 4 in xs }} {{ xs == [1, 3, 2] }}",
            r#"{"xs": [1, 3, 2]}"#,
            "3 6 3 True False True",
        ),
        (
            "{% for g in ms|groupby('r') %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}",
            r#"{"ms": [{"r": "a"}, {"r": "b"}, {"r": "a"}]}"#,
            "a:2 b:1 ",
        ),
        (
            "{{ ms|selectattr('r', 'eq', 'a')|map(attribute='t')|join(',') }}",
            r#"{"ms": [{"r": "a", "t": 1}, {"r": "b", "t": 2}, {"r": "a", "t": 3}]}"#,
            "1,3",
        ),
        (
            "{{ xs|map('upper')|join }}{{ xs|select('eq', 'a')|join }}{{ xs|map(f)|join }}",
            r#"{"xs": ["a", "b"], "f": "upper"}"#,
            "ABaAB",
        ),
        // loops
        (
            "{% for x in xs %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ x }}{{ ',' if not loop.last }}{% endfor %}",
            r#"{"xs": ["a", "b"]}"#,
            "1TrueFalse2a,2FalseTrue2b",
        ),
        (
            "{% for x in xs %}{% if loop.previtem == 1 %}!{% endif %}{{ x }}{% endfor %}",
            r#"{"xs": [1, 2]}"#,
            "1!2",
        ),
        (
            "{% for x in xs %}{% if x == 2 %}{% continue %}{% elif x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
            r#"{"xs": [1, 2, 3, 4, 5]}"#,
            "13",
        ),
        (
            "{% for x in t recursive %}{{ x.n }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% endfor %}",
            r#"{"t": [{"n": 1, "c": [{"n": 2}, {"n": 3}]}]}"#,
            "1(23)",
        ),
        (
            "{% set ns = namespace(n=0) %}{% for x in xs %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}",
            r#"{"xs": [1, 2]}"#,
            "3",
        ),
        (
            "{% for i in range(1, 7, 2) %}{{ i }}{% endfor %}{{ range(3)|list }}",
            "{}",
            "135[0, 1, 2]",
        ),
        // macros, blocks of text, filter blocks
        (
            "{% macro m(a, b='y') %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}{{ m('x') }}{{ m('x', b='z') }}{% call m(1) %}!{% endcall %}",
            "{}",
            "xyxz1y!",
        ),
        ("{% set t %}a{{ x }}b{% endset %}{{ t|upper }}", r#"{"x": 1}"#, "A1B"),
        (
            "{% set t | upper | replace('A', y) %}a{{ x }}b{% endset %}{{ t }}",
            r#"{"x": 1, "y": "_"}"#,
            "_1B",
        ),
        ("{% filter upper %}a{{ x }}b{% endfilter %}", r#"{"x": 1}"#, "A1B"),
        ("{% with a = 1, b = a %}{{ b }}{% endwith %}", r#"{"a": 2}"#, "1"),
        ("{% raw %}{{ x }}{% endraw %}{# no #}", "{}", "{{ x }}"),
        ("{% set a, b = xs %}{{ b }}{{ a }}", r#"{"xs": [1, 2]}"#, "21"),
        // Python's methods
        (
            "{{ ' a '.strip() }}{{ 'ab'.upper() }}{{ 'a,b'.split(',')|join('-') }}{{ 'a b  c'.split()|length }}{{ 'xax'.replace('x', 'y') }}{{ 'abc'.startswith(('x', 'a')) }}{{ ', '.join(['a', 'b']) }}{{ '__x'.lstrip('_') }}{{ 'hello world'.title() }}{{ 'abc'.find('c') }}",
            "{}",
            "aABa-b3yayTruea, bxHello World2",
        ),
        (
            "{{ s.endswith('b') }}{{ o.get('x') }}{{ o.get('y', 'd') }}{{ 'a b'.isalpha() }}",
            r#"{"s": "ab", "o": {"x": 1}}"#,
            "True1dFalse",
        ),
        // JSON
        (
            "{{ o|tojson }}",
            r#"{"o": {"a": [1, 2.5, true, null, "x"], "b": {}, "c": []}}"#,
            r#"{"a": [1, 2.5, true, null, "x"], "b": {}, "c": []}"#,
        ),
        (
            "{{ o|tojson(indent=2) }}",
            r#"{"o": {"a": [1], "b": {}}}"#,
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}",
        ),
        (
            "{{ {'a': x, 'b': [1, 'c']}|tojson }}",
            r#"{"x": {"y": "z"}}"#,
            r#"{"a": {"y": "z"}, "b": [1, "c"]}"#,
        ),
        // a variable may be called like a function
        ("{{ range }}{{ dict.a }}{{ dict(b=1).b }}", r#"{"range": 1, "dict": {"a": 2}}"#, "121"),
        // names that minijinja itself looks at
        ("{{ loop }}{{ self }}", r#"{"loop": 1, "self": 2}"#, "12"),
        ("{{ 'upper' is filter }}{{ 'nope' is filter }}{{ 'odd' is test }}", "{}", "TrueFalseTrue"),
        (
            "{{ 3 is odd }}{{ 3 is divisibleby 3 }}{{ 'a' is in 'abc' }}{{ x is string }}",
            r#"{"x": 1}"#,
            "TrueTrueTrueFalse",
        ),
        ("{{ 1 < 2 < 3 }}{{ 1 < 2 > 3 }}{{ 1 in [1] in [true] }}", "{}", "TrueFalseFalse"),
        (
            "{{ a|urlencode }}{{ '%s-%d'|format('x', 3) }}{{ 1.256|round(2) }}",
            r#"{"a": "a b/ü"}"#,
            "a%20b/%C3%BCx-31.26",
        ),
    ] {
        let answer = render(template, variables).await;
        if answer.as_deref() != Ok(text) {
            wrong.push(format!("{template} with {variables}: {answer:?}, not {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_chat_template_renders() {
    let source = "{{- bos_token }}\n{%- if tools is defined and tools is not none %}{{ tools|tojson }}{% endif -%}
{%- for message in messages -%}
{%- if message['role'] not in ['user', 'assistant', 'system'] -%}{{ raise_exception('Unknown role: ' + message['role']) }}{%- endif -%}
{{ '<|' + message['role'] + '|>' + message['content'].strip() + '<|end|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}";
    let variables = r#"{"bos_token": "<s>", "messages": [{"role": "system", "content": " be brief "}, {"role": "user", "content": "hi"}], "add_generation_prompt": true}"#;
    let text = render(source, variables).await;
    assert_eq!(text.as_deref(), Ok("<s><|system|>be brief<|end|><|user|>hi<|end|><|assistant|>"));
    let error = render(source, r#"{"bos_token": "", "messages": [{"role": "robot"}]}"#).await;
    match error {
        Err(RenderError::Execution(error)) => {
            assert_eq!(error.message, "Unknown role: robot");
            assert_eq!(error.line, Some(4));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn variables_must_be_a_json_object() {
    for (variables, reason) in [
        ("", "unexpected end at line 1 column 1"),
        ("[]", "the variables must be a JSON object"),
        ("{\"a\": 1,}", "expected a name in quotes at line 1 column 9"),
        ("{\"a\": 01}", "a number cannot begin with 0 at line 1 column 7"),
        ("{\"a\": 1}x", "unexpected text after the document at line 1 column 9"),
        ("{\"a\":\n\"\\ud800\"}", "lone surrogate in a string at line 2 column 8"),
        ("{\"a\": \"\\x\"}", "unknown escape in a string at line 1 column 9"),
        ("{\"a\": \"\n\"}", "control character in a string at line 1 column 8"),
        ("{\"a\": 1e999}", "number out of range at line 1 column 12"),
        ("{\"a\": tru}", "expected a value at line 1 column 7"),
        ("{\"a\": [1 2]}", "expected `,` or `]` at line 1 column 10"),
    ] {
        match render("x", variables).await {
            Err(RenderError::Variables(message)) => assert_eq!(message, reason, "{variables}"),
            other => panic!("{variables}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_called_cannot_be_saved() {
    let mut wrong = Vec::new();
    for (source, message, line, column) in [
        ("a\n{{ x|uper }}", "unknown filter `uper`; did you mean `upper`?", 2, 6),
        ("{{ x is nosuchtest }}", "unknown test `nosuchtest`", 1, 9),
        ("{{ nosuch(1) }}", "unknown function `nosuch`", 1, 4),
        ("ü{% if strftime_now('%Y') %}{% endif %}", "unknown function `strftime_now`", 1, 8),
        ("{{ xs|map('uper') }}", "unknown filter `uper`; did you mean `upper`?", 1, 11),
        (
            "{{ xs|selectattr('a', 'equals') }}",
            "unknown test `equals`; did you mean `equalto`?",
            1,
            23,
        ),
        ("{% set t | nosuch %}{% endset %}", "unknown filter `nosuch`", 1, 12),
        ("{% filter nosuch %}{% endfilter %}", "unknown filter `nosuch`", 1, 11),
        ("{% include 'x' %}", "a template cannot include, import or extend another one", 1, 4),
        ("{% extends 'x' %}", "a template cannot include, import or extend another one", 1, 4),
        (
            "{% from 'x' import y %}",
            "a template cannot include, import or extend another one",
            1,
            4,
        ),
        (
            "{% autoescape true %}{% endautoescape %}",
            "there is no autoescape: text is never escaped (use the filters `escape`, `tojson` or `urlencode`)",
            1,
            4,
        ),
    ] {
        let error = check(source).await.expect_err(source);
        if (error.message.as_str(), error.line, error.column) != (message, Some(line), Some(column))
        {
            wrong.push(format!("{source}: {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for source in [
        "{{ m(1) }}{% macro m(x) %}{% endmacro %}",
        "{% set f = x %}{{ f() }}",
        "{{ user.method() }}",
        "",
    ] {
        assert_eq!(check(source).await, Ok(()), "{source}");
    }
}

#[tokio::test]
async fn engines_are_named() {
    assert_eq!(sandbox().engines(), [EngineName::default()]);
    let mut unknown = template("x");
    unknown.engine = EngineName::new("nosuch");
    let rendered = sandbox().render(&unknown, "{}").await;
    assert_eq!(rendered, Err(RenderError::NoEngine(EngineName::new("nosuch"))));
}
