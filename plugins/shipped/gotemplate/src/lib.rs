//! Go's `text/template` as a px0 template engine.
//!
//! The language is in `px0-gotemplate-core`; here it meets the interface of plugins, and the functions
//! that other plugins lend ([`Lent`]).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop where it stands"))]

mod lent;

use px0_gotemplate_core as go;
use px0_plugin::{
    engine::{Engine, RenderError, TemplateError},
    px0_plugin,
};

pub use lent::Lent;

/// A template, compiled.
#[derive(Debug)]
pub struct GoTemplate {
    template: go::Template,
    /// What was compiled; errors of renders show lines of it.
    source: String,
    lent: Lent,
}

px0_plugin!(engine: GoTemplate);

impl Engine for GoTemplate {
    fn compile(source: &str) -> Result<Self, TemplateError> {
        let lent = Lent::default();
        match go::Template::compile(source, &lent) {
            Ok(template) => Ok(GoTemplate { template, source: source.to_owned(), lent }),
            Err(error) => Err(located(error, source)),
        }
    }

    fn variables(&self) -> Vec<String> {
        self.template.variables()
    }

    fn render(&self, variables: &str, max_output: usize) -> Result<String, RenderError> {
        self.template.render(variables, max_output, &self.lent).map_err(|error| match error {
            go::RenderError::Execution(error) => located(error, &self.source).into(),
            go::RenderError::Missing(names) => RenderError::Missing(names),
            go::RenderError::Output => RenderError::Output,
        })
    }
}

/// The error with the lines around it.
fn located(error: go::TemplateError, source: &str) -> TemplateError {
    let go::TemplateError { message, line, column } = error;
    TemplateError { message, line, column, excerpt: None }.with_excerpt(source)
}

#[cfg(test)]
mod tests;
