//! Comparison: only values of the same kind can be compared.

use crate::value::Value;

const INCOMPATIBLE: &str = "incompatible types for comparison";
const INVALID: &str = "invalid type for comparison";

/// Which values can be compared with which. Numbers with a fraction and whole ones cannot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Float,
    String,
    /// `nil`, lists and maps.
    Other,
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Int(_) => Kind::Int,
        Value::Float(_) => Kind::Float,
        Value::String(_) => Kind::String,
        Value::Nil | Value::Missing(_) | Value::List(_) | Value::Map(_) => Kind::Other,
    }
}

/// `eq`
pub(crate) fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a.value == b.value),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        (Value::Nil, other) | (other, Value::Nil) => Ok(matches!(other, Value::Nil)),
        _ if kind(a) != kind(b) => Err(INCOMPATIBLE.into()),
        _ => Err(format!("a value of type {} cannot be compared", b.type_name())),
    }
}

/// `lt`
pub(crate) fn less(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a.value < b.value),
        (Value::Float(a), Value::Float(b)) => Ok(a < b),
        (Value::String(a), Value::String(b)) => Ok(a < b),
        _ if kind(a) == Kind::Other || kind(b) == Kind::Other => Err(INVALID.into()),
        (Value::Bool(_), Value::Bool(_)) => Err(INVALID.into()),
        _ => Err(INCOMPATIBLE.into()),
    }
}
