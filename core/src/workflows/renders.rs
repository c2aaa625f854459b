use std::sync::Arc;

use serde_json::json;

use crate::{
    cache::Resolved,
    error::{Code, Error, Result},
    render::{RenderError, SchemaError, TemplateRef},
    workflows::{Grant, Px0, versions::located},
};

/// A rendered version.
pub struct Rendered {
    /// The text.
    pub text: String,
}

impl Px0 {
    /// Renders a version in the sandbox, with `variables`, the text of a JSON object. Its schema, if it has one, is
    /// enforced first.
    ///
    /// # Errors
    /// [`Code::TooLarge`], [`Code::InvalidField`]; [`Code::InvalidVariables`], [`Code::MissingVariables`], [`Code::ExecutionFailed`],
    /// [`Code::RenderLimit`].
    pub async fn render(&self, on: &Grant<Arc<Resolved>>, variables: &str) -> Result<Rendered> {
        self.check_variables(variables)?;
        let (found, version) = &***on;
        let body = &version.body;
        if let Some(schema) = &body.variables_schema {
            self.renderer
                .validate(found.org, schema.as_str(), variables)
                .await
                .map_err(broken_schema)?;
        }
        let template = TemplateRef {
            tenant: found.org,
            version: version.id,
            engine: body.engine.clone(),
            source: body.template.clone(),
        };
        let text = self.renderer.render(&template, variables).await.map_err(failed)?;
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
