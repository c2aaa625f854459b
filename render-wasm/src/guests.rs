//! The guests and their instances: what runs in a lane.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use px0_core::{
    ids::{OrgId, VersionId},
    plugin::PluginFailure,
    render::{
        CheckError, EngineName, RenderError, SchemaError, TemplateError, TemplateRef, Tenant,
    },
};
use px0_document::{Tag, Tape};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Engine, Error, component::Component};

use crate::{
    Isolation, RenderSettings, SandboxError, Stats,
    background::Background,
    code::{self, Embedded},
    engine::Machine,
    lane::Lane,
    lend::{Functions, Plugins},
    observe::Used,
    pool::{Pool, World},
    schema::{self, SchemaEngine},
    stop::{Stop, TOO_DEEP},
    template::{EngineSource, Failed, PluginName, TemplateEngine, TemplateInstance, refusal},
};

/// The guests, built by the build script.
const MINIJINJA: Embedded = crate::embedded!("minijinja");
const SCHEMA: Embedded = crate::embedded!("schema");

/// How many versions with long renders are remembered. When there are more, all are found out anew.
const REMEMBERED: usize = 4096;

/// So many short renders in a row, and a version is taken for a short one again: changing lanes costs a warm instance.
const SHORT_ONES: u32 = 16;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer<E> {
    /// It is a long call, and was in the short lane. Nothing of it is left.
    Long,
    /// It failed.
    Failed(E),
}

impl<E: From<Stop>> From<Stop> for NoAnswer<E> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Long => Self::Long,
            stop => Self::Failed(stop.into()),
        }
    }
}

/// What plugins add to the sandbox. All of it is changed at once; renders that have begun keep what they began with.
#[derive(Clone, Default)]
pub struct Extensions {
    /// Template languages, besides the built-in one, which none can replace.
    pub engines: BTreeMap<EngineName, Arc<dyn EngineSource>>,
    /// Functions for templates, and who is told how engines fare.
    pub plugins: Option<Arc<dyn Plugins>>,
}

/// What a render, or a check, is made with.
struct Ready {
    engine: Arc<TemplateEngine>,
    functions: Option<Arc<dyn Functions>>,
    plugins: Option<Arc<dyn Plugins>>,
}

impl Ready {
    fn world(&self) -> World {
        let functions = self.functions.as_ref().map_or(0, |functions| functions.mark());
        World { engine: self.engine.mark(), functions }
    }

    /// Tells how an engine that is a plugin ended; answers with its failure, if it was one.
    fn ended(
        &self,
        engine: &EngineName,
        tenant: OrgId,
        fault: Option<&str>,
    ) -> Option<PluginFailure> {
        let PluginName { id, version } = self.engine.name()?;
        if let Some(plugins) = &self.plugins {
            plugins.ran(engine, tenant, fault);
        }
        fault.map(|why| PluginFailure {
            plugin: id.clone(),
            version: version.clone(),
            why: why.to_owned(),
        })
    }
}

/// The template engines and the schema checker.
pub(crate) struct Guests {
    settings: Arc<RenderSettings>,
    machine: &'static Machine,
    built_in: BTreeMap<EngineName, Arc<TemplateEngine>>,
    extensions: ArcSwap<Extensions>,
    schema: Schema,
    pool: Pool,
    origins: Arc<Origins>,
    renders: AtomicU64,
    fuel: AtomicU64,
    /// Versions that had a long render, with how many short ones in a row make them short again.
    long: Mutex<HashMap<VersionId, u32>>,
}

/// The schema checker, made when it is first needed: most renders have no schema.
struct Schema {
    engine: Engine,
    origins: Arc<Origins>,
    folder: Option<PathBuf>,
    made: OnceLock<Background<SchemaEngine>>,
}

impl Schema {
    /// Begins to make it, if nobody has yet.
    fn begin(&self) -> Result<&Background<SchemaEngine>, String> {
        if let Some(begun) = self.made.get() {
            return Ok(begun);
        }
        let (engine, origins, folder) =
            (self.engine.clone(), self.origins.clone(), self.folder.clone());
        let begun = Background::new("px0-schema-guest", move || {
            let component = origins.component(&engine, "schema", &SCHEMA, folder.as_deref());
            component
                .and_then(|component| SchemaEngine::new(&engine, &component))
                .map_err(|error| format!("{error:#}"))
        });
        let begun = begun.map_err(|error| error.to_string())?;
        // Who came second has made one for nothing.
        Ok(self.made.get_or_init(|| begun))
    }

    /// Whether nobody has to wait for it.
    fn is_ready(&self) -> bool {
        SCHEMA.is_compiled() || self.made.get().is_some_and(Background::is_made)
    }

    async fn get(&self) -> Result<Arc<SchemaEngine>, String> {
        self.begin()?.get().await
    }
}

/// Where the guests' code came from.
#[derive(Default)]
struct Origins {
    embedded: AtomicUsize,
    compiled: AtomicUsize,
    cached: AtomicUsize,
}

impl Guests {
    /// Loads the guests.
    pub(crate) fn new(
        machine: &'static Machine,
        settings: RenderSettings,
    ) -> Result<Self, SandboxError> {
        let engine = &machine.engine;
        let origins = Arc::new(Origins::default());
        let folder = settings.cache_dir.clone();
        let schema = Schema {
            engine: engine.clone(),
            origins: origins.clone(),
            folder: folder.clone(),
            made: OnceLock::new(),
        };
        if !SCHEMA.is_compiled() {
            // That takes seconds: better now than when somebody waits for it.
            schema.begin().map_err(SandboxError::Engine)?;
        }
        let minijinja = origins.component(engine, "minijinja", &MINIJINJA, folder.as_deref())?;
        let minijinja = Arc::new(TemplateEngine::built_in(engine, &minijinja)?);
        Ok(Self {
            built_in: BTreeMap::from([(EngineName::default(), minijinja)]),
            extensions: ArcSwap::default(),
            schema,
            pool: Pool::new(settings.pool_memory, settings.kept_per_version()),
            machine,
            origins,
            renders: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
            long: Mutex::default(),
            settings: Arc::new(settings),
        })
    }

    /// Takes `extensions` from now on.
    pub(crate) fn extend(&self, extensions: Extensions) {
        self.extensions.store(Arc::new(extensions));
    }

    /// The names of the template engines, sorted.
    pub(crate) fn names(&self) -> Vec<EngineName> {
        let extensions = self.extensions.load();
        let names: BTreeSet<_> = self.built_in.keys().chain(extensions.engines.keys()).collect();
        names.into_iter().cloned().collect()
    }

    /// The figures of this moment.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            pool: self.pool.stats(),
            renders: self.renders.load(Ordering::Relaxed),
            fuel: self.fuel.load(Ordering::Relaxed),
            embedded: self.origins.embedded.load(Ordering::Relaxed),
            compiled: self.origins.compiled.load(Ordering::Relaxed),
            cached: self.origins.cached.load(Ordering::Relaxed),
        }
    }

    /// Whether nobody has to wait for a compilation.
    pub(crate) fn is_ready(&self) -> bool {
        self.schema.is_ready()
    }

    /// Whether renders of `version` are long ones.
    pub(crate) fn is_long(&self, version: VersionId) -> bool {
        self.long.lock().contains_key(&version)
    }

    fn was_long(&self, version: VersionId) {
        let mut long = self.long.lock();
        if long.len() >= REMEMBERED {
            long.clear();
        }
        long.insert(version, SHORT_ONES);
    }

    fn was_short(&self, version: VersionId) {
        let mut long = self.long.lock();
        if let Some(left) = long.get_mut(&version) {
            *left -= 1;
            if *left == 0 {
                long.remove(&version);
            }
        }
    }

    /// Checks a template; what is wrong with it is an answer, too.
    pub(crate) async fn check(
        &self,
        lane: Lane,
        tenant: &Tenant,
        engine: &EngineName,
        source: &str,
    ) -> Result<Result<(), TemplateError>, NoAnswer<CheckError>> {
        let internal = |error: Error| NoAnswer::Failed(CheckError::Internal(format!("{error:#}")));
        let ready = self.ready(tenant, engine).await.map_err(|not| {
            NoAnswer::Failed(match not {
                NotReady::Failed(failure) => CheckError::Plugin(failure),
                NotReady::Gone => CheckError::Internal(format!("there is no engine {engine}")),
            })
        })?;
        let place = self.place().await.map_err(internal)?;
        let (settings, functions) = (self.settings.clone(), ready.functions.clone());
        let made = ready.engine.instance(settings, functions, place, lane).await;
        let compiled = match made {
            Ok(mut instance) => instance.compile(source, lane).await,
            Err(stop) => Err(stop),
        };
        match compiled {
            Ok(answer) => {
                ready.ended(engine, tenant.org, None);
                Ok(answer)
            }
            Err(Stop::TooDeep) => Ok(Err(refusal(TOO_DEEP))),
            Err(Stop::Limit(limit)) => {
                Ok(Err(refusal(format!("template is too complex: it reaches the {limit} limit"))))
            }
            Err(Stop::Long) => Err(NoAnswer::Long),
            Err(Stop::Internal(message)) => {
                Err(NoAnswer::Failed(match ready.ended(engine, tenant.org, Some(&message)) {
                    Some(failure) => CheckError::Plugin(failure),
                    None => CheckError::Internal(message),
                }))
            }
        }
    }

    /// Renders a template.
    pub(crate) async fn render(
        &self,
        lane: Lane,
        template: &TemplateRef,
        variables: &str,
    ) -> Result<Done, NoAnswer<RenderError>> {
        let variables = document(variables).map_err(NoAnswer::Failed)?;
        let (tenant, engine) = (&template.tenant, &template.engine);
        let ready = self.ready(tenant, engine).await.map_err(|not| {
            NoAnswer::Failed(match not {
                NotReady::Failed(failure) => RenderError::Plugin(failure),
                NotReady::Gone => RenderError::NoEngine(engine.clone()),
            })
        })?;
        let world = ready.world();
        let (mut instance, warm) = self.instance(lane, template, &ready, world).await?;
        let answer = match instance.render(variables, lane).await {
            Ok(text) => Ok(text),
            Err(Failed::Answer(error)) => Err(error),
            Err(Failed::Stopped(stop)) => {
                match stop {
                    Stop::Long => self.was_long(template.version),
                    _ => self.pool.discarded(),
                }
                return Err(stopped(stop, &ready, template));
            }
        };
        ready.ended(engine, tenant.org, None);
        self.renders.fetch_add(1, Ordering::Relaxed);
        let used = Used { fuel: instance.fuel_used(), warm };
        self.fuel.fetch_add(used.fuel, Ordering::Relaxed);
        if lane == Lane::Long && instance.was_short() {
            self.was_short(template.version);
        }
        // While somebody waits for a place, none is kept for later.
        if self.settings.isolation == Isolation::Version && self.machine.has_places() {
            self.pool.put(template, world, instance);
        }
        Ok(Done { answer, used })
    }

    /// Whether `schema` can be used.
    pub(crate) async fn check_schema(
        &self,
        lane: Lane,
        schema: &str,
    ) -> Result<(), NoAnswer<SchemaError>> {
        let (checker, _place) = self.checker().await?;
        checker.check(&self.settings, lane, schema).await
    }

    /// Whether `document` obeys `schema`.
    pub(crate) async fn validate(
        &self,
        lane: Lane,
        schema: &str,
        document: &str,
    ) -> Result<(), NoAnswer<SchemaError>> {
        let (checker, _place) = self.checker().await?;
        checker.validate(&self.settings, lane, schema, document).await
    }

    /// The schema checker, and a place for its instance.
    async fn checker(
        &self,
    ) -> Result<(Arc<SchemaEngine>, OwnedSemaphorePermit), NoAnswer<SchemaError>> {
        let failed = |why| NoAnswer::Failed(SchemaError::Internal(why));
        let checker = self.schema.get().await.map_err(failed)?;
        let place = self.place().await.map_err(schema::internal)?;
        Ok((checker, place))
    }

    /// An instance that has `template`: a warm one, or a new one; and whether it is warm.
    async fn instance(
        &self,
        lane: Lane,
        template: &TemplateRef,
        ready: &Ready,
        world: World,
    ) -> Result<(TemplateInstance, bool), NoAnswer<RenderError>> {
        if self.settings.isolation == Isolation::Version
            && let Some(instance) = self.pool.take(template, world)
        {
            return Ok((instance, true));
        }
        let internal = |error: Error| NoAnswer::Failed(RenderError::Internal(format!("{error:#}")));
        let place = self.place().await.map_err(internal)?;
        let (settings, functions) = (self.settings.clone(), ready.functions.clone());
        let made = ready.engine.instance(settings, functions, place, lane).await;
        let compiled = match made {
            Ok(mut instance) => match instance.compile(&template.source, lane).await {
                Ok(compiled) => Ok((instance, compiled)),
                Err(stop) => Err(stop),
            },
            Err(stop) => Err(stop),
        };
        match compiled {
            Ok((instance, Ok(()))) => Ok((instance, false)),
            Ok((_, Err(error))) => Err(NoAnswer::Failed(RenderError::Execution(error))),
            Err(stop) => {
                if matches!(stop, Stop::Long) {
                    self.was_long(template.version);
                }
                Err(stopped(stop, ready, template))
            }
        }
    }

    /// A place for a new instance.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.machine.place(|| self.pool.make_room()).await
    }

    /// What `tenant` renders with.
    async fn ready(&self, tenant: &Tenant, name: &EngineName) -> Result<Ready, NotReady> {
        let (plugins, engine, source) = {
            let extensions = self.extensions.load();
            let engine = self.built_in.get(name).cloned();
            (extensions.plugins.clone(), engine, extensions.engines.get(name).cloned())
        };
        let engine = match (engine, source) {
            (Some(engine), _) => engine,
            (None, None) => return Err(NotReady::Gone),
            (None, Some(source)) => {
                if let Some(plugins) = &plugins {
                    plugins.may_run(name, tenant.org).map_err(NotReady::Failed)?;
                }
                match source.ready() {
                    Some(engine) => engine,
                    None => source.get().await.map_err(NotReady::Failed)?,
                }
            }
        };
        let functions = plugins.as_ref().and_then(|plugins| plugins.functions(tenant));
        Ok(Ready { engine, functions, plugins })
    }
}

/// A render that came to its end.
pub(crate) struct Done {
    /// What came out.
    pub(crate) answer: Result<String, RenderError>,
    /// What it took.
    pub(crate) used: Used,
}

/// Why nothing can be rendered.
enum NotReady {
    /// There is no such engine.
    Gone,
    /// It cannot be used now.
    Failed(PluginFailure),
}

/// The answer to a render that was stopped.
fn stopped(stop: Stop, ready: &Ready, template: &TemplateRef) -> NoAnswer<RenderError> {
    match stop {
        Stop::Internal(why) => NoAnswer::Failed(fault(ready, template, why)),
        stop => stop.into(),
    }
}

/// A fault that is not the template's: the plugin's, if the engine is one.
fn fault(ready: &Ready, template: &TemplateRef, why: String) -> RenderError {
    match ready.ended(&template.engine, template.tenant.org, Some(&why)) {
        Some(failure) => RenderError::Plugin(failure),
        None => RenderError::Internal(why),
    }
}

impl Origins {
    /// The component `guest`, as the build compiled it, else from `folder` or compiled here; counted.
    fn component(
        &self,
        engine: &Engine,
        name: &str,
        guest: &Embedded,
        folder: Option<&Path>,
    ) -> Result<Component, Error> {
        if let Some(component) = guest.load(engine) {
            self.embedded.fetch_add(1, Ordering::Relaxed);
            return Ok(component);
        }
        let (component, compiled) = code::component(engine, name, guest.component(), folder)?;
        let count = if compiled { &self.compiled } else { &self.cached };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(component)
    }
}

/// Reads the variables, which must be a JSON object.
fn document(variables: &str) -> Result<Tape, RenderError> {
    let tape = Tape::read(variables).map_err(RenderError::Variables)?;
    match tape.root().tag() {
        Tag::Object => Ok(tape),
        _ => Err(RenderError::Variables("the variables must be a JSON object".to_owned())),
    }
}
