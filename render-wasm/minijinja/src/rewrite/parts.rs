//! Small expressions, and questions about them.

use minijinja::{
    Value,
    machinery::{
        Span,
        ast::{self, BinOpKind, CallArg, Expr, Spanned, UnaryOpKind},
    },
};

use super::{E, Problem};
use crate::{
    names::nearest,
    operators::{Operation, Operator},
};

/// Whether `expr` is a chain of filters that waits for the text of a block.
pub(super) fn is_open_chain(expr: &E) -> bool {
    match expr {
        Expr::Filter(e) => e.expr.as_ref().is_none_or(is_open_chain),
        _ => false,
    }
}

/// Whether the value of a rewritten expression can be a missing variable that nobody wrote down yet.
pub(super) fn may_be_missing(expr: &E) -> bool {
    match expr {
        Expr::Const(_)
        | Expr::List(_)
        | Expr::Tuple(_)
        | Expr::Map(_)
        | Expr::Compare(_)
        | Expr::UnaryOp(_)
        | Expr::Slice(_) => false,
        Expr::BinOp(e) => matches!(e.op, BinOpKind::ScAnd | BinOpKind::ScOr),
        Expr::GetAttr(e) => !matches!(&e.expr, Expr::Var(var) if var.id == "loop"),
        _ => true,
    }
}

pub(super) fn is_const(expr: &E) -> bool {
    match expr {
        Expr::Const(_) => true,
        Expr::UnaryOp(e) => is_const(&e.expr),
        // Left as it was means that both sides are constant.
        Expr::BinOp(e) => {
            !matches!(e.op, BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Concat)
                && is_const(&e.left)
        }
        _ => false,
    }
}

pub(super) fn constant(value: Value, span: Span) -> E {
    Expr::Const(Spanned::new(ast::Const { value }, span))
}

pub(super) fn unary(op: UnaryOpKind, expr: E, span: Span) -> E {
    Expr::UnaryOp(Spanned::new(ast::UnaryOp { op, expr }, span))
}

pub(super) fn binary(op: BinOpKind, left: E, right: E, span: Span) -> E {
    Expr::BinOp(Spanned::new(ast::BinOp { op, left, right }, span))
}

pub(super) fn call_of(callee: Value, args: Vec<CallArg<'static>>, span: Span) -> E {
    Expr::Call(Spanned::new(ast::Call { expr: constant(callee, span), args }, span))
}

pub(super) fn operation(operator: Operator, operands: Vec<E>, span: Span) -> E {
    call_of(Operation::value(operator), operands.into_iter().map(CallArg::Pos).collect(), span)
}

pub(super) fn unknown<'n>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'n str>,
    span: Span,
) -> Problem {
    let hint = match nearest(name, known) {
        Some(known) => format!("; did you mean `{known}`?"),
        None => String::new(),
    };
    Problem { message: format!("unknown {what} `{name}`{hint}"), span }
}
