//! Template engines: components that implement the `template-engine` interface of `wit/`.

use std::{sync::Arc, time::Duration};

use px0_core::render::{Limit, RenderError, TemplateError};
use px0_document::Tape;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    Engine, Error, Store,
    component::{
        Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, Lower, TypedFunc,
    },
};

use crate::{
    RenderSettings,
    guard::Guard,
    lane::Lane,
    stop::{IN_THE_WRONG_LANE, Stop, TOO_DEEP},
    turn::{self, Ended, SLICE},
};

/// The interface that engines export.
const INTERFACE: &str = "px0:engine/template-engine@0.1.0";

/// Bytes that a guest may hand over besides the text: error pages and names, which are short.
const MARGIN: usize = 256 * 1024;

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

type Render = TypedFunc<(WitDocument, u32), (Result<String, WitRenderError>,)>;

/// A template language: its code, ready to be instantiated.
pub(crate) struct TemplateEngine {
    pre: InstancePre<Guard>,
    compile: ComponentExportIndex,
    render: ComponentExportIndex,
}

impl TemplateEngine {
    /// The engine that `component` is. It must import nothing.
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self, Error> {
        let pre = Linker::new(engine).instantiate_pre(component)?;
        let export = |name: &str| {
            let (_, interface) = component.get_export(None, INTERFACE)?;
            component.get_export_index(Some(&interface), name)
        };
        match (export("compile"), export("render")) {
            (Some(compile), Some(render)) => Ok(Self { pre, compile, render }),
            _ => Err(Error::msg(format!("the component does not export {INTERFACE}"))),
        }
    }

    /// A new instance without a template.
    pub(crate) async fn instance(
        &self,
        settings: Arc<RenderSettings>,
        place: OwnedSemaphorePermit,
    ) -> Result<TemplateInstance, Error> {
        let mut store = Store::new(self.pre.engine(), Guard::new(settings.memory));
        store.limiter(|guard| guard);
        store.set_fuel(settings.compile_fuel)?;
        store.fuel_async_yield_interval(Some(SLICE))?;
        // Checked before anything is copied, so that a guest that lies about lengths gains nothing.
        store.set_hostcall_fuel(settings.output + MARGIN);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let compile = instance.get_typed_func(&mut store, self.compile)?;
        let render = instance.get_typed_func(&mut store, self.render)?;
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

    /// Whether the instance may serve another render.
    pub(crate) fn is_fit(&self) -> bool {
        self.renders < self.settings.renders_per_instance
            && self.grown() <= self.settings.retire_above
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
        let document = WitDocument { text, side, nodes, root };
        let parameters = (document, u32::try_from(output).unwrap_or(u32::MAX));
        let call = self.render.call_async(&mut self.store, parameters);
        let ended = turn::run(call, deadline, lane).await;
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
        Stop::of(ended, self.store.data().denied())
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
