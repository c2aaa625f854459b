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
        ast::{self, Expr, Spanned, Stmt},
    },
};

use crate::lent::Lent;

mod calls;
mod expression;
mod parts;

/// Why a template is refused, and where.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) span: Span,
}

type Checked<T> = Result<T, Problem>;

/// Checks and rewrites `template`; filters and tests that are looked up while rendering join `env`.
pub(crate) fn rewrite(
    template: &Stmt<'static>,
    env: &mut Environment<'static>,
    lent: &Lent,
) -> Checked<Stmt<'static>> {
    let mut assigned = HashSet::from(["loop", "caller"]);
    crate::assigned::collect(template, &mut assigned);
    Rewriter { assigned, env, lent, operand: None, operand_or_none: None }.stmt(template)
}

/// Spans that minijinja does not lose.
trait OneLine {
    /// The same bytes, on a line that all share: code is made only with spans that begin on the line of their statement,
    /// so an error in an expression over several lines would have no place. Lines are told from the bytes ([`crate::place`]).
    fn on_one_line(self) -> Self;
}

impl OneLine for Span {
    fn on_one_line(self) -> Self {
        Span { start_line: 1, ..self }
    }
}

/// The walk over the tree: statements here, expressions in `expression`.
pub(crate) struct Rewriter<'e> {
    /// Names that the template itself gives a value somewhere.
    assigned: HashSet<&'static str>,
    env: &'e mut Environment<'static>,
    lent: &'e Lent,
    operand: Option<Value>,
    operand_or_none: Option<Value>,
}

/// An expression of the tree.
type E = Expr<'static>;

impl Rewriter<'_> {
    fn stmts(&mut self, stmts: &[Stmt<'static>]) -> Checked<Vec<Stmt<'static>>> {
        stmts.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn stmt(&mut self, stmt: &Stmt<'static>) -> Checked<Stmt<'static>> {
        Ok(match stmt {
            Stmt::Template(s) => Stmt::Template(Spanned::new(
                ast::Template { children: self.stmts(&s.children)? },
                s.span().on_one_line(),
            )),
            Stmt::EmitExpr(s) => Stmt::EmitExpr(Spanned::new(
                ast::EmitExpr { expr: self.printed(&s.expr)? },
                s.span().on_one_line(),
            )),
            Stmt::EmitRaw(s) => {
                Stmt::EmitRaw(Spanned::new(ast::EmitRaw { raw: s.raw }, s.span().on_one_line()))
            }
            Stmt::ForLoop(s) => Stmt::ForLoop(Spanned::new(
                ast::ForLoop {
                    target: self.target(&s.target)?,
                    iter: self.expr(&s.iter)?,
                    filter_expr: s.filter_expr.as_ref().map(|e| self.expr(e)).transpose()?,
                    recursive: s.recursive,
                    body: self.stmts(&s.body)?,
                    else_body: self.stmts(&s.else_body)?,
                },
                s.span().on_one_line(),
            )),
            Stmt::IfCond(s) => Stmt::IfCond(Spanned::new(
                ast::IfCond {
                    expr: self.expr(&s.expr)?,
                    true_body: self.stmts(&s.true_body)?,
                    false_body: self.stmts(&s.false_body)?,
                },
                s.span().on_one_line(),
            )),
            Stmt::WithBlock(s) => {
                let mut assignments = Vec::with_capacity(s.assignments.len());
                for (target, expr) in &s.assignments {
                    assignments.push((self.target(target)?, self.expr(expr)?));
                }
                Stmt::WithBlock(Spanned::new(
                    ast::WithBlock { assignments, body: self.stmts(&s.body)? },
                    s.span().on_one_line(),
                ))
            }
            Stmt::Set(s) => Stmt::Set(Spanned::new(
                ast::Set { target: self.target(&s.target)?, expr: self.expr(&s.expr)? },
                s.span().on_one_line(),
            )),
            Stmt::SetBlock(s) => Stmt::SetBlock(Spanned::new(
                ast::SetBlock {
                    target: self.target(&s.target)?,
                    filter: s.filter.as_ref().map(|e| self.expr(e)).transpose()?,
                    body: self.stmts(&s.body)?,
                },
                s.span().on_one_line(),
            )),
            Stmt::AutoEscape(s) => {
                return Err(Problem {
                    message: "there is no autoescape: text is never escaped (use the filters `escape`, `tojson` or `urlencode`)".into(),
                    span: s.span().on_one_line(),
                });
            }
            Stmt::FilterBlock(s) => Stmt::FilterBlock(Spanned::new(
                ast::FilterBlock { filter: self.expr(&s.filter)?, body: self.stmts(&s.body)? },
                s.span().on_one_line(),
            )),
            Stmt::Macro(s) => Stmt::Macro(self.macro_(s)?),
            Stmt::CallBlock(s) => Stmt::CallBlock(Spanned::new(
                ast::CallBlock {
                    call: self.call(&s.call)?,
                    macro_decl: self.macro_(&s.macro_decl)?,
                },
                s.span().on_one_line(),
            )),
            Stmt::Continue(s) => {
                Stmt::Continue(Spanned::new(ast::Continue, s.span().on_one_line()))
            }
            Stmt::Break(s) => Stmt::Break(Spanned::new(ast::Break, s.span().on_one_line())),
            Stmt::Do(s) => Stmt::Do(Spanned::new(
                ast::Do { call: self.call(&s.call)? },
                s.span().on_one_line(),
            )),
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
            s.span().on_one_line(),
        ))
    }

    /// What is assigned to: names stay names.
    fn target(&mut self, expr: &E) -> Checked<E> {
        Ok(match expr {
            Expr::List(e) => {
                let items = e.items.iter().map(|e| self.target(e)).collect::<Checked<_>>()?;
                Expr::List(Spanned::new(ast::List { items }, e.span().on_one_line()))
            }
            Expr::Tuple(e) => {
                let items = e.items.iter().map(|e| self.target(e)).collect::<Checked<_>>()?;
                Expr::Tuple(Spanned::new(ast::Tuple { items }, e.span().on_one_line()))
            }
            other => self.expr(other)?,
        })
    }
}

/// Whether `name` is a function, for those who ask which names are variables.
pub(crate) fn is_function(name: &str) -> bool {
    crate::names::function::NAMES.contains(&name)
}
