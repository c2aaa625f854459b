//! The tape against serde_json: the same texts are JSON, and they say the same.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::{
    collection::vec,
    prelude::{Just, any, prop_oneof},
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};
use px0_document::{Node, Tag, Tape};
use serde_json::{Map, Number, Value};

/// What a tape says, as serde_json would.
fn value(tape: &Tape, node: Node) -> Value {
    let items = |step: usize| (node.first()..).step_by(step).take(node.length() as usize);
    match node.tag() {
        Tag::Null => Value::Null,
        Tag::False => false.into(),
        Tag::True => true.into(),
        Tag::Int | Tag::Float => number(tape.text(node)),
        Tag::Text | Tag::Unescaped => tape.text(node).into(),
        Tag::Array => items(1).map(|at| value(tape, tape.node(at))).collect(),
        Tag::Object => {
            let pair = |at| (tape.text(tape.node(at)).to_owned(), value(tape, tape.node(at + 1)));
            Value::Object(items(2).map(pair).collect())
        }
    }
}

fn number(text: &str) -> Value {
    text.parse::<i64>()
        .map(Value::from)
        .or_else(|_| text.parse::<u64>().map(Value::from))
        .unwrap_or_else(|_| Number::from_f64(text.parse().unwrap()).unwrap().into())
}

/// Whether two values are the same, but for the last bits of numbers: serde_json reads them quickly, not exactly.
fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            (left - right).abs() <= left.abs() * 1e-14 + f64::MIN_POSITIVE
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| alike(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let alike = |((name, left), (other, right)): ((&String, &Value), (&String, &Value))| {
                name == other && alike(left, right)
            };
            left.len() == right.len() && left.iter().zip(right).all(alike)
        }
        (left, right) => left == right,
    }
}

/// With the members of objects in the order of a tape.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Whether both read a text, and the same from it.
fn same(text: &str) {
    match (Tape::read(text), serde_json::from_str::<Value>(text)) {
        (Ok(tape), Ok(expected)) => {
            let (read, expected) = (value(&tape, tape.root()), sorted(expected));
            assert!(alike(&read, &expected), "{text:?}: {read} is not {expected}");
            looked_up(&tape, tape.root());
        }
        (Err(_), Err(_)) => {}
        (read, expected) => {
            panic!("{text:?}: {:?} against {:?}", read.map(drop), expected.map(drop));
        }
    }
}

/// Each member of each object is found by its name, and no other.
fn looked_up(tape: &Tape, node: Node) {
    let pairs = if node.tag() == Tag::Object { node.length() } else { 0 };
    for at in (node.first()..).step_by(2).take(pairs as usize) {
        let name = tape.text(tape.node(at));
        assert_eq!(tape.member(node, name), Some(at + 1));
        looked_up(tape, tape.node(at + 1));
    }
    if node.tag() == Tag::Object {
        assert_eq!(tape.member(node, "no such member"), None);
    }
}

/// Texts that are JSON, in all the ways that it can be written.
fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
    ];
    let piece = prop_oneof![
        "[ -!#-\\[\\]-~]{0,20}",
        "[à-ö日本😀]{0,4}",
        Just("\\\"".to_owned()),
        Just("\\\\".to_owned()),
        "\\\\[/bfnrt]",
        "\\\\u[0-9a-fA-F]{4}",
        Just("\\ud83d\\ude00".to_owned()),
    ];
    let string = vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let word = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned);
    let key = prop_oneof![string.clone(), "\"[a-d]\""];
    let leaf = prop_oneof![number, string, word];
    leaf.prop_recursive(6, 120, 24, move |inner| {
        let space = "[ \\t\\r\\n]{0,2}";
        let item = (space, inner, space)
            .prop_map(|(before, item, after)| format!("{before}{item}{after}"));
        let member = (space, key.clone(), item.clone())
            .prop_map(|(before, key, item)| format!("{before}{key}:{item}"));
        prop_oneof![
            vec(item, 0..12).prop_map(|items| format!("[{}]", items.join(","))),
            vec(member, 0..24).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 2000, failure_persistence: None, ..Config::default() })
}

#[test]
fn what_is_json_says_the_same() {
    runner()
        .run(&json(), |text| {
            same(&text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_nearly_json_is_refused_by_both() {
    // A byte taken away, put in, or changed.
    let bytes =
        prop_oneof![Just(b"\"\\{}[]:,-+.eEu019ntf \n\0\x1f".to_vec()), Just((0..=255).collect())];
    let spoiled = (json(), any::<usize>(), 0..3, bytes, any::<usize>());
    runner()
        .run(&spoiled, |(text, at, how, bytes, which)| {
            let (mut text, byte) = (text.into_bytes(), bytes[which % bytes.len()]);
            let at = at % text.len();
            match how {
                0 => drop(text.remove(at)),
                1 => text.insert(at, byte),
                _ => text[at] = byte,
            }
            if let Ok(text) = String::from_utf8(text) {
                same(&text);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_edges_are_the_same() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "\"",
        "\\",
        "nul",
        "nulll",
        "truefalse",
        "01",
        "-",
        "-0",
        "-0.0",
        "1.",
        ".1",
        "1e",
        "1e+",
        "1e309",
        "-1e309",
        "1e-400",
        "0e999",
        "1E400",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\u00g0\"",
        "\"\\x\"",
        "\"\u{1f}\"",
        "\"\0\"",
        "\0",
        "{}\0",
        "{} {}",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1,\"a\":2}",
        "\u{feff}{}",
        "[1 2]",
        "{\"\":0}",
        "[[],{}]",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
    ] {
        same(text);
    }
    for text in [deep(127), deep(128), deep(129), deep(100_000)] {
        // serde_json counts one level less.
        if text.len() != 2 * 128 {
            same(&text);
        }
    }
    let digits = "9".repeat(400);
    for text in
        [digits.clone(), format!("0.{digits}"), format!("{digits}.5"), format!("1e{digits}")]
    {
        same(&text);
    }
}
