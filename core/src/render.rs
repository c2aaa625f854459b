//! What the product asks of the sandbox: the [`Renderer`] trait and its answers.
//!
//! The only implementation lives in `px0-render-wasm`; core knows no wasm. Nothing of a tenant's
//! template, schema or variables is interpreted outside an implementation of this trait.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrgId, VersionId},
    plugin::{OrgPlugins, PluginFailure},
    slug::Slug,
    version::Version,
};

/// The name of a template engine, such as `minijinja` or `gotemplate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EngineName(Arc<str>);

impl EngineName {
    /// The engine that a version has when it names none.
    pub const DEFAULT: &'static str = "minijinja";

    /// Names an engine. Whether it is installed is for [`Renderer::engines`] to say.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as text that is shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Default for EngineName {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For whom something is rendered.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Whose share of the machine it takes.
    pub org: OrgId,
    /// What the organization decided about plugins.
    pub plugins: Arc<OrgPlugins>,
}

impl Tenant {
    /// An organization that decided nothing about plugins.
    pub fn plain(org: OrgId) -> Self {
        Self { org, plugins: Arc::default() }
    }
}

/// The template of one version of one tenant's prompt.
///
/// Warm instances are kept by `version` and never shared between versions; `source` is compared
/// too, because a draft may change under the same id.
#[derive(Clone, Debug)]
pub struct TemplateRef {
    /// Whose template this is.
    pub tenant: Tenant,
    /// What people know it by; none if it is no prompt's. It is for telemetry: nothing is decided by it.
    pub title: Option<Title>,
    /// The version that the template belongs to.
    pub version: VersionId,
    /// The engine that understands it.
    pub engine: EngineName,
    /// Its text.
    pub source: Arc<str>,
}

/// What people know a template by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    /// Its prompt.
    pub prompt: Slug,
    /// The number of its version.
    pub number: u32,
}

impl TemplateRef {
    /// A template that is no prompt's.
    pub fn loose(tenant: Tenant, engine: EngineName, source: impl Into<Arc<str>>) -> Self {
        Self { tenant, title: None, version: VersionId::new(), engine, source: source.into() }
    }

    /// The template of a version.
    pub fn of(tenant: &Tenant, prompt: &Slug, version: &Version) -> Self {
        Self {
            tenant: tenant.clone(),
            title: Some(Title { prompt: prompt.clone(), number: version.number }),
            version: version.id,
            engine: version.body.engine.clone(),
            source: version.body.template.clone(),
        }
    }
}

/// A limit that a render (or a compilation) ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Too many instructions.
    Fuel,
    /// Too much memory.
    Memory,
    /// Too long on the clock.
    Time,
    /// Too much text came out.
    Output,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Time => "time",
            Self::Output => "output",
        })
    }
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// One sentence, lower case, no position in it.
    pub message: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1, in characters.
    pub column: Option<u32>,
    /// The lines around the place, with a caret under it, ready to be shown in a fixed-width font.
    pub excerpt: Option<String>,
}

/// Why a render gave no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template stopped with an error of its own.
    #[error("template execution failed: {0}")]
    Execution(TemplateError),
    /// Variables that the render needed and did not get: all of them, sorted, dotted inside objects.
    #[error("variables are missing: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// A limit of the sandbox was hit.
    #[error("render stopped at its {0} limit")]
    Limit(Limit),
    /// The variables are not JSON that the sandbox can read (too deep, say). The text says why.
    #[error("invalid variables: {0}")]
    Variables(String),
    /// The engine is a plugin, and failed.
    #[error(transparent)]
    Plugin(PluginFailure),
    /// The engine is a plugin that is not installed any more.
    #[error("template engine {0} is not installed any more")]
    NoEngine(EngineName),
    /// The sandbox itself failed; the text is for the log and never for a client.
    #[error("sandbox failed: {0}")]
    Internal(String),
}

/// Why a template was not checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The engine is a plugin, and failed.
    #[error(transparent)]
    Plugin(PluginFailure),
    /// The sandbox itself failed; the text is for the log and never for a client.
    #[error("sandbox failed: {0}")]
    Internal(String),
}

/// One way in which a document breaks a JSON Schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// JSON pointer to the offending value; empty for the document itself.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why variables were not accepted by a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema itself is not valid JSON Schema 2020-12, or uses what is not offered (remote references).
    #[error("invalid schema: {0}")]
    Schema(String),
    /// The document breaks the schema; at least one violation, in a stable order.
    #[error("the document breaks its schema")]
    Violations(Vec<Violation>),
    /// A limit of the sandbox was hit.
    #[error("schema check stopped at its {0} limit")]
    Limit(Limit),
    /// The sandbox itself failed; the text is for the log and never for a client.
    #[error("sandbox failed: {0}")]
    Internal(String),
}

/// The sandbox: checks and renders templates, each tenant's apart from every other's.
///
/// # Behavior
/// - No input, however hostile, ends the process, blocks a worker thread for long, or grows memory past the limits.
/// - The same template with the same variables gives the same text: there is no clock and no randomness.
/// - What one version's template left in memory is never seen by another version's.
#[async_trait]
pub trait Renderer: Send + Sync + 'static {
    /// The installed engines, sorted.
    fn engines(&self) -> Vec<EngineName>;

    /// Whether `source` is a template that can be saved: it parses, and knows every filter, test and function it calls.
    ///
    /// # Errors
    /// What is wrong and where; a template that cannot be compiled within the limits says so in `message`.
    /// The outer error is not the template's fault.
    async fn check(
        &self,
        tenant: &Tenant,
        engine: &EngineName,
        source: &str,
    ) -> Result<Result<(), TemplateError>, CheckError>;

    /// Renders `template` with `variables`, the text of a JSON object.
    async fn render(&self, template: &TemplateRef, variables: &str) -> Result<String, RenderError>;

    /// Whether `schema`, the text of a JSON value, is a JSON Schema 2020-12 that [`Renderer::validate`] can use.
    /// `tenant` is whose share of the machine it takes.
    async fn check_schema(&self, tenant: OrgId, schema: &str) -> Result<(), SchemaError>;

    /// Holds `document`, the text of a JSON value, against `schema`.
    /// `tenant` is whose share of the machine it takes.
    async fn validate(
        &self,
        tenant: OrgId,
        schema: &str,
        document: &str,
    ) -> Result<(), SchemaError>;
}
