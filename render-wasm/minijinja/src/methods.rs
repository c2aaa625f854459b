//! The methods of Python's strings, dictionaries and lists that chat templates call.

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{ValueKind, from_args},
};

use crate::strict;

/// minijinja asks here for every method that the value itself does not have.
pub(crate) fn call(
    _: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(gone) = strict::used(args) {
        return Ok(gone);
    }
    match value.kind() {
        ValueKind::String => value.as_str().map_or_else(unknown, |text| string(text, method, args)),
        ValueKind::Map => map(value, method, args),
        ValueKind::Seq | ValueKind::Iterable => list(value, method, args),
        _ => unknown(),
    }
}

fn unknown() -> Result<Value, Error> {
    Err(Error::from(ErrorKind::UnknownMethod))
}

fn string(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    Ok(match method {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            let is_stripped = |c: char| chars.map_or(c.is_whitespace(), |chars| chars.contains(c));
            Value::from(match method {
                "strip" => text.trim_matches(is_stripped),
                "lstrip" => text.trim_start_matches(is_stripped),
                _ => text.trim_end_matches(is_stripped),
            })
        }
        "upper" => none(args, || text.to_uppercase().into())?,
        "lower" => none(args, || text.to_lowercase().into())?,
        "title" => none(args, || title(text).into())?,
        "capitalize" => none(args, || {
            let mut chars = text.chars();
            let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
            (first + &chars.as_str().to_lowercase()).into()
        })?,
        "startswith" | "endswith" => {
            let (what,): (Value,) = from_args(args)?;
            let holds = |part: &Value| {
                let Some(part) = part.as_str() else {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        format!("{method} needs a string"),
                    ));
                };
                Ok(if method == "startswith" {
                    text.starts_with(part)
                } else {
                    text.ends_with(part)
                })
            };
            if what.as_str().is_some() {
                Value::from(holds(&what)?)
            } else {
                let mut any = false;
                for part in what.try_iter()? {
                    any |= holds(&part)?;
                }
                Value::from(any)
            }
        }
        "replace" => {
            let (from, to, count): (&str, &str, Option<i64>) = from_args(args)?;
            Value::from(match count {
                Some(count) if count >= 0 => text.replacen(from, to, count as usize),
                _ => text.replace(from, to),
            })
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "split" => {
            let (separator, limit): (Option<&str>, Option<i64>) = from_args(args)?;
            split(text, separator, limit)?
        }
        "splitlines" => none(args, || text.lines().map(Value::from).collect())?,
        "join" => {
            let (items,): (Value,) = from_args(args)?;
            let mut joined = String::new();
            for (at, item) in items.try_iter()?.enumerate() {
                if at > 0 {
                    joined.push_str(text);
                }
                joined.push_str(&item.to_string());
            }
            Value::from(joined)
        }
        "find" => {
            let (what,): (&str,) = from_args(args)?;
            Value::from(text.find(what).map_or(-1, |at| text[..at].chars().count() as i64))
        }
        "count" => {
            let (what,): (&str,) = from_args(args)?;
            Value::from(if what.is_empty() {
                text.chars().count() + 1
            } else {
                text.matches(what).count()
            })
        }
        "isdigit" => none(args, || all(text, |c| c.is_ascii_digit()))?,
        "isalpha" => none(args, || all(text, char::is_alphabetic))?,
        "isalnum" => none(args, || all(text, char::is_alphanumeric))?,
        "isspace" => none(args, || all(text, char::is_whitespace))?,
        "isupper" => none(args, || {
            (text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)).into()
        })?,
        "islower" => none(args, || {
            (text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)).into()
        })?,
        _ => return unknown(),
    })
}

fn none(args: &[Value], value: impl FnOnce() -> Value) -> Result<Value, Error> {
    let (): () = from_args(args)?;
    Ok(value())
}

fn all(text: &str, holds: fn(char) -> bool) -> Value {
    Value::from(!text.is_empty() && text.chars().all(holds))
}

fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            titled.extend(c.to_lowercase());
        } else {
            titled.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric();
    }
    titled
}

fn split(text: &str, separator: Option<&str>, limit: Option<i64>) -> Result<Value, Error> {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    match separator {
        Some("") => {
            Err(Error::new(ErrorKind::InvalidOperation, "the separator of split must not be empty"))
        }
        Some(separator) => Ok(match limit {
            Some(limit) => text.splitn(limit + 1, separator).map(Value::from).collect(),
            None => text.split(separator).map(Value::from).collect(),
        }),
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_start();
            while !rest.is_empty() {
                if limit == Some(parts.len()) {
                    parts.push(Value::from(rest));
                    break;
                }
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                parts.push(Value::from(&rest[..end]));
                rest = rest[end..].trim_start();
            }
            Ok(parts.into_iter().collect())
        }
    }
}

fn map(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    match method {
        "items" => {
            let (): () = from_args(args)?;
            minijinja::filters::items(value)
        }
        "keys" => {
            let (): () = from_args(args)?;
            Ok(value.try_iter()?.collect())
        }
        "values" => {
            let (): () = from_args(args)?;
            value
                .try_iter()?
                .map(|key| value.get_item(&key))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::from)
        }
        "get" => {
            let (key, default): (&Value, Option<Value>) = from_args(args)?;
            let found = value.get_item(key)?;
            Ok(match default {
                Some(default) if crate::callables::is_undefined(&found) => default,
                None if found.is_undefined() => Value::from(()),
                // A missing variable stays one: it must not make a hole in the text.
                _ => found,
            })
        }
        _ => unknown(),
    }
}

fn list(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (what,): (&Value,) = match method {
        "count" | "index" => from_args(args)?,
        _ => return unknown(),
    };
    if method == "count" {
        return Ok(Value::from(value.try_iter()?.filter(|item| item == what).count()));
    }
    value.try_iter()?.position(|item| item == *what).map(Value::from).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, "the list does not have what index looks for")
    })
}
