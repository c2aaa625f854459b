//! Renders: walks the tree.
//!
//! `eval` computes values, `range` repeats.

mod eval;
mod range;

use crate::{
    ast::{Arm, Conditional, DefinitionId, Node, Pipeline, Tree, VariableId},
    buffer::{Buffer, Full},
    error::{Position, RenderError, TemplateError},
    format::Printer,
    functions::Functions,
    missing::MissingNames,
    value::Value,
};

/// How deep templates may call each other.
const MAX_CALLS: usize = 100;

/// How deep blocks, parentheses and calls of templates may nest in one another while rendering.
/// Each level recurses, and the stack of a sandbox is small.
const MAX_LEVELS: usize = 400;

/// Renders `tree` with `variables`.
pub(crate) fn render(
    tree: &Tree,
    variables: Value,
    max_output: usize,
    functions: &dyn Functions,
) -> Result<String, RenderError> {
    let mut renderer = Renderer {
        tree,
        functions,
        output: Buffer::new(max_output),
        missing: MissingNames::default(),
        variables: vec![(VariableId::ROOT, variables.clone())],
        frame: 0,
        calls: 0,
        levels: 0,
    };
    let result = renderer.nodes(&tree.main, &variables);
    // What went wrong after something was missing may well be its consequence.
    if let Some(names) = renderer.missing.into_names() {
        return Err(RenderError::Missing(names));
    }
    match result {
        Ok(_) => {}
        Err(Stop::Error(error)) => return Err(RenderError::Execution(*error)),
        Err(Stop::Output) => return Err(RenderError::Output),
    }
    match String::from_utf8(renderer.output.into_bytes()) {
        Ok(text) => Ok(text),
        Err(error) => {
            // A slice of a string ended within a character.
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            if text.len() > max_output { Err(RenderError::Output) } else { Ok(text) }
        }
    }
}

/// Why a render stops early. Small, because it is in every answer of functions that recurse.
enum Stop {
    Error(Box<TemplateError>),
    /// The output is full.
    Output,
}

impl From<TemplateError> for Stop {
    fn from(error: TemplateError) -> Stop {
        Stop::Error(Box::new(error))
    }
}

/// It is only ever the output that is written to directly.
impl From<Full> for Stop {
    fn from(Full: Full) -> Stop {
        Stop::Output
    }
}

/// What to do after a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Renderer<'a> {
    tree: &'a Tree,
    functions: &'a dyn Functions,
    output: Buffer,
    missing: MissingNames,
    /// The variables of all templates that call each other.
    variables: Vec<(VariableId, Value)>,
    /// Where those of the current template begin.
    frame: usize,
    calls: usize,
    levels: usize,
}

impl Renderer<'_> {
    fn enter(&mut self, position: Position) -> Result<(), Stop> {
        self.levels += 1;
        if self.levels > MAX_LEVELS {
            return Err(position.error("template is nested too deeply").into());
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.levels -= 1;
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, Stop> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.output.write_str(text)?;
                    Flow::Next
                }
                Node::Action(pipeline) => {
                    self.action(pipeline, dot)?;
                    Flow::Next
                }
                Node::If(conditional) => self.conditional(conditional, dot, false)?,
                Node::With(conditional) => self.conditional(conditional, dot, true)?,
                Node::Range(range) => self.range(range, dot)?,
                Node::Template { position, definition, argument } => {
                    self.template(*position, *definition, argument.as_ref(), dot)?;
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn action(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<(), Stop> {
        let value = self.pipeline(pipeline, dot)?;
        if pipeline.binding.is_some() {
            return Ok(());
        }
        match &value {
            Value::Missing(place) => self.missing.record(place),
            Value::Nil => return Err(pipeline.position.error("nil cannot be printed").into()),
            Value::String(bytes) => self.output.write(bytes)?,
            value => Printer::new(&mut self.output).print_value(value)?,
        }
        Ok(())
    }

    fn conditional(
        &mut self,
        conditional: &Conditional,
        dot: &Value,
        moves_dot: bool,
    ) -> Result<Flow, Stop> {
        let mark = self.variables.len();
        let (body, dot) = 'taken: {
            for Arm { condition, body } in &conditional.arms {
                let value = self.pipeline(condition, dot)?;
                if value.is_true() {
                    break 'taken (body, if moves_dot { value } else { dot.clone() });
                }
            }
            (&conditional.otherwise, dot.clone())
        };
        self.enter(conditional.position)?;
        let flow = self.nodes(body, &dot)?;
        self.leave();
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn template(
        &mut self,
        position: Position,
        definition: DefinitionId,
        argument: Option<&Pipeline>,
        dot: &Value,
    ) -> Result<(), Stop> {
        let argument = match argument {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Value::Nil,
        };
        self.enter(position)?;
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(position.error("template is nested too deeply").into());
        }
        let mark = self.variables.len();
        let frame = std::mem::replace(&mut self.frame, mark);
        self.variables.push((VariableId::ROOT, argument.clone()));
        let tree = self.tree;
        self.nodes(tree.definition(definition), &argument)?;
        self.variables.truncate(mark);
        self.frame = frame;
        self.calls -= 1;
        self.leave();
        Ok(())
    }
}
