//! The sandbox: [`Renderer`] by WebAssembly.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use px0_core::{
    ids::OrgId,
    render::{EngineName, RenderError, Renderer, SchemaError, TemplateError, TemplateRef},
};
use px0_document::{Tag, Tape};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Engine, Error, component::Component};

use crate::{
    Isolation, RenderSettings, Stats,
    background::Background,
    code,
    engine::Machine,
    pool::Pool,
    schema::{self, SchemaEngine},
    stop::{Stop, TOO_DEEP},
    template::{Failed, TemplateEngine, TemplateInstance, refusal},
    tenants::{Share, Tenants},
};

/// The guests, built by the build script.
const MINIJINJA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/minijinja.wasm"));
const SCHEMA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schema.wasm"));

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The settings make no sense; the text says which and why.
    #[error("render settings: {0}")]
    Settings(String),
    /// The engine could not be made, or a guest could not be compiled.
    #[error("the sandbox could not be made: {0}")]
    Engine(String),
}

impl From<Error> for SandboxError {
    fn from(error: Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}

/// Checks and renders templates in WebAssembly, each tenant's apart from every other's.
pub struct Sandbox {
    settings: Arc<RenderSettings>,
    machine: &'static Machine,
    engines: BTreeMap<EngineName, TemplateEngine>,
    /// Made in the background: most renders have no schema, and its guest takes longest to compile.
    schema: Background<SchemaEngine>,
    pool: Pool,
    tenants: Tenants,
    origins: Arc<Origins>,
    renders: AtomicU64,
    fuel: AtomicU64,
}

/// Where the guests' code came from.
#[derive(Default)]
struct Origins {
    compiled: AtomicUsize,
    cached: AtomicUsize,
}

impl Sandbox {
    /// Makes the sandbox.
    ///
    /// This compiles the template guest unless its code is in the cache, which takes seconds: call it
    /// where blocking is allowed. Schema checks wait for theirs when they are first asked for.
    ///
    /// # Errors
    /// The settings make no sense, or the machine cannot run the guests.
    pub fn new(settings: RenderSettings) -> Result<Self, SandboxError> {
        if let Some(problem) = settings.problem() {
            return Err(SandboxError::Settings(problem));
        }
        let machine = Machine::get()?;
        let engine = &machine.engine;
        let origins = Arc::new(Origins::default());
        let schema = {
            let (engine, origins, folder) =
                (engine.clone(), origins.clone(), settings.cache_dir.clone());
            Background::new("px0-schema-guest", move || {
                let component = origins.component(&engine, "schema", SCHEMA, folder.as_deref());
                component
                    .and_then(|component| SchemaEngine::new(&engine, &component))
                    .map_err(|error| format!("{error:#}"))
            })
        };
        let minijinja =
            origins.component(&engine, "minijinja", MINIJINJA, settings.cache_dir.as_deref())?;
        let minijinja = TemplateEngine::new(&engine, &minijinja)?;
        Ok(Self {
            engines: BTreeMap::from([(EngineName::default(), minijinja)]),
            schema: schema.map_err(|error| SandboxError::Engine(error.to_string()))?,
            pool: Pool::new(settings.pool_memory, settings.kept_per_version()),
            tenants: Tenants::new(settings.concurrent_per_tenant, settings.long_renders()),
            origins,
            renders: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
            machine,
            settings: Arc::new(settings),
        })
    }

    /// The figures of this moment.
    pub fn stats(&self) -> Stats {
        Stats {
            pool: self.pool.stats(),
            renders: self.renders.load(Ordering::Relaxed),
            fuel: self.fuel.load(Ordering::Relaxed),
            compiled: self.origins.compiled.load(Ordering::Relaxed),
            cached: self.origins.cached.load(Ordering::Relaxed),
        }
    }

    /// An instance that has `template`: a warm one, or a new one.
    async fn instance(
        &self,
        template: &TemplateRef,
        share: &Share,
    ) -> Result<TemplateInstance, RenderError> {
        if self.settings.isolation == Isolation::Version
            && let Some(instance) = self.pool.take(template)
        {
            return Ok(instance);
        }
        let engine = self.engine(&template.engine).map_err(RenderError::Internal)?;
        let internal = |error: Error| RenderError::Internal(format!("{error:#}"));
        let place = self.place().await.map_err(internal)?;
        let mut instance = engine.instance(self.settings.clone(), place).await.map_err(internal)?;
        match instance.compile(&template.source, &share.long).await {
            Ok(Ok(())) => Ok(instance),
            Ok(Err(error)) => Err(RenderError::Execution(error)),
            Err(stop) => Err(stop.into()),
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

/// From this many bytes on, variables take longer to read than most renders take.
const LARGE: usize = 64 * 1024;

/// Reads the variables, which must be a JSON object.
fn document(variables: &str) -> Result<Tape, RenderError> {
    let tape = Tape::read(variables).map_err(RenderError::Variables)?;
    match tape.root().tag() {
        Tag::Object => Ok(tape),
        _ => Err(RenderError::Variables("the variables must be a JSON object".to_owned())),
    }
}

#[async_trait]
impl Renderer for Sandbox {
    fn engines(&self) -> Vec<EngineName> {
        self.engines.keys().cloned().collect()
    }

    async fn check(
        &self,
        tenant: OrgId,
        engine: &EngineName,
        source: &str,
    ) -> Result<Result<(), TemplateError>, String> {
        let share = self.tenants.share(tenant);
        let _call = share.calls.acquire().await.map_err(|error| error.to_string())?;
        let engine = self.engine(engine)?;
        let place = self.place().await.map_err(|error| format!("{error:#}"))?;
        let instance = engine.instance(self.settings.clone(), place).await;
        let mut instance = instance.map_err(|error| format!("{error:#}"))?;
        match instance.compile(source, &share.long).await {
            Ok(answer) => Ok(answer),
            Err(Stop::TooDeep) => Ok(Err(refusal(TOO_DEEP))),
            Err(Stop::Limit(limit)) => {
                Ok(Err(refusal(format!("template is too complex: it reaches the {limit} limit"))))
            }
            Err(Stop::Internal(message)) => Err(message),
        }
    }

    async fn render(&self, template: &TemplateRef, variables: &str) -> Result<String, RenderError> {
        let share = self.tenants.share(template.tenant);
        let call = share.calls.acquire().await;
        let _call = call.map_err(|error| RenderError::Internal(error.to_string()))?;
        // Reading is not paid for in fuel. Most take microseconds; a large one is a long call.
        let long = match variables.len() {
            0..LARGE => None,
            _ => share.long.acquire().await.ok(),
        };
        let variables = document(variables)?;
        drop(long);
        let mut instance = self.instance(template, &share).await?;
        let answer = match instance.render(variables, &share.long).await {
            Ok(text) => Ok(text),
            Err(Failed::Answer(error)) => Err(error),
            Err(Failed::Stopped(stop)) => {
                self.pool.discarded();
                return Err(stop.into());
            }
        };
        self.renders.fetch_add(1, Ordering::Relaxed);
        self.fuel.fetch_add(instance.fuel_used(), Ordering::Relaxed);
        if self.settings.isolation == Isolation::Version {
            self.pool.put(template, instance);
        }
        answer
    }

    async fn check_schema(&self, tenant: OrgId, schema: &str) -> Result<(), SchemaError> {
        let share = self.tenants.share(tenant);
        let call = share.calls.acquire().await;
        let _call = call.map_err(|error| SchemaError::Internal(error.to_string()))?;
        let checker = self.schema.get().await.map_err(SchemaError::Internal)?;
        let _place = self.place().await.map_err(schema::internal)?;
        checker.check(&self.settings, &share.long, schema).await
    }

    async fn validate(
        &self,
        tenant: OrgId,
        schema: &str,
        document: &str,
    ) -> Result<(), SchemaError> {
        let share = self.tenants.share(tenant);
        let call = share.calls.acquire().await;
        let _call = call.map_err(|error| SchemaError::Internal(error.to_string()))?;
        let checker = self.schema.get().await.map_err(SchemaError::Internal)?;
        let _place = self.place().await.map_err(schema::internal)?;
        checker.validate(&self.settings, &share.long, schema, document).await
    }
}
