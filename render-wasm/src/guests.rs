//! The guests and their instances: what runs in a lane.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use px0_core::{
    ids::VersionId,
    render::{EngineName, RenderError, SchemaError, TemplateError, TemplateRef},
};
use px0_document::{Tag, Tape};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Engine, Error, component::Component};

use crate::{
    Isolation, RenderSettings, SandboxError, Stats,
    background::Background,
    code,
    engine::Machine,
    lane::Lane,
    pool::Pool,
    schema::{self, SchemaEngine},
    stop::{Stop, TOO_DEEP},
    template::{Failed, TemplateEngine, TemplateInstance, refusal},
};

/// The guests, built by the build script.
const MINIJINJA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/minijinja.wasm"));
const SCHEMA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schema.wasm"));

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

/// The template engines and the schema checker.
pub(crate) struct Guests {
    settings: Arc<RenderSettings>,
    machine: &'static Machine,
    engines: BTreeMap<EngineName, TemplateEngine>,
    /// Made in the background: most renders have no schema, and its guest takes longest to compile.
    schema: Background<SchemaEngine>,
    pool: Pool,
    origins: Arc<Origins>,
    renders: AtomicU64,
    fuel: AtomicU64,
    /// Versions that had a long render, with how many short ones in a row make them short again.
    long: Mutex<HashMap<VersionId, u32>>,
}

/// Where the guests' code came from.
#[derive(Default)]
struct Origins {
    compiled: AtomicUsize,
    cached: AtomicUsize,
}

impl Guests {
    /// Compiles the guests, or takes their code from the cache.
    pub(crate) fn new(
        machine: &'static Machine,
        settings: RenderSettings,
    ) -> Result<Self, SandboxError> {
        let engine = &machine.engine;
        let origins = Arc::new(Origins::default());
        let schema = {
            let (origins, folder) = (origins.clone(), settings.cache_dir.clone());
            Background::new("px0-schema-guest", move || {
                let component = origins.component(engine, "schema", SCHEMA, folder.as_deref());
                component
                    .and_then(|component| SchemaEngine::new(engine, &component))
                    .map_err(|error| format!("{error:#}"))
            })
        };
        let minijinja =
            origins.component(engine, "minijinja", MINIJINJA, settings.cache_dir.as_deref())?;
        let minijinja = TemplateEngine::new(engine, &minijinja)?;
        Ok(Self {
            engines: BTreeMap::from([(EngineName::default(), minijinja)]),
            schema: schema.map_err(|error| SandboxError::Engine(error.to_string()))?,
            pool: Pool::new(settings.pool_memory, settings.kept_per_version()),
            machine,
            origins,
            renders: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
            long: Mutex::default(),
            settings: Arc::new(settings),
        })
    }

    /// The names of the template engines.
    pub(crate) fn names(&self) -> Vec<EngineName> {
        self.engines.keys().cloned().collect()
    }

    /// The figures of this moment.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            pool: self.pool.stats(),
            renders: self.renders.load(Ordering::Relaxed),
            fuel: self.fuel.load(Ordering::Relaxed),
            compiled: self.origins.compiled.load(Ordering::Relaxed),
            cached: self.origins.cached.load(Ordering::Relaxed),
        }
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
        engine: &EngineName,
        source: &str,
    ) -> Result<Result<(), TemplateError>, NoAnswer<String>> {
        let internal = |error: Error| NoAnswer::Failed(format!("{error:#}"));
        let engine = self.engine(engine).map_err(NoAnswer::Failed)?;
        let place = self.place().await.map_err(internal)?;
        let mut instance = engine.instance(self.settings.clone(), place).await.map_err(internal)?;
        match instance.compile(source, lane).await {
            Ok(answer) => Ok(answer),
            Err(Stop::TooDeep) => Ok(Err(refusal(TOO_DEEP))),
            Err(Stop::Limit(limit)) => {
                Ok(Err(refusal(format!("template is too complex: it reaches the {limit} limit"))))
            }
            Err(Stop::Long) => Err(NoAnswer::Long),
            Err(Stop::Internal(message)) => Err(NoAnswer::Failed(message)),
        }
    }

    /// Renders a template.
    pub(crate) async fn render(
        &self,
        lane: Lane,
        template: &TemplateRef,
        variables: &str,
    ) -> Result<String, NoAnswer<RenderError>> {
        let variables = document(variables).map_err(NoAnswer::Failed)?;
        let mut instance = self.instance(lane, template).await?;
        let answer = match instance.render(variables, lane).await {
            Ok(text) => Ok(text),
            Err(Failed::Answer(error)) => Err(NoAnswer::Failed(error)),
            Err(Failed::Stopped(stop)) => {
                match stop {
                    Stop::Long => self.was_long(template.version),
                    _ => self.pool.discarded(),
                }
                return Err(stop.into());
            }
        };
        self.renders.fetch_add(1, Ordering::Relaxed);
        self.fuel.fetch_add(instance.fuel_used(), Ordering::Relaxed);
        if lane == Lane::Long && instance.was_short() {
            self.was_short(template.version);
        }
        // While somebody waits for a place, none is kept for later.
        if self.settings.isolation == Isolation::Version && self.machine.has_places() {
            self.pool.put(template, instance);
        }
        answer
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

    /// An instance that has `template`: a warm one, or a new one.
    async fn instance(
        &self,
        lane: Lane,
        template: &TemplateRef,
    ) -> Result<TemplateInstance, NoAnswer<RenderError>> {
        if self.settings.isolation == Isolation::Version
            && let Some(instance) = self.pool.take(template)
        {
            return Ok(instance);
        }
        let failed = |why: String| NoAnswer::Failed(RenderError::Internal(why));
        let engine = self.engine(&template.engine).map_err(failed)?;
        let place = self.place().await.map_err(|error| failed(format!("{error:#}")))?;
        let instance = engine.instance(self.settings.clone(), place).await;
        let mut instance = instance.map_err(|error| failed(format!("{error:#}")))?;
        match instance.compile(&template.source, lane).await {
            Ok(Ok(())) => Ok(instance),
            Ok(Err(error)) => Err(NoAnswer::Failed(RenderError::Execution(error))),
            Err(stop) => {
                if matches!(stop, Stop::Long) {
                    self.was_long(template.version);
                }
                Err(stop.into())
            }
        }
    }

    /// A place for a new instance.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.machine.place(|| self.pool.make_room()).await
    }

    fn engine(&self, name: &EngineName) -> Result<&TemplateEngine, String> {
        self.engines.get(name).ok_or_else(|| format!("there is no template engine called {name}"))
    }
}

impl Origins {
    /// The component `guest`, compiled or from `folder`, counted.
    fn component(
        &self,
        engine: &Engine,
        name: &str,
        guest: &[u8],
        folder: Option<&Path>,
    ) -> Result<Component, Error> {
        let (component, compiled) = code::component(engine, name, guest, folder)?;
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
