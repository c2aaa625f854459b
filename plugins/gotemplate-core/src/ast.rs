//! The syntax tree.

use std::sync::Arc;

use crate::{builtin::Builtin, error::Position, value::Value};

/// A template with everything that it defines.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) main: Vec<Node>,
    /// `{{define}}` and `{{block}}`, by [`DefinitionId`].
    pub(crate) definitions: Vec<Vec<Node>>,
}

impl Tree {
    /// What the definition says.
    pub(crate) fn definition(&self, id: DefinitionId) -> &[Node] {
        self.definitions.get(id.0).map_or(&[], Vec::as_slice)
    }
}

/// Which definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DefinitionId(pub(crate) usize);

/// Which name of a variable; the same name has the same id in the whole source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VariableId(pub(crate) u32);

impl VariableId {
    /// `$`: what the template was called with.
    pub(crate) const ROOT: VariableId = VariableId(0);
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipeline),
    If(Box<Conditional>),
    With(Box<Conditional>),
    Range(Box<Loop>),
    Template { position: Position, definition: DefinitionId, argument: Option<Pipeline> },
    Break,
    Continue,
}

/// `if` or `with`, and what follows it by `else if` or `else with`.
#[derive(Debug)]
pub(crate) struct Conditional {
    pub(crate) position: Position,
    pub(crate) arms: Vec<Arm>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) condition: Pipeline,
    pub(crate) body: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// `$x := first | stage | stage`
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) position: Position,
    pub(crate) binding: Option<Binding>,
    pub(crate) first: Expr,
    /// Each is called with the value of the one before as its last argument.
    pub(crate) stages: Vec<Call>,
}

/// What becomes of a pipeline's value.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) kind: BindingKind,
    pub(crate) targets: Targets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindingKind {
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Targets {
    One(VariableId),
    /// Only in `range`.
    IndexAndElement(VariableId, VariableId),
}

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) position: Position,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Dot,
    /// Only ever an argument.
    Nil,
    Literal(Value),
    Variable(VariableId),
    Field(Box<Chain>),
    Call(Box<Call>),
    /// In parentheses.
    Pipeline(Box<Pipeline>),
}

/// `receiver.name.name`
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) receiver: Expr,
    pub(crate) names: Vec<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) position: Position,
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) enum Function {
    Builtin(Builtin),
    /// One of the host's.
    Host(Arc<str>),
}
