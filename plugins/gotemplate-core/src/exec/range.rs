//! `range`.

use super::{Flow, Renderer, Stop};
use crate::{
    ast::{Loop, Targets},
    value::{Int, Value},
};

impl Renderer<'_> {
    pub(super) fn range(&mut self, range: &Loop, dot: &Value) -> Result<Flow, Stop> {
        let outer = self.variables.len();
        let position = range.pipeline.position;
        let value = self.pipeline(&range.pipeline, dot)?;
        self.enter(position)?;
        let mark = self.variables.len();
        let mut iterations = Iterations { range, mark, any: false };
        match &value {
            Value::Missing(place) => self.missing.record(place),
            Value::Nil => {}
            Value::List(list) => {
                for index in 0..list.len() {
                    let Some(item) = list.get(index) else { break };
                    let index = Value::Int(Int::count(index));
                    if !iterations.run(self, index, item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, _) in map.entries() {
                    let item = map.get(key);
                    if !iterations.run(self, Value::string(key.as_bytes()), item)? {
                        break;
                    }
                }
            }
            // Newer than Go 1.19.
            Value::Int(count) => {
                let targets = range.pipeline.binding.as_ref().map(|binding| binding.targets);
                if matches!(targets, Some(Targets::IndexAndElement(..))) {
                    let message = "a range over a number has only one variable";
                    return Err(position.error(message).into());
                }
                for at in 0..count.value {
                    let at = Value::Int(Int { value: at, ..*count });
                    if !iterations.run(self, at.clone(), at)? {
                        break;
                    }
                }
            }
            Value::Bool(_) | Value::Float(_) | Value::String(_) => {
                let message =
                    format!("range cannot iterate over a value of type {}", value.type_name());
                return Err(position.error(message).into());
            }
        }
        let flow = if iterations.any { Flow::Next } else { self.nodes(&range.otherwise, dot)? };
        self.leave();
        self.variables.truncate(outer);
        Ok(flow)
    }
}

/// The values of a range, one after the other.
struct Iterations<'r> {
    range: &'r Loop,
    /// Which variables were there before the body.
    mark: usize,
    any: bool,
}

impl Iterations<'_> {
    /// Renders the body once. Answers whether to go on.
    fn run(
        &mut self,
        renderer: &mut Renderer<'_>,
        index: Value,
        element: Value,
    ) -> Result<bool, Stop> {
        self.any = true;
        if let Some(binding) = &self.range.pipeline.binding {
            let position = self.range.pipeline.position;
            match binding.targets {
                Targets::One(id) => renderer.assign(id, element.clone(), position)?,
                Targets::IndexAndElement(first, second) => {
                    renderer.assign(second, element.clone(), position)?;
                    renderer.assign(first, index, position)?;
                }
            }
        }
        let flow = renderer.nodes(&self.range.body, &element)?;
        renderer.variables.truncate(self.mark);
        Ok(flow != Flow::Break)
    }
}
