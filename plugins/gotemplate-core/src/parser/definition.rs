//! Templates that a source defines, and calls.

use super::{Parsed, Parser, control::End, operand::unquote, pipeline::Context, refuse};
use crate::{
    ast::{DefinitionId, Node, VariableId},
    error::Position,
    literal,
    token::{TokenKind, shortened},
};

pub(super) struct Definition {
    pub(super) name: String,
    /// Where it is spoken of first.
    pub(super) first_use: Position,
    pub(super) body: Option<Vec<Node>>,
}

impl<'s> Parser<'s> {
    pub(super) fn define(&mut self, position: Position) -> Parsed<()> {
        let id = self.template_name("define clause")?;
        self.expect(&TokenKind::RightDelim, "define clause")?;
        self.definition_body(id, position)
    }

    /// The body of a definition, with variables and loops of its own.
    fn definition_body(&mut self, id: DefinitionId, position: Position) -> Parsed<()> {
        let scope = std::mem::replace(&mut self.scope, vec![VariableId::ROOT]);
        let loops = std::mem::take(&mut self.loops);
        self.enter(position)?;
        let (body, end, end_position) = self.list(position)?;
        self.leave();
        self.loops = loops;
        self.scope = scope;
        if !matches!(end, End::End) {
            return Err(end.misplaced(end_position));
        }
        let Some(definition) = self.definitions.get_mut(id.0) else { return Ok(()) };
        // As in Go, an empty definition is only there until a better one comes.
        match &definition.body {
            Some(old) if !is_empty(old) => {
                if !is_empty(&body) {
                    let name = shortened(&definition.name);
                    return Err(refuse(position, format!("template \"{name}\" is defined twice")));
                }
            }
            _ => definition.body = Some(body),
        }
        Ok(())
    }

    fn template_name(&mut self, context: &str) -> Parsed<DefinitionId> {
        let token = self.next();
        let name = match token.kind {
            TokenKind::String(quoted) => unquote(quoted, token.position)?,
            TokenKind::RawString(text) => literal::raw(text),
            _ => return Err(self.unexpected(token, context)),
        };
        let name = String::from_utf8_lossy(&name).into_owned();
        if let Some(&id) = self.definition_ids.get(&name) {
            return Ok(id);
        }
        let id = DefinitionId(self.definitions.len());
        self.definition_ids.insert(name.clone(), id);
        self.definitions.push(Definition { name, first_use: token.position, body: None });
        Ok(id)
    }

    pub(super) fn template_call(&mut self, position: Position) -> Parsed<Node> {
        let definition = self.template_name("template clause")?;
        let argument = if self.accept(&TokenKind::RightDelim) {
            None
        } else {
            Some(self.pipeline(Context::Template)?)
        };
        Ok(Node::Template { position, definition, argument })
    }

    pub(super) fn block(&mut self, position: Position) -> Parsed<Node> {
        let definition = self.template_name("block clause")?;
        let argument = self.pipeline(Context::Block)?;
        self.definition_body(definition, position)?;
        Ok(Node::Template { position, definition, argument: Some(argument) })
    }
}

/// Whether there is nothing but space.
fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}
