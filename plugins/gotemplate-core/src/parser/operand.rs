//! Operands: constants, variables, fields, and whatever stands in parentheses.

use std::sync::Arc;

use super::{Parsed, Parser, pipeline::Context, refuse};
use crate::{
    ast::{Call, Chain, Expr, ExprKind},
    error::Position,
    literal,
    token::{Keyword, Token, TokenKind, shortened},
    value::Value,
};

impl<'s> Parser<'s> {
    /// A term and the fields that are taken of it.
    pub(super) fn operand(&mut self, context: Context) -> Parsed<Expr> {
        let receiver = self.term(context)?;
        let mut names = Vec::new();
        while let Token { kind: TokenKind::Field(name), spaced: false, .. } = self.peek() {
            names.push(Arc::from(name));
            self.at += 1;
        }
        if names.is_empty() {
            return Ok(receiver);
        }
        let position = receiver.position;
        let chain = match receiver.kind {
            ExprKind::Field(mut chain) => {
                chain.names.append(&mut names);
                chain
            }
            ExprKind::Dot | ExprKind::Nil | ExprKind::Literal(_) => {
                return Err(refuse(position, "unexpected . after a constant or the dot"));
            }
            ExprKind::Call(call) => {
                self.check_arity(&call, 0)?;
                let receiver = Expr { position, kind: ExprKind::Call(call) };
                Box::new(Chain { receiver, names })
            }
            ExprKind::Variable(_) | ExprKind::Pipeline(_) => Box::new(Chain { receiver, names }),
        };
        let kind = ExprKind::Field(chain);
        Ok(Expr { position, kind })
    }

    fn term(&mut self, context: Context) -> Parsed<Expr> {
        let token = self.next();
        let position = token.position;
        let kind = match token.kind {
            TokenKind::Identifier(name) => {
                let function = self.function(name).map_err(|message| refuse(position, message))?;
                ExprKind::Call(Box::new(Call { position, function, arguments: Vec::new() }))
            }
            TokenKind::Dot => ExprKind::Dot,
            TokenKind::Keyword(Keyword::Nil) => ExprKind::Nil,
            TokenKind::Variable(name) => ExprKind::Variable(self.known(name, position)?),
            TokenKind::Field(name) => ExprKind::Field(Box::new(Chain {
                receiver: Expr { position, kind: ExprKind::Dot },
                names: vec![Arc::from(name)],
            })),
            TokenKind::LeftParen => {
                self.enter(position)?;
                let pipeline = self.pipeline(Context::Parentheses)?;
                self.leave();
                ExprKind::Pipeline(Box::new(pipeline))
            }
            _ => ExprKind::Literal(self.constant(token, context)?),
        };
        Ok(Expr { position, kind })
    }

    // Not part of `term`, which recurses: its stack frame is to be small.
    #[inline(never)]
    fn constant(&self, token: Token<'s>, context: Context) -> Parsed<Value> {
        let position = token.position;
        match token.kind {
            TokenKind::Bool(value) => Ok(Value::Bool(value)),
            TokenKind::Char(quoted) => literal::character(quoted).ok_or_else(|| {
                let quoted = shortened(quoted);
                refuse(position, format!("malformed character constant: {quoted}"))
            }),
            TokenKind::Number(text) => literal::number(text)
                .map_err(|message| refuse(position, format!("{message}: \"{}\"", shortened(text)))),
            TokenKind::String(quoted) => Ok(Value::string(unquote(quoted, position)?)),
            TokenKind::RawString(text) => Ok(Value::string(literal::raw(text))),
            _ => Err(self.unexpected(token, context.name())),
        }
    }
}

pub(super) fn unquote(quoted: &str, position: Position) -> Parsed<Vec<u8>> {
    literal::unquote(quoted)
        .ok_or_else(|| refuse(position, format!("invalid string: {}", shortened(quoted))))
}
