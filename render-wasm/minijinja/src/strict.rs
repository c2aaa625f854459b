//! Callables that the rewritten template calls, and that know what a missing variable is.

use std::{fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Object, ObjectRepr},
};

use crate::missing::{Missing, missing};

/// The first missing variable among `args`, keyword arguments included, after all were written down.
pub(crate) fn used(args: &[Value]) -> Option<Value> {
    let mut first = None;
    for arg in args {
        if let Some(gone) = missing(arg) {
            gone.record();
            first.get_or_insert_with(|| arg.clone());
        } else if arg.is_kwargs() {
            for key in arg.try_iter().into_iter().flatten() {
                let value = arg.get_item(&key).unwrap_or_default();
                if let Some(gone) = missing(&value) {
                    gone.record();
                    first.get_or_insert(value);
                }
            }
        }
    }
    first
}

/// What a [`Strict`] answers when something that it was given is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenMissing {
    /// The missing variable itself, so that whatever uses it next is silent too.
    Pass,
    /// False: a test does not hold for what is not there.
    Fail,
    /// Nothing special: the callable looks at missing values itself (`default`, `is defined`).
    Call,
    /// As `Pass`, also for what it looks at in the items of a list: see [`Looks`].
    Items(Looks),
}

/// What a filter compares or hands on of each item of its list. One that lacks is as needed as if it had been printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    /// At `attribute=`, or at the item itself (`sort`, `unique`, `min`, `max`).
    Compared,
    /// At its second argument or `attribute=`, or at the item itself (`sum`, `groupby`).
    Named,
    /// At `attribute=` alone (`map`).
    Mapped,
    /// By the test in its second argument, at the item itself (`select`, `reject`).
    Tested,
    /// By the test in its third argument, at the attribute in its second (`selectattr`, `rejectattr`).
    TestedNamed,
}

impl Looks {
    /// The first that is missing of what is looked at, after all were written down.
    fn missing(self, args: &[Value]) -> Result<Option<Value>, Error> {
        let (positional, kwargs) = match args.split_last() {
            Some((last, before)) if last.is_kwargs() => (before, Some(last)),
            _ => (args, None),
        };
        let named = |name: &str| {
            kwargs.and_then(|kwargs| kwargs.get_attr(name).ok()?.as_str().map(str::to_owned))
        };
        let text =
            |at: usize| positional.get(at).and_then(|value| value.as_str()).map(str::to_owned);
        let has_default = kwargs.is_some_and(|kwargs| {
            kwargs.get_attr("default").is_ok_and(|default| !default.is_undefined())
        });
        let (attribute, test) = match self {
            Looks::Compared => (named("attribute"), None),
            Looks::Named => (text(1).or_else(|| named("attribute")), None),
            Looks::Mapped => match named("attribute") {
                None => return Ok(None),
                attribute => (attribute, None),
            },
            Looks::Tested => (None, Some(text(1))),
            Looks::TestedNamed => (text(1), Some(text(2))),
        };
        // Truth and these tests ask whether it is there.
        let asks = |test: &str| matches!(test, "defined" | "undefined" | "none");
        if has_default || test.is_some_and(|test| test.is_none_or(|test| asks(&test))) {
            return Ok(None);
        }
        let Some(Ok(items)) = positional.first().map(Value::try_iter) else {
            return Ok(None);
        };
        let mut first = None;
        for item in items {
            match &attribute {
                None => note(&item, &mut first),
                Some(attributes) => {
                    for path in attributes.split(',') {
                        note(&attribute_of(&item, path.trim())?, &mut first);
                    }
                }
            }
        }
        Ok(first)
    }
}

fn note(value: &Value, first: &mut Option<Value>) {
    if let Some(gone) = missing(value) {
        gone.record();
        first.get_or_insert_with(|| value.clone());
    }
}

/// What a dotted path leads to in an item.
fn attribute_of(item: &Value, path: &str) -> Result<Value, Error> {
    let mut value = item.clone();
    for part in path.split('.') {
        value = match part.parse::<usize>() {
            Ok(index) => value.get_item_by_index(index)?,
            Err(_) => value.get_attr(part)?,
        };
    }
    if value.is_undefined() {
        let why = format!("an item has no attribute `{path}`");
        return Err(Error::new(ErrorKind::UndefinedError, why));
    }
    Ok(value)
}

/// A filter, test or function that needs what it is given.
pub(crate) struct Strict {
    name: &'static str,
    inner: Value,
    when_missing: WhenMissing,
}

impl Strict {
    /// Wraps `inner`.
    pub(crate) fn wrap(name: &'static str, inner: Value, when_missing: WhenMissing) -> Value {
        Value::from_object(Strict { name, inner, when_missing })
    }
}

impl fmt::Debug for Strict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Object for Strict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if self.when_missing != WhenMissing::Call
            && let Some(gone) = used(args)
        {
            return Ok(match self.when_missing {
                WhenMissing::Fail => Value::from(false),
                _ => gone,
            });
        }
        if let WhenMissing::Items(looks) = self.when_missing
            && let Some(gone) = looks.missing(args)?
        {
            return Ok(gone);
        }
        self.inner.call(state, args)
    }
}

/// An operand: hands on its one argument, and writes it down if it is missing.
#[derive(Debug)]
pub(crate) struct Operand;

impl Object for Operand {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let Some(value) = args.first() else {
            return Ok(Value::UNDEFINED);
        };
        if let Some(gone) = missing(value) {
            Missing::record(gone);
        }
        Ok(value.clone())
    }
}

/// An operand that must not be missing for the operator to work: nothing (none) in its place.
#[derive(Debug)]
pub(crate) struct OperandOrNone;

impl Object for OperandOrNone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let Some(value) = args.first() else {
            return Ok(Value::UNDEFINED);
        };
        if let Some(gone) = missing(value) {
            Missing::record(gone);
            return Ok(Value::from(()));
        }
        Ok(value.clone())
    }
}
