//! Pipelines, and the calls that they are made of.

use std::sync::Arc;

use super::{Parsed, Parser, refuse};
use crate::{
    ast::{Binding, BindingKind, Call, Expr, ExprKind, Function, Pipeline, Targets, VariableId},
    builtin::Builtin,
    error::{Position, TemplateError},
    functions::Arity,
    token::{TokenKind, shortened},
};

/// Where a pipeline stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Command,
    If,
    With,
    Range,
    Template,
    Block,
    Parentheses,
}

impl Context {
    pub(super) fn name(self) -> &'static str {
        match self {
            Context::Command => "command",
            Context::If => "if",
            Context::With => "with",
            Context::Range => "range",
            Context::Template => "template clause",
            Context::Block => "block clause",
            Context::Parentheses => "parenthesized pipeline",
        }
    }

    fn end(self) -> TokenKind<'static> {
        match self {
            Context::Parentheses => TokenKind::RightParen,
            _ => TokenKind::RightDelim,
        }
    }
}

impl<'s> Parser<'s> {
    /// A pipeline with what ends it.
    pub(super) fn pipeline(&mut self, context: Context) -> Parsed<Pipeline> {
        let position = self.peek().position;
        let binding = self.binding(context)?;
        let end = context.end();
        if self.peek().kind == end {
            return Err(refuse(
                self.peek().position,
                format!("missing value for {}", context.name()),
            ));
        }
        let (operands, mut piped) = self.command(context)?;
        let first = self.first(operands)?;
        let mut stages = Vec::new();
        // Nothing after the last `|` is fine in Go.
        while piped && self.peek().kind != end {
            let operands;
            (operands, piped) = self.command(context)?;
            stages.push(self.stage(operands)?);
        }
        self.expect(&end, context.name())?;
        if let Some(binding) = &binding
            && binding.kind == BindingKind::Declare
        {
            match binding.targets {
                Targets::One(id) => self.scope.push(id),
                Targets::IndexAndElement(index, element) => self.scope.extend([index, element]),
            }
        }
        Ok(Pipeline { position, binding, first, stages })
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn binding(&mut self, context: Context) -> Parsed<Option<Binding>> {
        let first = self.peek();
        let TokenKind::Variable(first_name) = first.kind else { return Ok(None) };
        let second = match (self.look(1).kind, self.look(2).kind) {
            (TokenKind::Assign | TokenKind::Declare, _) => None,
            (TokenKind::Punctuation(','), TokenKind::Variable(name))
                if context == Context::Range =>
            {
                Some(name)
            }
            (TokenKind::Punctuation(','), _) => {
                let message = match context {
                    Context::Range => "range can only initialize variables".into(),
                    _ => format!("too many declarations in {}", context.name()),
                };
                return Err(refuse(self.look(1).position, message));
            }
            _ => return Ok(None),
        };
        self.at += if second.is_some() { 3 } else { 1 };
        let operator = self.next();
        let kind = match operator.kind {
            TokenKind::Declare => BindingKind::Declare,
            TokenKind::Assign => BindingKind::Assign,
            _ => return Err(self.unexpected(operator, context.name())),
        };
        let mut target = |name| match kind {
            BindingKind::Declare => Ok(self.id(name)),
            BindingKind::Assign => self.known(name, first.position),
        };
        let targets = match second {
            None => Targets::One(target(first_name)?),
            Some(second) => Targets::IndexAndElement(target(first_name)?, target(second)?),
        };
        Ok(Some(Binding { kind, targets }))
    }

    /// The variable of this name that is visible.
    pub(super) fn known(&self, name: &str, position: Position) -> Parsed<VariableId> {
        let id = self.names.get(name).copied();
        id.filter(|id| self.scope.contains(id))
            .ok_or_else(|| refuse(position, format!("undefined variable \"{}\"", shortened(name))))
    }

    fn id(&mut self, name: &'s str) -> VariableId {
        // There are no more names than bytes of a source.
        let next = VariableId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        *self.names.entry(name).or_insert(next)
    }

    /// Operands up to the end of the pipeline or a `|`, and whether it was the latter.
    fn command(&mut self, context: Context) -> Parsed<(Vec<Expr>, bool)> {
        let mut operands = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                TokenKind::Pipe | TokenKind::RightDelim | TokenKind::RightParen => {
                    if operands.is_empty() {
                        return Err(self.unexpected(token, context.name()));
                    }
                    return Ok((operands, self.accept(&TokenKind::Pipe)));
                }
                _ if operands.is_empty() || token.spaced => operands.push(self.operand(context)?),
                _ => return Err(self.unexpected(token, "operand")),
            }
        }
    }

    /// The first command of a pipeline.
    fn first(&self, operands: Vec<Expr>) -> Parsed<Expr> {
        let (first, arguments) = self.split(operands)?;
        let kind = match first.kind {
            ExprKind::Call(call) => {
                let call = Call { arguments, ..*call };
                self.check_arity(&call, 0)?;
                ExprKind::Call(Box::new(call))
            }
            ExprKind::Nil => return Err(refuse(first.position, "nil is not a command")),
            kind if arguments.is_empty() => kind,
            _ => return Err(not_a_function(first.position)),
        };
        Ok(Expr { position: first.position, kind })
    }

    /// A later command of a pipeline: it is given a value, so it must be a function.
    fn stage(&self, operands: Vec<Expr>) -> Parsed<Call> {
        let (first, arguments) = self.split(operands)?;
        let ExprKind::Call(call) = first.kind else { return Err(not_a_function(first.position)) };
        let call = Call { arguments, ..*call };
        self.check_arity(&call, 1)?;
        Ok(call)
    }

    /// The first operand, and the others, in which a function stands for a call without arguments.
    fn split(&self, operands: Vec<Expr>) -> Parsed<(Expr, Vec<Expr>)> {
        let mut operands = operands.into_iter();
        let Some(first) = operands.next() else {
            return Err(refuse(self.peek().position, "empty command"));
        };
        let arguments: Vec<Expr> = operands.collect();
        for argument in &arguments {
            if let ExprKind::Call(call) = &argument.kind {
                self.check_arity(call, 0)?;
            }
        }
        Ok((first, arguments))
    }

    pub(super) fn function(&self, name: &str) -> Result<Function, String> {
        if let Some(builtin) = Builtin::from_name(name) {
            Ok(Function::Builtin(builtin))
        } else if self.functions.arity(name).is_some() {
            Ok(Function::Host(Arc::from(name)))
        } else if name == "call" {
            Err("there is nothing to call: no variable is a function".into())
        } else {
            Err(format!("function \"{}\" is not defined", shortened(name)))
        }
    }

    pub(super) fn check_arity(&self, call: &Call, piped: usize) -> Parsed<()> {
        let (name, arity): (&str, Option<Arity>) = match &call.function {
            Function::Builtin(builtin) => (builtin.name(), Some(builtin.arity())),
            Function::Host(name) => (name, self.functions.arity(name)),
        };
        let Some(arity) = arity else { return Ok(()) };
        let count = call.arguments.len() + piped;
        arity.check(count).map_err(|wanted| {
            let name = shortened(name);
            let message = format!("wrong number of arguments for {name}: {wanted}, not {count}");
            refuse(call.position, message)
        })
    }
}

fn not_a_function(position: Position) -> Box<TemplateError> {
    refuse(position, "this is not a function, so it cannot be given arguments")
}
