//! A template, compiled.

use crate::{
    ast::Tree,
    error::{RenderError, TemplateError},
    exec,
    functions::Functions,
    json, names, parser,
};

/// A template that is ready to be rendered.
#[derive(Debug)]
pub struct Template {
    tree: Tree,
}

impl Template {
    /// Reads `source`, which may call `functions` besides the built-in ones.
    ///
    /// # Errors
    /// What is wrong with it, and where. Whatever can be seen without variables is refused here:
    /// also functions that nobody offers, calls with too few or too many arguments, and templates
    /// that are not defined.
    pub fn compile(source: &str, functions: &dyn Functions) -> Result<Template, TemplateError> {
        parser::parse(source, functions).map(|tree| Template { tree })
    }

    /// The names that the template takes from its variables (top level only), sorted.
    pub fn variables(&self) -> Vec<String> {
        names::names(&self.tree)
    }

    /// Renders the template with `variables_json`, a JSON object. `functions` are those that it
    /// was compiled with.
    ///
    /// # Errors
    /// - [`RenderError::Missing`] if variables lacked: all of them, whatever else went wrong;
    /// - [`RenderError::Output`] as soon as the text gets longer than `max_output` bytes;
    /// - [`RenderError::Execution`] for everything else.
    pub fn render(
        &self,
        variables_json: &str,
        max_output: usize,
        functions: &dyn Functions,
    ) -> Result<String, RenderError> {
        let variables = json::variables(variables_json).map_err(|message| {
            RenderError::Execution(TemplateError { message, line: None, column: None })
        })?;
        exec::render(&self.tree, variables, max_output, functions)
    }
}
