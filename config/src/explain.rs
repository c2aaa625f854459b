//! What is wrong with a file or a value, in words for the operator: what was expected and what was found, and never a secret.

use figment::error::{Actual, Kind};
use toml::Value;

use crate::{ConfigError, keys::Known};

/// Whether the value of a key is never repeated.
fn is_secret(key: &str) -> bool {
    const ENDS: [&str; 4] = ["password", "secret", "token", "key"];
    key == "store.postgres.url" || ENDS.iter().any(|end| key.ends_with(end))
}

/// Figment's error in the words of our keys.
pub(crate) fn value(error: &figment::Error, known: &Known) -> ConfigError {
    // Within a list the path goes on to the item.
    let paths = (1..=error.path.len()).rev().map(|length| error.path[..length].join("."));
    let key = paths.clone().find(|key| known.contains_key(key));
    let key = key.unwrap_or_else(|| error.path.join("."));
    let default = known.get(&key);
    let why = match &error.kind {
        _ if is_secret(&key) => {
            "expected a text, but found something else, which is not shown because it is a secret"
                .to_owned()
        }
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
            format!("expected {}, but found {}", expected(wanted, default), actual(found))
        }
        Kind::UnknownVariant(found, words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("expected one of {}, but found `{found}`", words.join(", "))
        }
        // Of our own parsers, which say both.
        Kind::Message(why) => why.clone(),
        other => other.to_string(),
    };
    match key.is_empty() {
        true => ConfigError::Value(format!("invalid settings: {why}")),
        false => ConfigError::Value(format!("invalid value for `{key}`: {why}")),
    }
}

/// What a key takes. `wanted` is the type as serde calls it, `default` the value that the key has by itself.
fn expected(wanted: &str, default: Option<&Value>) -> String {
    let (least, number) = match wanted.strip_prefix("a nonzero ") {
        Some(number) => (1, number),
        None => (0, wanted),
    };
    let most = match number {
        "u8" => Some(u64::from(u8::MAX)),
        "u16" => Some(u64::from(u16::MAX)),
        "u32" => Some(u64::from(u32::MAX)),
        _ => None,
    };
    match (default, most) {
        (Some(Value::Integer(_)), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(Value::Integer(_)), None) => format!("a whole number, at least {least}"),
        (Some(Value::Boolean(_)), _) => "`true` or `false`".to_owned(),
        (Some(Value::Array(_)), _) if wanted == "a sequence" => {
            r#"a list of texts, as in `["one", "two"]`"#.to_owned()
        }
        (Some(Value::Array(_)), _) => "only texts in the list".to_owned(),
        (Some(Value::String(text)), _) if !text.is_empty() => format!("a text, such as `{text}`"),
        (Some(Value::String(_)), _) => "a text".to_owned(),
        (Some(Value::Float(_)), _) => "a number".to_owned(),
        (None | Some(Value::Datetime(_) | Value::Table(_)), _) => "a section".to_owned(),
    }
}

fn actual(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => format!("`{value}`"),
        Actual::Unsigned(number) => format!("the number {number}"),
        Actual::Signed(number) => format!("the number {number}"),
        Actual::Float(number) => format!("the number {number}"),
        Actual::Char(letter) => format!("the text `{letter}`"),
        Actual::Str(text) if text.is_empty() => "an empty text".to_owned(),
        Actual::Str(text) => format!("the text `{text}`"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a section".to_owned(),
        _ => "something else".to_owned(),
    }
}

/// Where and why a text is no TOML. What stands there is not repeated: it may be a secret.
pub(crate) fn syntax(error: &toml::de::Error, text: &str) -> String {
    // A parser's reasons may go on in a second line.
    let reason = error.message().lines().collect::<Vec<_>>().join(", ");
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: {reason}")
        }
        None => reason,
    }
}
