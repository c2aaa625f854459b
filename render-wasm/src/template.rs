//! Template engines: components that implement the `template-engine` interface of `wit/`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use px0_core::{
    plugin::{PluginFailure, PluginId},
    render::{Limit, RenderError, TemplateError},
};
use px0_document::Tape;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    Engine, Error, Store,
    component::{
        Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Lower, TypedFunc,
    },
};

use crate::{
    RenderSettings,
    guard::Guard,
    lane::Lane,
    lend::{Functions, Lent, linker},
    stop::{IN_THE_WRONG_LANE, Stop, TOO_DEEP},
    turn::{self, Ended, SLICE},
};

/// The interface of the built-in engine, and what it imports.
const BUILT_IN: (&str, &str) = ("px0:engine/template-engine@0.1.0", "px0:engine/functions@0.1.0");

/// The same of engines that are plugins.
const PLUGIN: (&str, &str) = ("px0:plugin/template-engine@0.1.0", "px0:plugin/functions@0.1.0");

/// Bytes that a guest may hand over besides the text: error pages and names, which are short.
const MARGIN: usize = 256 * 1024;

/// Bytes that an idle instance may hold with what is lent to it: a plugin in a language with a large runtime takes about ten
/// megabytes, and what holds more would push others out of the pool.
const MOST_HELD: usize = 24 * 1024 * 1024;

/// `template-error` of the interface.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
struct WitTemplateError {
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    excerpt: Option<String>,
}

/// `render-error` of the interface.
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
enum WitRenderError {
    #[component(name = "execution")]
    Execution(WitTemplateError),
    #[component(name = "missing")]
    Missing(Vec<String>),
    #[component(name = "output")]
    Output,
}

type Compile = TypedFunc<(String,), (Result<(), WitTemplateError>,)>;
/// `document` of the interface.
#[derive(ComponentType, Lower)]
#[component(record)]
struct WitDocument {
    text: String,
    side: String,
    nodes: Vec<u64>,
    root: u64,
}

type Rendered = (Result<String, WitRenderError>,);

/// `render` of the two interfaces: the variables as the host has read them, or as text.
enum Render {
    Document(TypedFunc<(WitDocument, u32), Rendered>),
    Text(TypedFunc<(String, u32), Rendered>),
}

/// An engine that is a plugin, which may have to be loaded first.
#[async_trait]
pub trait EngineSource: Send + Sync + 'static {
    /// It, if it is loaded.
    fn ready(&self) -> Option<Arc<TemplateEngine>>;

    /// It, as soon as it is loaded.
    ///
    /// # Errors
    /// It cannot be loaded.
    async fn get(&self) -> Result<Arc<TemplateEngine>, PluginFailure>;
}

/// A plugin that is an engine.
#[derive(Clone, Debug)]
pub struct PluginName {
    /// Its id, which is the engine's name, too.
    pub id: PluginId,
    /// Its version.
    pub version: String,
}

/// A template language: its code, ready to be instantiated.
pub struct TemplateEngine {
    pre: InstancePre<Guard>,
    compile: ComponentExportIndex,
    render: ComponentExportIndex,
    plugin: Option<PluginName>,
    /// Never the same for two that were made.
    mark: u64,
}

impl TemplateEngine {
    /// The engine that is built in.
    pub(crate) fn built_in(engine: &Engine, component: &Component) -> Result<Self, Error> {
        Self::new(engine, component, None)
    }

    /// The engine that a plugin is. It can import nothing but functions.
    ///
    /// # Errors
    /// It imports something else, or does not export what an engine does.
    pub fn plugin(engine: &Engine, component: &Component, name: PluginName) -> Result<Self, Error> {
        Self::new(engine, component, Some(name))
    }

    fn new(
        engine: &Engine,
        component: &Component,
        plugin: Option<PluginName>,
    ) -> Result<Self, Error> {
        static MARKS: AtomicU64 = AtomicU64::new(0);
        let (interface, functions) = if plugin.is_some() { PLUGIN } else { BUILT_IN };
        let pre = linker(engine, functions)?.instantiate_pre(component)?;
        let export = |name: &str| {
            let (_, interface) = component.get_export(None, interface)?;
            component.get_export_index(Some(&interface), name)
        };
        match (export("compile"), export("render")) {
            (Some(compile), Some(render)) => {
                let mark = MARKS.fetch_add(1, Ordering::Relaxed);
                Ok(Self { pre, compile, render, plugin, mark })
            }
            _ => Err(Error::msg(format!("the component does not export {interface}"))),
        }
    }

    /// The plugin that it is; none if it is built in.
    pub(crate) fn name(&self) -> Option<&PluginName> {
        self.plugin.as_ref()
    }

    /// What tells it from every other, also of the same name.
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }

    /// A new instance without a template, to which `functions` are lent.
    pub(crate) async fn instance(
        &self,
        settings: Arc<RenderSettings>,
        functions: Option<Arc<dyn Functions>>,
        place: OwnedSemaphorePermit,
        lane: Lane,
    ) -> Result<TemplateInstance, Stop> {
        let internal = |error: Error| Stop::Internal(format!("{error:#}"));
        let mut guard = Guard::new(settings.memory);
        guard.lent = functions.map(Lent::of);
        let mut store = Store::new(self.pre.engine(), guard);
        store.limiter(|guard| guard);
        store.set_fuel(settings.compile_fuel).map_err(internal)?;
        store.fuel_async_yield_interval(Some(SLICE)).map_err(internal)?;
        // Checked before anything is copied, so that a guest that lies about lengths gains nothing.
        store.set_hostcall_fuel(settings.output + MARGIN);
        // A component may have code that starts by itself.
        let started = self.pre.instantiate_async(&mut store);
        let started = turn::run(started, settings.deadline(), lane).await;
        let instance = started.map_err(|ended| Stop::of(ended, store.data()))?;
        let compile = instance.get_typed_func(&mut store, self.compile).map_err(internal)?;
        let render = match &self.plugin {
            None => instance.get_typed_func(&mut store, self.render).map(Render::Document),
            Some(_) => instance.get_typed_func(&mut store, self.render).map(Render::Text),
        };
        let render = render.map_err(internal)?;
        let initial = store.data().memory();
        Ok(TemplateInstance {
            store,
            compile,
            render,
            settings,
            initial,
            renders: 0,
            fuel: 0,
            _place: place,
        })
    }
}

/// One instance of an engine: one template of one version of one tenant.
pub(crate) struct TemplateInstance {
    store: Store<Guard>,
    compile: Compile,
    render: Render,
    settings: Arc<RenderSettings>,
    /// Bytes of memory that it had before it did anything, nearly all of them never touched.
    initial: usize,
    renders: u32,
    /// Instructions that the last render was given.
    fuel: u64,
    /// Dropped after the store.
    _place: OwnedSemaphorePermit,
}

/// Why an instance gave no text, and whether it can be used again.
pub(crate) enum Failed {
    /// The template's own doing; the instance is as good as before.
    Answer(RenderError),
    /// The instance was stopped and must not be used again.
    Stopped(Stop),
}

impl TemplateInstance {
    /// Bytes of memory that the instance asked for since it was made.
    pub(crate) fn grown(&self) -> usize {
        self.store.data().memory() - self.initial
    }

    /// The same, with what functions that are lent to it hold.
    pub(crate) fn held(&self) -> usize {
        let lent = self.store.data().lent.as_ref();
        self.grown() + lent.map_or(0, Lent::memory)
    }

    /// Whether the instance may serve another render.
    pub(crate) fn is_fit(&self) -> bool {
        self.renders < self.settings.renders_per_instance
            && self.grown() <= self.settings.retire_above
            && self.held() <= MOST_HELD
    }

    /// Instructions that the last render took.
    pub(crate) fn fuel_used(&self) -> u64 {
        self.fuel.saturating_sub(self.store.get_fuel().unwrap_or(self.fuel))
    }

    /// Whether the last render would have been a short one.
    pub(crate) fn was_short(&self) -> bool {
        self.fuel_used() <= turn::SHORT_FUEL
    }

    /// Gives the instance its template. After an error of either kind it must not be used again.
    pub(crate) async fn compile(
        &mut self,
        source: &str,
        lane: Lane,
    ) -> Result<Result<(), TemplateError>, Stop> {
        let deadline = 2 * self.settings.deadline();
        let (store, compile) = (&mut self.store, &self.compile);
        let call = compile.call_async(&mut *store, (source.to_owned(),));
        let ended = turn::run(call, deadline, lane).await;
        match ended {
            Ok((answer,)) => Ok(answer.map_err(TemplateError::from)),
            Err(ended) => Err(self.stop(ended)),
        }
    }

    /// Renders its template.
    pub(crate) async fn render(&mut self, variables: Tape, lane: Lane) -> Result<String, Failed> {
        self.renders += 1;
        let settings = &self.settings;
        let fuel = settings.fuel + settings.fuel_per_variable_byte * variables.text.len() as u64;
        let (deadline, output): (Duration, _) = (settings.deadline(), settings.output);
        let internal = |error: Error| Failed::Stopped(Stop::Internal(error.to_string()));
        self.fuel = fuel;
        self.store.set_fuel(fuel).map_err(internal)?;
        self.store.data_mut().forget();
        let Tape { text, side, nodes, root } = variables;
        let most = u32::try_from(output).unwrap_or(u32::MAX);
        let ended = match &self.render {
            Render::Document(render) => {
                let document = WitDocument { text, side, nodes, root };
                let call = render.call_async(&mut self.store, (document, most));
                turn::run(call, deadline, lane).await
            }
            Render::Text(render) => {
                let call = render.call_async(&mut self.store, (text, most));
                turn::run(call, deadline, lane).await
            }
        };
        let (answer,) = match ended {
            Ok(answer) => answer,
            Err(ended) => return Err(Failed::Stopped(self.stop(ended))),
        };
        match answer {
            Ok(text) if text.len() > output => {
                Err(Failed::Answer(RenderError::Limit(Limit::Output)))
            }
            Ok(text) => Ok(text),
            Err(error) => Err(Failed::Answer(error.into())),
        }
    }

    fn stop(&self, ended: Ended) -> Stop {
        Stop::of(ended, self.store.data())
    }
}

impl From<WitTemplateError> for TemplateError {
    fn from(error: WitTemplateError) -> Self {
        let WitTemplateError { message, line, column, excerpt } = error;
        Self { message, line, column, excerpt }
    }
}

impl From<WitRenderError> for RenderError {
    fn from(error: WitRenderError) -> Self {
        match error {
            WitRenderError::Execution(error) => Self::Execution(error.into()),
            WitRenderError::Missing(names) => Self::Missing(names),
            WitRenderError::Output => Self::Limit(Limit::Output),
        }
    }
}

impl From<Stop> for RenderError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Limit(limit) => Self::Limit(limit),
            Stop::TooDeep => Self::Execution(refusal(TOO_DEEP)),
            Stop::Internal(message) => Self::Internal(message),
            Stop::Long => Self::Internal(IN_THE_WRONG_LANE.into()),
        }
    }
}

/// An error of the template as a whole, without a place.
pub(crate) fn refusal(message: impl Into<String>) -> TemplateError {
    TemplateError { message: message.into(), line: None, column: None, excerpt: None }
}
