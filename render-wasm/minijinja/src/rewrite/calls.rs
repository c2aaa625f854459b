//! The rewriting of what is called by name: filters, tests, functions.

use minijinja::{
    Environment,
    machinery::ast::{self, CallArg, Expr, Spanned},
};

use super::{
    Checked, E, OneLine as _, Rewriter,
    parts::{call_of, constant, is_open_chain, unknown},
};
use crate::{
    lent::Lent,
    names::{filter, function, test},
};

/// What is looked up by name while rendering.
struct Table {
    what: &'static str,
    names: &'static [&'static str],
    register: fn(&mut Environment<'static>, &str),
    /// Whether lent functions are among it.
    lent: bool,
}

const FILTERS: Table =
    Table { what: "filter", names: filter::NAMES, register: filter::register, lent: true };
const TESTS: Table =
    Table { what: "test", names: test::NAMES, register: test::register, lent: false };

impl Rewriter<'_> {
    pub(super) fn filter(&mut self, e: &Spanned<ast::Filter<'static>>) -> Checked<E> {
        let Some(found) = filter::find(e.name).or_else(|| self.lent.find(e.name)) else {
            let known = filter::NAMES.iter().copied().chain(self.lent.names());
            return Err(unknown("filter", e.name, known, e.span().on_one_line()));
        };
        match e.name {
            "map" => self.by_name(&e.args, 0, &FILTERS)?,
            "select" | "reject" => self.by_name(&e.args, 0, &TESTS)?,
            "selectattr" | "rejectattr" => self.by_name(&e.args, 1, &TESTS)?,
            _ => {}
        }
        let args = self.args(&e.args)?;
        match &e.expr {
            Some(expr) if !is_open_chain(expr) => {
                let mut all = vec![CallArg::Pos(self.expr(expr)?)];
                all.extend(args);
                Ok(call_of(found, all, e.span().on_one_line()))
            }
            // The filters of a block get the block's text, which is never missing; minijinja must
            // find them by name, because their first argument is already on its stack.
            open => {
                self.register(&FILTERS, e.name);
                let expr = open.as_ref().map(|expr| self.expr(expr)).transpose()?;
                Ok(Expr::Filter(Spanned::new(
                    ast::Filter { name: e.name, expr, args },
                    e.span().on_one_line(),
                )))
            }
        }
    }

    /// Makes the filter or test known that `map` and its relatives are given by name.
    fn by_name(&mut self, args: &[CallArg<'static>], at: usize, table: &Table) -> Checked<()> {
        let lent = table.lent.then_some(self.lent);
        let known = || table.names.iter().copied().chain(lent.into_iter().flat_map(Lent::names));
        let given = args.iter().filter(|arg| !matches!(arg, CallArg::Kwarg(..))).nth(at);
        match given {
            None => {}
            Some(CallArg::Pos(Expr::Const(name))) => {
                let text = name.value.as_str().unwrap_or_default();
                if !known().any(|name| name == text) {
                    return Err(unknown(table.what, text, known(), name.span().on_one_line()));
                }
                self.register(table, text);
            }
            // Only known while rendering.
            Some(_) => {
                let all: Vec<_> = known().collect();
                all.into_iter().for_each(|name| self.register(table, name));
            }
        }
        Ok(())
    }

    fn register(&mut self, table: &Table, name: &str) {
        (table.register)(self.env, name);
        if table.lent && !table.names.contains(&name) {
            self.lent.register(self.env, name);
        }
    }

    pub(super) fn call(
        &mut self,
        e: &Spanned<ast::Call<'static>>,
    ) -> Checked<Spanned<ast::Call<'static>>> {
        let expr = match &e.expr {
            Expr::Var(name) if !self.assigned.contains(name.id) => {
                match function::find(name.id).or_else(|| self.lent.find(name.id)) {
                    Some(function) => constant(function, name.span().on_one_line()),
                    None => {
                        let known = function::NAMES.iter().copied().chain(self.lent.names());
                        let known = known.chain(self.assigned.iter().copied());
                        return Err(unknown("function", name.id, known, name.span().on_one_line()));
                    }
                }
            }
            other => self.expr(other)?,
        };
        Ok(Spanned::new(ast::Call { expr, args: self.args(&e.args)? }, e.span().on_one_line()))
    }

    pub(super) fn args(&mut self, args: &[CallArg<'static>]) -> Checked<Vec<CallArg<'static>>> {
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
}
