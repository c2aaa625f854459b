//! What the product asks of the plugins that are installed: the [`Host`] trait and its answers.
//!
//! The only implementation with any plugins in it lives in `px0-plugins`; core knows no wasm.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{OrgPlugin, PluginId};
use crate::{
    ids::OrgId,
    json::JsonText,
    lifecycle::Status,
    render::{EngineName, Tenant},
    slug::Slug,
    version::{ModelName, Version},
};

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A template language.
    Engine,
    /// Functions for templates.
    Filters,
    /// A rule that is asked at certain points.
    Hook,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Engine, Self::Filters, Self::Hook];

    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Filters => "filters",
            Self::Hook => "hook",
        }
    }
}

/// Something of the server that a plugin may use, if it wants it and the operator grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Lines in the log.
    Log,
    /// A small memory that lasts.
    Kv,
}

impl Permission {
    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Kv => "kv",
        }
    }
}

/// When a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Before variables reach the template.
    BeforeRender,
    /// Before a text is handed out.
    AfterRender,
    /// Before a version is promoted.
    BeforePromote,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BeforeRender, Self::AfterRender, Self::BeforePromote];

    /// The name that the interface has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeRender => "before_render",
            Self::AfterRender => "after_render",
            Self::BeforePromote => "before_promote",
        }
    }
}

/// A plugin that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Its name.
    pub id: PluginId,
    /// Its own version.
    pub version: String,
    /// The version of the interface that it was made for.
    pub api: String,
    /// What it is.
    pub kind: Kind,
    /// What it is for, in a sentence.
    pub description: String,
    /// What it may use: what it wants and was granted.
    pub granted: Vec<Permission>,
    /// The JSON Schema of its settings; `None` when it has none.
    pub settings_schema: Option<JsonText>,
    /// Whether organizations that decided nothing have it.
    pub enabled_by_default: bool,
}

impl Installed {
    /// What is known of a plugin that is not installed any more.
    pub fn gone(decision: &OrgPlugin) -> Self {
        Self {
            id: decision.plugin.clone(),
            version: String::new(),
            api: String::new(),
            kind: decision.kind,
            description: "It is not installed any more.".to_owned(),
            granted: Vec::new(),
            settings_schema: None,
            enabled_by_default: false,
        }
    }

    /// Whether an organization has it that decided this about plugins.
    pub fn is_enabled(&self, decided: &[OrgPlugin]) -> bool {
        decision(decided, &self.id).map_or(self.enabled_by_default, |decision| decision.enabled)
    }
}

/// What was decided about `plugin`.
pub fn decision<'d>(decided: &'d [OrgPlugin], plugin: &PluginId) -> Option<&'d OrgPlugin> {
    let at = decided.binary_search_by(|decision| decision.plugin.cmp(plugin)).ok()?;
    decided.get(at)
}

/// A plugin that is not asked for a while, because it failed again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Benched {
    /// Which.
    pub plugin: PluginId,
    /// Its version.
    pub version: String,
    /// For how many organizations.
    pub organizations: usize,
}

/// The plugin gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin}{}{version} failed: {why}", if version.is_empty() { "" } else { " " })]
pub struct PluginFailure {
    /// Which.
    pub plugin: PluginId,
    /// Its version; empty when it is not installed.
    pub version: String,
    /// Why, in a sentence for people of the organization.
    pub why: String,
}

/// Why a hook stopped something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It said no.
    #[error("refused by plugin {plugin} {version}: {reason}")]
    Refused {
        /// Which.
        plugin: PluginId,
        /// Its version.
        version: String,
        /// What programs go by.
        code: String,
        /// What people read.
        reason: String,
    },
    /// It failed.
    #[error(transparent)]
    Failed(#[from] PluginFailure),
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The plugin does not take them; the text says why.
    #[error("{0}")]
    Settings(String),
    /// It failed.
    #[error(transparent)]
    Failed(#[from] PluginFailure),
}

/// The version that a hook is asked about.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Its prompt.
    pub prompt: &'a Slug,
    /// Its number.
    pub version: u32,
    /// Where in its life it is.
    pub status: Status,
    /// Its template language.
    pub engine: &'a EngineName,
    /// The model it is meant for.
    pub model: Option<&'a ModelName>,
    /// Parameters for the model.
    pub model_params: Option<&'a JsonText>,
}

impl<'a> Subject<'a> {
    /// A version of the prompt with this slug.
    pub fn of(prompt: &'a Slug, version: &'a Version) -> Self {
        Self {
            prompt,
            version: version.number,
            status: version.status,
            engine: &version.body.engine,
            model: version.body.model.as_ref(),
            model_params: version.body.model_params.as_ref(),
        }
    }
}

/// A sample payload, and what became of it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is called.
    pub name: Option<String>,
    /// Its variables.
    pub variables: JsonText,
    /// The text, or why there is none.
    pub rendered: Result<String, String>,
}

/// Most sample payloads that a hook is shown.
pub const MAX_SAMPLES: usize = 100;

/// No more sample payloads are rendered once they have so many bytes in sum, with what became of them: a hook has to hold them.
pub const MAX_SAMPLE_BYTES: usize = 4 * 1024 * 1024;

/// The plugins that are installed, and the hooks among them.
///
/// # Behavior
/// - No plugin, however hostile, ends the process, blocks a worker thread for long, or grows memory past its limits.
/// - A hook that an organization has enabled and that is not installed fails.
/// - An organization is asked by none that it has not enabled, and no instance ever works for two organizations.
/// - Hooks are asked in the order of their ids, each with what the one before it made of it; the first that refuses is the last
///   that is asked.
/// - A hook that fails three times in a row for an organization is not asked for it for a minute: that counts as failing, too.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// The plugins, sorted by id.
    fn installed(&self) -> Vec<Arc<Installed>>;

    /// Those that are benched at present, sorted by id.
    fn benched(&self) -> Vec<Benched>;

    /// Whether `plugin` is benched for an organization.
    fn is_benched(&self, plugin: &PluginId, org: OrgId) -> bool;

    /// Whether `plugin` takes `settings`, the text of a JSON object that fits its schema.
    ///
    /// # Errors
    /// Why not.
    async fn try_settings(
        &self,
        org: OrgId,
        plugin: &PluginId,
        settings: &str,
    ) -> Result<(), SettingsError>;

    /// Whether any hook is asked at this point.
    fn asks(&self, tenant: &Tenant, point: Point) -> bool;

    /// Asks about variables, the text of a JSON object; answers with others if there are to be others.
    ///
    /// # Errors
    /// A hook refused or failed.
    async fn before_render(
        &self,
        tenant: &Tenant,
        subject: &Subject<'_>,
        variables: &str,
    ) -> Result<Option<String>, HookError>;

    /// Asks about a text; answers with what is to be handed out.
    ///
    /// # Errors
    /// A hook refused or failed.
    async fn after_render(
        &self,
        tenant: &Tenant,
        subject: &Subject<'_>,
        text: String,
    ) -> Result<String, HookError>;

    /// Asks before a version becomes `to`.
    ///
    /// # Errors
    /// A hook refused or failed.
    async fn before_promote(
        &self,
        tenant: &Tenant,
        subject: &Subject<'_>,
        to: Status,
        template: &str,
        samples: &[Sample],
    ) -> Result<(), HookError>;
}

/// No plugins at all.
pub struct NoPlugins;

#[async_trait]
impl Host for NoPlugins {
    fn installed(&self) -> Vec<Arc<Installed>> {
        Vec::new()
    }

    fn benched(&self) -> Vec<Benched> {
        Vec::new()
    }

    fn is_benched(&self, _: &PluginId, _: OrgId) -> bool {
        false
    }

    async fn try_settings(&self, _: OrgId, _: &PluginId, _: &str) -> Result<(), SettingsError> {
        Err(SettingsError::Settings("the plugin is not installed".to_owned()))
    }

    fn asks(&self, _: &Tenant, _: Point) -> bool {
        false
    }

    async fn before_render(
        &self,
        _: &Tenant,
        _: &Subject<'_>,
        _: &str,
    ) -> Result<Option<String>, HookError> {
        Ok(None)
    }

    async fn after_render(
        &self,
        _: &Tenant,
        _: &Subject<'_>,
        text: String,
    ) -> Result<String, HookError> {
        Ok(text)
    }

    async fn before_promote(
        &self,
        _: &Tenant,
        _: &Subject<'_>,
        _: Status,
        _: &str,
        _: &[Sample],
    ) -> Result<(), HookError> {
        Ok(())
    }
}
