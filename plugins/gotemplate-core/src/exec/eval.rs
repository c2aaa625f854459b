//! What pipelines and calls give.

use std::sync::Arc;

use super::{Renderer, Stop};
use crate::{
    ast::{Binding, BindingKind, Call, Expr, ExprKind, Function, Pipeline, Targets, VariableId},
    builtin::Builtin,
    error::Position,
    funcs, json,
    place::Place,
    value::Value,
};

const UNDECLARED: &str = "this variable is declared where the template did not pass";

impl Renderer<'_> {
    pub(super) fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Stop> {
        let mut value = self.expr(&pipeline.first, dot)?;
        for stage in &pipeline.stages {
            value = self.call(stage, Some(value), dot)?;
        }
        if let Some(binding) = &pipeline.binding {
            self.bind(binding, &value, pipeline.position)?;
        }
        Ok(value)
    }

    fn bind(&mut self, binding: &Binding, value: &Value, position: Position) -> Result<(), Stop> {
        let (first, second) = match binding.targets {
            Targets::One(id) => (id, None),
            Targets::IndexAndElement(index, element) => (index, Some(element)),
        };
        for id in [Some(first), second].into_iter().flatten() {
            match binding.kind {
                BindingKind::Declare => self.variables.push((id, value.clone())),
                BindingKind::Assign => self.assign(id, value.clone(), position)?,
            }
        }
        Ok(())
    }

    pub(super) fn assign(
        &mut self,
        id: VariableId,
        value: Value,
        position: Position,
    ) -> Result<(), Stop> {
        let frame = self.variables.get_mut(self.frame..).unwrap_or_default();
        match frame.iter_mut().rev().find(|(name, _)| *name == id) {
            Some((_, variable)) => {
                *variable = value;
                Ok(())
            }
            None => Err(position.error(UNDECLARED).into()),
        }
    }

    fn variable(&self, id: VariableId, position: Position) -> Result<&Value, Stop> {
        let frame = self.variables.get(self.frame..).unwrap_or_default();
        match frame.iter().rev().find(|(name, _)| *name == id) {
            Some((_, value)) => Ok(value),
            None => Err(position.error(UNDECLARED).into()),
        }
    }

    fn expr(&mut self, expr: &Expr, dot: &Value) -> Result<Value, Stop> {
        match &expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Nil => Ok(Value::Nil),
            ExprKind::Literal(value) => Ok(value.clone()),
            ExprKind::Variable(id) => Ok(self.variable(*id, expr.position)?.clone()),
            ExprKind::Field(chain) => Ok(match &chain.receiver.kind {
                // Without a copy of what the fields are taken of.
                ExprKind::Dot => fields(dot, &chain.names, expr.position)?,
                ExprKind::Variable(id) => {
                    fields(self.variable(*id, expr.position)?, &chain.names, expr.position)?
                }
                _ => fields(&self.expr(&chain.receiver, dot)?, &chain.names, expr.position)?,
            }),
            ExprKind::Call(call) => self.call(call, None, dot),
            ExprKind::Pipeline(pipeline) => {
                self.enter(expr.position)?;
                let value = self.pipeline(pipeline, dot)?;
                self.leave();
                Ok(value)
            }
        }
    }

    fn call(&mut self, call: &Call, piped: Option<Value>, dot: &Value) -> Result<Value, Stop> {
        match &call.function {
            Function::Builtin(Builtin::And) => self.choice(call, piped, dot, false),
            Function::Builtin(Builtin::Or) => self.choice(call, piped, dot, true),
            Function::Builtin(function) => {
                let mut arguments = self.arguments(call, piped, dot)?;
                match (function, arguments.as_slice()) {
                    (Builtin::Not, [value]) => return Ok(Value::Bool(!value.is_true())),
                    (Builtin::Default, [_, value]) => {
                        let absent = match value {
                            Value::Nil | Value::Missing(_) => true,
                            Value::String(bytes) => bytes.is_empty(),
                            _ => false,
                        };
                        return Ok(arguments.swap_remove(usize::from(!absent)));
                    }
                    _ => {}
                }
                if let Some(missing) = self.needed(&arguments) {
                    return Ok(missing);
                }
                let result = funcs::call(*function, &arguments);
                Ok(result.map_err(|message| call.position.error(message))?)
            }
            Function::Host(name) => self.host_call(call, name, piped, dot),
        }
    }

    /// `and` and `or`: the first argument that decides, or the last one. Those after it are not
    /// looked at.
    fn choice(
        &mut self,
        call: &Call,
        piped: Option<Value>,
        dot: &Value,
        decides: bool,
    ) -> Result<Value, Stop> {
        let mut value = Value::Nil;
        for argument in &call.arguments {
            value = self.expr(argument, dot)?;
            if value.is_true() == decides {
                return Ok(value);
            }
        }
        Ok(piped.unwrap_or(value))
    }

    fn arguments(
        &mut self,
        call: &Call,
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Vec<Value>, Stop> {
        let mut values = Vec::with_capacity(call.arguments.len() + 1);
        for argument in &call.arguments {
            values.push(self.expr(argument, dot)?);
        }
        values.extend(piped);
        Ok(values)
    }

    /// The first that is missing, after all were written down. A function is not called then, and
    /// what it would have given is missing for the same reason.
    fn needed(&mut self, arguments: &[Value]) -> Option<Value> {
        let mut first = None;
        for value in arguments {
            if let Value::Missing(place) = value {
                self.missing.record(place);
                first.get_or_insert(value);
            }
        }
        first.cloned()
    }

    fn host_call(
        &mut self,
        call: &Call,
        name: &str,
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Stop> {
        let arguments = self.arguments(call, piped, dot)?;
        if let Some(missing) = self.needed(&arguments) {
            return Ok(missing);
        }
        let arguments: Vec<_> = arguments.iter().map(json::to_json).collect();
        let result = self.functions.call(name, &arguments).and_then(json::from_json);
        Ok(result.map_err(|message| call.position.error(message))?)
    }
}

/// What a chain of fields leads to. What is inside of something missing is missing for the same
/// reason, under the same name.
fn fields(receiver: &Value, names: &[Arc<str>], position: Position) -> Result<Value, Stop> {
    let mut value = None;
    for name in names {
        let receiver = value.as_ref().unwrap_or(receiver);
        let field = match receiver {
            Value::Map(map) => map.get(name),
            Value::Missing(_) => receiver.clone(),
            Value::Nil => Value::Missing(Place::ROOT.key(name.clone())),
            other => {
                let message = format!(
                    "cannot take the field {name} of a value of type {}",
                    other.type_name()
                );
                return Err(position.error(message).into());
            }
        };
        value = Some(field);
    }
    Ok(value.unwrap_or(Value::Nil))
}
