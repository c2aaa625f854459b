//! From tokens to the syntax tree.
//!
//! `control` reads the actions that have bodies, `definition` what `{{define}}` and `{{block}}` define,
//! `pipeline` what is computed, and `operand` what it is computed of.

mod control;
mod definition;
mod operand;
mod pipeline;

use std::collections::BTreeMap;

use self::definition::Definition;
use crate::{
    ast::{DefinitionId, Tree, VariableId},
    error::{Position, TemplateError},
    functions::Functions,
    lexer::lex,
    token::{Token, TokenKind, shortened},
};

/// How deep blocks and parentheses may nest. Parsing and rendering recurse as deep.
const MAX_NESTING: usize = 200;

/// The error is boxed because these functions recurse.
type Parsed<T> = Result<T, Box<TemplateError>>;

/// Reads `source`, which may call `functions`.
pub(crate) fn parse(source: &str, functions: &dyn Functions) -> Result<Tree, TemplateError> {
    tree(source, functions).map_err(|error| *error)
}

fn tree(source: &str, functions: &dyn Functions) -> Parsed<Tree> {
    let (tokens, lexer_message) = lex(source);
    let mut parser = Parser {
        tokens,
        lexer_message,
        at: 0,
        functions,
        nesting: 0,
        loops: 0,
        names: BTreeMap::from([("$", VariableId::ROOT)]),
        scope: vec![VariableId::ROOT],
        definitions: Vec::new(),
        definition_ids: BTreeMap::new(),
    };
    let main = parser.main()?;
    let definitions = parser
        .definitions
        .into_iter()
        .map(|definition| match definition.body {
            Some(body) => Ok(body),
            None => Err(refuse(
                definition.first_use,
                format!("template \"{}\" is not defined", shortened(&definition.name)),
            )),
        })
        .collect::<Parsed<_>>()?;
    Ok(Tree { main, definitions })
}

struct Parser<'s> {
    tokens: Vec<Token<'s>>,
    /// What is wrong at the last token, if the lexer stopped there.
    lexer_message: String,
    at: usize,
    functions: &'s dyn Functions,
    /// How many blocks and parentheses are open.
    nesting: usize,
    /// How many `range` are open, in this definition.
    loops: usize,
    names: BTreeMap<&'s str, VariableId>,
    /// The variables that are visible, in this definition.
    scope: Vec<VariableId>,
    definitions: Vec<Definition>,
    definition_ids: BTreeMap<String, DefinitionId>,
}

impl<'s> Parser<'s> {
    /// The token after the next `ahead` ones. The last one, which is the end or an error, lasts.
    fn look(&self, ahead: usize) -> Token<'s> {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens.get((self.at + ahead).min(last)).copied().unwrap_or(Token {
            kind: TokenKind::Eof,
            position: Position::START,
            spaced: false,
        })
    }

    fn peek(&self) -> Token<'s> {
        self.look(0)
    }

    fn next(&mut self) -> Token<'s> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Takes the next token if it is this one.
    fn accept(&mut self, kind: &TokenKind<'_>) -> bool {
        let accepted = self.peek().kind == *kind;
        if accepted {
            self.at += 1;
        }
        accepted
    }

    fn expect(&mut self, kind: &TokenKind<'_>, context: &str) -> Parsed<Token<'s>> {
        let token = self.next();
        if token.kind == *kind { Ok(token) } else { Err(self.unexpected(token, context)) }
    }

    /// The error of a token that does not belong where it is.
    fn unexpected(&self, token: Token<'_>, context: &str) -> Box<TemplateError> {
        refuse(
            token.position,
            match token.kind {
                TokenKind::Error => self.lexer_message.clone(),
                kind => format!("unexpected {kind} in {context}"),
            },
        )
    }

    fn enter(&mut self, position: Position) -> Parsed<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(refuse(position, "template is nested too deeply"));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.nesting -= 1;
    }
}

fn refuse(position: Position, message: impl Into<String>) -> Box<TemplateError> {
    Box::new(position.error(message))
}
