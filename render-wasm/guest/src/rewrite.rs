//! Checks a template's syntax tree and rewrites it before code is made from it.
//!
//! Checked: every filter, test and function that is called by name exists.
//!
//! Rewritten, so that a missing variable is noticed where it is used and nothing else changes:
//! - `x | f(y)`, `x is t(y)` and `f(y)` become calls of a constant that looks at its arguments first;
//! - operands of comparisons are handed through a constant that writes missing ones down;
//! - operators that would fail on a missing operand become calls (see [`crate::operators`]);
//! - a printed `a if b` without `else` prints nothing when `b` is false.
//!
//! Printing and iterating need no rewriting: the formatter and [`crate::missing::Missing`] see them.

use std::collections::HashSet;

use minijinja::{
    Environment, Value,
    machinery::{
        Span,
        ast::{self, BinOpKind, CallArg, CompareOpKind, Expr, Spanned, Stmt, UnaryOpKind},
    },
};

use crate::{
    names::{self, filter, function, nearest, test},
    operators::{Operation, Operator},
    strict::{Operand, OperandOrNone},
};

/// Why a template is refused, and where.
#[derive(Debug)]
pub struct Problem {
    pub message: String,
    pub span: Span,
}

type Checked<T> = Result<T, Problem>;

/// Checks and rewrites `template`; filters and tests that are looked up while rendering join `env`.
pub fn rewrite(template: &Stmt<'static>, env: &mut Environment<'static>) -> Checked<Stmt<'static>> {
    let mut assigned = HashSet::from(["loop", "caller"]);
    crate::assigned::collect(template, &mut assigned);
    Rewriter { assigned, env, operand: None, operand_or_none: None }.stmt(template)
}

struct Rewriter<'e> {
    /// Names that the template itself gives a value somewhere.
    assigned: HashSet<&'static str>,
    env: &'e mut Environment<'static>,
    operand: Option<Value>,
    operand_or_none: Option<Value>,
}

type E = Expr<'static>;

impl Rewriter<'_> {
    fn stmts(&mut self, stmts: &[Stmt<'static>]) -> Checked<Vec<Stmt<'static>>> {
        stmts.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn stmt(&mut self, stmt: &Stmt<'static>) -> Checked<Stmt<'static>> {
        Ok(match stmt {
            Stmt::Template(s) => Stmt::Template(Spanned::new(
                ast::Template { children: self.stmts(&s.children)? },
                s.span(),
            )),
            Stmt::EmitExpr(s) => Stmt::EmitExpr(Spanned::new(
                ast::EmitExpr { expr: self.printed(&s.expr)? },
                s.span(),
            )),
            Stmt::EmitRaw(s) => Stmt::EmitRaw(Spanned::new(ast::EmitRaw { raw: s.raw }, s.span())),
            Stmt::ForLoop(s) => Stmt::ForLoop(Spanned::new(
                ast::ForLoop {
                    target: self.target(&s.target)?,
                    iter: self.expr(&s.iter)?,
                    filter_expr: s.filter_expr.as_ref().map(|e| self.expr(e)).transpose()?,
                    recursive: s.recursive,
                    body: self.stmts(&s.body)?,
                    else_body: self.stmts(&s.else_body)?,
                },
                s.span(),
            )),
            Stmt::IfCond(s) => Stmt::IfCond(Spanned::new(
                ast::IfCond {
                    expr: self.expr(&s.expr)?,
                    true_body: self.stmts(&s.true_body)?,
                    false_body: self.stmts(&s.false_body)?,
                },
                s.span(),
            )),
            Stmt::WithBlock(s) => {
                let mut assignments = Vec::with_capacity(s.assignments.len());
                for (target, expr) in &s.assignments {
                    assignments.push((self.target(target)?, self.expr(expr)?));
                }
                Stmt::WithBlock(Spanned::new(
                    ast::WithBlock { assignments, body: self.stmts(&s.body)? },
                    s.span(),
                ))
            }
            Stmt::Set(s) => Stmt::Set(Spanned::new(
                ast::Set { target: self.target(&s.target)?, expr: self.expr(&s.expr)? },
                s.span(),
            )),
            Stmt::SetBlock(s) => Stmt::SetBlock(Spanned::new(
                ast::SetBlock {
                    target: self.target(&s.target)?,
                    filter: s.filter.as_ref().map(|e| self.expr(e)).transpose()?,
                    body: self.stmts(&s.body)?,
                },
                s.span(),
            )),
            Stmt::AutoEscape(s) => {
                return Err(Problem {
                    message: "there is no autoescape: text is never escaped (use the filters `escape`, `tojson` or `urlencode`)".into(),
                    span: s.span(),
                });
            }
            Stmt::FilterBlock(s) => Stmt::FilterBlock(Spanned::new(
                ast::FilterBlock { filter: self.expr(&s.filter)?, body: self.stmts(&s.body)? },
                s.span(),
            )),
            Stmt::Macro(s) => Stmt::Macro(self.macro_(s)?),
            Stmt::CallBlock(s) => Stmt::CallBlock(Spanned::new(
                ast::CallBlock {
                    call: self.call(&s.call)?,
                    macro_decl: self.macro_(&s.macro_decl)?,
                },
                s.span(),
            )),
            Stmt::Continue(s) => Stmt::Continue(Spanned::new(ast::Continue, s.span())),
            Stmt::Break(s) => Stmt::Break(Spanned::new(ast::Break, s.span())),
            Stmt::Do(s) => Stmt::Do(Spanned::new(ast::Do { call: self.call(&s.call)? }, s.span())),
        })
    }

    fn macro_(
        &mut self,
        s: &Spanned<ast::Macro<'static>>,
    ) -> Checked<Spanned<ast::Macro<'static>>> {
        Ok(Spanned::new(
            ast::Macro {
                name: s.name,
                args: s.args.iter().map(|e| self.target(e)).collect::<Checked<_>>()?,
                defaults: self.exprs(&s.defaults)?,
                body: self.stmts(&s.body)?,
            },
            s.span(),
        ))
    }

    /// What is assigned to: names stay names.
    fn target(&mut self, expr: &E) -> Checked<E> {
        Ok(match expr {
            Expr::List(e) => {
                let items = e.items.iter().map(|e| self.target(e)).collect::<Checked<_>>()?;
                Expr::List(Spanned::new(ast::List { items }, e.span()))
            }
            Expr::Tuple(e) => {
                let items = e.items.iter().map(|e| self.target(e)).collect::<Checked<_>>()?;
                Expr::Tuple(Spanned::new(ast::Tuple { items }, e.span()))
            }
            other => self.expr(other)?,
        })
    }

    fn exprs(&mut self, exprs: &[E]) -> Checked<Vec<E>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    /// An expression whose value is printed.
    fn printed(&mut self, expr: &E) -> Checked<E> {
        let Expr::IfExpr(e) = expr else { return self.expr(expr) };
        Ok(Expr::IfExpr(Spanned::new(
            ast::IfExpr {
                test_expr: self.expr(&e.test_expr)?,
                true_expr: self.printed(&e.true_expr)?,
                false_expr: Some(match &e.false_expr {
                    Some(e) => self.printed(e)?,
                    None => constant(Value::from(""), e.span()),
                }),
            },
            e.span(),
        )))
    }

    fn expr(&mut self, expr: &E) -> Checked<E> {
        Ok(match expr {
            Expr::Var(e) => Expr::Var(Spanned::new(ast::Var { id: e.id }, e.span())),
            Expr::Const(e) => constant(e.value.clone(), e.span()),
            Expr::Slice(e) => Expr::Slice(Spanned::new(
                ast::Slice {
                    expr: self.operand_or_none(&e.expr)?,
                    start: e.start.as_ref().map(|e| self.operand_or_none(e)).transpose()?,
                    stop: e.stop.as_ref().map(|e| self.operand_or_none(e)).transpose()?,
                    step: e.step.as_ref().map(|e| self.operand_or_none(e)).transpose()?,
                },
                e.span(),
            )),
            Expr::UnaryOp(e) => match e.op {
                UnaryOpKind::Neg if e.expr.as_const().is_none() => {
                    let operand = self.expr(&e.expr)?;
                    operation(Operator::Neg, vec![operand], e.span())
                }
                UnaryOpKind::Neg => unary(UnaryOpKind::Neg, self.expr(&e.expr)?, e.span()),
                UnaryOpKind::Not => unary(UnaryOpKind::Not, self.expr(&e.expr)?, e.span()),
            },
            Expr::BinOp(e) => self.binary(e)?,
            Expr::Compare(e) => self.compare(e)?,
            Expr::IfExpr(e) => Expr::IfExpr(Spanned::new(
                ast::IfExpr {
                    test_expr: self.expr(&e.test_expr)?,
                    true_expr: self.expr(&e.true_expr)?,
                    false_expr: e.false_expr.as_ref().map(|e| self.expr(e)).transpose()?,
                },
                e.span(),
            )),
            Expr::Filter(e) => self.filter(e)?,
            Expr::Test(e) => {
                let Some(test) = test::find(e.name) else {
                    return Err(unknown("test", e.name, test::NAMES.iter().copied(), e.span()));
                };
                let mut args = vec![CallArg::Pos(self.expr(&e.expr)?)];
                args.extend(self.args(&e.args)?);
                call_of(test, args, e.span())
            }
            Expr::GetAttr(e) => Expr::GetAttr(Spanned::new(
                ast::GetAttr { expr: self.expr(&e.expr)?, name: e.name },
                e.span(),
            )),
            Expr::GetItem(e) => Expr::GetItem(Spanned::new(
                ast::GetItem {
                    expr: self.expr(&e.expr)?,
                    subscript_expr: self.operand(&e.subscript_expr)?,
                },
                e.span(),
            )),
            Expr::Call(e) => Expr::Call(self.call(e)?),
            Expr::List(e) => {
                Expr::List(Spanned::new(ast::List { items: self.exprs(&e.items)? }, e.span()))
            }
            Expr::Tuple(e) => {
                Expr::Tuple(Spanned::new(ast::Tuple { items: self.exprs(&e.items)? }, e.span()))
            }
            Expr::Map(e) => Expr::Map(Spanned::new(
                ast::Map { keys: self.exprs(&e.keys)?, values: self.exprs(&e.values)? },
                e.span(),
            )),
        })
    }

    fn binary(&mut self, e: &Spanned<ast::BinOp<'static>>) -> Checked<E> {
        let operator = match e.op {
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
            | BinOpKind::Gte => {
                let (left, right) = (self.operand(&e.left)?, self.operand(&e.right)?);
                return Ok(binary(e.op, left, right, e.span()));
            }
            // Truth tests need nothing, and concatenation prints its operands, which is enough.
            BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Concat => {
                return Ok(binary(e.op, self.expr(&e.left)?, self.expr(&e.right)?, e.span()));
            }
        };
        let (left, right) = (self.expr(&e.left)?, self.expr(&e.right)?);
        if is_const(&left) && is_const(&right) {
            // Left to be folded into one constant.
            return Ok(binary(e.op, left, right, e.span()));
        }
        Ok(operation(operator, vec![left, right], e.span()))
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
            return Ok(Expr::Compare(Spanned::new(ast::Compare { expr: first, ops }, e.span())));
        }
        let mut left = &e.expr;
        let mut whole = None;
        for op in &e.ops {
            let part = match op.op {
                CompareOpKind::In | CompareOpKind::NotIn => {
                    let found = operation(
                        Operator::In,
                        vec![self.expr(left)?, self.expr(&op.expr)?],
                        e.span(),
                    );
                    if matches!(op.op, CompareOpKind::NotIn) {
                        unary(UnaryOpKind::Not, found, e.span())
                    } else {
                        found
                    }
                }
                plain => {
                    let ops = vec![ast::CompareOp { op: plain, expr: self.operand(&op.expr)? }];
                    Expr::Compare(Spanned::new(
                        ast::Compare { expr: self.operand(left)?, ops },
                        e.span(),
                    ))
                }
            };
            whole = Some(match whole {
                None => part,
                Some(before) => binary(BinOpKind::ScAnd, before, part, e.span()),
            });
            left = &op.expr;
        }
        whole.map_or_else(|| self.expr(&e.expr), Ok)
    }

    fn filter(&mut self, e: &Spanned<ast::Filter<'static>>) -> Checked<E> {
        let Some(found) = filter::find(e.name) else {
            return Err(unknown("filter", e.name, filter::NAMES.iter().copied(), e.span()));
        };
        match e.name {
            "map" => {
                self.by_name(&e.args, 0, "filter", filter::NAMES, filter::find, filter::register)?
            }
            "select" | "reject" => {
                self.by_name(&e.args, 0, "test", test::NAMES, test::find, test::register)?
            }
            "selectattr" | "rejectattr" => {
                self.by_name(&e.args, 1, "test", test::NAMES, test::find, test::register)?;
            }
            _ => {}
        }
        let args = self.args(&e.args)?;
        match &e.expr {
            Some(expr) if !is_open_chain(expr) => {
                let mut all = vec![CallArg::Pos(self.expr(expr)?)];
                all.extend(args);
                Ok(call_of(found, all, e.span()))
            }
            // The filters of a block get the block's text, which is never missing; minijinja must
            // find them by name, because their first argument is already on its stack.
            open => {
                filter::register(self.env, e.name);
                let expr = open.as_ref().map(|expr| self.expr(expr)).transpose()?;
                Ok(Expr::Filter(Spanned::new(ast::Filter { name: e.name, expr, args }, e.span())))
            }
        }
    }

    /// Makes the filter or test known that `map` and its relatives are given by name.
    fn by_name(
        &mut self,
        args: &[CallArg<'static>],
        at: usize,
        what: &str,
        names: &'static [&'static str],
        find: fn(&str) -> Option<Value>,
        register: fn(&mut Environment<'static>, &str),
    ) -> Checked<()> {
        let given = args.iter().filter(|arg| !matches!(arg, CallArg::Kwarg(..))).nth(at);
        match given {
            None => {}
            Some(CallArg::Pos(Expr::Const(name))) => {
                let text = name.value.as_str().unwrap_or_default();
                if find(text).is_none() {
                    return Err(unknown(what, text, names.iter().copied(), name.span()));
                }
                register(self.env, text);
            }
            // Only known while rendering.
            Some(_) => names.iter().for_each(|name| register(self.env, name)),
        }
        Ok(())
    }

    fn call(&mut self, e: &Spanned<ast::Call<'static>>) -> Checked<Spanned<ast::Call<'static>>> {
        let expr = match &e.expr {
            Expr::Var(name) if !self.assigned.contains(name.id) => match function::find(name.id) {
                Some(function) => constant(function, name.span()),
                None => {
                    let known =
                        function::NAMES.iter().copied().chain(self.assigned.iter().copied());
                    return Err(unknown("function", name.id, known, name.span()));
                }
            },
            other => self.expr(other)?,
        };
        Ok(Spanned::new(ast::Call { expr, args: self.args(&e.args)? }, e.span()))
    }

    fn args(&mut self, args: &[CallArg<'static>]) -> Checked<Vec<CallArg<'static>>> {
        args.iter()
            .map(|arg| {
                Ok(match arg {
                    CallArg::Pos(e) => CallArg::Pos(self.expr(e)?),
                    CallArg::Kwarg(name, e) => CallArg::Kwarg(name, self.expr(e)?),
                    CallArg::PosSplat(e) => CallArg::PosSplat(self.expr(e)?),
                    CallArg::KwargSplat(e) => CallArg::KwargSplat(self.operand(e)?),
                })
            })
            .collect()
    }

    /// An expression that an operator uses: a missing one is written down.
    fn operand(&mut self, expr: &E) -> Checked<E> {
        let expr = self.expr(expr)?;
        if !may_be_missing(&expr) {
            return Ok(expr);
        }
        let span = expr.span();
        let operand = self.operand.get_or_insert_with(|| Value::from_object(Operand)).clone();
        Ok(call_of(operand, vec![CallArg::Pos(expr)], span))
    }

    /// The same for slices, which would fail on a missing operand but take none.
    fn operand_or_none(&mut self, expr: &E) -> Checked<E> {
        let expr = self.expr(expr)?;
        if !may_be_missing(&expr) {
            return Ok(expr);
        }
        let span = expr.span();
        let operand =
            self.operand_or_none.get_or_insert_with(|| Value::from_object(OperandOrNone)).clone();
        Ok(call_of(operand, vec![CallArg::Pos(expr)], span))
    }
}

/// Whether `expr` is a chain of filters that waits for the text of a block.
fn is_open_chain(expr: &E) -> bool {
    match expr {
        Expr::Filter(e) => e.expr.as_ref().is_none_or(is_open_chain),
        _ => false,
    }
}

/// Whether the value of a rewritten expression can be a missing variable that nobody wrote down yet.
fn may_be_missing(expr: &E) -> bool {
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

fn is_const(expr: &E) -> bool {
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

fn constant(value: Value, span: Span) -> E {
    Expr::Const(Spanned::new(ast::Const { value }, span))
}

fn unary(op: UnaryOpKind, expr: E, span: Span) -> E {
    Expr::UnaryOp(Spanned::new(ast::UnaryOp { op, expr }, span))
}

fn binary(op: BinOpKind, left: E, right: E, span: Span) -> E {
    Expr::BinOp(Spanned::new(ast::BinOp { op, left, right }, span))
}

fn call_of(callee: Value, args: Vec<CallArg<'static>>, span: Span) -> E {
    Expr::Call(Spanned::new(ast::Call { expr: constant(callee, span), args }, span))
}

fn operation(operator: Operator, operands: Vec<E>, span: Span) -> E {
    call_of(Operation::value(operator), operands.into_iter().map(CallArg::Pos).collect(), span)
}

fn unknown<'n>(
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

/// Whether `name` is a function, for those who ask which names are variables.
pub fn is_function(name: &str) -> bool {
    names::function::NAMES.contains(&name)
}
