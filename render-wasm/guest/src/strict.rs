//! Callables that the rewritten template calls, and that know what a missing variable is.

use std::{fmt, sync::Arc};

use minijinja::{
    Error, State, Value,
    value::{Object, ObjectRepr},
};

use crate::missing::{Missing, missing};

/// The first missing variable among `args`, keyword arguments included, after all were written down.
pub fn used(args: &[Value]) -> Option<Value> {
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
pub enum WhenMissing {
    /// The missing variable itself, so that whatever uses it next is silent too.
    Pass,
    /// False: a test does not hold for what is not there.
    Fail,
    /// Nothing special: the callable looks at missing values itself (`default`, `is defined`).
    Call,
}

/// A filter, test or function that needs what it is given.
pub struct Strict {
    name: &'static str,
    inner: Value,
    when_missing: WhenMissing,
}

impl Strict {
    /// Wraps `inner`.
    pub fn wrap(name: &'static str, inner: Value, when_missing: WhenMissing) -> Value {
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
        self.inner.call(state, args)
    }
}

/// An operand: hands on its one argument, and writes it down if it is missing.
#[derive(Debug)]
pub struct Operand;

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
pub struct OperandOrNone;

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
