//! From the source to tokens.

use crate::{
    error::Position,
    token::{Keyword, Token, TokenKind, shortened},
};

const LEFT_DELIM: &str = "{{";
const RIGHT_DELIM: &str = "}}";
const LEFT_COMMENT: &str = "/*";
const RIGHT_COMMENT: &str = "*/";
/// With the space that belongs to it.
const TRIM_MARKER_LEN: usize = 2;

/// What Go calls space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// All tokens of `source`. The last one is [`TokenKind::Eof`], or [`TokenKind::Error`]: then the
/// message says what is wrong there.
pub(crate) fn lex(source: &str) -> (Vec<Token<'_>>, String) {
    let mut lexer = Lexer {
        source,
        at: 0,
        start: 0,
        start_position: Position::START,
        parens: 0,
        spaced: false,
        tokens: Vec::new(),
    };
    let (last, message) = match lexer.text() {
        Ok(()) => (TokenKind::Eof, String::new()),
        Err(message) => (TokenKind::Error, message),
    };
    lexer.emit(last);
    (lexer.tokens, message)
}

/// Or what is wrong.
type Lexed = Result<(), String>;

struct Lexer<'s> {
    source: &'s str,
    /// Where the lexer is, in bytes.
    at: usize,
    /// Where the token begins, in bytes.
    start: usize,
    start_position: Position,
    /// How many parentheses of this action are open.
    parens: usize,
    spaced: bool,
    tokens: Vec<Token<'s>>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// What was read of the token so far.
    fn token(&self) -> &'s str {
        self.source.get(self.start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, valid: impl Fn(char) -> bool) -> bool {
        let accepted = self.peek().is_some_and(valid);
        if accepted {
            self.next();
        }
        accepted
    }

    fn accept_run(&mut self, valid: impl Fn(char) -> bool) {
        while self.accept(&valid) {}
    }

    /// Begins the next token here.
    fn ignore(&mut self) {
        for c in self.token().chars() {
            if c == '\n' {
                self.start_position.line += 1;
                self.start_position.column = 1;
            } else {
                self.start_position.column += 1;
            }
        }
        self.start = self.at;
    }

    fn emit(&mut self, kind: TokenKind<'s>) {
        self.tokens.push(Token { kind, position: self.start_position, spaced: self.spaced });
        self.spaced = false;
        self.ignore();
    }

    /// Everything, beginning with plain text.
    fn text(&mut self) -> Lexed {
        loop {
            let rest = self.rest();
            let Some(delim) = rest.find(LEFT_DELIM) else {
                self.at = self.source.len();
                if !rest.is_empty() {
                    self.emit(TokenKind::Text(rest));
                }
                return Ok(());
            };
            let before = rest.get(..delim).unwrap_or_default();
            let action = rest.get(delim + LEFT_DELIM.len()..).unwrap_or_default();
            let trims = has_left_trim_marker(action);
            let text = if trims { before.trim_end_matches(is_space) } else { before };
            if !text.is_empty() {
                self.at += text.len();
                self.emit(TokenKind::Text(text));
            }
            self.at += before.len() - text.len();
            self.ignore();
            self.left_delim(trims)?;
        }
    }

    fn left_delim(&mut self, trims: bool) -> Lexed {
        self.at += LEFT_DELIM.len();
        let marker = if trims { TRIM_MARKER_LEN } else { 0 };
        let after = self.rest().get(marker..).unwrap_or_default();
        if after.starts_with(LEFT_COMMENT) {
            self.at += marker;
            return self.comment();
        }
        self.emit(TokenKind::LeftDelim);
        self.at += marker;
        self.ignore();
        self.parens = 0;
        self.action()
    }

    fn comment(&mut self) -> Lexed {
        self.at += LEFT_COMMENT.len();
        let Some(end) = self.rest().find(RIGHT_COMMENT) else {
            return Err("unclosed comment".into());
        };
        self.at += end + RIGHT_COMMENT.len();
        let Some(trims) = self.right_delim_here() else {
            return Err("comment ends before closing delimiter".into());
        };
        self.skip_right_delim(trims);
        self.ignore();
        Ok(())
    }

    /// Whether the right delimiter is here, and then whether it trims what follows.
    fn right_delim_here(&self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with(RIGHT_DELIM) {
            return Some(false);
        }
        let trimming = rest.strip_prefix(is_space)?.strip_prefix('-')?;
        trimming.starts_with(RIGHT_DELIM).then_some(true)
    }

    fn skip_right_delim(&mut self, trims: bool) {
        if trims {
            self.at += TRIM_MARKER_LEN;
        }
        self.at += RIGHT_DELIM.len();
        if trims {
            self.accept_run(is_space);
        }
    }

    /// What stands between the delimiters, and the right one.
    fn action(&mut self) -> Lexed {
        loop {
            if let Some(trims) = self.right_delim_here() {
                if self.parens > 0 {
                    return Err("unclosed left paren".into());
                }
                self.skip_right_delim(trims);
                self.emit(TokenKind::RightDelim);
                return Ok(());
            }
            let Some(c) = self.next() else {
                return Err("unclosed action".into());
            };
            match c {
                _ if is_space(c) => {
                    self.ignore();
                    self.spaced = true;
                }
                '=' => self.emit(TokenKind::Assign),
                ':' if self.accept(|c| c == '=') => self.emit(TokenKind::Declare),
                ':' => return Err("expected :=".into()),
                '|' => self.emit(TokenKind::Pipe),
                '"' => {
                    self.quoted('"', "quoted string")?;
                    self.emit(TokenKind::String(self.token()));
                }
                '\'' => {
                    self.quoted('\'', "character constant")?;
                    self.emit(TokenKind::Char(self.token()));
                }
                '`' => self.raw_string()?,
                '$' => {
                    self.name()?;
                    self.emit(TokenKind::Variable(self.token()));
                }
                '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                    self.name()?;
                    match self.token().strip_prefix('.') {
                        None | Some("") => self.emit(TokenKind::Dot),
                        Some(name) => self.emit(TokenKind::Field(name)),
                    }
                }
                '.' | '+' | '-' | '0'..='9' => {
                    self.at = self.start;
                    self.number()?;
                }
                _ if is_alphanumeric(c) => {
                    self.name()?;
                    self.word();
                }
                '(' => {
                    self.parens += 1;
                    self.emit(TokenKind::LeftParen);
                }
                ')' => {
                    let Some(parens) = self.parens.checked_sub(1) else {
                        return Err("unexpected right paren".into());
                    };
                    self.parens = parens;
                    self.emit(TokenKind::RightParen);
                }
                _ if c.is_ascii_graphic() => self.emit(TokenKind::Punctuation(c)),
                _ => return Err(format!("unrecognized character in action: {c:?}")),
            }
        }
    }

    /// The rest of something in quotes.
    fn quoted(&mut self, quote: char, what: &str) -> Lexed {
        loop {
            match self.next() {
                Some('\\') if self.accept(|c| c != '\n') => {}
                Some('\\' | '\n') | None => return Err(format!("unterminated {what}")),
                Some(c) if c == quote => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Lexed {
        let Some(end) = self.rest().find('`') else {
            return Err("unterminated raw quoted string".into());
        };
        let text = self.rest().get(..end).unwrap_or_default();
        self.at += end + 1;
        self.emit(TokenKind::RawString(text));
        Ok(())
    }

    /// The rest of an identifier, a field or a variable.
    fn name(&mut self) -> Lexed {
        self.accept_run(is_alphanumeric);
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | '(' | ')') => Ok(()),
            Some(c) if is_space(c) || self.rest().starts_with(RIGHT_DELIM) => Ok(()),
            Some(c) => Err(format!("bad character {c:?} after \"{}\"", shortened(self.token()))),
        }
    }

    fn word(&mut self) {
        let word = self.token();
        self.emit(match word {
            "true" => TokenKind::Bool(true),
            "false" => TokenKind::Bool(false),
            _ => match Keyword::from_word(word) {
                Some(keyword) => TokenKind::Keyword(keyword),
                None => TokenKind::Identifier(word),
            },
        });
    }

    fn number(&mut self) -> Lexed {
        self.scan_number();
        // Go reads `1+2i` as one complex number; there are none here.
        if self.accept(|c| is_alphanumeric(c) || matches!(c, '+' | '-')) {
            return Err(format!("bad number syntax: \"{}\"", shortened(self.token())));
        }
        self.emit(TokenKind::Number(self.token()));
        Ok(())
    }

    fn scan_number(&mut self) {
        let is_sign = |c| matches!(c, '+' | '-');
        let is_decimal = |c: char| c.is_ascii_digit() || c == '_';
        self.accept(is_sign);
        let mut radix = 10;
        if self.accept(|c| c == '0') {
            if self.accept(|c| matches!(c, 'x' | 'X')) {
                radix = 16;
            } else if self.accept(|c| matches!(c, 'o' | 'O')) {
                radix = 8;
            } else if self.accept(|c| matches!(c, 'b' | 'B')) {
                radix = 2;
            }
        }
        let is_digit = |c: char| c.is_digit(radix) || c == '_';
        self.accept_run(is_digit);
        if self.accept(|c| c == '.') {
            self.accept_run(is_digit);
        }
        let has_exponent = match radix {
            10 => self.accept(|c| matches!(c, 'e' | 'E')),
            16 => self.accept(|c| matches!(c, 'p' | 'P')),
            _ => false,
        };
        if has_exponent {
            self.accept(is_sign);
            self.accept_run(is_decimal);
        }
    }
}

fn has_left_trim_marker(action: &str) -> bool {
    action.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}
