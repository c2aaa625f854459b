//! Which names a template takes from its variables.

use std::collections::BTreeSet;

use crate::ast::{
    Binding, Call, Conditional, DefinitionId, Expr, ExprKind, Function, Node, Pipeline, Targets,
    Tree, VariableId,
};
use crate::builtin::Builtin;
use crate::value::Value;

/// The top-level names, sorted.
pub(crate) fn names(tree: &Tree) -> Vec<String> {
    let mut finder = Finder {
        names: BTreeSet::new(),
        roots: vec![VariableId::ROOT],
        visited: BTreeSet::new(),
        waiting: Vec::new(),
    };
    finder.nodes(&tree.main, Dot::Root);
    // Only what is called with the variables themselves can take names from them.
    while let Some(definition) = finder.waiting.pop() {
        finder.roots = vec![VariableId::ROOT];
        finder.nodes(tree.definition(definition), Dot::Root);
    }
    finder.names.into_iter().collect()
}

/// What `.` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dot {
    /// The variables.
    Root,
    /// Anything else.
    Other,
}

struct Finder {
    names: BTreeSet<String>,
    /// The template's own variables that are the variables of the render.
    roots: Vec<VariableId>,
    visited: BTreeSet<DefinitionId>,
    waiting: Vec<DefinitionId>,
}

impl Finder {
    fn nodes(&mut self, nodes: &[Node], dot: Dot) {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipeline) => {
                    self.pipeline(pipeline, dot);
                }
                Node::If(conditional) => self.conditional(conditional, dot, false),
                Node::With(conditional) => self.conditional(conditional, dot, true),
                Node::Range(range) => {
                    let mark = self.roots.len();
                    self.pipeline(&range.pipeline, dot);
                    self.roots.truncate(mark);
                    self.nodes(&range.body, Dot::Other);
                    self.nodes(&range.otherwise, dot);
                    self.roots.truncate(mark);
                }
                Node::Template { definition, argument, .. } => {
                    let argument = argument.as_ref().map(|pipeline| self.pipeline(pipeline, dot));
                    if argument == Some(Dot::Root) && self.visited.insert(*definition) {
                        self.waiting.push(*definition);
                    }
                }
            }
        }
    }

    fn conditional(&mut self, conditional: &Conditional, dot: Dot, moves_dot: bool) {
        let mark = self.roots.len();
        for arm in &conditional.arms {
            let value = self.pipeline(&arm.condition, dot);
            self.nodes(&arm.body, if moves_dot { value } else { dot });
        }
        self.nodes(&conditional.otherwise, dot);
        self.roots.truncate(mark);
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: Dot) -> Dot {
        let mut value = self.expr(&pipeline.first, dot);
        for stage in &pipeline.stages {
            self.call(stage, dot);
            value = Dot::Other;
        }
        if let (Dot::Root, Some(Binding { targets: Targets::One(id), .. })) =
            (value, &pipeline.binding)
        {
            self.roots.push(*id);
        }
        value
    }

    fn expr(&mut self, expr: &Expr, dot: Dot) -> Dot {
        match &expr.kind {
            ExprKind::Dot => dot,
            ExprKind::Variable(id) if self.roots.contains(id) => Dot::Root,
            ExprKind::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            ExprKind::Field(chain) => {
                if self.expr(&chain.receiver, dot) == Dot::Root
                    && let Some(name) = chain.names.first()
                {
                    self.names.insert(name.to_string());
                }
                Dot::Other
            }
            ExprKind::Call(call) => {
                self.call(call, dot);
                Dot::Other
            }
            ExprKind::Nil | ExprKind::Literal(_) | ExprKind::Variable(_) => Dot::Other,
        }
    }

    fn call(&mut self, call: &Call, dot: Dot) {
        let is_index = matches!(call.function, Function::Builtin(Builtin::Index));
        let mut of_root = false;
        for (at, argument) in call.arguments.iter().enumerate() {
            let value = self.expr(argument, dot);
            match &argument.kind {
                _ if at == 0 => of_root = value == Dot::Root,
                ExprKind::Literal(Value::String(name)) if at == 1 && is_index && of_root => {
                    self.names.insert(String::from_utf8_lossy(name).into_owned());
                }
                _ => {}
            }
        }
    }
}
