//! From the syntax tree, which has been checked, to the plan.

use std::collections::{BTreeSet, HashSet};

use minijinja::{
    Value,
    machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, Expr as E, Stmt, UnaryOpKind},
    value::ValueKind,
};

use super::{Counter, Declined, Expr, For, Frame, Plan, Question, Relation, Step, Target, Textual};
use crate::{
    lent::Lent,
    names::{filter, function, test},
    operators::{Operation, Operator},
};

type Planned<T> = Result<T, Declined>;

impl Plan {
    /// The plan of `template`, if it does only what plans can.
    pub(crate) fn of(template: &Stmt<'static>, lent: &Lent) -> Option<Plan> {
        let mut names = HashSet::new();
        crate::assigned::collect(template, &mut names);
        let Stmt::Template(template) = template else {
            return None;
        };
        let mut builder = Builder { assigned: names, lent: lent.clone(), ..Builder::default() };
        let steps = builder.within(&template.children, [], Builder::steps).ok()?;
        Some(Plan {
            steps: steps.1,
            slots: builder.slots,
            names: builder.names.into_boxed_slice(),
            calls_by_name: builder.calls_by_name,
        })
    }
}

/// The walk over the tree.
#[derive(Default)]
struct Builder {
    /// The names of the frames around, outermost first, each with its first slot.
    frames: Vec<(Vec<&'static str>, usize)>,
    slots: usize,
    /// Names that the template gives a value somewhere.
    assigned: HashSet<&'static str>,
    names: Vec<&'static str>,
    /// How many loops are around.
    loops: usize,
    /// How many loops are around what must be ended before a loop is left.
    sealed: usize,
    calls_by_name: bool,
    /// What others lend to the template.
    lent: Lent,
}

impl Builder {
    /// Builds with a frame around for `targets` and for what `stmts` assign.
    fn within<T>(
        &mut self,
        stmts: &[Stmt<'static>],
        targets: impl IntoIterator<Item = &'static str>,
        build: impl FnOnce(&mut Self, &[Stmt<'static>]) -> Planned<T>,
    ) -> Planned<(Frame, T)> {
        let mut names: BTreeSet<_> = targets.into_iter().collect();
        assigned(stmts, &mut names)?;
        // Whoever calls something else `loop` gets the interpreter.
        if names.contains("loop") {
            return Err(Declined);
        }
        let frame = self.slots..self.slots + names.len();
        self.slots = frame.end;
        self.frames.push((names.into_iter().collect(), frame.start));
        let built = build(self, stmts);
        self.frames.pop();
        Ok((frame, built?))
    }

    fn steps(&mut self, stmts: &[Stmt<'static>]) -> Planned<Box<[Step]>> {
        stmts.iter().map(|stmt| self.step(stmt)).collect()
    }

    fn step(&mut self, stmt: &Stmt<'static>) -> Planned<Step> {
        Ok(match stmt {
            Stmt::EmitRaw(s) => Step::Text(s.raw),
            Stmt::EmitExpr(s) => Step::Print(self.expr(&s.expr)?),
            Stmt::IfCond(s) => Step::If {
                test: self.expr(&s.expr)?,
                then: self.steps(&s.true_body)?,
                otherwise: self.steps(&s.false_body)?,
            },
            Stmt::ForLoop(s) => self.for_(s)?,
            Stmt::WithBlock(s) => {
                let mut targets = BTreeSet::new();
                s.assignments.iter().try_for_each(|(to, _)| names_of(to, &mut targets))?;
                let sealed = std::mem::replace(&mut self.sealed, self.loops);
                let (frame, steps) = self.within(&s.body, targets, |this, body| {
                    let mut steps = Vec::with_capacity(s.assignments.len() + body.len());
                    for (to, value) in &s.assignments {
                        let value = this.expr(value)?;
                        steps.push(Step::Set { target: this.target(to)?, value });
                    }
                    steps.extend(this.steps(body)?);
                    Ok(steps)
                })?;
                self.sealed = sealed;
                Step::With { frame, steps: steps.into() }
            }
            Stmt::Set(s) => {
                Step::Set { value: self.expr(&s.expr)?, target: self.target(&s.target)? }
            }
            Stmt::SetBlock(s) if s.filter.is_none() => {
                let sealed = std::mem::replace(&mut self.sealed, self.loops);
                let steps = self.steps(&s.body)?;
                self.sealed = sealed;
                Step::Capture { steps, target: self.target(&s.target)? }
            }
            Stmt::Do(s) => Step::Do(self.call(&s.call)?),
            Stmt::Break(_) if self.loops > self.sealed => Step::Break,
            Stmt::Continue(_) if self.loops > self.sealed => Step::Continue,
            Stmt::Template(_)
            | Stmt::SetBlock(_)
            | Stmt::Break(_)
            | Stmt::Continue(_)
            | Stmt::AutoEscape(_)
            | Stmt::FilterBlock(_)
            | Stmt::Macro(_)
            | Stmt::CallBlock(_) => return Err(Declined),
        })
    }

    fn for_(&mut self, s: &ast::ForLoop<'static>) -> Planned<Step> {
        if s.recursive {
            return Err(Declined);
        }
        let source = self.expr(&s.iter)?;
        let mut targets = BTreeSet::new();
        names_of(&s.target, &mut targets)?;
        let (frame, (target, condition, steps)) = self.within(&s.body, targets, |this, body| {
            let target = this.target(&s.target)?;
            // The condition is asked before the loop begins: its `loop` is the one around.
            let condition = s.filter_expr.as_ref().map(|expr| this.expr(expr)).transpose()?;
            this.loops += 1;
            let steps = this.steps(body);
            this.loops -= 1;
            Ok((target, condition, steps?))
        })?;
        let otherwise = self.steps(&s.else_body)?;
        Ok(Step::For(Box::new(For { source, target, condition, frame, steps, otherwise })))
    }

    fn target(&self, expr: &E<'static>) -> Planned<Target> {
        match expr {
            E::Var(e) => {
                let (names, first) = self.frames.last().ok_or(Declined)?;
                names.binary_search(&e.id).map(|at| Target::Slot(first + at)).map_err(|_| Declined)
            }
            E::List(e) => e
                .items
                .iter()
                .map(|item| self.target(item))
                .collect::<Planned<_>>()
                .map(Target::Unpacked),
            _ => Err(Declined),
        }
    }

    fn boxed(&mut self, expr: &E<'static>) -> Planned<Box<Expr>> {
        self.expr(expr).map(Box::new)
    }

    fn pair(&mut self, left: &E<'static>, right: &E<'static>) -> Planned<Box<(Expr, Expr)>> {
        Ok(Box::new((self.expr(left)?, self.expr(right)?)))
    }

    fn expr(&mut self, expr: &E<'static>) -> Planned<Expr> {
        Ok(match expr {
            E::Var(e) => self.name(e.id)?,
            E::Const(e) => constant(e.value.clone()),
            E::GetAttr(e) => match &e.expr {
                E::Var(var) if var.id == "loop" && self.loops > 0 => {
                    Expr::Loop(counter(e.name).ok_or(Declined)?)
                }
                of => Expr::Attribute(self.boxed(of)?, e.name),
            },
            E::GetItem(e) => Expr::Item(self.pair(&e.expr, &e.subscript_expr)?),
            E::Slice(e) => {
                let mut args = vec![self.expr(&e.expr)?];
                for part in [&e.start, &e.stop, &e.step] {
                    args.push(match part {
                        Some(part) => self.expr(part)?,
                        None => Expr::Const(Value::from(())),
                    });
                }
                operation(Operator::Slice, args)
            }
            E::UnaryOp(e) => match e.op {
                UnaryOpKind::Not => Expr::Not(self.boxed(&e.expr)?),
                UnaryOpKind::Neg => match (&e.expr, expr.as_const()) {
                    (E::Const(_), Some(negative)) => constant(negative),
                    _ => operation(Operator::Neg, vec![self.expr(&e.expr)?]),
                },
            },
            E::BinOp(e) => match folded(expr) {
                Some(value) => constant(value),
                None => self.binary(e)?,
            },
            E::Compare(e) => {
                if let Some(value) = folded(expr) {
                    return Ok(constant(value));
                }
                let others = e.ops.iter().map(|op| Ok((relation(op.op), self.expr(&op.expr)?)));
                let others = others.collect::<Planned<_>>()?;
                Expr::Compare { first: self.boxed(&e.expr)?, others }
            }
            E::IfExpr(e) => {
                let test = self.expr(&e.test_expr)?;
                let then = self.expr(&e.true_expr)?;
                let otherwise = e.false_expr.as_ref().map(|expr| self.expr(expr)).transpose()?;
                Expr::Choice(Box::new((test, then, otherwise)))
            }
            E::Filter(e) => self.filter(e)?,
            E::Test(e) => {
                let question = match e.name {
                    "defined" => Some(Question::Defined),
                    "undefined" => Some(Question::Undefined),
                    "none" => Some(Question::None),
                    _ => None,
                };
                match question {
                    Some(question) if e.args.is_empty() => Expr::Is(question, self.boxed(&e.expr)?),
                    Some(_) => return Err(Declined),
                    // A plan makes an object of the variables anew each time it is asked for.
                    None if e.name == "sameas" => return Err(Declined),
                    None => {
                        let callable = test::find(e.name).ok_or(Declined)?;
                        self.called(callable, Some(&e.expr), &e.args)?
                    }
                }
            }
            E::Call(e) => self.call(e)?,
            E::List(e) => {
                let items = e.items.iter().map(|item| self.expr(item));
                let items = items.collect::<Planned<Box<[_]>>>()?;
                match items.iter().map(constant_of).collect::<Option<Vec<_>>>() {
                    Some(values) => Expr::Const(Value::from(values)),
                    None => Expr::List(items),
                }
            }
            E::Map(e) => {
                let pairs = e.keys.iter().zip(&e.values);
                let pairs = pairs.map(|(key, value)| Ok((self.expr(key)?, self.expr(value)?)));
                let pairs = pairs.collect::<Planned<Box<[_]>>>()?;
                let values =
                    pairs.iter().map(|(key, value)| constant_of(key).zip(constant_of(value)));
                match values.collect::<Option<Vec<_>>>() {
                    Some(values) if values.iter().all(|(key, _)| key.as_str().is_some()) => {
                        Expr::Const(Value::from_pairs(values))
                    }
                    Some(_) => return Err(Declined),
                    None => Expr::Map(pairs),
                }
            }
            E::Tuple(_) => return Err(Declined),
        })
    }

    fn name(&mut self, name: &'static str) -> Planned<Expr> {
        if name == "loop" && self.loops > 0 {
            return Err(Declined);
        }
        let slots = self
            .frames
            .iter()
            .rev()
            .filter_map(|(names, first)| names.binary_search(&name).ok().map(|at| first + at));
        let slots = slots.collect();
        let variable = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        Ok(Expr::Name { slots, variable })
    }

    fn binary(&mut self, e: &ast::BinOp<'static>) -> Planned<Expr> {
        if let Some(operator) = Operator::of(e.op) {
            return Ok(operation(operator, vec![self.expr(&e.left)?, self.expr(&e.right)?]));
        }
        let op = match e.op {
            BinOpKind::ScAnd => return Ok(Expr::And(self.pair(&e.left, &e.right)?)),
            BinOpKind::ScOr => return Ok(Expr::Or(self.pair(&e.left, &e.right)?)),
            BinOpKind::Concat => return Ok(Expr::Concat(self.pair(&e.left, &e.right)?)),
            BinOpKind::Eq => CompareOpKind::Eq,
            BinOpKind::Ne => CompareOpKind::Ne,
            BinOpKind::Lt => CompareOpKind::Lt,
            BinOpKind::Lte => CompareOpKind::Lte,
            BinOpKind::Gt => CompareOpKind::Gt,
            BinOpKind::Gte => CompareOpKind::Gte,
            _ => return Err(Declined),
        };
        let others = [(relation(op), self.expr(&e.right)?)].into();
        Ok(Expr::Compare { first: self.boxed(&e.left)?, others })
    }

    fn filter(&mut self, e: &ast::Filter<'static>) -> Planned<Expr> {
        let of = e.expr.as_ref().ok_or(Declined)?;
        let callable = filter::find(e.name).or_else(|| self.lent.find(e.name)).ok_or(Declined)?;
        if matches!(e.name, "map" | "select" | "reject" | "selectattr" | "rejectattr") {
            self.calls_by_name = true;
            let is_other = |arg: &CallArg<'static>| match arg {
                CallArg::Pos(E::Const(name)) => name.value.as_str() != Some("sameas"),
                _ => false,
            };
            if e.name != "map" && !e.args.iter().all(is_other) {
                return Err(Declined);
            }
        }
        let textual = match e.name {
            "trim" => Some(Textual::Trim),
            "upper" => Some(Textual::Upper),
            "lower" => Some(Textual::Lower),
            _ => None,
        };
        match (e.name, textual, &*e.args) {
            ("d" | "default", _, args) => {
                let (other, lax) = match args {
                    [] => (None, false),
                    [CallArg::Pos(other)] => (Some(other), false),
                    [CallArg::Pos(other), CallArg::Pos(E::Const(lax))] => {
                        (Some(other), lax.value.is_true())
                    }
                    _ => return Err(Declined),
                };
                let other = other.map(|other| self.boxed(other)).transpose()?;
                Ok(Expr::Default { value: self.boxed(of)?, other, lax })
            }
            (_, Some(textual), []) => Ok(Expr::Textual(textual, self.boxed(of)?, callable)),
            (_, _, args) => self.called(callable, Some(of), args),
        }
    }

    fn call(&mut self, e: &ast::Call<'static>) -> Planned<Expr> {
        match &e.expr {
            E::Var(name) => {
                // Assigned anywhere, it is a name like any other.
                let assigned = self.assigned.contains(name.id);
                match function::find(name.id).or_else(|| self.lent.find(name.id)) {
                    // Attributes of a namespace are set, and plans have no such step.
                    Some(callable) if !assigned && name.id != "namespace" => {
                        self.called(callable, None, &e.args)
                    }
                    _ => Err(Declined),
                }
            }
            E::GetAttr(method) => {
                if matches!(&method.expr, E::Var(var) if var.id == "loop") {
                    return Err(Declined);
                }
                let (args, kwargs) = self.args(Some(&method.expr), &e.args)?;
                Ok(Expr::Method { name: method.name, args, kwargs })
            }
            _ => Err(Declined),
        }
    }

    fn called(
        &mut self,
        callable: Value,
        of: Option<&E<'static>>,
        args: &[CallArg<'static>],
    ) -> Planned<Expr> {
        let (args, kwargs) = self.args(of, args)?;
        Ok(Expr::Call { callable, args, kwargs })
    }

    #[expect(clippy::type_complexity, reason = "the two fields of a call")]
    fn args(
        &mut self,
        of: Option<&E<'static>>,
        args: &[CallArg<'static>],
    ) -> Planned<(Box<[Expr]>, Box<[(&'static str, Expr)]>)> {
        let mut positional = Vec::with_capacity(args.len() + 1);
        let mut named = Vec::new();
        if let Some(of) = of {
            positional.push(self.expr(of)?);
        }
        for arg in args {
            match arg {
                CallArg::Pos(expr) => positional.push(self.expr(expr)?),
                CallArg::Kwarg(name, expr) => named.push((*name, self.expr(expr)?)),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => return Err(Declined),
            }
        }
        Ok((positional.into(), named.into()))
    }
}

fn constant(value: Value) -> Expr {
    if let Some(text) = value.as_str().filter(|_| !value.is_safe()) {
        return Expr::Text(text.into());
    }
    if value.is_integer()
        && let Some(number) = value.as_i64()
    {
        return Expr::Int(number);
    }
    match value.kind() {
        ValueKind::Bool => Expr::Bool(value.is_true()),
        _ => Expr::Const(value),
    }
}

/// The value of a constant.
fn constant_of(expr: &Expr) -> Option<Value> {
    Some(match expr {
        Expr::Text(text) => Value::from(&**text),
        Expr::Int(number) => Value::from(*number),
        Expr::Bool(is) => Value::from(*is),
        Expr::Const(value) => value.clone(),
        _ => return None,
    })
}

/// What minijinja computes beforehand, if `expr` is a small one of constants.
fn folded(expr: &E<'static>) -> Option<Value> {
    // Folding looks at all that is inside, so doing it at each level of a long chain would take for ever.
    let mut few = 16;
    of_constants(expr, &mut few).then(|| expr.as_const()).flatten()
}

/// Whether there are only constants in `expr`, and fewer than `few`.
fn of_constants(expr: &E<'static>, few: &mut usize) -> bool {
    *few = few.saturating_sub(1);
    *few > 0
        && match expr {
            E::Const(_) => true,
            E::List(e) => e.items.iter().all(|item| of_constants(item, few)),
            E::UnaryOp(e) => of_constants(&e.expr, few),
            E::BinOp(e) => of_constants(&e.left, few) && of_constants(&e.right, few),
            E::Compare(e) => {
                of_constants(&e.expr, few) && e.ops.iter().all(|op| of_constants(&op.expr, few))
            }
            _ => false,
        }
}

fn operation(operator: Operator, args: Vec<Expr>) -> Expr {
    Expr::Call { callable: Operation::value(operator), args: args.into(), kwargs: Box::default() }
}

fn relation(op: CompareOpKind) -> Relation {
    match op {
        CompareOpKind::In | CompareOpKind::NotIn => Relation::In {
            callable: Operation::value(Operator::In),
            not: matches!(op, CompareOpKind::NotIn),
        },
        op => Relation::Order(op),
    }
}

fn counter(name: &str) -> Option<Counter> {
    Some(match name {
        "index" => Counter::Index,
        "index0" => Counter::Index0,
        "revindex" => Counter::Revindex,
        "revindex0" => Counter::Revindex0,
        "first" => Counter::First,
        "last" => Counter::Last,
        "length" => Counter::Length,
        "depth" => Counter::Depth,
        "depth0" => Counter::Depth0,
        _ => return None,
    })
}

/// Adds the names that `stmts` assign in the frame that they are in.
fn assigned(stmts: &[Stmt<'static>], names: &mut BTreeSet<&'static str>) -> Planned<()> {
    for stmt in stmts {
        match stmt {
            Stmt::IfCond(s) => {
                assigned(&s.true_body, names)?;
                assigned(&s.false_body, names)?;
            }
            // The body has a frame of its own.
            Stmt::ForLoop(s) => assigned(&s.else_body, names)?,
            Stmt::Set(s) => names_of(&s.target, names)?,
            Stmt::SetBlock(s) => {
                names_of(&s.target, names)?;
                assigned(&s.body, names)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn names_of(target: &E<'static>, names: &mut BTreeSet<&'static str>) -> Planned<()> {
    match target {
        E::Var(e) => {
            names.insert(e.id);
            Ok(())
        }
        E::List(e) => e.items.iter().try_for_each(|item| names_of(item, names)),
        _ => Err(Declined),
    }
}
