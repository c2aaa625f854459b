//! The names of the built-in functions.

use crate::functions::Arity;

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Or,
    Not,
    Default,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Html,
    Js,
    Urlquery,
}

impl Builtin {
    const ALL: [Builtin; 19] = [
        Builtin::And,
        Builtin::Or,
        Builtin::Not,
        Builtin::Default,
        Builtin::Eq,
        Builtin::Ne,
        Builtin::Lt,
        Builtin::Le,
        Builtin::Gt,
        Builtin::Ge,
        Builtin::Len,
        Builtin::Index,
        Builtin::Slice,
        Builtin::Print,
        Builtin::Printf,
        Builtin::Println,
        Builtin::Html,
        Builtin::Js,
        Builtin::Urlquery,
    ];

    /// The function of this name.
    pub(crate) fn from_name(name: &str) -> Option<Builtin> {
        Builtin::ALL.into_iter().find(|builtin| builtin.name() == name)
    }

    /// As it stands in a template.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Builtin::And => "and",
            Builtin::Or => "or",
            Builtin::Not => "not",
            Builtin::Default => "default",
            Builtin::Eq => "eq",
            Builtin::Ne => "ne",
            Builtin::Lt => "lt",
            Builtin::Le => "le",
            Builtin::Gt => "gt",
            Builtin::Ge => "ge",
            Builtin::Len => "len",
            Builtin::Index => "index",
            Builtin::Slice => "slice",
            Builtin::Print => "print",
            Builtin::Printf => "printf",
            Builtin::Println => "println",
            Builtin::Html => "html",
            Builtin::Js => "js",
            Builtin::Urlquery => "urlquery",
        }
    }

    /// How many arguments it takes, a piped one included.
    pub(crate) fn arity(self) -> Arity {
        match self {
            Builtin::Not | Builtin::Len => Arity::exactly(1),
            Builtin::Default
            | Builtin::Ne
            | Builtin::Lt
            | Builtin::Le
            | Builtin::Gt
            | Builtin::Ge => Arity::exactly(2),
            Builtin::And | Builtin::Or | Builtin::Index | Builtin::Printf => Arity::at_least(1),
            Builtin::Eq => Arity::at_least(2),
            Builtin::Slice => Arity::between(1, 4),
            Builtin::Print | Builtin::Println | Builtin::Html | Builtin::Js | Builtin::Urlquery => {
                Arity::at_least(0)
            }
        }
    }
}
