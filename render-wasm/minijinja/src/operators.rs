//! The operators that fail on a missing operand, as callables that go on instead.
//!
//! `a + b` with `a` missing would stop the render with a type error before the other missing
//! variables were seen. These give the missing operand back. The arithmetic itself is minijinja's:
//! but for the commonest cases it is left to the instruction that the operator stood for.

use std::{collections::BTreeMap, fmt, sync::Arc};

use minijinja::{
    AutoEscape, Error, State, Value,
    machinery::{Instruction, Instructions, ast::BinOpKind, eval, make_string_output},
    value::{Object, ObjectRepr, ValueKind},
};

use crate::{strict, variables::Map};

/// Which operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    Neg,
    In,
    /// `a[b:c:d]`.
    Slice,
}

impl Operator {
    /// The one that `op` stands for; none for those that do not fail on a missing operand.
    pub(crate) fn of(op: BinOpKind) -> Option<Operator> {
        Some(match op {
            BinOpKind::Add => Operator::Add,
            BinOpKind::Sub => Operator::Sub,
            BinOpKind::Mul => Operator::Mul,
            BinOpKind::Div => Operator::Div,
            BinOpKind::FloorDiv => Operator::FloorDiv,
            BinOpKind::Rem => Operator::Rem,
            BinOpKind::Pow => Operator::Pow,
            BinOpKind::In => Operator::In,
            BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte
            | BinOpKind::ScAnd
            | BinOpKind::ScOr
            | BinOpKind::Concat => return None,
        })
    }
}

/// An operator as a callable.
pub(crate) struct Operation {
    operator: Operator,
    /// The operator applied to the variables [`NAMES`], for what has no short cut here.
    code: Instructions<'static>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operator.fmt(f)
    }
}

impl Operation {
    /// The callable for `operator`.
    pub(crate) fn value(operator: Operator) -> Value {
        let mut code = Instructions::new("", "");
        let operands = match operator {
            Operator::Neg => &NAMES[..1],
            Operator::Slice => &NAMES[..],
            _ => &NAMES[..2],
        };
        for name in operands {
            code.add(Instruction::Lookup(name));
        }
        code.add(match operator {
            Operator::Add => Instruction::Add,
            Operator::Sub => Instruction::Sub,
            Operator::Mul => Instruction::Mul,
            Operator::Div => Instruction::Div,
            Operator::FloorDiv => Instruction::IntDiv,
            Operator::Rem => Instruction::Rem,
            Operator::Pow => Instruction::Pow,
            Operator::Neg => Instruction::Neg,
            Operator::In => Instruction::In,
            Operator::Slice => Instruction::Slice,
        });
        Value::from_object(Operation { operator, code })
    }

    /// The commonest cases: small numbers, two strings, a key in an object.
    fn short_cut(&self, a: &Value, b: &Value) -> Option<Value> {
        match self.operator {
            Operator::In => {
                let object = b.downcast_object_ref::<Map>()?;
                return Some(Value::from(
                    a.as_str().is_some_and(|key| object.member(key).is_some()),
                ));
            }
            Operator::Add => {
                if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
                    return Some(Value::from([a, b].concat()));
                }
            }
            Operator::Sub | Operator::Mul | Operator::Rem | Operator::FloorDiv => {}
            Operator::Div | Operator::Pow | Operator::Neg | Operator::Slice => return None,
        }
        if !(a.is_integer() && b.is_integer()) {
            return None;
        }
        let (a, b) = (a.as_i64()?, b.as_i64()?);
        let number = match self.operator {
            Operator::Add => a.checked_add(b),
            Operator::Sub => a.checked_sub(b),
            Operator::Mul => a.checked_mul(b),
            // Signs decide which way these round; both are the same here.
            Operator::Rem if a >= 0 && b > 0 => Some(a % b),
            Operator::FloorDiv if a >= 0 && b > 0 => Some(a / b),
            _ => None,
        };
        number.map(Value::from)
    }
}

impl Object for Operation {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if let Some(gone) = strict::used(args) {
            return Ok(if self.operator == Operator::In { Value::from(false) } else { gone });
        }
        if let [a, b] = args
            && let Some(value) = self.short_cut(a, b)
        {
            return Ok(value);
        }
        if self.operator == Operator::Slice
            && let Some(nothing) = backwards_over_nothing(args)
        {
            return Ok(nothing);
        }
        let operands = Value::from_object(Operands(args.to_vec()));
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        let blocks = BTreeMap::new();
        eval(state.env(), &self.code, operands, &blocks, &mut output, AutoEscape::None)
            .map(|(value, _)| value.unwrap_or_default())
            .map_err(|error| match error.detail() {
                Some(detail) => Error::new(error.kind(), detail.to_string()),
                None => Error::from(error.kind()),
            })
    }
}

/// The slice of something empty in steps backwards, where minijinja 3.0.5 panics: it begins at the last item, and there is none.
fn backwards_over_nothing(args: &[Value]) -> Option<Value> {
    let [of, _, _, step] = args else { return None };
    if step.as_i64()? >= 0 {
        return None;
    }
    match of.as_str() {
        Some(text) => text.is_empty().then(|| Value::from("")),
        None => {
            let is_list = matches!(of.kind(), ValueKind::Seq | ValueKind::Iterable);
            let nothing = is_list && of.try_iter().ok()?.next().is_none();
            nothing.then(|| Value::from(Vec::<Value>::new()))
        }
    }
}

/// What the operands are called.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// The operands as variables.
struct Operands(Vec<Value>);

impl fmt::Debug for Operands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operands")
    }
}

impl Object for Operands {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(NAMES.iter().position(|name| *name == key)?).cloned()
    }
}
