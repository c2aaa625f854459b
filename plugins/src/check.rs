//! `px0 plugin check`: runs a plugin as px0 would, on samples.

use std::{collections::HashMap, path::Path, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use px0_core::{
    Timestamp,
    ids::OrgId,
    json::JsonText,
    lifecycle::Status,
    plugin::{
        HookError, Host, Kind, MAX_VALUES, OnFailure, OrgPlugin, OrgPlugins, PluginId, Point,
        SettingsError, Subject, ValueKey,
    },
    render::{EngineName, RenderError, Renderer, TemplateRef, Tenant},
    slug::Slug,
    store::{Refusal, Result as Stored, Stamp},
};
use px0_render_wasm::{Plugins as _, RenderSettings, Sandbox};
use serde::Serialize;

use crate::{
    Grant, PluginSettings, Plugins,
    install::{self, InstallError},
    manifest::{Manifest, Sample},
};

/// What came of a check.
pub struct Report {
    /// What the plugin says about itself.
    pub manifest: Manifest,
    /// The functions that it declares.
    pub functions: Vec<String>,
    /// What was tried, with what came of it or why that is wrong.
    pub tried: Vec<(String, Result<String, String>)>,
}

impl Report {
    /// Whether all went well.
    pub fn is_good(&self) -> bool {
        self.tried.iter().all(|(_, came)| came.is_ok())
    }
}

/// Checks the plugin whose `plugin.toml` is in `from`, which must have been built: installs it in a folder of its own, and makes the
/// calls that its samples name, or a few plain ones where there are no samples. Everything that it wants is granted, and what it
/// keeps is kept in memory.
///
/// # Errors
/// It is no plugin that px0 can run.
pub async fn check(from: &Path) -> Result<Report, InstallError> {
    let wrong = |error: &dyn std::fmt::Display| InstallError(error.to_string());
    let folder = tempfile::tempdir().map_err(|error| wrong(&error))?;
    // Compiled once: a plugin with a large runtime takes its time.
    let (path, code) = (folder.path().join("plugins"), folder.path().join("code"));
    std::fs::create_dir(&path).map_err(|error| wrong(&error))?;
    let mut settings = PluginSettings { path: Some(path), ..PluginSettings::default() };
    let manifest = {
        let (from, settings, code) = (from.to_owned(), settings.clone(), code.clone());
        let add = move || install::add_with(&from, &settings, Some(code));
        let added = tokio::task::spawn_blocking(add).await;
        added.map_err(|error| wrong(&error))??.manifest
    };
    let id = manifest.id.clone();
    let grant = |want: &_| Grant { plugin: id.clone(), permission: *want };
    settings.grant = manifest.wants.iter().map(grant).collect();
    let made = tokio::task::spawn_blocking(move || {
        let render = RenderSettings::default();
        let output = render.output;
        let sandbox = Sandbox::new(render).map_err(|error| error.to_string())?;
        let plugins = Plugins::new(settings, Arc::new(Values::default()), Some(code), output)
            .map_err(|error| error.to_string())?;
        sandbox.extend(plugins.extensions());
        Ok((sandbox, plugins))
    });
    let (sandbox, plugins) = made.await.map_err(|error| wrong(&error))?.map_err(InstallError)?;
    if let Ok(Some(schema)) = manifest.settings_schema() {
        let checked = sandbox.check_schema(OrgId::new(), schema.as_str()).await;
        checked.map_err(|error| InstallError(format!("settings in plugin.toml: {error}")))?;
    }
    let bench = Bench { sandbox, plugins, manifest: &manifest };
    let functions = bench.functions();
    let samples = match manifest.sample.as_slice() {
        [] => plain(&manifest, &functions),
        samples => samples.to_vec(),
    };
    let mut tried = Vec::new();
    for sample in &samples {
        tried.push(bench.run(sample).await);
    }
    Ok(Report { manifest, functions, tried })
}

/// What is tried where the author names no samples: whatever comes of it is fine, unless the plugin fails.
fn plain(manifest: &Manifest, functions: &[String]) -> Vec<Sample> {
    match manifest.kind {
        Kind::Engine => ["", "Hello"]
            .map(|text| Sample { template: Some(text.to_owned()), ..Sample::default() })
            .to_vec(),
        Kind::Filters => functions
            .iter()
            .map(|name| Sample {
                call: Some(name.clone()),
                arguments: vec![toml::Value::String("text".to_owned())],
                ..Sample::default()
            })
            .collect(),
        Kind::Hook => vec![
            Sample { variables: Some(toml::Table::new()), ..Sample::default() },
            Sample { text: Some("Hello".to_owned()), ..Sample::default() },
        ],
    }
}

struct Bench<'m> {
    sandbox: Sandbox,
    plugins: Arc<Plugins>,
    manifest: &'m Manifest,
}

impl Bench<'_> {
    /// An organization that has the plugin, with these settings.
    fn tenant(&self, settings: Option<JsonText>) -> Tenant {
        let org = OrgId::new();
        let decided = OrgPlugin {
            org_id: org,
            plugin: self.manifest.id.clone(),
            kind: self.manifest.kind,
            enabled: true,
            on_failure: OnFailure::Refuse,
            settings,
            updated_at: Timestamp::now(),
        };
        Tenant { org, plugins: Arc::new(vec![decided]) }
    }

    fn functions(&self) -> Vec<String> {
        let lent = self.plugins.functions(&self.tenant(None));
        lent.iter().flat_map(|lent| lent.list()).map(|function| function.name.clone()).collect()
    }

    /// What is tried, and what came of it.
    async fn run(&self, sample: &Sample) -> (String, Result<String, String>) {
        match (self.manifest.kind, sample) {
            (Kind::Engine, Sample { template: Some(template), .. }) => {
                let engine = EngineName::new(self.manifest.id.as_str());
                let came = self.rendered(engine, template, sample, None).await;
                (format!("template {template:?}"), came)
            }
            (Kind::Filters, Sample { call: Some(call), arguments, .. }) => {
                let variables = arguments.iter().enumerate();
                let variables: HashMap<_, _> =
                    variables.map(|(at, value)| (format!("a{at}"), value)).collect();
                let names: Vec<_> = (0..arguments.len()).map(|at| format!("a{at}")).collect();
                let template = format!("{{{{ {call}({})|tojson }}}}", names.join(", "));
                let came = match json(&variables) {
                    Ok(variables) => {
                        let engine = EngineName::default();
                        self.rendered(engine, &template, sample, Some(variables)).await
                    }
                    Err(why) => Err(why),
                };
                let shown: Vec<_> = arguments.iter().map(toml::Value::to_string).collect();
                (format!("{call}({})", shown.join(", ")), came)
            }
            (Kind::Hook, Sample { text: Some(text), .. }) => {
                (format!("after-render {text:?}"), self.asked(Point::AfterRender, sample).await)
            }
            (Kind::Hook, Sample { variables: Some(variables), .. }) => {
                let came = self.asked(Point::BeforeRender, sample).await;
                (format!("before-render {{{}}}", variables.to_string().trim()), came)
            }
            (kind, _) => {
                let needs = match kind {
                    Kind::Engine => "template",
                    Kind::Filters => "call",
                    Kind::Hook => "text or variables",
                };
                ("a sample".to_owned(), Err(format!("it has no {needs}")))
            }
        }
    }

    /// Renders a template, and looks whether what is expected came out.
    async fn rendered(
        &self,
        engine: EngineName,
        source: &str,
        sample: &Sample,
        variables: Option<JsonText>,
    ) -> Result<String, String> {
        let tenant = self.tenant(optional(sample.settings.as_ref())?);
        let variables = match variables {
            Some(variables) => variables,
            None => optional(sample.variables.as_ref())?.unwrap_or(json(&())?),
        };
        let variables = if variables.as_str() == "null" { "{}" } else { variables.as_str() };
        let checked = self.sandbox.check(&tenant, &engine, source).await;
        if let Err(error) = checked.map_err(|error| error.to_string())? {
            return given(sample, Err(format!("invalid template: {error}")));
        }
        let template = TemplateRef::loose(tenant, engine, source);
        match self.sandbox.render(&template, variables).await {
            Err(error @ (RenderError::Plugin(_) | RenderError::Internal(_))) => {
                Err(error.to_string())
            }
            // A function that fails is an error of the template that calls it.
            Err(RenderError::Execution(error)) if error.message.contains("failed: ") => {
                Err(error.to_string())
            }
            rendered => given(sample, rendered.map_err(|error| error.to_string())),
        }
    }

    /// Asks a hook, and looks whether it says what is expected.
    async fn asked(&self, point: Point, sample: &Sample) -> Result<String, String> {
        let settings = optional(sample.settings.as_ref())?;
        let tenant = self.tenant(settings.clone());
        let text = settings.as_ref().map_or("{}", JsonText::as_str);
        let tried = self.plugins.try_settings(tenant.org, &self.manifest.id, text).await;
        tried.map_err(|error| match error {
            SettingsError::Settings(why) => format!("it does not take the settings {text}: {why}"),
            SettingsError::Failed(failure) => failure.to_string(),
        })?;
        if !self.plugins.asks(&tenant, point) {
            return given(sample, Ok("it is not asked at this point".to_owned()));
        }
        let (slug, engine) = (
            Slug::given("sample").map_err(|error| error.message.to_string())?,
            EngineName::default(),
        );
        let params = optional(sample.model_params.as_ref())?;
        let subject = Subject {
            prompt: &slug,
            version: 1,
            status: Status::Live,
            engine: &engine,
            model: None,
            model_params: params.as_ref(),
        };
        let said = match point {
            Point::AfterRender => {
                let text = sample.text.clone().unwrap_or_default();
                self.plugins.after_render(&tenant, &subject, text).await
            }
            _ => {
                let variables = optional(sample.variables.as_ref())?;
                let variables = variables.as_ref().map_or("{}", JsonText::as_str);
                let said = self.plugins.before_render(&tenant, &subject, variables).await;
                said.map(|others| others.unwrap_or_else(|| variables.to_owned()))
            }
        };
        match (said, &sample.refuses) {
            (Err(HookError::Failed(failure)), _) => Err(failure.to_string()),
            (Err(HookError::Refused { code, reason, .. }), None) if sample.gives.is_some() => {
                Err(format!("it refuses: {code} ({reason})"))
            }
            (Err(HookError::Refused { code, reason, .. }), Some(expected)) if code != *expected => {
                Err(format!("it refuses with {code} ({reason}), not with {expected}"))
            }
            (Err(HookError::Refused { code, reason, .. }), _) => {
                Ok(format!("refuses: {code} ({reason})"))
            }
            (Ok(text), Some(expected)) => {
                Err(format!("it gives {text:?}, and does not refuse with {expected}"))
            }
            (Ok(text), None) => given(sample, Ok(text)),
        }
    }
}

/// Whether what came is what the sample says.
fn given(sample: &Sample, came: Result<String, String>) -> Result<String, String> {
    let Some(expected) = &sample.gives else {
        return Ok(came.unwrap_or_else(|error| format!("error: {error}")));
    };
    let text = came?;
    let same = match expected {
        toml::Value::String(expected) => {
            *expected == text || serde_json::to_string(expected).is_ok_and(|json| json == text)
        }
        other => {
            let value = serde_json::from_str::<serde_json::Value>(&text).ok();
            value.is_some() && value == serde_json::to_value(other).ok()
        }
    };
    if same { Ok(text) } else { Err(format!("it gives {text}, not {expected}")) }
}

fn optional(table: Option<&toml::Table>) -> Result<Option<JsonText>, String> {
    table.map(json).transpose()
}

fn json(value: &impl Serialize) -> Result<JsonText, String> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    JsonText::parse(&text).map_err(|error| error.to_string())
}

/// What hooks keep during a check.
#[derive(Default)]
struct Values(Mutex<HashMap<(OrgId, PluginId, ValueKey), Vec<u8>>>);

#[async_trait]
impl px0_core::store::Plugins for Values {
    async fn org_plugins(&self, _: OrgId) -> Stored<OrgPlugins> {
        Ok(Vec::new())
    }

    async fn set_org_plugin(&self, _: Stamp, _: OrgPlugin) -> Stored<()> {
        Ok(())
    }

    async fn plugin_value(
        &self,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
    ) -> Stored<Option<Vec<u8>>> {
        Ok(self.0.lock().get(&(org, plugin.clone(), key.clone())).cloned())
    }

    async fn set_plugin_value(
        &self,
        _: Stamp,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
        value: Option<Vec<u8>>,
    ) -> Stored<()> {
        let mut values = self.0.lock();
        let place = (org, plugin.clone(), key.clone());
        match value {
            None => drop(values.remove(&place)),
            Some(_) if values.len() >= MAX_VALUES && !values.contains_key(&place) => {
                return Err(Refusal::PluginValuesFull.into());
            }
            Some(value) => drop(values.insert(place, value)),
        }
        Ok(())
    }
}
