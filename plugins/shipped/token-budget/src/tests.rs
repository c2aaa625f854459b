use std::sync::LazyLock;

use proptest::prelude::*;
use px0_plugin::hook::Sample;
use serde_json::{Value, json};

use super::*;

fn rule(settings: Value) -> TokenBudget {
    TokenBudget::configure(serde_json::from_value(settings).unwrap()).unwrap()
}

fn after_render(settings: Value, text: &str) -> Verdict {
    rule(settings).after_render(&Subject::default(), text).unwrap()
}

fn sample(name: Option<&str>, rendered: Result<&str, &str>) -> Sample {
    let rendered = rendered.map(str::to_owned).map_err(str::to_owned);
    Sample { name: name.map(str::to_owned), variables: "{}".into(), rendered }
}

/// How many tokens a text has: the smallest budget that it fits.
fn count(encoding: Encoding, text: &str) -> usize {
    let fits = |max| Budget::new(max, encoding).unwrap().exceeded(text).is_none();
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = (low + high) / 2;
        if fits(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// How many tokens a text has if another implementation is asked.
fn counted_elsewhere(encoding: Encoding, text: &str) -> usize {
    static O200K: LazyLock<tiktoken_rs::CoreBPE> =
        LazyLock::new(|| tiktoken_rs::o200k_base().unwrap());
    static CL100K: LazyLock<tiktoken_rs::CoreBPE> =
        LazyLock::new(|| tiktoken_rs::cl100k_base().unwrap());
    match encoding {
        Encoding::O200k => O200K.encode_ordinary(text).len(),
        Encoding::Cl100k => CL100K.encode_ordinary(text).len(),
    }
}

#[test]
fn counts_are_those_that_openai_publishes() {
    for (text, o200k, cl100k) in [
        ("", 0, 0),
        ("hello world", 2, 2),
        ("tiktoken is great!", 6, 6),
        ("antidisestablishmentarianism", 6, 6),
        ("2 + 2 = 4", 7, 7),
        ("お誕生日おめでとう", 8, 9),
    ] {
        assert_eq!(count(Encoding::O200k, text), o200k, "{text}");
        assert_eq!(count(Encoding::Cl100k, text), cl100k, "{text}");
    }
}

#[test]
fn counts_of_real_texts_are_those_of_another_implementation() {
    let wit = include_str!("../../../wit/px0-plugin-0.1.0/plugin.wit");
    let toml = include_str!("../../Cargo.lock");
    let cases = include_str!("../../../gotemplate-core/conformance/expected.json");
    for text in [wit, toml, cases, &wit.replace('\n', "\r\n"), &wit.replace(' ', "\u{a0}")] {
        for encoding in [Encoding::O200k, Encoding::Cl100k] {
            let expected = counted_elsewhere(encoding, text);
            assert!(expected > 1_000);
            assert_eq!(count(encoding, text), expected, "{encoding:?}");
        }
    }
}

#[test]
fn texts_within_the_budget_pass() {
    assert_eq!(after_render(json!({}), &"word ".repeat(10_000)), Verdict::Pass);
    assert_eq!(after_render(json!({"max_tokens": 2}), "hello world"), Verdict::Pass);
    assert_eq!(
        after_render(json!({"max_tokens": 1}), "hello world"),
        Verdict::refuse("token_budget_exceeded", "the text has 2 tokens of at most 1"),
    );
    let text = "hello ".repeat(1_204);
    assert_eq!(
        after_render(json!({"max_tokens": 1_000, "encoding": "cl100k_base"}), text.trim_end()),
        Verdict::refuse("token_budget_exceeded", "the text has 1,204 tokens of at most 1,000"),
    );
    assert_eq!(
        after_render(json!({"max_tokens": 500}), &text),
        Verdict::refuse(
            "token_budget_exceeded",
            "the text has more than 1,000 tokens of at most 500",
        ),
    );
}

#[test]
fn samples_are_counted_at_promotion() {
    let rule = rule(json!({"max_tokens": 3}));
    let ask = |samples: &[Sample]| {
        let promotion = Promotion { samples: samples.to_vec(), ..Promotion::default() };
        rule.before_promote(&promotion).unwrap()
    };
    let fine = sample(Some("short"), Ok("hello world"));
    let broken = sample(None, Err("missing variables: a, b, c, d, e, f, g"));
    assert_eq!(ask(&[]), Verdict::Pass);
    assert_eq!(ask(&[fine.clone(), broken.clone()]), Verdict::Pass);
    let named = sample(Some("long chat"), Ok("one two three four"));
    assert_eq!(
        ask(&[fine.clone(), broken, named]),
        Verdict::refuse("token_budget_exceeded", "sample `long chat` has 4 tokens of at most 3"),
    );
    assert_eq!(
        ask(&[fine, sample(None, Ok("one two three four"))]),
        Verdict::refuse(
            "token_budget_exceeded",
            "sample 2 (from the newest, without a name) has 4 tokens of at most 3",
        ),
    );
}

#[test]
fn settings_are_read_strictly() {
    for settings in [
        json!({"max_tokens": -1}),
        json!({"max_tokens": "1"}),
        json!({"encoding": "p50k_base"}),
        json!({"max": 1}),
    ] {
        assert!(serde_json::from_value::<Settings>(settings).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_has_as_many_tokens_as_elsewhere(
        text in "(\\PC|[ \\r\\n\t]{1,3}|[a-zA-Z]{1,12}|[0-9]{1,5}| |'(s|S|ll|RE)|[.,/!?-]{1,4}|[äßéあ漢字🙂]){0,80}",
    ) {
        for encoding in [Encoding::O200k, Encoding::Cl100k] {
            prop_assert_eq!(count(encoding, &text), counted_elsewhere(encoding, &text));
        }
    }

    /// Long enough to be cut: what may stand around a cut, many times.
    #[test]
    fn texts_may_be_cut(
        parts in prop::collection::vec("[a-zA-Z]{1,3}|[0-9]{1,2}|[ \\n\\r\t]{1,2}|[.,/(\"'-]|[äあ\u{301}\u{a0}]|\n[a-z0-9/]| [a-zA-Z]", 3_000..4_000),
    ) {
        let text = parts.concat();
        for encoding in [Encoding::O200k, Encoding::Cl100k] {
            let counted: usize = pieces::pieces(&text)
                .map(|piece| counted_elsewhere(encoding, piece))
                .sum();
            prop_assert_eq!(counted, counted_elsewhere(encoding, &text));
        }
    }
}
