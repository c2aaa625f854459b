//! A folder of plugins, a host that has loaded them, and a sandbox that knows what they add.

use std::sync::Arc;

use px0_core::{
    Slug, Timestamp,
    ids::OrgId,
    json::JsonText,
    lifecycle::Status,
    memory::MemoryStore,
    plugin::{HookError, Host, Kind, OnFailure, OrgPlugin, PluginId, Subject},
    render::{EngineName, RenderError, Renderer, TemplateRef, Tenant},
};
use px0_plugins::{PluginSettings, Plugins, PluginsError};
use px0_render_wasm::{RenderSettings, Sandbox};
use px0_tests::{compiled, plugin::Wat};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) sandbox: Sandbox,
}

impl World {
    /// One with these plugins.
    pub(crate) async fn with(plugins: &[Wat]) -> Self {
        Self::set_up(plugins, |_| {}).await
    }

    /// One with these plugins, and other settings.
    pub(crate) async fn set_up(plugins: &[Wat], change: impl FnOnce(&mut PluginSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        plugins.iter().for_each(|plugin| plugin.install(folder.path()));
        let mut settings =
            PluginSettings { path: Some(folder.path().to_owned()), ..PluginSettings::default() };
        change(&mut settings);
        let plugins = load(settings).unwrap_or_else(|error| panic!("{error}"));
        let render = RenderSettings { cache_dir: Some(compiled()), ..RenderSettings::default() };
        let sandbox = Sandbox::new(render).unwrap();
        sandbox.extend(plugins.extensions());
        Self { folder, plugins, sandbox }
    }

    /// What an after-render hook makes of a text.
    pub(crate) async fn after(&self, tenant: &Tenant, text: &str) -> Result<String, HookError> {
        let (slug, engine) = (Slug::given("prompt").unwrap(), EngineName::default());
        self.plugins.after_render(tenant, &subject(&slug, &engine), text.to_owned()).await
    }

    /// What a before-render hook makes of variables.
    pub(crate) async fn before(&self, tenant: &Tenant) -> Result<Option<String>, HookError> {
        let (slug, engine) = (Slug::given("prompt").unwrap(), EngineName::default());
        self.plugins.before_render(tenant, &subject(&slug, &engine), "{}").await
    }

    /// What a before-promote hook says.
    pub(crate) async fn promote(&self, tenant: &Tenant) -> Result<(), HookError> {
        let (slug, engine) = (Slug::given("prompt").unwrap(), EngineName::default());
        let subject = subject(&slug, &engine);
        self.plugins.before_promote(tenant, &subject, Status::Stable, "x", &[]).await
    }

    /// What a template gives with the variables `{"a": "text"}`.
    pub(crate) async fn render(
        &self,
        tenant: &Tenant,
        engine: &str,
        source: &str,
    ) -> Result<String, RenderError> {
        let template = TemplateRef::loose(tenant.clone(), EngineName::new(engine), source);
        self.sandbox.render(&template, r#"{"a": "text"}"#).await
    }
}

/// The plugins that these settings name.
pub(crate) fn load(settings: PluginSettings) -> Result<Arc<Plugins>, PluginsError> {
    Plugins::new(settings, Arc::new(MemoryStore::new()), None, 1 << 20)
}

fn subject<'a>(slug: &'a Slug, engine: &'a EngineName) -> Subject<'a> {
    let status = Status::Draft;
    Subject { prompt: slug, version: 1, status, engine, model: None, model_params: None }
}

/// An organization that has these plugins.
pub(crate) fn tenant(plugins: &[&str]) -> Tenant {
    decided(plugins, OnFailure::Refuse, None)
}

/// An organization that has these plugins, and decided more about them.
pub(crate) fn decided(plugins: &[&str], on_failure: OnFailure, settings: Option<&str>) -> Tenant {
    let org = OrgId::new();
    let decide = |id: &&str| OrgPlugin {
        org_id: org,
        plugin: PluginId::parse(id).unwrap(),
        kind: Kind::Hook,
        enabled: true,
        on_failure,
        settings: settings.map(|text| JsonText::parse(text).unwrap()),
        updated_at: Timestamp::now(),
    };
    let mut plugins: Vec<_> = plugins.iter().map(decide).collect();
    plugins.sort_by(|a, b| a.plugin.cmp(&b.plugin));
    Tenant { org, plugins: Arc::new(plugins) }
}
