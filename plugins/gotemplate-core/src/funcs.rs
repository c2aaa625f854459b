//! What the built-in functions do.

use std::sync::Arc;

use crate::{
    buffer::{Buffer, Full},
    builtin::Builtin,
    compare::{equal, less},
    escape,
    format::{Printer, printf},
    value::{Int, IntKind, Value},
};

/// How long a text that a function makes may be, in bytes. The output has a limit of its own, but
/// `$x = print $x $x` in a loop would fill the memory without any.
const MAX_TEXT: usize = 4 << 20;

/// Calls `function` with arguments none of which is missing.
pub(crate) fn call(function: Builtin, arguments: &[Value]) -> Result<Value, String> {
    match (function, arguments) {
        (Builtin::Eq, [first, others @ ..]) => {
            for other in others {
                if equal(first, other)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        (Builtin::Ne, [a, b]) => Ok(Value::Bool(!equal(a, b)?)),
        (Builtin::Lt, [a, b]) => Ok(Value::Bool(less(a, b)?)),
        (Builtin::Le, [a, b]) => Ok(Value::Bool(less(a, b)? || equal(a, b)?)),
        (Builtin::Gt, [a, b]) => Ok(Value::Bool(!(less(a, b)? || equal(a, b)?))),
        (Builtin::Ge, [a, b]) => Ok(Value::Bool(!less(a, b)?)),
        (Builtin::Len, [value]) => len(value),
        (Builtin::Index, [value, indexes @ ..]) => index(value, indexes),
        (Builtin::Slice, [value, indexes @ ..]) => slice(value, indexes),
        (Builtin::Print, values) => text(|to| Printer::new(to).print(values)),
        (Builtin::Println, values) => text(|to| Printer::new(to).println(values)),
        (Builtin::Printf, [Value::String(format), values @ ..]) => {
            text(|to| printf(to, format, values))
        }
        (Builtin::Printf, [other, ..]) => {
            Err(format!("the format of printf is a string, not {}", other.type_name()))
        }
        (Builtin::Html, values) => escaped(values, escape::html),
        (Builtin::Js, values) => escaped(values, escape::js),
        (Builtin::Urlquery, values) => escaped(values, escape::url_query),
        // `and`, `or`, `not` and `default` look at missing values, so they are not called here.
        _ => Err(format!("wrong number of arguments for {}", function.name())),
    }
}

fn text(write: impl FnOnce(&mut Buffer) -> Result<(), Full>) -> Result<Value, String> {
    let mut buffer = Buffer::new(MAX_TEXT);
    match write(&mut buffer) {
        Ok(()) => Ok(Value::string(buffer.into_bytes())),
        Err(Full) => Err(format!("a text is longer than {MAX_TEXT} bytes")),
    }
}

/// The values as `print` writes them, escaped.
fn escaped(
    values: &[Value],
    escape: fn(&[u8], &mut Buffer) -> Result<(), Full>,
) -> Result<Value, String> {
    if let [Value::String(bytes)] = values {
        return text(|to| escape(bytes, to));
    }
    let Value::String(bytes) = text(|to| Printer::new(to).print(values))? else {
        return Ok(Value::Nil);
    };
    text(|to| escape(&bytes, to))
}

fn len(value: &Value) -> Result<Value, String> {
    let len = match value {
        Value::String(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.entries().len(),
        other => return Err(format!("a value of type {} has no length", other.type_name())),
    };
    Ok(Value::Int(Int::count(len)))
}

fn index(value: &Value, indexes: &[Value]) -> Result<Value, String> {
    if let Value::Nil = value {
        return Err("cannot index nil".into());
    }
    let mut value = value.clone();
    for index in indexes {
        value = match &value {
            Value::List(list) => {
                let at = position(index, list.len())?;
                list.get(at).ok_or_else(|| format!("index {at} is out of range"))?
            }
            Value::String(bytes) => {
                let at = position(index, bytes.len())?;
                let byte = bytes.get(at).ok_or_else(|| format!("index {at} is out of range"))?;
                Value::Int(Int { value: i64::from(*byte), kind: IntKind::Uint8 })
            }
            Value::Map(map) => match index {
                Value::String(key) => map.get(&Arc::from(String::from_utf8_lossy(key))),
                other => return Err(format!("a key is a string, not {}", other.type_name())),
            },
            Value::Missing(_) => value,
            other => return Err(format!("cannot index a value of type {}", other.type_name())),
        };
    }
    Ok(value)
}

/// The position that `index` is, which must not be beyond `max`.
fn position(index: &Value, max: usize) -> Result<usize, String> {
    let Value::Int(int) = index else {
        return Err(format!("an index is a whole number, not {}", index.type_name()));
    };
    usize::try_from(int.value)
        .ok()
        .filter(|at| *at <= max)
        .ok_or_else(|| format!("index {} is out of range", int.value))
}

fn slice(value: &Value, indexes: &[Value]) -> Result<Value, String> {
    let (len, capacity) = match value {
        Value::String(_) if indexes.len() > 2 => {
            return Err("a string is sliced with at most two indexes".into());
        }
        Value::String(bytes) => (bytes.len(), bytes.len()),
        Value::List(list) => (list.len(), list.capacity()),
        other => return Err(format!("cannot slice a value of type {}", other.type_name())),
    };
    let bound = |at: usize, otherwise: usize| match indexes.get(at) {
        Some(index) => position(index, capacity),
        None => Ok(otherwise),
    };
    let (from, to, up_to) = (bound(0, 0)?, bound(1, len)?, bound(2, capacity)?);
    if from > to || to > up_to {
        return Err("the indexes of a slice are not in order".into());
    }
    Ok(match value {
        Value::String(bytes) => Value::string(bytes.get(from..to).unwrap_or_default()),
        Value::List(list) => Value::List(list.slice(from, to, up_to)),
        other => other.clone(),
    })
}
