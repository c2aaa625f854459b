//! Carrying a plan out.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use minijinja::{
    Environment, State, Value,
    machinery::ast::CompareOpKind,
    value::{Kwargs, ValueKind},
};
use px0_document::{Tag, Tape};

use super::{Counter, Declined, Expr, For, Frame, Plan, Question, Relation, Step, Target, Textual};
use crate::{
    missing::{self, missing},
    variables,
};

type Done<T> = Result<T, Declined>;

/// Numbers of so few digits are written as JSON has them.
const DIGITS: u32 = 18;

/// What an expression gives. Nothing of it is copied that is in the variables or in the plan.
#[derive(Clone)]
enum Operand<'r> {
    /// A variable that is not there, or there as null. Whoever needs it declines.
    Missing {
        null: bool,
    },
    /// A number, a list or an object of the variables.
    Node(u32),
    Text(&'r str),
    Int(i64),
    Bool(bool),
    Value(Value),
}

/// Where a loop is.
struct Progress {
    index: usize,
    length: Option<usize>,
}

/// What comes after a step.
enum Next {
    Step,
    Continue,
    Break,
}

/// One render.
struct Run<'r> {
    plan: &'r Plan,
    env: &'r Environment<'static>,
    tape: &'r Arc<Tape>,
    /// What callables are called with; made when the first one is.
    state: Option<State<'r, 'r>>,
    slots: Vec<Option<Operand<'r>>>,
    /// Where the variables are, once they were looked up.
    places: Vec<Option<Operand<'r>>>,
    loops: Vec<Progress>,
    out: String,
}

impl Plan {
    /// Renders with the variables in `tape`, into a text that begins with room for `capacity` bytes.
    ///
    /// # Errors
    /// The interpreter is to render instead: it knows what to answer.
    pub(crate) fn render(
        &self,
        env: &Environment<'static>,
        tape: &Arc<Tape>,
        capacity: usize,
    ) -> Result<String, Declined> {
        let mut run = Run {
            plan: self,
            env,
            tape,
            state: None,
            slots: vec![None; self.slots],
            places: vec![None; self.names.len()],
            loops: Vec::new(),
            out: String::with_capacity(capacity),
        };
        let ended = run.steps(&self.steps);
        // A callable may have used what is missing inside of a list without failing.
        let lacks = missing::any();
        if lacks {
            missing::take();
        }
        match ended {
            Ok(_) if !lacks => Ok(run.out),
            _ => Err(Declined),
        }
    }
}

impl<'r> Run<'r> {
    fn steps(&mut self, steps: &'r [Step]) -> Done<Next> {
        for step in steps {
            match step {
                Step::Text(text) => self.out.push_str(text),
                Step::Print(expr) => self.print(expr)?,
                Step::If { test, then, otherwise } => {
                    let branch = if self.test(test)? { then } else { otherwise };
                    match self.steps(branch)? {
                        Next::Step => {}
                        jump => return Ok(jump),
                    }
                }
                Step::For(it) => match self.for_(it)? {
                    Next::Step => {}
                    jump => return Ok(jump),
                },
                Step::With { frame, steps } => {
                    self.enter(frame);
                    self.steps(steps)?;
                }
                Step::Set { target, value } => {
                    let value = self.eval(value)?;
                    self.assign(target, value)?;
                }
                Step::Capture { target, steps } => {
                    let before = std::mem::take(&mut self.out);
                    self.steps(steps)?;
                    let captured = std::mem::replace(&mut self.out, before);
                    self.assign(target, Operand::Value(Value::from(captured)))?;
                }
                Step::Do(call) => drop(self.eval(call)?),
                Step::Break => return Ok(Next::Break),
                Step::Continue => return Ok(Next::Continue),
            }
        }
        Ok(Next::Step)
    }

    fn enter(&mut self, frame: &Frame) {
        self.slots[frame.clone()].fill(None);
    }

    fn assign(&mut self, target: &Target, value: Operand<'r>) -> Done<()> {
        match target {
            Target::Slot(slot) => self.slots[*slot] = Some(value),
            Target::Unpacked(targets) => {
                let list = self.value(&value)?;
                // Texts and the like are not unpacked.
                let items = list.as_object().and_then(|list| list.try_iter()).ok_or(Declined)?;
                let items = items.collect::<Vec<_>>();
                if items.len() != targets.len() {
                    return Err(Declined);
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, present(item)?)?;
                }
            }
        }
        Ok(())
    }

    fn for_(&mut self, it: &'r For) -> Done<Next> {
        let source = self.eval(&it.source)?;
        let mut items = match source {
            Operand::Node(at) => {
                let node = self.tape.node(at);
                match node.tag() {
                    Tag::Array => Items::Nodes { next: node.first(), left: node.length(), step: 1 },
                    Tag::Object => {
                        Items::Nodes { next: node.first(), left: node.length(), step: 2 }
                    }
                    _ => return Err(Declined),
                }
            }
            Operand::Value(value) if value.kind() != ValueKind::String => {
                let items = value.try_iter().map_err(|_| Declined)?;
                let known = matches!(items.size_hint(), (least, Some(most)) if least == most);
                Items::Values { known, values: items.collect::<Vec<_>>().into_iter() }
            }
            _ => return Err(Declined),
        };
        if let Some(condition) = &it.condition {
            self.enter(&it.frame);
            let mut kept = Vec::new();
            while let Some(item) = items.next(self.tape)? {
                self.assign(&it.target, item.clone())?;
                if self.test(condition)? {
                    kept.push(item);
                }
            }
            items = Items::Kept(kept.into_iter());
        }
        self.loops.push(Progress { index: 0, length: items.length() });
        let mut any = false;
        while let Some(item) = items.next(self.tape)? {
            // What one item set, the next does not see.
            self.enter(&it.frame);
            self.assign(&it.target, item)?;
            if let Next::Break = self.steps(&it.steps)? {
                // A loop that ends at its first item counts as one that had none.
                break;
            }
            any = true;
            if let Some(progress) = self.loops.last_mut() {
                progress.index += 1;
            }
        }
        self.loops.pop();
        if any { Ok(Next::Step) } else { self.steps(&it.otherwise) }
    }

    fn print(&mut self, expr: &'r Expr) -> Done<()> {
        if let Expr::Choice(choice) = expr {
            let (test, then, otherwise) = &**choice;
            return match (self.test(test)?, otherwise) {
                (true, _) => self.print(then),
                (false, Some(otherwise)) => self.print(otherwise),
                (false, None) => Ok(()),
            };
        }
        let operand = self.eval(expr)?;
        print(&mut self.out, self.tape, &operand)
    }

    /// Whether the expression is true.
    fn test(&mut self, expr: &'r Expr) -> Done<bool> {
        Ok(match expr {
            Expr::Not(expr) => !self.test(expr)?,
            Expr::And(pair) => self.test(&pair.0)? && self.test(&pair.1)?,
            Expr::Or(pair) => self.test(&pair.0)? || self.test(&pair.1)?,
            Expr::Compare { first, others } => self.compare(first, others)?,
            expr => {
                let operand = self.eval(expr)?;
                self.is_true(&operand)
            }
        })
    }

    fn is_true(&self, operand: &Operand<'r>) -> bool {
        match operand {
            Operand::Missing { .. } => false,
            Operand::Node(at) => {
                let node = self.tape.node(*at);
                match node.tag() {
                    Tag::Array | Tag::Object => node.length() > 0,
                    Tag::Int => !matches!(self.tape.text(node), "0" | "-0"),
                    _ => variables::value(self.tape, *at).is_true(),
                }
            }
            Operand::Text(text) => !text.is_empty(),
            Operand::Int(number) => *number != 0,
            Operand::Bool(is) => *is,
            Operand::Value(value) => value.is_true(),
        }
    }

    fn eval(&mut self, expr: &'r Expr) -> Done<Operand<'r>> {
        Ok(match expr {
            Expr::Text(text) => Operand::Text(text),
            Expr::Int(number) => Operand::Int(*number),
            Expr::Bool(is) => Operand::Bool(*is),
            Expr::Const(value) => Operand::Value(value.clone()),
            Expr::Name { slots, variable } => self.name(slots, *variable),
            Expr::Attribute(of, name) => {
                let of = self.eval(of)?;
                self.attribute(&of, name)?
            }
            Expr::Item(pair) => {
                let (of, key) = (self.eval(&pair.0)?, self.eval(&pair.1)?);
                self.item(&of, &key)?
            }
            Expr::Loop(counter) => self.counter(*counter)?,
            Expr::Not(_) | Expr::Compare { .. } => Operand::Bool(self.test(expr)?),
            Expr::And(pair) => {
                let left = self.eval(&pair.0)?;
                if self.is_true(&left) { self.eval(&pair.1)? } else { left }
            }
            Expr::Or(pair) => {
                let left = self.eval(&pair.0)?;
                if self.is_true(&left) { left } else { self.eval(&pair.1)? }
            }
            Expr::Choice(choice) => {
                let (test, then, otherwise) = &**choice;
                match (self.test(test)?, otherwise) {
                    (true, _) => self.eval(then)?,
                    (false, Some(otherwise)) => self.eval(otherwise)?,
                    (false, None) => return Err(Declined),
                }
            }
            Expr::Concat(pair) => {
                let (left, right) = (self.eval(&pair.0)?, self.eval(&pair.1)?);
                let mut text = String::new();
                print(&mut text, self.tape, &left)?;
                print(&mut text, self.tape, &right)?;
                Operand::Value(Value::from(text))
            }
            Expr::List(items) => {
                let items =
                    items.iter().map(|item| self.eval_value(item)).collect::<Done<Vec<_>>>()?;
                Operand::Value(Value::from(items))
            }
            Expr::Map(pairs) => {
                let mut values = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    let key = self.eval_value(key)?;
                    // Which of two equal numbers is the key is for the interpreter to say.
                    if key.as_str().is_none() {
                        return Err(Declined);
                    }
                    values.push((key, self.eval_value(value)?));
                }
                Operand::Value(Value::from_pairs(values))
            }
            Expr::Default { value, other, lax } => {
                let value = self.eval(value)?;
                // Also when it is not taken, as in any call: it might fail.
                let other = match other {
                    Some(other) => match self.eval(other)? {
                        Operand::Value(none) if none.is_none() => Operand::Text(""),
                        other => other,
                    },
                    None => Operand::Text(""),
                };
                let gone = match &value {
                    Operand::Missing { .. } => true,
                    Operand::Value(value) => value.is_none(),
                    _ => false,
                };
                if gone || (*lax && !self.is_true(&value)) { other } else { value }
            }
            Expr::Is(question, of) => {
                let of = self.eval(of)?;
                let (absent, none) = match &of {
                    Operand::Missing { null } => (!null, *null),
                    Operand::Value(value) => (false, value.is_none()),
                    _ => (false, false),
                };
                Operand::Bool(match question {
                    Question::Defined => !absent,
                    Question::Undefined => absent,
                    Question::None => none,
                })
            }
            Expr::Textual(filter, of, callable) => {
                let of = self.eval(of)?;
                // What is safe stays so, which is the callable's business.
                let plain = text(&of).filter(|_| !matches!(&of, Operand::Value(v) if v.is_safe()));
                match (filter, plain) {
                    (Textual::Upper, Some(text)) => Operand::Value(text.to_uppercase().into()),
                    (Textual::Lower, Some(text)) => Operand::Value(text.to_lowercase().into()),
                    (Textual::Trim, Some(_)) => match of {
                        Operand::Text(text) => Operand::Text(text.trim()),
                        of => Operand::Value(text(&of).unwrap_or_default().trim().into()),
                    },
                    (_, None) => {
                        let of = self.value(&of)?;
                        present(callable.call(self.state(), &[of]).map_err(|_| Declined)?)?
                    }
                }
            }
            Expr::Call { callable, args, kwargs } => {
                let args = self.args(args, kwargs)?;
                present(callable.call(self.state(), &args).map_err(|_| Declined)?)?
            }
            Expr::Method { name, args, kwargs } => {
                let args = self.args(args, kwargs)?;
                let (of, args) = args.split_first().ok_or(Declined)?;
                present(of.call_method(self.state(), name, args).map_err(|_| Declined)?)?
            }
        })
    }

    fn state(&mut self) -> &mut State<'r, 'r> {
        self.state.get_or_insert_with(|| self.env.empty_state())
    }

    fn eval_value(&mut self, expr: &'r Expr) -> Done<Value> {
        let operand = self.eval(expr)?;
        self.value(&operand)
    }

    fn args(&mut self, args: &'r [Expr], kwargs: &'r [(&'static str, Expr)]) -> Done<Vec<Value>> {
        let mut values = Vec::with_capacity(args.len() + 1);
        for arg in args {
            values.push(self.eval_value(arg)?);
        }
        if !kwargs.is_empty() {
            let named = kwargs.iter().map(|(name, expr)| Ok((*name, self.eval_value(expr)?)));
            values.push(named.collect::<Done<Vec<_>>>()?.into_iter().collect::<Kwargs>().into());
        }
        Ok(values)
    }

    /// The operand as minijinja's value.
    fn value(&self, operand: &Operand<'r>) -> Done<Value> {
        Ok(match operand {
            Operand::Missing { .. } => return Err(Declined),
            Operand::Node(at) => variables::value(self.tape, *at),
            Operand::Text(text) => Value::from(*text),
            Operand::Int(number) => Value::from(*number),
            Operand::Bool(is) => Value::from(*is),
            Operand::Value(value) => value.clone(),
        })
    }

    #[inline]
    fn name(&mut self, slots: &[usize], variable: usize) -> Operand<'r> {
        for slot in slots {
            if let Some(value) = &self.slots[*slot] {
                return value.clone();
            }
        }
        if let Some(found) = &self.places[variable] {
            return found.clone();
        }
        let found = member(self.tape, self.tape.root(), self.plan.names[variable]);
        self.places[variable] = Some(found.clone());
        found
    }

    fn attribute(&self, of: &Operand<'r>, name: &str) -> Done<Operand<'r>> {
        match of {
            Operand::Missing { .. } => Ok(Operand::Missing { null: false }),
            Operand::Node(at) => {
                let node = self.tape.node(*at);
                match node.tag() {
                    Tag::Object => Ok(member(self.tape, node, name)),
                    Tag::Array => Ok(Operand::Missing { null: false }),
                    _ => Err(Declined),
                }
            }
            Operand::Value(value) => present(value.get_attr(name).map_err(|_| Declined)?),
            Operand::Text(_) | Operand::Int(_) | Operand::Bool(_) => Err(Declined),
        }
    }

    fn item(&self, of: &Operand<'r>, key: &Operand<'r>) -> Done<Operand<'r>> {
        if let Operand::Node(at) = of {
            let node = self.tape.node(*at);
            match (node.tag(), key) {
                (Tag::Object, Operand::Text(key)) => return Ok(member(self.tape, node, key)),
                (Tag::Array, Operand::Int(index)) => {
                    if let Ok(index) = u32::try_from(*index)
                        && index < node.length()
                    {
                        return Ok(operand(self.tape, node.first() + index));
                    }
                }
                _ => {}
            }
        }
        let (of, key) = (self.value(of)?, self.value(key)?);
        present(of.get_item(&key).map_err(|_| Declined)?)
    }

    fn counter(&self, counter: Counter) -> Done<Operand<'r>> {
        let Progress { index, length } = *self.loops.last().ok_or(Declined)?;
        let length = length.ok_or(Declined);
        let number = match counter {
            Counter::First => return Ok(Operand::Bool(index == 0)),
            Counter::Last => return Ok(Operand::Bool(index + 1 == length?)),
            Counter::Index => index + 1,
            Counter::Index0 => index,
            Counter::Revindex => length?.saturating_sub(index),
            Counter::Revindex0 => length?.saturating_sub(index).saturating_sub(1),
            Counter::Length => length?,
            // Only loops that call themselves are deeper.
            Counter::Depth => 1,
            Counter::Depth0 => 0,
        };
        Ok(Operand::Int(number as i64))
    }

    fn compare(&mut self, first: &'r Expr, others: &'r [(Relation, Expr)]) -> Done<bool> {
        let mut left = self.eval(first)?;
        for (relation, right) in others {
            let right = self.eval(right)?;
            let holds = match relation {
                Relation::Order(op) => self.holds(*op, &left, &right)?,
                Relation::In { callable, not } => {
                    let args = [self.value(&left)?, self.value(&right)?];
                    let is_in = callable.call(self.state(), &args).map_err(|_| Declined)?;
                    is_in.is_true() != *not
                }
            };
            if !holds {
                return Ok(false);
            }
            left = right;
        }
        Ok(true)
    }

    fn holds(&self, op: CompareOpKind, left: &Operand<'r>, right: &Operand<'r>) -> Done<bool> {
        if let (Some(left), Some(right)) = (text(left), text(right)) {
            return Ok(holds(op, left, right));
        }
        if let (Operand::Int(left), Operand::Int(right)) = (left, right) {
            return Ok(holds(op, left, right));
        }
        Ok(holds(op, &self.value(left)?, &self.value(right)?))
    }
}

#[inline(always)]
fn holds<T: PartialOrd + ?Sized>(op: CompareOpKind, left: &T, right: &T) -> bool {
    match op {
        CompareOpKind::Eq => left == right,
        CompareOpKind::Ne => left != right,
        CompareOpKind::Lt => left < right,
        CompareOpKind::Lte => left <= right,
        CompareOpKind::Gt => left > right,
        CompareOpKind::Gte => left >= right,
        CompareOpKind::In | CompareOpKind::NotIn => false,
    }
}

/// The items of a loop.
enum Items<'r> {
    Nodes { next: u32, left: u32, step: u32 },
    Values { known: bool, values: std::vec::IntoIter<Value> },
    Kept(std::vec::IntoIter<Operand<'r>>),
}

impl<'r> Items<'r> {
    /// How many there are, if minijinja knows before they were counted.
    fn length(&self) -> Option<usize> {
        match self {
            Items::Nodes { left, .. } => Some(*left as usize),
            Items::Values { known, values } => known.then(|| values.len()),
            Items::Kept(kept) => Some(kept.len()),
        }
    }

    #[inline]
    fn next(&mut self, tape: &'r Arc<Tape>) -> Done<Option<Operand<'r>>> {
        match self {
            Items::Nodes { next, left, step } => {
                if *left == 0 {
                    return Ok(None);
                }
                let at = *next;
                *left -= 1;
                *next += *step;
                Ok(Some(operand(tape, at)))
            }
            Items::Values { values, .. } => values.next().map(present).transpose(),
            Items::Kept(kept) => Ok(kept.next()),
        }
    }
}

/// The value of the variables at `at`.
#[inline]
fn operand(tape: &Tape, at: u32) -> Operand<'_> {
    let node = tape.node(at);
    match node.tag() {
        Tag::Null => Operand::Missing { null: true },
        Tag::False => Operand::Bool(false),
        Tag::True => Operand::Bool(true),
        Tag::Text | Tag::Unescaped => Operand::Text(tape.text(node)),
        Tag::Int | Tag::Float | Tag::Array | Tag::Object => Operand::Node(at),
    }
}

#[inline]
fn member<'r>(tape: &'r Tape, object: px0_document::Node, name: &str) -> Operand<'r> {
    match tape.member(object, name) {
        Some(at) => operand(tape, at),
        None => Operand::Missing { null: false },
    }
}

/// A value of minijinja's, unless something is wrong with it that the interpreter should see.
fn present<'r>(value: Value) -> Done<Operand<'r>> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::Invalid => Err(Declined),
        ValueKind::Plain => Ok(match missing(&value) {
            Some(gone) => Operand::Missing { null: gone.is_null() },
            None => Operand::Value(value),
        }),
        _ => Ok(Operand::Value(value)),
    }
}

/// The text that an operand is, if it is one.
#[inline(always)]
fn text<'o>(operand: &'o Operand<'_>) -> Option<&'o str> {
    match operand {
        Operand::Text(text) => Some(text),
        Operand::Value(value) => value.as_str(),
        _ => None,
    }
}

/// Prints an operand at the end of `out`.
fn print(out: &mut String, tape: &Arc<Tape>, operand: &Operand<'_>) -> Done<()> {
    let value = match operand {
        Operand::Missing { .. } => return Err(Declined),
        Operand::Text(text) => {
            out.push_str(text);
            return Ok(());
        }
        Operand::Int(number) => {
            out.push_str(itoa::Buffer::new().format(*number));
            return Ok(());
        }
        Operand::Bool(is) => {
            out.push_str(if *is { "True" } else { "False" });
            return Ok(());
        }
        Operand::Node(at) => {
            let node = tape.node(*at);
            if node.tag() == Tag::Int && node.length() <= DIGITS && tape.text(node) != "-0" {
                out.push_str(tape.text(node));
                return Ok(());
            }
            Cow::Owned(variables::value(tape, *at))
        }
        Operand::Value(value) => Cow::Borrowed(value),
    };
    let number = if value.is_integer() { value.as_i64() } else { None };
    match (value.as_str(), number) {
        (Some(text), _) => out.push_str(text),
        (None, Some(number)) => out.push_str(itoa::Buffer::new().format(number)),
        (None, None) => write!(out, "{value}").map_err(|_| Declined)?,
    }
    Ok(())
}
