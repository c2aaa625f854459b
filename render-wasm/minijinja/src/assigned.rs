//! Which names a template gives a value itself.

use std::collections::HashSet;

use minijinja::machinery::ast::{Expr, Macro, Stmt};

/// Adds the names that `stmt` assigns, anywhere in it, to `names`.
pub(crate) fn collect(stmt: &Stmt<'static>, names: &mut HashSet<&'static str>) {
    let mut all = |stmts: &[Stmt<'static>]| stmts.iter().for_each(|stmt| collect(stmt, names));
    match stmt {
        Stmt::Template(s) => all(&s.children),
        Stmt::ForLoop(s) => {
            all(&s.body);
            all(&s.else_body);
            target(&s.target, names);
        }
        Stmt::IfCond(s) => {
            all(&s.true_body);
            all(&s.false_body);
        }
        Stmt::WithBlock(s) => {
            all(&s.body);
            s.assignments.iter().for_each(|(to, _)| target(to, names));
        }
        Stmt::Set(s) => target(&s.target, names),
        Stmt::SetBlock(s) => {
            all(&s.body);
            target(&s.target, names);
        }
        Stmt::AutoEscape(s) => all(&s.body),
        Stmt::FilterBlock(s) => all(&s.body),
        Stmt::Macro(s) => {
            names.insert(s.name);
            macro_(s, names);
        }
        Stmt::CallBlock(s) => macro_(&s.macro_decl, names),
        Stmt::EmitExpr(_) | Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) | Stmt::Do(_) => {
        }
    }
}

fn macro_(declared: &Macro<'static>, names: &mut HashSet<&'static str>) {
    declared.args.iter().for_each(|arg| target(arg, names));
    declared.body.iter().for_each(|stmt| collect(stmt, names));
}

fn target(expr: &Expr<'static>, names: &mut HashSet<&'static str>) {
    match expr {
        Expr::Var(e) => {
            names.insert(e.id);
        }
        Expr::List(e) => e.items.iter().for_each(|item| target(item, names)),
        Expr::Tuple(e) => e.items.iter().for_each(|item| target(item, names)),
        _ => {}
    }
}
