//! Filters, tests and functions that differ from minijinja's, and why.

use std::fmt;

use minijinja::{
    Error, ErrorKind, State, Value, filters, tests,
    value::{Kwargs, Rest, ValueOrKwargs, from_args},
};

use crate::{
    missing::{Missing, missing},
    names,
    variables::Map,
};

/// `default(value, other, lax)`: replaces what is absent, and null too; with `lax` all that is false.
pub(crate) fn default(
    value: &Value,
    other: Option<Value>,
    lax: Option<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let lax = match lax {
        Some(lax) => Some(lax),
        None => kwargs.get::<Option<Value>>("boolean")?,
    };
    let other = match other {
        Some(other) => Some(other),
        None => kwargs.get::<Option<Value>>("default_value")?,
    };
    kwargs.assert_all_used()?;
    let gone = value.is_undefined() || value.is_none() || missing(value).is_some();
    if gone || (lax.is_some_and(|lax| lax.is_true()) && !value.is_true()) {
        Ok(other.unwrap_or_else(|| Value::from("")))
    } else {
        Ok(value.clone())
    }
}

/// `is defined`: it is there, if only as null (as in Jinja2).
pub(crate) fn is_defined(value: &Value) -> bool {
    !is_undefined(value)
}

/// `is undefined`: it is not there.
pub(crate) fn is_undefined(value: &Value) -> bool {
    value.is_undefined() || missing(value).is_some_and(|gone| !gone.is_null())
}

/// `is none`: it is there, as null.
pub(crate) fn is_none(value: &Value) -> bool {
    value.is_none() || missing(value).is_some_and(Missing::is_null)
}

/// `"upper" is filter`: asks the table, because only the filters that a template uses are loaded.
pub(crate) fn is_filter(name: &str) -> bool {
    names::filter::NAMES.contains(&name)
}

/// `"odd" is test`: see [`is_filter`].
pub(crate) fn is_test(name: &str) -> bool {
    names::test::NAMES.contains(&name)
}

/// `map`, whose `default` must see members that are not there as undefined, not as missing.
pub(crate) fn map(
    state: &mut State,
    value: Value,
    args: Rest<ValueOrKwargs>,
) -> Result<Vec<Value>, Error> {
    let value = if asks_default(&args)? { lenient(&value)? } else { value };
    filters::map(state, value, args)
}

/// `groupby`: see [`map`].
pub(crate) fn groupby(
    value: Value,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let value = if kwargs.has("default") { lenient(&value)? } else { value };
    filters::groupby(value, attribute, kwargs)
}

/// `trim`: a text that has nothing to trim is handed on as it is, and not copied.
pub(crate) fn trim(state: &mut State, value: &Value, chars: Option<Value>) -> Result<Value, Error> {
    match value.as_str() {
        Some(text) if chars.is_none() && !value.is_safe() => {
            let trimmed = text.trim();
            let whole = trimmed.len() == text.len();
            Ok(if whole { value.clone() } else { Value::from(trimmed) })
        }
        _ => {
            let mut args = vec![value.clone()];
            args.extend(chars);
            Value::from_function(filters::trim).call(state, &args)
        }
    }
}

/// `chain`: what the first does not have may be in the next, so it is undefined there, not missing.
pub(crate) fn chain(state: &State, value: Value, others: Rest<Value>) -> Result<Value, Error> {
    let lenient = |value: &Value| match value.downcast_object_ref::<Map>() {
        Some(map) => map.lenient(),
        None => value.clone(),
    };
    filters::chain(state, lenient(&value), Rest(others.iter().map(lenient).collect()))
}

/// `is in`: an object of the variables has the keys that it has, though every lookup finds something in it.
pub(crate) fn is_in(state: &State, value: &Value, other: &Value) -> Result<bool, Error> {
    match other.downcast_object_ref::<Map>() {
        Some(map) => Ok(value.as_str().is_some_and(|key| map.member(key).is_some())),
        None => tests::is_in(state, value, other),
    }
}

fn asks_default(args: &[ValueOrKwargs]) -> Result<bool, Error> {
    match args.last() {
        Some(last) if last.is_kwargs() => {
            let (kwargs,): (Kwargs,) = from_args(std::slice::from_ref(&**last))?;
            Ok(kwargs.has("default"))
        }
        _ => Ok(false),
    }
}

/// The items of `value`, with objects whose absent members are undefined.
fn lenient(value: &Value) -> Result<Value, Error> {
    let items = value.try_iter()?.map(|item| match item.downcast_object_ref::<Map>() {
        Some(map) => map.lenient(),
        None => item,
    });
    Ok(items.collect())
}

/// The template refused its variables with [`raise_exception`].
#[derive(Debug)]
pub(crate) struct Raised;

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("raised by the template")
    }
}

impl std::error::Error for Raised {}

/// `raise_exception(message)`: stops the render with the template's own words, as chat templates do.
pub(crate) fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message).with_source(Raised))
}
