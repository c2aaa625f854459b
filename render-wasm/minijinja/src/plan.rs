//! The plan of a template: what minijinja's interpreter would do, in steps that cost little.
//!
//! minijinja's interpreter looks every name up in maps by its text, makes a value of everything that it touches, and calls
//! through objects whatever it does with it. In the sandbox each of these calls costs more than natively, because fuel is
//! settled around it. A plan knows beforehand where each name is found, borrows texts from the variables instead of copying
//! them, and does the commonest filters and comparisons itself. All else is done by the same callables on the same values as
//! in the interpreter.
//!
//! What keeps the two the same: **a plan never has the last word on a problem.** Wherever it meets something missing,
//! undefined, failing, or merely unusual it declines ([`Declined`]), and the interpreter renders the template from the start;
//! its answer, error page and list of missing variables are the ones that count. So all that a plan can get wrong is text that
//! it finishes, and that is held to the interpreter's by tests over all fixtures, generated templates and a fuzzer.
//! Templates with macros, namespaces, recursive loops and the like have no plan.

mod build;
mod run;

use minijinja::{Value, machinery::ast::CompareOpKind};

/// The interpreter is to render instead.
#[derive(Debug)]
pub(crate) struct Declined;

/// A template as steps.
pub(crate) struct Plan {
    steps: Box<[Step]>,
    /// How many names the template gives values, each frame's its own.
    slots: usize,
    /// The variables that it looks up.
    names: Box<[&'static str]>,
    calls_by_name: bool,
}

impl Plan {
    /// Whether it calls a filter that is given the name of another one (`map` and its relatives), which the environment must know.
    pub(crate) fn calls_by_name(&self) -> bool {
        self.calls_by_name
    }
}

/// The slots of the names that a loop or a block gives values: empty when it begins.
type Frame = std::ops::Range<usize>;

/// A statement.
enum Step {
    Text(&'static str),
    Print(Expr),
    If { test: Expr, then: Box<[Step]>, otherwise: Box<[Step]> },
    For(Box<For>),
    With { frame: Frame, steps: Box<[Step]> },
    Set { target: Target, value: Expr },
    Capture { target: Target, steps: Box<[Step]> },
    Do(Expr),
    Break,
    Continue,
}

/// A loop.
struct For {
    source: Expr,
    target: Target,
    condition: Option<Expr>,
    frame: Frame,
    steps: Box<[Step]>,
    otherwise: Box<[Step]>,
}

/// What is assigned to.
enum Target {
    Slot(usize),
    Unpacked(Box<[Target]>),
}

/// An expression.
enum Expr {
    Text(Box<str>),
    Int(i64),
    Bool(bool),
    Const(Value),
    /// The first of these slots that has a value, or else the variable of that number.
    Name {
        slots: Box<[usize]>,
        variable: usize,
    },
    Attribute(Box<Expr>, &'static str),
    Item(Box<(Expr, Expr)>),
    Loop(Counter),
    Not(Box<Expr>),
    And(Box<(Expr, Expr)>),
    Or(Box<(Expr, Expr)>),
    Choice(Box<(Expr, Expr, Option<Expr>)>),
    Compare {
        first: Box<Expr>,
        others: Box<[(Relation, Expr)]>,
    },
    Concat(Box<(Expr, Expr)>),
    List(Box<[Expr]>),
    Map(Box<[(Expr, Expr)]>),
    /// `default`; `lax` also replaces what is false.
    Default {
        value: Box<Expr>,
        other: Option<Box<Expr>>,
        lax: bool,
    },
    Is(Question, Box<Expr>),
    /// A filter that is done here for texts, and by its callable for all else.
    Textual(Textual, Box<Expr>, Value),
    Call {
        callable: Value,
        args: Box<[Expr]>,
        kwargs: Box<[(&'static str, Expr)]>,
    },
    Method {
        name: &'static str,
        args: Box<[Expr]>,
        kwargs: Box<[(&'static str, Expr)]>,
    },
}

/// What `loop` knows.
#[derive(Clone, Copy)]
enum Counter {
    Index,
    Index0,
    Revindex,
    Revindex0,
    First,
    Last,
    Length,
    Depth,
    Depth0,
}

/// A comparison.
enum Relation {
    Order(CompareOpKind),
    /// `in`, by its callable, or `not in`.
    In {
        callable: Value,
        not: bool,
    },
}

/// The tests that ask whether something is there.
#[derive(Clone, Copy)]
enum Question {
    Defined,
    Undefined,
    None,
}

/// The filters that are done here.
#[derive(Clone, Copy)]
enum Textual {
    Trim,
    Upper,
    Lower,
}
