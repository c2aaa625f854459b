use std::sync::Arc;

use serde_json::json;

use crate::{
    cache::Resolved,
    error::{Code, Error, Result},
    plugin::HookError,
    render::{RenderError, SchemaError, TemplateRef},
    workflows::{Grant, Px0, versions::located},
};

/// A rendered version.
pub struct Rendered {
    /// The text.
    pub text: String,
}

impl Px0 {
    /// Renders a version in the sandbox, with `variables`, the text of a JSON object: hooks see them first, then its schema, if it
    /// has one, and hooks see the text last.
    ///
    /// # Errors
    /// [`Code::TooLarge`], [`Code::InvalidField`]; [`Code::InvalidVariables`], [`Code::MissingVariables`], [`Code::ExecutionFailed`],
    /// [`Code::RenderLimit`]; [`Code::PluginRefused`], [`Code::PluginFailed`].
    pub async fn render(&self, on: &Grant<Arc<Resolved>>, variables: &str) -> Result<Rendered> {
        self.check_variables(variables)?;
        let resolved = &***on;
        let (found, version) = resolved;
        let tenant = self.tenant(found.org).await?;
        let others = self.before_render(&tenant, resolved, variables).await?;
        let variables = others.as_deref().unwrap_or(variables);
        let body = &version.body;
        if let Some(schema) = &body.variables_schema {
            self.renderer
                .validate(found.org, schema.as_str(), variables)
                .await
                .map_err(broken_schema)?;
        }
        let template = TemplateRef::of(&tenant, &found.prompt.slug, version);
        let text = self.renderer.render(&template, variables).await.map_err(failed)?;
        let text = self.after_render(&tenant, resolved, text).await?;
        Ok(Rendered { text })
    }
}

fn failed(error: RenderError) -> Error {
    let message = error.to_string();
    match error {
        RenderError::Execution(error) => {
            located(Error::new(Code::ExecutionFailed, message), &error)
        }
        RenderError::Missing(names) => {
            Error::new(Code::MissingVariables, message).with_details(json!({ "missing": names }))
        }
        RenderError::Limit(limit) => {
            Error::new(Code::RenderLimit, message).with_details(json!({ "limit": limit }))
        }
        RenderError::Variables(_) => Error::field(Code::InvalidField, "variables", message),
        RenderError::Plugin(failure) => HookError::Failed(failure).into(),
        RenderError::NoEngine(_) => Error::new(Code::PluginFailed, message),
        RenderError::Internal(why) => Error::internal(why),
    }
}

fn broken_schema(error: SchemaError) -> Error {
    match error {
        SchemaError::Violations(errors) => {
            Error::new(Code::InvalidVariables, "the variables do not fit the version's schema")
                .with_details(json!({ "errors": errors }))
        }
        SchemaError::Limit(limit) => {
            Error::new(Code::RenderLimit, format!("schema check stopped at its {limit} limit"))
                .with_details(json!({ "limit": limit }))
        }
        SchemaError::Schema(why) | SchemaError::Internal(why) => Error::internal(why),
    }
}
