use std::sync::Arc;

use serde_json::json;

use crate::{
    error::{Code, Error, Result},
    ids::{OrgId, VersionId},
    json::JsonText,
    lifecycle::Step,
    page::{Page, Paged},
    plugin::HookError,
    prompt::PromptStatus,
    render::{CheckError, EngineName, SchemaError, TemplateError, Tenant},
    store::{Found, Refusal},
    tag::{Selector, TagName},
    version::{Body, BodyChange, ModelName, Version, VersionFilter},
    workflows::{Document, Grant, OnVersion, Px0},
};

/// A version that is to be made.
pub struct NewVersion {
    /// The template.
    pub template: String,
    /// The engine; the default one when absent.
    pub engine: Option<EngineName>,
    /// The model it is meant for.
    pub model: Option<ModelName>,
    /// Parameters for the model.
    pub model_params: Option<JsonText>,
    /// A JSON Schema for the variables.
    pub variables_schema: Option<JsonText>,
}

/// How two versions differ.
pub struct VersionDiff {
    /// The one.
    pub from: Version,
    /// The other.
    pub to: Version,
    /// Unified, with headers `--- v1` and `+++ v2`; empty when the templates are equal.
    pub diff: String,
}

impl Px0 {
    /// Adds a draft, after the sandbox has compiled it.
    ///
    /// # Errors
    /// [`Code::TooLarge`], [`Code::UnknownEngine`], [`Code::InvalidTemplate`], [`Code::InvalidSchema`], [`Code::PromptArchived`].
    pub async fn create_version(&self, prompt: &Grant<Found>, new: NewVersion) -> Result<Version> {
        let engine = new.engine.unwrap_or_else(|| self.default_engine().clone());
        let tenant = self.tenant(prompt.org).await?;
        self.check_engine(&tenant, &engine)?;
        self.check_template(&tenant, &engine, &new.template).await?;
        self.check_params(new.model_params.as_ref())?;
        self.check_schema(prompt.org, new.variables_schema.as_ref()).await?;
        let body = Body {
            template: new.template.into(),
            engine,
            model: new.model,
            model_params: new.model_params,
            variables_schema: new.variables_schema,
        };
        Ok(self
            .store
            .create_version(prompt.stamp(), prompt.prompt.id, VersionId::new(), body)
            .await?)
    }

    /// The versions of a prompt.
    ///
    /// # Errors
    /// Not found when the prompt is gone.
    pub async fn versions(
        &self,
        prompt: &Grant<Found>,
        filter: &VersionFilter,
        page: Page<u32>,
    ) -> Result<Paged<Version, u32>> {
        Ok(self.store.versions(prompt.prompt.id, filter, page).await?)
    }

    /// Changes a draft, after the sandbox has compiled what it will be.
    ///
    /// # Errors
    /// As for a new version, and [`Code::NotDraft`].
    pub async fn update_version(
        &self,
        on: &Grant<OnVersion>,
        change: BodyChange,
    ) -> Result<Version> {
        let tenant = self.tenant(on.found.org).await?;
        if change.template.is_some() || change.engine.is_some() {
            let body = &on.version.body;
            let engine = change.engine.as_ref().unwrap_or(&body.engine);
            self.check_engine(&tenant, engine)?;
            let template = change.template.as_ref().unwrap_or(&body.template);
            self.check_template(&tenant, engine, template).await?;
        }
        if let Some(params) = &change.model_params {
            self.check_params(params.as_ref())?;
        }
        if let Some(schema) = &change.variables_schema {
            self.check_schema(on.found.org, schema.as_ref()).await?;
        }
        Ok(self.store.update_version(on.stamp(), on.version.id, change).await?)
    }

    /// Deletes a draft.
    ///
    /// # Errors
    /// [`Code::NotDraft`], [`Code::PromptArchived`].
    pub async fn delete_version(&self, on: &Grant<OnVersion>) -> Result<()> {
        Ok(self.store.delete_version(on.stamp(), on.version.id).await?)
    }

    /// Moves a version through its life. Before a promotion hooks are asked.
    ///
    /// # Errors
    /// [`Code::PluginRefused`], [`Code::PluginFailed`], [`Code::CannotPromote`], [`Code::CannotDemote`], [`Code::AlreadyArchived`], [`Code::PromptArchived`].
    pub async fn step_version(&self, on: &Grant<OnVersion>, step: Step) -> Result<Version> {
        let asked = step == Step::Promote && self.before_promote(on).await?;
        // What they looked at is what must become of it.
        let seen = asked.then_some(on.version.updated_at);
        Ok(self.store.step_version(on.stamp(), on.version.id, step, seen).await?)
    }

    /// Adds a draft that says what a version says.
    ///
    /// # Errors
    /// [`Code::PromptArchived`].
    pub async fn duplicate_version(&self, on: &Grant<OnVersion>) -> Result<Version> {
        Ok(self.store.duplicate_version(on.stamp(), on.version.id, VersionId::new()).await?)
    }

    /// Gives a tag to a version.
    ///
    /// # Errors
    /// [`Code::PromptArchived`].
    pub async fn set_tag(&self, on: &Grant<OnVersion>, tag: TagName) -> Result<Version> {
        Ok(self.store.set_tag(on.stamp(), on.version.id, tag).await?)
    }

    /// The tags of a prompt.
    ///
    /// # Errors
    /// Not found when the prompt is gone.
    pub async fn tags(&self, prompt: &Grant<Found>) -> Result<Vec<(TagName, u32)>> {
        Ok(self.store.tags(prompt.prompt.id).await?)
    }

    /// Takes a tag away.
    ///
    /// # Errors
    /// Not found, [`Code::PromptArchived`].
    pub async fn remove_tag(&self, on: &Grant<(Found, TagName)>) -> Result<()> {
        let (found, tag) = &**on;
        Ok(self.store.remove_tag(on.stamp(), found.prompt.id, tag).await?)
    }

    /// How two versions differ.
    ///
    /// # Errors
    /// Not found.
    pub async fn diff(
        &self,
        prompt: &Grant<Found>,
        from: Option<&Selector>,
        to: Option<&Selector>,
    ) -> Result<VersionDiff> {
        let from = self.version_of(prompt, from).await?;
        let to = self.version_of(prompt, to).await?;
        let (old, new): (Arc<str>, Arc<str>) =
            (from.body.template.clone(), to.body.template.clone());
        let names = (format!("v{}", from.number), format!("v{}", to.number));
        // Two 64 KiB texts with nothing in common take a while: not on a thread that answers others.
        let diff =
            tokio::task::spawn_blocking(move || unified(&old, &new, &names.0, &names.1)).await;
        Ok(VersionDiff { from, to, diff: diff.map_err(Error::internal)? })
    }

    /// The engine of versions that name none.
    pub fn default_engine(&self) -> &EngineName {
        &self.policy.default_engine
    }

    fn check_engine(&self, tenant: &Tenant, engine: &EngineName) -> Result<()> {
        let engines = self.engines_of(tenant);
        if engines.contains(engine) {
            return Ok(());
        }
        let names: Vec<_> = engines.iter().map(EngineName::as_str).collect();
        let message = format!("unknown engine; use one of: {}", names.join(", "));
        Err(Error::new(Code::UnknownEngine, message)
            .with_details(json!({ "field": "engine", "engines": names })))
    }

    async fn check_template(
        &self,
        tenant: &Tenant,
        engine: &EngineName,
        template: &str,
    ) -> Result<()> {
        if template.is_empty() {
            return Err(Error::field(Code::MissingField, "template", "template is required"));
        }
        self.policy.check_size(Document::Template, template.len())?;
        let checked = self.renderer.check(tenant, engine, template).await;
        let checked = checked.map_err(|error| match error {
            CheckError::Plugin(failure) => HookError::Failed(failure).into(),
            CheckError::Internal(why) => Error::internal(why),
        });
        checked?.map_err(|error| invalid_template(&error))
    }

    fn check_params(&self, params: Option<&JsonText>) -> Result<()> {
        let bytes = params.map_or(0, |params| params.as_str().len());
        self.policy.check_size(Document::ModelParams, bytes)
    }

    async fn check_schema(&self, tenant: OrgId, schema: Option<&JsonText>) -> Result<()> {
        let Some(schema) = schema else { return Ok(()) };
        let refuse = |why: String| {
            Error::field(
                Code::InvalidSchema,
                "variables_schema",
                format!("invalid variables_schema: {why}"),
            )
        };
        self.policy.check_size(Document::VariablesSchema, schema.as_str().len())?;
        self.renderer.check_schema(tenant, schema.as_str()).await.map_err(|error| match error {
            SchemaError::Schema(why) => refuse(why),
            SchemaError::Limit(limit) => refuse(format!("checking it hit the {limit} limit")),
            SchemaError::Violations(_) => refuse("it breaks its meta-schema".to_owned()),
            SchemaError::Internal(why) => Error::internal(why),
        })
    }
}

impl Found {
    /// Whether the prompt can be changed.
    ///
    /// # Errors
    /// [`Code::PromptArchived`].
    pub fn must_be_active(&self) -> Result<()> {
        match self.prompt.status {
            PromptStatus::Active => Ok(()),
            PromptStatus::Archived => Err(Refusal::PromptArchived.into()),
        }
    }
}

fn invalid_template(error: &TemplateError) -> Error {
    located(Error::new(Code::InvalidTemplate, format!("invalid template: {error}")), error)
}

/// The error with the place in the template, as far as it is known.
pub(super) fn located(refusal: Error, error: &TemplateError) -> Error {
    let mut details = serde_json::Map::new();
    if let Some(line) = error.line {
        details.insert("line".into(), line.into());
    }
    if let Some(column) = error.column {
        details.insert("column".into(), column.into());
    }
    if let Some(excerpt) = &error.excerpt {
        details.insert("excerpt".into(), excerpt.as_str().into());
    }
    if details.is_empty() { refusal } else { refusal.with_details(details.into()) }
}

/// A unified diff with three lines of context; empty when the texts are equal.
fn unified(old: &str, new: &str, from: &str, to: &str) -> String {
    if old == new {
        return String::new();
    }
    let diff = similar::TextDiff::configure()
        .timeout(std::time::Duration::from_millis(500))
        .diff_lines(old, new);
    diff.unified_diff().context_radius(3).header(from, to).to_string()
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn a_diff_is_unified_with_the_versions_as_headers() {
        assert_eq!(unified("a\nb\n", "a\nb\n", "v1", "v2"), "");
        assert_eq!(
            unified("a\nb\n", "a\nc\n", "v1", "v2"),
            "--- v1\n+++ v2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
        assert_eq!(
            unified("a", "b", "v1", "v2"),
            "--- v1\n+++ v2\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
        );
    }
}
