use std::sync::Arc;

use serde_json::json;

use crate::{
    cache::Resolved,
    error::{Code, Error, Result},
    ids::OrgId,
    json::JsonText,
    lifecycle::Step,
    page::Page,
    plugin::{
        HookError, Host, Installed, Kind, MAX_SAMPLE_BYTES, MAX_SAMPLES, OnFailure, OrgPlugin,
        OrgPlugins, PluginFailure, PluginId, Point, Sample, SettingsError, Subject, decision,
    },
    prompt::Prompt,
    render::{EngineName, SchemaError, TemplateRef, Tenant},
    store::Thing,
    tenancy::Org,
    version::Version,
    workflows::{Document, Grant, OnVersion, Px0},
};

/// A plugin, and what an organization decided about it.
pub struct Decided {
    /// The plugin.
    pub installed: Arc<Installed>,
    /// Whether the organization has it.
    pub enabled: bool,
    /// What was decided; `None` when nothing was.
    pub decision: Option<OrgPlugin>,
    /// Whether the organization's renders do without it for a minute, because it failed again and again.
    pub benched: bool,
}

/// What an organization is to decide.
pub struct Decision {
    /// Whether it has the plugin.
    pub enabled: bool,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// Its settings, a JSON object.
    pub settings: Option<JsonText>,
}

impl Px0 {
    /// The plugins.
    pub fn plugins(&self) -> &Arc<dyn Host> {
        &self.plugins
    }

    /// The plugins and what an organization decided about each.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn plugins_of(&self, org: &Grant<Org>) -> Result<Vec<Decided>> {
        let decisions = self.store.org_plugins(org.id).await?;
        let mut all = self.plugins.installed();
        for decision in &decisions {
            if let Err(at) = all.binary_search_by(|installed| installed.id.cmp(&decision.plugin)) {
                all.insert(at, Arc::new(Installed::gone(decision)));
            }
        }
        let decided = |installed: Arc<Installed>| Decided {
            enabled: installed.is_enabled(&decisions),
            decision: decision(&decisions, &installed.id).cloned(),
            benched: self.plugins.is_benched(&installed.id, org.id),
            installed,
        };
        Ok(all.into_iter().map(decided).collect())
    }

    /// Decides about a plugin. If it is to be enabled, its schema and the plugin itself look at the settings first; one that fails, or is
    /// not installed any more, can still be disabled.
    ///
    /// # Errors
    /// Not found, [`Code::TooLarge`], [`Code::InvalidSettings`], [`Code::PluginFailed`].
    pub async fn decide_plugin(
        &self,
        on: &Grant<(Org, PluginId)>,
        decision: Decision,
    ) -> Result<Decided> {
        let (org, plugin) = &**on;
        let installed = self.installed(org.id, plugin).await?;
        if decision.enabled {
            if installed.version.is_empty() {
                return Err(Thing::Plugin.into());
            }
            self.check_settings(org.id, &installed, decision.settings.as_ref()).await?;
        } else if let Some(settings) = &decision.settings {
            self.check_size(settings)?;
        }
        let stamp = on.stamp();
        let decision = OrgPlugin {
            org_id: org.id,
            plugin: plugin.clone(),
            kind: installed.kind,
            enabled: decision.enabled,
            on_failure: decision.on_failure,
            settings: decision.settings,
            updated_at: stamp.at,
        };
        self.store.set_org_plugin(stamp, decision.clone()).await?;
        let benched = self.plugins.is_benched(plugin, org.id);
        Ok(Decided { enabled: decision.enabled, decision: Some(decision), benched, installed })
    }

    /// The plugin of this name, or what is left of it if the organization once decided about it.
    pub(super) async fn installed(&self, org: OrgId, plugin: &PluginId) -> Result<Arc<Installed>> {
        let mut installed = self.plugins.installed().into_iter();
        if let Some(installed) = installed.find(|installed| installed.id == *plugin) {
            return Ok(installed);
        }
        let decisions = self.store.org_plugins(org).await?;
        let decision = decision(&decisions, plugin).ok_or(Thing::Plugin)?;
        Ok(Arc::new(Installed::gone(decision)))
    }

    fn check_size(&self, settings: &JsonText) -> Result<()> {
        self.policy.check_size(Document::Settings, settings.as_str().len())
    }

    async fn check_settings(
        &self,
        org: OrgId,
        installed: &Installed,
        settings: Option<&JsonText>,
    ) -> Result<()> {
        let text = settings.map_or("{}", JsonText::as_str);
        settings.map_or(Ok(()), |settings| self.check_size(settings))?;
        let refuse = |why: String| {
            Error::field(Code::InvalidSettings, "settings", format!("invalid settings: {why}"))
        };
        match &installed.settings_schema {
            None if settings.is_some() => {
                return Err(refuse(format!("plugin {} has none", installed.id)));
            }
            None => {}
            Some(schema) => {
                let fits = self.renderer.validate(org, schema.as_str(), text).await;
                fits.map_err(|error| match error {
                    SchemaError::Violations(errors) => {
                        let first = errors.first().map(|error| match error.path.as_str() {
                            "" => error.message.clone(),
                            path => format!("{path}: {}", error.message),
                        });
                        let details = json!({ "field": "settings", "errors": errors });
                        refuse(first.unwrap_or_default()).with_details(details)
                    }
                    SchemaError::Limit(limit) => {
                        refuse(format!("checking them hit the {limit} limit"))
                    }
                    SchemaError::Schema(why) => HookError::Failed(PluginFailure {
                        plugin: installed.id.clone(),
                        version: installed.version.clone(),
                        why: format!("the schema of its settings cannot be used: {why}"),
                    })
                    .into(),
                    SchemaError::Internal(why) => Error::internal(why),
                })?;
            }
        }
        let tried = self.plugins.try_settings(org, &installed.id, text).await;
        tried.map_err(|error| match error {
            SettingsError::Settings(why) => refuse(why),
            SettingsError::Failed(failure) => HookError::Failed(failure).into(),
        })
    }

    /// An organization as the sandbox sees it.
    pub(super) async fn tenant(&self, org: OrgId) -> Result<Tenant> {
        if let Some(plugins) = self.cache.org_plugins(org) {
            return Ok(Tenant { org, plugins });
        }
        let note = self.cache.before_org_plugins(org);
        let plugins: Arc<OrgPlugins> = Arc::new(self.store.org_plugins(org).await?);
        if let Some(note) = note {
            self.cache.keep_org_plugins(note, org, plugins.clone());
        }
        Ok(Tenant { org, plugins })
    }

    /// The engines that an organization may use in new versions, sorted.
    pub(super) fn engines_of(&self, tenant: &Tenant) -> Vec<EngineName> {
        let mut engines = self.renderer.engines();
        for installed in self.plugins.installed() {
            if installed.kind == Kind::Engine && !installed.is_enabled(&tenant.plugins) {
                engines.retain(|engine| engine.as_str() != installed.id.as_str());
            }
        }
        engines
    }

    /// Asks the hooks about variables; none means that they stay as they are.
    pub(super) async fn before_render(
        &self,
        tenant: &Tenant,
        (found, version): &Resolved,
        variables: &str,
    ) -> Result<Option<String>> {
        if !self.plugins.asks(tenant, Point::BeforeRender) {
            return Ok(None);
        }
        let subject = Subject::of(&found.prompt.slug, version);
        Ok(self.plugins.before_render(tenant, &subject, variables).await?)
    }

    /// Asks the hooks about a text; answers with what is to be handed out.
    pub(super) async fn after_render(
        &self,
        tenant: &Tenant,
        (found, version): &Resolved,
        text: String,
    ) -> Result<String> {
        if !self.plugins.asks(tenant, Point::AfterRender) {
            return Ok(text);
        }
        let subject = Subject::of(&found.prompt.slug, version);
        Ok(self.plugins.after_render(tenant, &subject, text).await?)
    }

    /// Asks the hooks before a version is promoted; whether any was asked.
    pub(super) async fn before_promote(&self, on: &OnVersion) -> Result<bool> {
        let OnVersion { found, version } = on;
        let tenant = self.tenant(found.org).await?;
        if !self.plugins.asks(&tenant, Point::BeforePromote) {
            return Ok(false);
        }
        // What cannot be promoted anyway is told so by the store, unless it can by then.
        let Ok(to) = version.status.after(Step::Promote) else { return Ok(true) };
        found.must_be_active()?;
        let samples = self.samples(&tenant, &found.prompt, version).await?;
        let subject = Subject::of(&found.prompt.slug, version);
        let template = &version.body.template;
        self.plugins.before_promote(&tenant, &subject, to, template, &samples).await?;
        Ok(true)
    }

    /// The sample payloads of a prompt, rendered by a version of it.
    async fn samples(
        &self,
        tenant: &Tenant,
        prompt: &Prompt,
        version: &Version,
    ) -> Result<Vec<Sample>> {
        let page = Page { limit: MAX_SAMPLES, after: None };
        let payloads = self.store.payloads(prompt.id, page).await?;
        let template = TemplateRef::of(tenant, &prompt.slug, version);
        let (mut samples, mut bytes) = (Vec::new(), 0);
        for payload in payloads.items {
            if bytes > MAX_SAMPLE_BYTES {
                break;
            }
            let rendered = self.renderer.render(&template, payload.variables.as_str()).await;
            let rendered = rendered.map_err(|error| error.to_string());
            let (Ok(text) | Err(text)) = &rendered;
            bytes += payload.variables.as_str().len() + text.len();
            let name = payload.name.map(|name| name.as_str().to_owned());
            samples.push(Sample { name, variables: payload.variables, rendered });
        }
        Ok(samples)
    }
}

impl From<HookError> for Error {
    fn from(error: HookError) -> Self {
        let message = error.to_string();
        match error {
            HookError::Refused { plugin, version, code, reason } => {
                Error::new(Code::PluginRefused, message).with_details(json!({
                    "plugin": plugin, "version": version, "code": code, "reason": reason,
                }))
            }
            HookError::Failed(failure) => Error::new(Code::PluginFailed, message)
                .with_details(json!({ "plugin": failure.plugin, "version": failure.version })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_who_refused_and_why() {
        let error = Error::from(HookError::Refused {
            plugin: PluginId::parse("redact").expect("an id"),
            version: "1.0.0".to_owned(),
            code: "secret".to_owned(),
            reason: "there is a key in the text".to_owned(),
        });
        assert_eq!(error.code, Code::PluginRefused);
        assert_eq!(error.message, "refused by plugin redact 1.0.0: there is a key in the text");
        let details = error.details.expect("details");
        assert_eq!(details["code"], "secret");
    }
}
