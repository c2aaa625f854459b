//! The rewriting of expressions: see [`crate::rewrite`].

use minijinja::{
    Value,
    machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, Expr, Spanned, UnaryOpKind},
};

use super::{
    Checked, E, OneLine as _, Rewriter,
    parts::{binary, call_of, constant, is_const, may_be_missing, operation, unary, unknown},
};
use crate::{
    names::test,
    operators::Operator,
    strict::{Operand, OperandOrNone},
};

impl Rewriter<'_> {
    pub(super) fn exprs(&mut self, exprs: &[E]) -> Checked<Vec<E>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    /// An expression whose value is printed.
    pub(super) fn printed(&mut self, expr: &E) -> Checked<E> {
        let Expr::IfExpr(e) = expr else {
            return self.expr(expr);
        };
        Ok(Expr::IfExpr(Spanned::new(
            ast::IfExpr {
                test_expr: self.expr(&e.test_expr)?,
                true_expr: self.printed(&e.true_expr)?,
                false_expr: Some(match &e.false_expr {
                    Some(e) => self.printed(e)?,
                    None => constant(Value::from(""), e.span().on_one_line()),
                }),
            },
            e.span().on_one_line(),
        )))
    }

    pub(super) fn expr(&mut self, expr: &E) -> Checked<E> {
        Ok(match expr {
            Expr::Var(e) => Expr::Var(Spanned::new(ast::Var { id: e.id }, e.span().on_one_line())),
            Expr::Const(e) => constant(e.value.clone(), e.span().on_one_line()),
            // In steps it is a call, too: see `Operator::Slice`.
            Expr::Slice(e) if e.step.is_some() => {
                let span = e.span().on_one_line();
                let mut operands = vec![self.expr(&e.expr)?];
                for part in [&e.start, &e.stop, &e.step] {
                    operands.push(match part {
                        Some(part) => self.expr(part)?,
                        None => constant(Value::from(()), span),
                    });
                }
                operation(Operator::Slice, operands, span)
            }
            Expr::Slice(e) => Expr::Slice(Spanned::new(
                ast::Slice {
                    expr: self.operand_or_none(&e.expr)?,
                    start: e.start.as_ref().map(|e| self.operand_or_none(e)).transpose()?,
                    stop: e.stop.as_ref().map(|e| self.operand_or_none(e)).transpose()?,
                    step: e.step.as_ref().map(|e| self.operand_or_none(e)).transpose()?,
                },
                e.span().on_one_line(),
            )),
            Expr::UnaryOp(e) => match e.op {
                UnaryOpKind::Neg if e.expr.as_const().is_none() => {
                    let operand = self.expr(&e.expr)?;
                    operation(Operator::Neg, vec![operand], e.span().on_one_line())
                }
                UnaryOpKind::Neg => {
                    unary(UnaryOpKind::Neg, self.expr(&e.expr)?, e.span().on_one_line())
                }
                UnaryOpKind::Not => {
                    unary(UnaryOpKind::Not, self.expr(&e.expr)?, e.span().on_one_line())
                }
            },
            Expr::BinOp(e) => self.binary(e)?,
            Expr::Compare(e) => self.compare(e)?,
            Expr::IfExpr(e) => Expr::IfExpr(Spanned::new(
                ast::IfExpr {
                    test_expr: self.expr(&e.test_expr)?,
                    true_expr: self.expr(&e.true_expr)?,
                    false_expr: e.false_expr.as_ref().map(|e| self.expr(e)).transpose()?,
                },
                e.span().on_one_line(),
            )),
            Expr::Filter(e) => self.filter(e)?,
            Expr::Test(e) => {
                let Some(test) = test::find(e.name) else {
                    return Err(unknown(
                        "test",
                        e.name,
                        test::NAMES.iter().copied(),
                        e.span().on_one_line(),
                    ));
                };
                let mut args = vec![CallArg::Pos(self.expr(&e.expr)?)];
                args.extend(self.args(&e.args)?);
                call_of(test, args, e.span().on_one_line())
            }
            Expr::GetAttr(e) => Expr::GetAttr(Spanned::new(
                ast::GetAttr { expr: self.expr(&e.expr)?, name: e.name },
                e.span().on_one_line(),
            )),
            Expr::GetItem(e) => Expr::GetItem(Spanned::new(
                ast::GetItem {
                    expr: self.expr(&e.expr)?,
                    subscript_expr: self.operand(&e.subscript_expr)?,
                },
                e.span().on_one_line(),
            )),
            Expr::Call(e) => Expr::Call(self.call(e)?),
            Expr::List(e) => Expr::List(Spanned::new(
                ast::List { items: self.exprs(&e.items)? },
                e.span().on_one_line(),
            )),
            Expr::Tuple(e) => Expr::Tuple(Spanned::new(
                ast::Tuple { items: self.exprs(&e.items)? },
                e.span().on_one_line(),
            )),
            Expr::Map(e) => Expr::Map(Spanned::new(
                ast::Map { keys: self.exprs(&e.keys)?, values: self.exprs(&e.values)? },
                e.span().on_one_line(),
            )),
        })
    }

    fn binary(&mut self, e: &Spanned<ast::BinOp<'static>>) -> Checked<E> {
        let Some(operator) = Operator::of(e.op) else {
            let (left, right) = match e.op {
                // Truth tests need nothing, and concatenation prints its operands, which is enough.
                BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Concat => {
                    (self.expr(&e.left)?, self.expr(&e.right)?)
                }
                _ => (self.operand(&e.left)?, self.operand(&e.right)?),
            };
            return Ok(binary(e.op, left, right, e.span().on_one_line()));
        };
        let (left, right) = (self.expr(&e.left)?, self.expr(&e.right)?);
        if is_const(&left) && is_const(&right) {
            // Left to be folded into one constant.
            return Ok(binary(e.op, left, right, e.span().on_one_line()));
        }
        Ok(operation(operator, vec![left, right], e.span().on_one_line()))
    }

    /// `a < b < c` becomes `a < b and b < c` when `in` is among it, which is a call here.
    fn compare(&mut self, e: &Spanned<ast::Compare<'static>>) -> Checked<E> {
        let has_in =
            e.ops.iter().any(|op| matches!(op.op, CompareOpKind::In | CompareOpKind::NotIn));
        if !has_in {
            let first = self.operand(&e.expr)?;
            let mut ops = Vec::with_capacity(e.ops.len());
            for op in &e.ops {
                ops.push(ast::CompareOp { op: op.op, expr: self.operand(&op.expr)? });
            }
            return Ok(Expr::Compare(Spanned::new(
                ast::Compare { expr: first, ops },
                e.span().on_one_line(),
            )));
        }
        let mut left = &e.expr;
        let mut whole = None;
        for op in &e.ops {
            let part = match op.op {
                CompareOpKind::In | CompareOpKind::NotIn => {
                    let found = operation(
                        Operator::In,
                        vec![self.expr(left)?, self.expr(&op.expr)?],
                        e.span().on_one_line(),
                    );
                    if matches!(op.op, CompareOpKind::NotIn) {
                        unary(UnaryOpKind::Not, found, e.span().on_one_line())
                    } else {
                        found
                    }
                }
                plain => {
                    let ops = vec![ast::CompareOp { op: plain, expr: self.operand(&op.expr)? }];
                    Expr::Compare(Spanned::new(
                        ast::Compare { expr: self.operand(left)?, ops },
                        e.span().on_one_line(),
                    ))
                }
            };
            whole = Some(match whole {
                None => part,
                Some(before) => binary(BinOpKind::ScAnd, before, part, e.span().on_one_line()),
            });
            left = &op.expr;
        }
        whole.map_or_else(|| self.expr(&e.expr), Ok)
    }

    /// An expression that an operator uses: a missing one is written down.
    pub(super) fn operand(&mut self, expr: &E) -> Checked<E> {
        let expr = self.expr(expr)?;
        if !may_be_missing(&expr) {
            return Ok(expr);
        }
        let span = expr.span().on_one_line();
        let operand = self.operand.get_or_insert_with(|| Value::from_object(Operand)).clone();
        Ok(call_of(operand, vec![CallArg::Pos(expr)], span))
    }

    /// The same for slices, which would fail on a missing operand but take none.
    fn operand_or_none(&mut self, expr: &E) -> Checked<E> {
        let expr = self.expr(expr)?;
        if !may_be_missing(&expr) {
            return Ok(expr);
        }
        let span = expr.span().on_one_line();
        let operand =
            self.operand_or_none.get_or_insert_with(|| Value::from_object(OperandOrNone)).clone();
        Ok(call_of(operand, vec![CallArg::Pos(expr)], span))
    }
}
