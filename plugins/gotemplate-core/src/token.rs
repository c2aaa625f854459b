//! What the lexer makes of a source.

use std::fmt;

use crate::error::Position;

/// One token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: TokenKind<'s>,
    /// Where it begins.
    pub(crate) position: Position,
    /// Whether there is space before it: `.a.b` is one operand, `.a .b` are two.
    pub(crate) spaced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TokenKind<'s> {
    /// Plain text between actions, trimmed already.
    Text(&'s str),
    LeftDelim,
    RightDelim,
    LeftParen,
    RightParen,
    Pipe,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    Bool(bool),
    /// A character constant, with its quotes.
    Char(&'s str),
    Number(&'s str),
    /// An interpreted string, with its quotes.
    String(&'s str),
    /// A raw string, without its quotes.
    RawString(&'s str),
    Identifier(&'s str),
    /// `.name`, without the dot.
    Field(&'s str),
    /// `$name`, with the dollar.
    Variable(&'s str),
    Dot,
    Keyword(Keyword),
    /// Anything else that is printable: the grab bag for commas.
    Punctuation(char),
    Eof,
    /// The source stops making sense here; nothing comes after it.
    Error,
}

/// The words that are neither functions nor constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Keyword {
    const ALL: [Keyword; 11] = [
        Keyword::Block,
        Keyword::Break,
        Keyword::Continue,
        Keyword::Define,
        Keyword::Else,
        Keyword::End,
        Keyword::If,
        Keyword::Nil,
        Keyword::Range,
        Keyword::Template,
        Keyword::With,
    ];

    /// The keyword that `word` is, if it is one.
    pub(crate) fn from_word(word: &str) -> Option<Keyword> {
        Keyword::ALL.into_iter().find(|keyword| keyword.word() == word)
    }

    /// As it stands in a template.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Keyword::Block => "block",
            Keyword::Break => "break",
            Keyword::Continue => "continue",
            Keyword::Define => "define",
            Keyword::Else => "else",
            Keyword::End => "end",
            Keyword::If => "if",
            Keyword::Nil => "nil",
            Keyword::Range => "range",
            Keyword::Template => "template",
            Keyword::With => "with",
        }
    }
}

/// How an error names the token.
impl fmt::Display for TokenKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            TokenKind::Text(_) => return f.write_str("text"),
            TokenKind::Eof => return f.write_str("end of the template"),
            TokenKind::Error => return f.write_str("nonsense"),
            TokenKind::Keyword(keyword) => return write!(f, "{{{{{}}}}}", keyword.word()),
            TokenKind::Punctuation(c) => return write!(f, "\"{c}\""),
            TokenKind::Field(name) => return write!(f, "\".{}\"", shortened(name)),
            TokenKind::LeftDelim => "{{",
            TokenKind::RightDelim => "}}",
            TokenKind::LeftParen => "(",
            TokenKind::RightParen => ")",
            TokenKind::Pipe => "|",
            TokenKind::Assign => "=",
            TokenKind::Declare => ":=",
            TokenKind::Dot => ".",
            TokenKind::Bool(true) => "true",
            TokenKind::Bool(false) => "false",
            TokenKind::String(text) => return f.write_str(&shortened(text)),
            TokenKind::RawString(text) => return write!(f, "`{}`", shortened(text)),
            TokenKind::Char(text)
            | TokenKind::Number(text)
            | TokenKind::Identifier(text)
            | TokenKind::Variable(text) => return write!(f, "\"{}\"", shortened(text)),
        };
        write!(f, "\"{text}\"")
    }
}

/// The beginning of `text`, on one line: messages are sentences.
pub(crate) fn shortened(text: &str) -> String {
    const MAX: usize = 40;
    let mut short: String =
        text.chars().take(MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX).is_some() {
        short.push('…');
    }
    short
}
