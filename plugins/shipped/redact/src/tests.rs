use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn redact(settings: Value) -> Redact {
    Redact::configure(serde_json::from_value(settings).unwrap()).unwrap()
}

fn verdict(settings: Value, text: &str) -> Verdict {
    redact(settings).after_render(&Subject::default(), text).unwrap()
}

/// The text as it goes out with the default settings.
fn out(text: &str) -> String {
    static DEFAULT: LazyLock<Redact> = LazyLock::new(|| redact(json!({})));
    match DEFAULT.after_render(&Subject::default(), text).unwrap() {
        Verdict::Pass => text.to_owned(),
        Verdict::Replace(text) => text,
        Verdict::Refuse { reason, .. } => panic!("refused: {reason}"),
    }
}

#[test]
fn ordinary_texts_pass() {
    for text in [
        "",
        "Hello Ada, your order 1234-5678 of 2026-11-22 14:01 costs 1,299.00 EUR.",
        "call +49 30 1234 5678 or mail us @ work; see risk-assessment-of-the-whole-organization",
        "1700000000000 1700000000001 1700000000002", // milliseconds since 1970
        "0.4111111111111111 4111111111111.1111",     // fractions
        "4111 1111 1111 1112",                       // the check digit is wrong
        "4111 1111-1111 1111 41 11 11 11 11 11 11 11", // not how numbers are written
        "x4111111111111111 4111111111111111_",       // parts of words
        "41111111111111114111111111111111",          // too long for a card
        "550e8400-e29b-41d4-a716-446655440000",
        "sk-short ghp_short AKIASHORT xoxb-1 eyJhbGci",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "a@b, @name, name@, a@b.c",
    ] {
        assert_eq!(verdict(json!({}), text), Verdict::Pass, "{text}");
    }
}

#[test]
fn addresses_are_found() {
    assert_eq!(out("to ada@example.com."), "to [redacted:email].");
    assert_eq!(out("<ada.l+x@mail.example.co.uk>"), "<[redacted:email]>");
    assert_eq!(
        out("mailto:größe@müller.example,b@c.de"),
        "mailto:[redacted:email],[redacted:email]"
    );
}

#[test]
fn card_numbers_are_found() {
    let card = "[redacted:card]";
    assert_eq!(out("4111111111111111"), card);
    assert_eq!(out("4111 1111 1111 1111"), card);
    assert_eq!(out("pay with 3782-822463-10005!"), format!("pay with {card}!"));
    assert_eq!(out("5555 5555 5555 4444, 6011 1111 1111 1117"), format!("{card}, {card}"));
    assert_eq!(out("4222222222222"), card, "13 digits");
    // Numbers around it are not part of it.
    assert_eq!(out("4111 1111 1111 1111 123"), format!("{card} 123"));
    assert_eq!(out("12 4111 1111 1111 1111"), format!("12 {card}"));
    assert_eq!(out("4111111111111111 4111111111111111"), format!("{card} {card}"));
    assert_eq!(out("5  4111111111111111  5"), format!("5  {card}  5"));
    assert_eq!(out("2026-11-22 4111 1111 1111 1111"), format!("2026-11-22 {card}"));
    for text in ["4111111111111111", "4111 1111 1111 1111", "4222222222222"] {
        for before in 0..30 {
            let before = "x ".repeat(before / 2) + &" ".repeat(before % 2);
            assert_eq!(out(&format!("{before}{text}")), format!("{before}{card}"));
        }
    }
}

#[test]
fn secrets_are_found() {
    let hex = "0123456789abcdef".repeat(4);
    for (kind, secret) in [
        ("openai_key", format!("sk-{}", "a1B2".repeat(12))),
        ("openai_key", format!("sk-proj-{}", "a1B2_-".repeat(12))),
        ("openai_key", format!("sk-ant-api03-{}", "a1B2".repeat(12))),
        ("aws_key", "AKIAIOSFODNN7EXAMPLE".into()),
        ("github_token", format!("ghp_{}", "a1B2".repeat(9))),
        ("github_token", format!("github_pat_{}", "a1B2_".repeat(12))),
        ("google_key", format!("AIza{}", "a1B2-".repeat(7))),
        ("slack_token", "xoxb-123456789012-abcdefABCDEF".into()),
        ("slack_token", "xoxe.xoxp-1-abcdefghijkl".into()),
        ("slack_token", "xapp-1-A0123456789-abcdef".into()),
        ("stripe_key", format!("sk_live_{}", "a1B2".repeat(6))),
        ("stripe_key", format!("rk_test_{}", "a1B2".repeat(6))),
        ("px0_key", format!("ak_{hex}")),
        ("px0_key", format!("sess_{hex}")),
        ("px0_key", format!("rst_{hex}")),
        ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl".into()),
        ("jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".into()),
    ] {
        assert_eq!(out(&format!("key={secret} ")), format!("key=[redacted:{kind}] "));
        // Each can be switched off.
        assert_eq!(verdict(json!({ kind: false }), &secret), Verdict::Pass, "{secret}");
    }
}

#[test]
fn private_keys_are_found_with_or_without_their_end() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC/+Kc\nAgEAAoIBAQC7=\n";
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----");
    assert_eq!(
        out(&format!("a\n{key}\nb\n{key}!")),
        "a\n[redacted:private_key]\nb\n[redacted:private_key]!"
    );
    let header =
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n";
    assert_eq!(
        out(&format!("{header}{body}-----END EC PRIVATE KEY-----.")),
        "[redacted:private_key]."
    );
    assert_eq!(out(&format!("-----BEGIN PRIVATE KEY-----{body}")), "[redacted:private_key]");
    let escaped = key.replace('\n', "\\n");
    assert_eq!(out(&format!("{{\"key\":\"{escaped}\"}}")), r#"{"key":"[redacted:private_key]"}"#);
}

#[test]
fn own_patterns_are_found() {
    let settings = json!({
        "patterns": [
            {"name": "ticket", "pattern": r"\bACME-\d{4,}\b"},
            {"name": "name", "pattern": "(?i)ÖSTERREICH"},
        ],
        "replacement": "<{kind}>",
    });
    assert_eq!(
        verdict(settings.clone(), "é ACME-12345 in Österreich: a@b.cc"),
        Verdict::Replace("é <ticket> in <name>: <email>".into()),
    );
    assert_eq!(verdict(settings, "ACME-123"), Verdict::Pass);
}

#[test]
fn nothing_of_what_overlaps_stays() {
    let settings = json!({
        "patterns": [
            {"name": "one", "pattern": "bcd"},
            {"name": "two", "pattern": "cdef"},
            {"name": "three", "pattern": "xa@b"},
        ],
    });
    assert_eq!(verdict(settings.clone(), "abcdefg"), Verdict::Replace("a[redacted:one]g".into()));
    assert_eq!(verdict(settings, "xa@b.example"), Verdict::Replace("[redacted:email]".into()),);
}

#[test]
fn patterns_that_cannot_be_used_are_refused() {
    let refused = |pattern: &str| {
        let settings = json!({"patterns": [{"name": "p", "pattern": pattern}]});
        match Redact::configure(serde_json::from_value(settings).unwrap()) {
            Err(PluginError::Settings(reason)) => reason,
            other => panic!("{pattern}: {other:?}"),
        }
    };
    assert_eq!(refused("ab(c"), "the pattern `p` cannot be read at character 3: unclosed group");
    assert_eq!(
        refused(r"\p{Klingon}"),
        "the pattern `p` cannot be read at character 1: Unicode property not found",
    );
    let empty = "the pattern `p` finds the empty text, which is everywhere, or nothing";
    assert_eq!(refused("a*"), empty);
    assert_eq!(refused(r"\b"), empty);
    assert_eq!(refused(r"[a&&b]"), empty);
    assert_eq!(refused(r"(?:\pL{100}){100}"), "the pattern `p` is too large");
}

#[test]
fn texts_can_be_refused() {
    let text = "ada@example.com, 4111111111111111, b@example.com";
    assert_eq!(
        verdict(json!({"mode": "refuse"}), text),
        Verdict::refuse("sensitive_text", "the text contains card (1), email (2); leave it out",),
    );
    assert_eq!(verdict(json!({"mode": "refuse"}), "fine"), Verdict::Pass);
}

#[test]
fn everything_can_be_off() {
    let mut settings = json!({});
    for kind in [
        "email",
        "card",
        "openai_key",
        "aws_key",
        "github_token",
        "google_key",
        "slack_token",
        "stripe_key",
        "px0_key",
        "private_key",
        "jwt",
    ] {
        settings[kind] = json!(false);
    }
    assert_eq!(verdict(settings, "a@example.com 4111111111111111"), Verdict::Pass);
    assert!(serde_json::from_value::<Settings>(json!({"mail": true})).is_err());
}

/// The digits with the check digit that makes them a card number.
fn checked(mut digits: Vec<u8>) -> Vec<u8> {
    let sum: u32 = (digits.iter().rev().enumerate())
        .map(|(at, digit)| {
            let digit = u32::from(*digit) * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    digits.push(u8::try_from((10 - sum % 10) % 10).unwrap());
    digits
}

proptest! {
    #[test]
    fn every_card_number_is_found(
        first in 2_u8..=6,
        rest in prop::collection::vec(0_u8..=9, 11..=17),
        groups in prop::collection::vec(3_usize..=7, 7),
        separator in prop::sample::select(vec![" ", "-"]),
    ) {
        let digits = checked([vec![first], rest].concat());
        let mut number = String::new();
        let mut groups = groups.into_iter();
        let mut left = 4;
        for (at, digit) in digits.iter().enumerate() {
            // The last group must not be too short.
            if left == 0 && digits.len() - at >= 3 {
                number.push_str(separator);
                left = groups.next().unwrap();
            }
            left = left.saturating_sub(1);
            number.push(char::from(b'0' + digit));
        }
        // Shorter card numbers may be found inside; something is in any case.
        let shown = out(&format!("({number})"));
        prop_assert!(shown.contains("[redacted:card]"), "{}", number);
        let whole = number.replace([' ', '-'], "");
        prop_assert_eq!(out(&format!("({whole})")), "([redacted:card])");
        let wrong = format!("{}{}", &whole[..whole.len() - 1], (digits[digits.len() - 1] + 1) % 10);
        prop_assert_eq!(out(&wrong), wrong);
    }

    #[test]
    fn a_second_look_finds_nothing(text in "(\\PC|[a-z@. 0-9-]|a@b\\.cc|4111111111111111|-----BEGIN PRIVATE KEY-----){0,60}") {
        // Without numbers: what stands before and after one decides whether it is a card.
        static REDACT: LazyLock<Redact> = LazyLock::new(|| redact(json!({"card": false})));
        match REDACT.after_render(&Subject::default(), &text).unwrap() {
            Verdict::Replace(once) => prop_assert_eq!(REDACT.findings(&once), []),
            verdict => prop_assert_eq!(verdict, Verdict::Pass),
        }
    }

    #[test]
    fn findings_are_in_order_and_apart(text in "(\\PC|[ab@.]|sk-aaaaaaaaaaaaaaaaaaaa|4111111111111111){0,60}") {
        static REDACT: LazyLock<Redact> =
            LazyLock::new(|| redact(json!({"patterns": [{"name": "p", "pattern": "a.{0,3}b|@"}]})));
        let mut end = 0;
        for finding in REDACT.findings(&text) {
            prop_assert!(finding.range.start >= end && finding.range.end > finding.range.start);
            prop_assert!(text.get(finding.range.clone()).is_some());
            end = finding.range.end;
        }
    }
}
