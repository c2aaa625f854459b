//! Text and actions: what has a body, and what ends it.

use super::{Parsed, Parser, pipeline::Context, refuse};
use crate::{
    ast::{Arm, Conditional, Loop, Node},
    error::{Position, TemplateError},
    token::{Keyword, TokenKind},
};

/// What ends a list of nodes.
pub(super) enum End {
    End,
    /// With what stands after the word in the same action.
    Else(ElseKind),
}

pub(super) enum ElseKind {
    Plain,
    If,
    With,
}

/// What comes next in a list of nodes.
enum Item {
    Node(Node),
    /// And where.
    End(End, Position),
}

impl End {
    /// The error of an end that does not belong where it is.
    pub(super) fn misplaced(&self, position: Position) -> Box<TemplateError> {
        refuse(
            position,
            match self {
                End::End => "unexpected {{end}}",
                End::Else(ElseKind::Plain) => "unexpected {{else}}",
                End::Else(ElseKind::If) => "unexpected {{else if}}",
                End::Else(ElseKind::With) => "unexpected {{else with}}",
            },
        )
    }
}

impl<'s> Parser<'s> {
    pub(super) fn main(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            let token = self.peek();
            if token.kind == TokenKind::Eof {
                return Ok(nodes);
            }
            if token.kind == TokenKind::LeftDelim
                && self.look(1).kind == TokenKind::Keyword(Keyword::Define)
            {
                self.at += 2;
                self.define(token.position)?;
                continue;
            }
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end, position) => return Err(end.misplaced(position)),
            }
        }
    }

    /// Nodes up to `end` or `else`. `position` is where what has to end began.
    pub(super) fn list(&mut self, position: Position) -> Parsed<(Vec<Node>, End, Position)> {
        let mut nodes = Vec::new();
        loop {
            if self.peek().kind == TokenKind::Eof {
                return Err(refuse(position, "this has no {{end}}"));
            }
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end, position) => return Ok((nodes, end, position)),
            }
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        let token = self.next();
        match token.kind {
            TokenKind::Text(text) => Ok(Item::Node(Node::Text(text.to_owned()))),
            TokenKind::LeftDelim => self.action(token.position),
            _ => Err(self.unexpected(token, "input")),
        }
    }

    fn action(&mut self, position: Position) -> Parsed<Item> {
        let TokenKind::Keyword(keyword) = self.peek().kind else {
            return Ok(Item::Node(Node::Action(self.pipeline(Context::Command)?)));
        };
        if keyword == Keyword::Nil {
            return Ok(Item::Node(Node::Action(self.pipeline(Context::Command)?)));
        }
        let token = self.next();
        let node = match keyword {
            Keyword::If => Node::If(self.conditional(Context::If, position)?),
            Keyword::With => Node::With(self.conditional(Context::With, position)?),
            Keyword::Range => Node::Range(self.range(position)?),
            Keyword::Template => self.template_call(position)?,
            Keyword::Block => self.block(position)?,
            Keyword::Break => {
                self.loop_control("{{break}}", position)?;
                Node::Break
            }
            Keyword::Continue => {
                self.loop_control("{{continue}}", position)?;
                Node::Continue
            }
            Keyword::End => {
                self.expect(&TokenKind::RightDelim, "end")?;
                return Ok(Item::End(End::End, position));
            }
            Keyword::Else => {
                let kind = match self.peek().kind {
                    TokenKind::Keyword(Keyword::If) => ElseKind::If,
                    TokenKind::Keyword(Keyword::With) => ElseKind::With,
                    _ => {
                        self.expect(&TokenKind::RightDelim, "else")?;
                        return Ok(Item::End(End::Else(ElseKind::Plain), position));
                    }
                };
                self.at += 1;
                return Ok(Item::End(End::Else(kind), position));
            }
            Keyword::Define | Keyword::Nil => return Err(self.unexpected(token, "command")),
        };
        Ok(Item::Node(node))
    }

    fn loop_control(&mut self, context: &str, position: Position) -> Parsed<()> {
        self.expect(&TokenKind::RightDelim, context)?;
        if self.loops == 0 {
            return Err(refuse(position, format!("{context} outside of {{{{range}}}}")));
        }
        Ok(())
    }

    fn conditional(&mut self, context: Context, position: Position) -> Parsed<Box<Conditional>> {
        self.enter(position)?;
        let visible = self.scope.len();
        let mut arms = Vec::new();
        let otherwise = loop {
            let condition = self.pipeline(context)?;
            let (body, end, end_position) = self.list(position)?;
            arms.push(Arm { condition, body });
            match (end, context) {
                (End::End, _) => break Vec::new(),
                (End::Else(ElseKind::If), Context::If) => {}
                (End::Else(ElseKind::With), Context::With) => {}
                (End::Else(ElseKind::Plain), _) => break self.last_branch(position)?,
                (end, _) => return Err(end.misplaced(end_position)),
            }
        };
        self.scope.truncate(visible);
        self.leave();
        Ok(Box::new(Conditional { position, arms, otherwise }))
    }

    fn range(&mut self, position: Position) -> Parsed<Box<Loop>> {
        self.enter(position)?;
        let visible = self.scope.len();
        let pipeline = self.pipeline(Context::Range)?;
        self.loops += 1;
        let (body, end, end_position) = self.list(position)?;
        self.loops -= 1;
        let otherwise = match end {
            End::End => Vec::new(),
            End::Else(ElseKind::Plain) => self.last_branch(position)?,
            End::Else(_) => return Err(end.misplaced(end_position)),
        };
        self.scope.truncate(visible);
        self.leave();
        Ok(Box::new(Loop { pipeline, body, otherwise }))
    }

    /// The nodes between `{{else}}` and `{{end}}`.
    fn last_branch(&mut self, position: Position) -> Parsed<Vec<Node>> {
        let (nodes, end, end_position) = self.list(position)?;
        match end {
            End::End => Ok(nodes),
            End::Else(_) => Err(end.misplaced(end_position)),
        }
    }
}
