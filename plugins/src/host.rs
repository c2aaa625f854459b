//! The plugins that are installed, and what is asked of them.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use px0_core::{
    SPANS,
    ids::OrgId,
    json::JsonText,
    lifecycle::Status,
    plugin::{
        Benched, HookError, Host, Installed, Kind, OnFailure, OrgPlugins, PluginFailure, PluginId,
        Point, Sample, SettingsError, Subject, decision,
    },
    render::{EngineName, Tenant},
    store::Plugins as Values,
};
use px0_render_wasm::{EngineSource, Extensions, Functions, host::Machine};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::{
    LoadError, PluginSettings,
    cell::{Fault, NotConfigured},
    hook::{Hook, Question, Refusal, Verdict, WitSample},
    kv::Kv,
    lending::{Lender, Lending},
    load::{Context, Engine, Loaded, Slot, Source, folders},
    log::tidy,
    shipped::shipped,
    strikes::{BENCHED, Strikes},
};

/// How many organizations' functions are remembered. When there are more, all are put together anew.
const REMEMBERED: usize = 1024;

/// Why there are no plugins.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    /// The settings make no sense; the text says which and why.
    #[error("{0}")]
    Settings(String),
    /// The engine of versions that name none is not installed.
    #[error("render.default_engine names {}, which is not installed", .0.as_str())]
    DefaultEngine(EngineName),
    /// A plugin cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The machine cannot run any.
    #[error("plugins cannot be run: {0}")]
    Machine(String),
}

/// The plugins that are installed.
pub struct Plugins {
    settings: PluginSettings,
    context: Arc<Context>,
    registry: ArcSwap<Registry>,
    strikes: Arc<Strikes>,
    gates: Gates,
}

/// How many calls of hooks each organization may have under way.
struct Gates {
    each: usize,
    gates: Mutex<HashMap<OrgId, Arc<Semaphore>>>,
}

impl Gates {
    /// Waits until `org` may make one more call.
    async fn enter(&self, org: OrgId) -> Result<OwnedSemaphorePermit, String> {
        let gate = {
            let mut gates = self.gates.lock();
            if gates.len() >= REMEMBERED {
                // Those that somebody is in, or waits at, are held by them.
                gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            }
            let new = || Arc::new(Semaphore::new(self.each));
            gates.entry(org).or_insert_with(new).clone()
        };
        // Nobody closes it.
        gate.acquire_owned().await.map_err(|error| error.to_string())
    }
}

/// The plugins of one moment.
#[derive(Default)]
struct Registry {
    slots: BTreeMap<PluginId, Arc<Slot>>,
    hooks: Vec<Arc<Slot>>,
    filters: Vec<Arc<Slot>>,
    /// What is lent to organizations, for as long as they decide nothing else.
    lent: Mutex<Lent>,
}

/// Functions by organization, with the decisions that they follow from.
type Lent = HashMap<OrgId, (Arc<OrgPlugins>, Arc<Lending>)>;

impl Plugins {
    /// Loads what is installed. This compiles, and may take seconds: call it where blocking is allowed, within a runtime. What comes
    /// with px0 is loaded when it is first used.
    ///
    /// `store` is where hooks keep values, `cache_dir` where compiled code is kept between starts, `output` how many bytes a text may
    /// have.
    ///
    /// # Errors
    /// The settings make no sense, or a plugin cannot be loaded.
    pub fn new(
        settings: PluginSettings,
        store: Arc<dyn Values>,
        cache_dir: Option<PathBuf>,
        output: usize,
    ) -> Result<Arc<Self>, PluginsError> {
        if let Some((key, rule)) = settings.problem() {
            return Err(PluginsError::Settings(format!("plugins.{key} {rule}")));
        }
        let machine =
            Machine::get().map_err(|error| PluginsError::Machine(format!("{error:#}")))?;
        let limits = settings.limits(output);
        let kv = Some(Kv::new(store, settings.values_at_once));
        let context = Arc::new(Context { machine, limits, kv, cache_dir });
        let registry = ArcSwap::default();
        let gates = Gates { each: settings.concurrent_per_tenant, gates: Mutex::default() };
        let plugins = Self { settings, context, registry, strikes: Arc::default(), gates };
        plugins.reload()?;
        Ok(Arc::new(plugins))
    }

    /// Looks at the folder again, and takes what is there now: all of it, or, after an error, none. What has not changed stays as it
    /// is; what is under way ends as it began. Blocks, like [`Plugins::new`].
    ///
    /// # Errors
    /// A plugin cannot be loaded, or one that the settings name is gone.
    pub fn reload(&self) -> Result<(), PluginsError> {
        let before = self.registry.load();
        let mut slots = BTreeMap::<PluginId, Arc<Slot>>::new();
        for (source, eager) in self.sources()? {
            let label = source.manifest.label();
            let slot = Slot::new(source, &self.settings, &self.context)?;
            let same = before
                .slots
                .get(&slot.installed.id)
                .filter(|old| old.mark == slot.mark && old.installed == slot.installed);
            let slot = same.cloned().unwrap_or(slot);
            // What everybody renders with is to be there before anybody does.
            if eager || slot.installed.id.as_str() == self.settings.default_engine.as_str() {
                slot.load()?;
            }
            if let Some(other) = slots.insert(slot.installed.id.clone(), slot) {
                let version = &other.installed.version;
                let why = format!("its id is taken by another plugin, of version {version}");
                return Err(LoadError { plugin: label, why }.into());
            }
        }
        let named = self.settings.grant.iter().map(|grant| &grant.plugin);
        let mut named = self.settings.enabled.iter().chain(named);
        if let Some(missing) = named.find(|id| !slots.contains_key(*id)) {
            let which = if self.settings.enabled.contains(missing) { "enabled" } else { "grant" };
            let why = format!("plugins.{which} names {missing}, which is not installed");
            return Err(PluginsError::Settings(why));
        }
        let default = &self.settings.default_engine;
        let is_engine = |slot: &Arc<Slot>| {
            slot.installed.kind == Kind::Engine && slot.installed.id.as_str() == default.as_str()
        };
        if default.as_str() != EngineName::DEFAULT && !slots.values().any(is_engine) {
            return Err(PluginsError::DefaultEngine(default.clone()));
        }
        let of = |kind: Kind| {
            let slots = slots.values().filter(move |slot| slot.installed.kind == kind);
            slots.cloned().collect()
        };
        let (hooks, filters) = (of(Kind::Hook), of(Kind::Filters));
        self.registry.store(Arc::new(Registry { slots, hooks, filters, lent: Mutex::default() }));
        Ok(())
    }

    /// Everything that is there, and whether it is loaded at once.
    fn sources(&self) -> Result<Vec<(Source, bool)>, PluginsError> {
        let mut sources = Vec::new();
        for source in shipped()? {
            sources.push((source, false));
        }
        let Some(path) = &self.settings.path else { return Ok(sources) };
        let told = |error: std::io::Error| {
            let path = path.display();
            PluginsError::Settings(format!("cannot read {path}, which is plugins.path: {error}"))
        };
        for folder in folders(path).map_err(told)? {
            sources.push((Source::installed(&folder)?, true));
        }
        Ok(sources)
    }

    /// What they add to the sandbox, as of now: to be given to it again after each [`Plugins::reload`].
    pub fn extensions(self: &Arc<Self>) -> Extensions {
        let registry = self.registry.load();
        let engines = registry.slots.values().filter(|slot| slot.installed.kind == Kind::Engine);
        let engine = |slot: &Arc<Slot>| {
            let source: Arc<dyn EngineSource> = Arc::new(Engine(slot.clone()));
            (EngineName::new(slot.installed.id.as_str()), source)
        };
        Extensions { engines: engines.map(engine).collect(), plugins: Some(self.clone()) }
    }

    /// The hooks that an organization has at this point.
    fn hooks<'r>(
        registry: &'r Registry,
        tenant: &'r Tenant,
        point: Point,
    ) -> impl Iterator<Item = &'r Arc<Slot>> {
        registry.hooks.iter().filter(move |slot| {
            slot.installed.is_enabled(&tenant.plugins)
                && match slot.ready().map(|loaded| &**loaded) {
                    Some(Loaded::Hook(hook)) => hook.is_asked_at(point),
                    // It will be known when it is loaded.
                    _ => true,
                }
        })
    }

    /// The failure of a hook that an organization has and that is not installed: whether it would have let something pass is not
    /// known.
    fn gone(registry: &Registry, tenant: &Tenant) -> Option<PluginFailure> {
        let gone = tenant.plugins.iter().find(|decision| {
            decision.enabled
                && decision.kind == Kind::Hook
                && decision.on_failure == OnFailure::Refuse
                && !registry.slots.contains_key(&decision.plugin)
        });
        gone.map(|decision| PluginFailure {
            plugin: decision.plugin.clone(),
            version: String::new(),
            why: "it is not installed any more: install it again, or disable it".to_owned(),
        })
    }

    /// Asks one hook; none is what it says when it is not asked at this point, or may fail.
    async fn ask(
        &self,
        slot: &Arc<Slot>,
        tenant: &Tenant,
        point: Point,
        question: impl FnOnce() -> Question,
    ) -> Result<Verdict, HookError> {
        let decided = decision(&tenant.plugins, &slot.installed.id);
        let settings = decided.and_then(|decided| decided.settings.clone());
        let span = tracing::info_span!(
            target: SPANS,
            "hook",
            "px0.plugin.id" = slot.installed.id.as_str(),
            "px0.plugin.version" = slot.installed.version,
            "px0.hook.point" = point.as_str(),
        );
        let answer = self.answer(slot, tenant.org, settings, point, question).instrument(span);
        let failure = match answer.await {
            Ok(Verdict::Refuse(Refusal { code, reason })) if is_code(&code) => {
                return Err(HookError::Refused {
                    plugin: slot.installed.id.clone(),
                    version: slot.installed.version.clone(),
                    code,
                    reason: tidy(&reason),
                });
            }
            Ok(Verdict::Refuse(Refusal { code, .. })) => {
                slot.failure(format!("it refused with `{}`, which is no code", tidy(&code)))
            }
            Ok(verdict) => return Ok(verdict),
            Err(failure) => failure,
        };
        let on_failure = decided.map_or(OnFailure::Refuse, |decided| decided.on_failure);
        match on_failure {
            OnFailure::Refuse => Err(failure.into()),
            OnFailure::Pass => Ok(Verdict::Pass),
        }
    }

    async fn answer(
        &self,
        slot: &Arc<Slot>,
        org: OrgId,
        settings: Option<JsonText>,
        point: Point,
        question: impl FnOnce() -> Question,
    ) -> Result<Verdict, PluginFailure> {
        let id = &slot.installed.id;
        if self.strikes.is_benched(id, org, Some(point)) {
            return Err(slot.failure(BENCHED));
        }
        let hook = hook(slot).await?;
        if !hook.is_asked_at(point) {
            return Ok(Verdict::Pass);
        }
        let permit = self.gates.enter(org).await.map_err(|why| slot.failure(why))?;
        // It may have failed those that were before in the queue.
        if self.strikes.is_benched(id, org, Some(point)) {
            return Err(slot.failure(BENCHED));
        }
        let verdict = match hook.ask(org, settings, question(), permit).await {
            Ok(Verdict::Replace(text)) => self.replaced(point, text).map_err(Fault::Other),
            verdict => verdict,
        };
        match verdict {
            Ok(verdict) => {
                self.strikes.answered(id, org, Some(point));
                Ok(verdict)
            }
            Err(fault) => {
                let (version, why) = (&slot.installed.version, fault.for_log());
                if self.strikes.failed(id, org, Some(point)) {
                    tracing::error!(plugin = %id, version, organization = %org, point = point.as_str(), "a plugin is benched: {why}");
                } else {
                    tracing::warn!(plugin = %id, version, organization = %org, point = point.as_str(), "a plugin failed: {why}");
                }
                Err(slot.failure(fault.to_string()))
            }
        }
    }

    /// What a hook puts instead, if it can be put there.
    fn replaced(&self, point: Point, text: String) -> Result<Verdict, String> {
        let most = self.context.limits.text;
        if text.len() > most {
            return Err(format!("it answered with more than {most} bytes"));
        }
        match point {
            Point::BeforePromote => Err("there is nothing to replace in a promotion".to_owned()),
            Point::BeforeRender if !is_object(&text) => {
                Err("it answered with variables that are no JSON object".to_owned())
            }
            Point::BeforeRender | Point::AfterRender => Ok(Verdict::Replace(text)),
        }
    }

    /// What is lent to `tenant`.
    fn lend(&self, tenant: &Tenant) -> Option<Arc<Lending>> {
        let registry = self.registry.load();
        let enabled = |slot: &&Arc<Slot>| slot.installed.is_enabled(&tenant.plugins);
        // Nearly always there is none.
        registry.filters.iter().find(enabled)?;
        let mut remembered = registry.lent.lock();
        if let Some((plugins, lending)) = remembered.get_mut(&tenant.org) {
            if Arc::ptr_eq(plugins, &tenant.plugins) {
                return Some(lending.clone());
            }
            if *plugins == tenant.plugins {
                *plugins = tenant.plugins.clone();
                return Some(lending.clone());
            }
        }
        let lenders = registry.filters.iter().filter(enabled).filter_map(|slot| {
            // Those that are not loaded yet come with px0, and none of these lends.
            let Some(Loaded::Filters(filters)) = slot.ready().map(|loaded| &**loaded) else {
                return None;
            };
            let decided = decision(&tenant.plugins, &slot.installed.id);
            Some(Lender {
                id: slot.installed.id.clone(),
                label: format!("{} {}", slot.installed.id, slot.installed.version),
                mark: slot.mark,
                filters: filters.clone(),
                settings: decided.and_then(|decided| decided.settings.clone()),
            })
        });
        let lending = Lending::of(tenant.org, lenders.collect(), self.strikes.clone());
        let lending = Arc::new(lending);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(tenant.org, (tenant.plugins.clone(), lending.clone()));
        Some(lending)
    }
}

/// The hook in `slot`.
async fn hook(slot: &Arc<Slot>) -> Result<Arc<Hook>, PluginFailure> {
    match &*slot.get().await? {
        Loaded::Hook(hook) => Ok(hook.clone()),
        _ => Err(slot.failure("it is no hook")),
    }
}

fn is_code(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn is_object(text: &str) -> bool {
    JsonText::parse(text).is_ok() && text.trim_start().starts_with('{')
}

#[async_trait]
impl Host for Plugins {
    fn installed(&self) -> Vec<Arc<Installed>> {
        self.registry.load().slots.values().map(|slot| slot.installed.clone()).collect()
    }

    fn benched(&self) -> Vec<Benched> {
        let registry = self.registry.load();
        let benched = self.strikes.benched().into_iter().filter_map(|(plugin, organizations)| {
            let version = registry.slots.get(&plugin)?.installed.version.clone();
            Some(Benched { plugin, version, organizations })
        });
        benched.collect()
    }

    fn is_benched(&self, plugin: &PluginId, org: OrgId) -> bool {
        let mut points = Point::ALL.into_iter().map(Some).chain([None]);
        points.any(|point| self.strikes.is_benched(plugin, org, point))
    }

    async fn try_settings(
        &self,
        org: OrgId,
        plugin: &PluginId,
        settings: &str,
    ) -> Result<(), SettingsError> {
        let not_json = |_| SettingsError::Settings("they are no JSON".to_owned());
        let settings = JsonText::parse(settings).map_err(not_json)?;
        let slot = self.registry.load().slots.get(plugin).cloned();
        let missing = || SettingsError::Settings("the plugin is not installed".to_owned());
        let slot = slot.ok_or_else(missing)?;
        let loaded = slot.get().await?;
        let permit = self.gates.enter(org).await.map_err(|why| slot.failure(why))?;
        let tried = match &*loaded {
            Loaded::Engine(_) => Ok(()),
            Loaded::Filters(filters) => filters.clone().try_settings(org, settings, permit).await,
            Loaded::Hook(hook) => hook.clone().try_settings(org, settings, permit).await,
        };
        tried.map_err(|not| match not {
            NotConfigured::Settings(why) => SettingsError::Settings(tidy(&why)),
            NotConfigured::Fault(fault) => slot.failure(fault.to_string()).into(),
        })
    }

    fn asks(&self, tenant: &Tenant, point: Point) -> bool {
        let registry = self.registry.load();
        Self::hooks(&registry, tenant, point).next().is_some()
            || Self::gone(&registry, tenant).is_some()
    }

    async fn before_render(
        &self,
        tenant: &Tenant,
        subject: &Subject<'_>,
        variables: &str,
    ) -> Result<Option<String>, HookError> {
        let (registry, point) = (self.registry.load_full(), Point::BeforeRender);
        Self::gone(&registry, tenant).map_or(Ok(()), Err)?;
        let mut replaced: Option<String> = None;
        for slot in Self::hooks(&registry, tenant, point) {
            let question = || {
                let variables = replaced.as_deref().unwrap_or(variables);
                Question::BeforeRender(subject.into(), variables.to_owned())
            };
            if let Verdict::Replace(others) = self.ask(slot, tenant, point, question).await? {
                replaced = Some(others);
            }
        }
        Ok(replaced)
    }

    async fn after_render(
        &self,
        tenant: &Tenant,
        subject: &Subject<'_>,
        text: String,
    ) -> Result<String, HookError> {
        let (registry, point) = (self.registry.load_full(), Point::AfterRender);
        Self::gone(&registry, tenant).map_or(Ok(()), Err)?;
        let mut text = text;
        for slot in Self::hooks(&registry, tenant, point) {
            let question = || Question::AfterRender(subject.into(), text.clone());
            if let Verdict::Replace(other) = self.ask(slot, tenant, point, question).await? {
                text = other;
            }
        }
        Ok(text)
    }

    async fn before_promote(
        &self,
        tenant: &Tenant,
        subject: &Subject<'_>,
        to: Status,
        template: &str,
        samples: &[Sample],
    ) -> Result<(), HookError> {
        let (registry, point) = (self.registry.load_full(), Point::BeforePromote);
        Self::gone(&registry, tenant).map_or(Ok(()), Err)?;
        for slot in Self::hooks(&registry, tenant, point) {
            let question = || {
                let samples = samples.iter().map(WitSample::from).collect();
                Question::BeforePromote(subject.into(), to, template.to_owned(), samples)
            };
            self.ask(slot, tenant, point, question).await?;
        }
        Ok(())
    }
}

impl px0_render_wasm::Plugins for Plugins {
    fn functions(&self, tenant: &Tenant) -> Option<Arc<dyn Functions>> {
        self.lend(tenant).map(|lending| lending as Arc<dyn Functions>)
    }

    fn may_run(&self, engine: &EngineName, tenant: OrgId) -> Result<(), PluginFailure> {
        let registry = self.registry.load();
        let Some(slot) = slot_of(&registry, engine) else { return Ok(()) };
        match self.strikes.is_benched(&slot.installed.id, tenant, None) {
            true => Err(slot.failure(BENCHED)),
            false => Ok(()),
        }
    }

    fn ran(&self, engine: &EngineName, tenant: OrgId, fault: Option<&str>) {
        let registry = self.registry.load();
        let Some(slot) = slot_of(&registry, engine) else { return };
        match fault {
            None => self.strikes.answered(&slot.installed.id, tenant, None),
            Some(why) => {
                tracing::warn!(plugin = %slot.installed.id, organization = %tenant, "a plugin failed: {why}");
                self.strikes.failed(&slot.installed.id, tenant, None);
            }
        }
    }
}

/// The plugin that an engine is.
fn slot_of<'r>(registry: &'r Registry, engine: &EngineName) -> Option<&'r Arc<Slot>> {
    registry.slots.get(&PluginId::parse(engine.as_str()).ok()?)
}
