//! Hostile templates: they end with an error, neither with a panic nor with an overflow.
#![allow(clippy::unwrap_used, reason = "a test that cannot compile its template has failed")]

use proptest::prelude::*;
use px0_gotemplate_core::{NoFunctions, RenderError, Template};

const DEEP: &str = "template is nested too deeply";

fn render(source: &str, variables: &str, max_output: usize) -> Result<String, RenderError> {
    Template::compile(source, &NoFunctions).unwrap().render(variables, max_output, &NoFunctions)
}

fn nested(open: &str, middle: &str, close: &str, depth: usize) -> String {
    format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
}

fn compile_error(source: &str) -> String {
    Template::compile(source, &NoFunctions).unwrap_err().message
}

fn execution_error(result: Result<String, RenderError>) -> String {
    match result {
        Err(RenderError::Execution(error)) => error.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nesting_obeyed() {
    let parens = format!("{{{{{}}}}}", nested("(", "1", ")", 200));
    assert_eq!(render(&parens, "{}", 10).as_deref(), Ok("1"));
    let ifs = nested("{{if true}}", "x", "{{end}}", 200);
    assert_eq!(render(&ifs, "{}", 10).as_deref(), Ok("x"));
}

#[test]
fn nesting_violated() {
    assert_eq!(compile_error(&format!("{{{{{}}}}}", nested("(", "1", ")", 201))), DEEP);
    for open in ["{{if true}}", "{{with 1}}", "{{range 1}}", "{{block \"x\" .}}"] {
        assert_eq!(compile_error(&nested(open, "x", "{{end}}", 201)), DEEP);
        assert_eq!(compile_error(&open.repeat(100_000)), DEEP);
    }
    assert_eq!(compile_error(&format!("{{{{{}", "(".repeat(100_000))), DEEP);
    assert_eq!(compile_error(&format!("{{{{{}", "(print ".repeat(100_000))), DEEP);
}

#[test]
fn what_does_not_nest_may_be_long() {
    let else_ifs = format!("{{{{if false}}}}{}{{{{end}}}}", "{{else if false}}".repeat(10_000));
    assert_eq!(render(&else_ifs, "{}", 10).as_deref(), Ok(""));
    let pipeline = format!("{{{{1{}}}}}", " | print".repeat(10_000));
    assert_eq!(render(&pipeline, "{}", 10).as_deref(), Ok("1"));
    let fields = format!("{{{{if .a{}}}}}{{{{end}}}}", ".a".repeat(10_000));
    assert_eq!(render(&fields, "{}", 10).as_deref(), Ok(""));
    let variables = "{{$x := 1}}".repeat(5_000);
    assert_eq!(render(&variables, "{}", 10).as_deref(), Ok(""));
}

#[test]
fn calls_obeyed() {
    let counts = "{{define \"x\"}}{{len .}}{{if gt (len .) 0}}{{template \"x\" (slice . 1)}}{{end}}\
        {{end}}{{template \"x\" .s}}";
    let variables = format!("{{\"s\": \"{}\"}}", "x".repeat(99));
    assert!(render(counts, &variables, 1000).unwrap().ends_with("3210"));
}

#[test]
fn calls_violated() {
    let forever = "{{define \"x\"}}{{template \"x\" .}}{{end}}{{template \"x\" .}}";
    assert_eq!(execution_error(render(forever, "{}", 10)), DEEP);
    let each_other = "{{define \"a\"}}{{template \"b\" .}}{{end}}\
        {{define \"b\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}";
    assert_eq!(execution_error(render(each_other, "{}", 10)), DEEP);
}

/// Every level of a call may itself be nested deeply; the stack of a sandbox holds half a megabyte.
#[test]
fn nesting_and_calls_together() {
    let opens = "{{if true}}{{range 1}}{{with 1}}".repeat(50);
    let ends = "{{end}}".repeat(150);
    let source = format!(
        "{{{{define \"x\"}}}}{opens}{{{{template \"x\"}}}}{ends}{{{{end}}}}{{{{template \"x\"}}}}"
    );
    assert_eq!(execution_error(render(&source, "{}", 10)), DEEP);
    let source = format!(
        "{{{{define \"x\"}}}}{{{{{}}}}}{opens}{{{{template \"x\"}}}}{ends}{{{{end}}}}{{{{template \"x\"}}}}",
        nested("(print ", "1", ")", 199)
    );
    assert_eq!(execution_error(render(&source, "{}", 1000)), DEEP);
}

#[test]
fn output_obeyed() {
    assert_eq!(render("{{.a}}-{{.a}}", r#"{"a": "12345"}"#, 11).as_deref(), Ok("12345-12345"));
    assert_eq!(render("", "{}", 0).as_deref(), Ok(""));
}

#[test]
fn output_violated() {
    let variables = r#"{"a": "12345", "l": [1, 2, 3]}"#;
    for source in ["{{.a}}-{{.a}}x", "{{range 9223372036854775807}}x{{end}}", "{{.l}}{{.l}}{{.l}}"]
    {
        assert_eq!(render(source, variables, 11), Err(RenderError::Output), "{source}");
    }
    // The replacement of half a character is longer than the half.
    assert_eq!(render("{{slice \"é\" 1}}", "{}", 1), Err(RenderError::Output));
}

#[test]
fn texts_in_between_are_bounded() {
    let doubles = "{{$x := \"0123456789abcdef\"}}{{range 64}}{{$x = print $x $x}}{{end}}";
    let long = "a text is longer than 4194304 bytes";
    assert_eq!(execution_error(render(doubles, "{}", 10)), long);
    let wide = format!("{{{{$x := printf \"{}\" 1}}}}", "%1000000[1]d".repeat(1000));
    assert_eq!(execution_error(render(&wide, "{}", 10)), long);
    let quoted = "{{$x := printf \"%1000000d\" 1}}{{range 5}}{{$x = printf \"%q\" $x}}{{end}}";
    assert_eq!(render(quoted, "{}", 10).as_deref(), Ok(""));
}

#[test]
fn huge_numbers_in_formats() {
    for format in [
        "%99999999999999999999d",
        "%.99999999999999999999f",
        "%[99999999999999999999]d",
        "%9999999.9999999f",
        "%.9999999e",
        "%.9999999g",
        "%.9999999x",
        "%-9999999q",
        "%#.9999999U",
        "%.9999999b",
        "%*d",
        "%.*f",
    ] {
        for value in ["1", "1.5", "\"x\"", "-9223372036854775808", "5e-324", "1e308"] {
            // Whatever comes of it.
            let _ = render(&format!("{{{{printf \"{format}\" {value} {value}}}}}"), "{}", 1 << 20);
        }
    }
}

#[test]
fn extreme_indexes() {
    let variables = r#"{"l": [1], "n": -9223372036854775808, "big": 9223372036854775807}"#;
    for index in [".n", ".big", "-1", "9223372036854775807", "1.5", "\"x\"", "true", ".l"] {
        for source in
            ["index .l I", "slice .l I", "slice \"abc\" 0 I", "slice .l 0 1 I", "index \"a\" I"]
        {
            let source = format!("{{{{{}}}}}", source.replace('I', index));
            assert!(render(&source, variables, 100).is_err(), "{source}");
        }
    }
}

/// Pieces of templates: put together at random they are more often nearly right than characters are.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "(",
    ")",
    "|",
    ":=",
    "=",
    ",",
    ".",
    "$",
    "$x",
    "$i",
    ".a",
    ".b.c",
    ".l",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "nil",
    "true",
    "\"x\"",
    "\"%",
    "\"%[2]*.3q\"",
    "`r`",
    "'c'",
    "'",
    "\"",
    "1",
    "-1",
    "1.5",
    "0x1p",
    "_",
    "1e9",
    "9223372036854775807",
    "printf",
    "print",
    "index",
    "slice",
    "len",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "default",
    "html",
    "js",
    "urlquery",
    "é",
    "\u{0}",
    "\\",
    "/*",
    "*/",
    "text",
    "{{if .a}}",
    "{{end}}",
    "{{range $i, $x := .l}}",
    "{{else}}",
    "{{template \"x\" .}}",
    "{{define \"x\"}}",
    "{{.a}}",
    "{{with .m}}",
    "{{$x := .l}}",
    "{{printf \"%v %d %q %x\" .l .m .a .f}}",
];

const VARIABLES: &str =
    r#"{"a": "é\n", "l": [1, null, "x", [2.5]], "m": {"b": {"c": true}}, "f": 1e300}"#;

fn survives(source: &str, variables: &str) {
    if let Ok(template) = Template::compile(source, &NoFunctions) {
        template.variables();
        if let Ok(text) = template.render(variables, 10_000, &NoFunctions) {
            assert!(text.len() <= 10_000);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_source_panics(source in ".{0,200}") {
        survives(&source, VARIABLES);
        survives(&format!("{{{{{source}}}}}"), VARIABLES);
    }

    #[test]
    fn no_pieces_panic(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        survives(&pieces.concat(), VARIABLES);
        survives(&pieces.join(" "), VARIABLES);
        survives(&format!("{{{{ {} }}}}", pieces.join(" ")), VARIABLES);
    }

    #[test]
    fn no_format_panics(
        format in r"(%[-+# 0]{0,3}(\[[0-9x]{0,2}\]?)?([0-9]{1,3}|\*)?(\.([0-9]{0,4}|\*))?.){1,4}",
        int in any::<i64>(),
        float in any::<f64>().prop_filter("JSON has neither", |float| float.is_finite()),
        text in ".{0,5}",
    ) {
        let list = [serde_json::json!(int), serde_json::json!(text)];
        let variables =
            serde_json::json!({"f": format, "i": int, "d": float, "t": text, "l": list}).to_string();
        survives("{{printf .f .i .d .t .l}}", &variables);
        survives("{{printf .f .d .t .l .i}}{{printf .f .t}}", &variables);
    }

    #[test]
    fn no_variables_panic(variables in ".{0,100}") {
        survives("{{.a}}", &variables);
    }

    /// Integers and strings come out as they went in.
    #[test]
    fn values_survive(int in any::<i64>(), text in ".{0,50}") {
        let variables = serde_json::json!({"i": int, "t": text}).to_string();
        let printed = render("{{.i}} {{.t}}", &variables, 1000);
        prop_assert_eq!(printed, Ok(format!("{int} {text}")));
    }
}
