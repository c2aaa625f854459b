//! Hooks: rules that are asked at certain points.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use px0_core::{
    ids::OrgId,
    json::JsonText,
    lifecycle::Status,
    plugin::{PluginId, Point, Sample, Subject},
};
use px0_render_wasm::host::Machine;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    Error, Store,
    component::{
        Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, Lower, TypedFunc,
    },
};

use crate::{
    api::Api,
    cell::{self, Fault, Limits, NotConfigured, PluginError, State},
    kv::Kv,
    log::tidy,
};

/// Calls after which an instance is replaced, so that nothing can pile up in it for ever.
const CALLS: u32 = 10_000;

/// `point` of the interface.
#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by whoever reads what a plugin says")]
enum WitPoint {
    #[component(name = "before-render")]
    BeforeRender,
    #[component(name = "after-render")]
    AfterRender,
    #[component(name = "before-promote")]
    BeforePromote,
}

impl From<WitPoint> for Point {
    fn from(point: WitPoint) -> Self {
        match point {
            WitPoint::BeforeRender => Self::BeforeRender,
            WitPoint::AfterRender => Self::AfterRender,
            WitPoint::BeforePromote => Self::BeforePromote,
        }
    }
}

/// `subject` of the interface.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct WitSubject {
    prompt: String,
    version: u32,
    status: String,
    engine: String,
    model: Option<String>,
    #[component(name = "model-params")]
    model_params: Option<String>,
}

impl From<&Subject<'_>> for WitSubject {
    fn from(subject: &Subject<'_>) -> Self {
        Self {
            prompt: subject.prompt.as_str().to_owned(),
            version: subject.version,
            status: subject.status.as_str().to_owned(),
            engine: subject.engine.as_str().to_owned(),
            model: subject.model.map(|model| model.as_str().to_owned()),
            model_params: subject.model_params.map(|params| params.as_str().to_owned()),
        }
    }
}

/// `sample` of the interface.
#[derive(Clone, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct WitSample {
    name: Option<String>,
    variables: String,
    rendered: Result<String, String>,
}

impl From<&Sample> for WitSample {
    fn from(sample: &Sample) -> Self {
        Self {
            name: sample.name.clone(),
            variables: sample.variables.as_str().to_owned(),
            rendered: sample.rendered.clone(),
        }
    }
}

/// `refusal` of the interface.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) reason: String,
}

/// `verdict` of the interface.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Verdict {
    #[component(name = "pass")]
    Pass,
    #[component(name = "replace")]
    Replace(String),
    #[component(name = "refuse")]
    Refuse(Refusal),
}

/// What a hook is asked.
pub(crate) enum Question {
    /// About variables.
    BeforeRender(WitSubject, String),
    /// About a text.
    AfterRender(WitSubject, String),
    /// About a promotion.
    BeforePromote(WitSubject, Status, String, Vec<WitSample>),
}

impl Question {
    /// How many bytes it is about.
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::BeforeRender(_, text) | Self::AfterRender(_, text) => text.len(),
            Self::BeforePromote(_, _, template, samples) => {
                let sample = |sample: &WitSample| {
                    let (Ok(text) | Err(text)) = &sample.rendered;
                    sample.variables.len() + text.len()
                };
                template.len() + samples.iter().map(sample).sum::<usize>()
            }
        };
        bytes as u64
    }
}

type Answer = (Result<Verdict, PluginError>,);
type Promotion = (WitSubject, String, String, Vec<WitSample>);

/// A hook: its code, ready to be instantiated, and instances that are ready to be asked.
pub(crate) struct Hook {
    id: PluginId,
    machine: &'static Machine,
    limits: Limits,
    kv: Option<Kv>,
    pre: InstancePre<State>,
    exports: Exports,
    points: Vec<Point>,
    idle: Mutex<Idle>,
}

/// Idle instances, the one that was used last at the end.
#[derive(Default)]
struct Idle {
    instances: VecDeque<Instance>,
    memory: usize,
}

impl Idle {
    fn remove(&mut self, at: usize) -> Option<Instance> {
        let instance = self.instances.remove(at)?;
        self.memory -= instance.memory();
        Some(instance)
    }

    fn push(&mut self, instance: Instance) {
        self.memory += instance.memory();
        self.instances.push_back(instance);
    }
}

struct Exports {
    configure: ComponentExportIndex,
    points: ComponentExportIndex,
    before_render: ComponentExportIndex,
    after_render: ComponentExportIndex,
    before_promote: ComponentExportIndex,
}

/// An instance of one organization, configured.
struct Instance {
    store: Store<State>,
    asked: Asked,
    settings: Option<JsonText>,
    calls: u32,
    /// Dropped after the store.
    _place: OwnedSemaphorePermit,
}

/// What an instance can be asked.
struct Asked {
    before_render: TypedFunc<(WitSubject, String), Answer>,
    after_render: TypedFunc<(WitSubject, String), Answer>,
    before_promote: TypedFunc<Promotion, Answer>,
}

impl Asked {
    fn of(
        instance: &wasmtime::component::Instance,
        store: &mut Store<State>,
        exports: &Exports,
    ) -> Result<Self, Fault> {
        let other = |error: Error| Fault::other(&error);
        let Exports { before_render, after_render, before_promote, .. } = exports;
        Ok(Self {
            before_render: instance.get_typed_func(&mut *store, before_render).map_err(other)?,
            after_render: instance.get_typed_func(&mut *store, after_render).map_err(other)?,
            before_promote: instance.get_typed_func(&mut *store, before_promote).map_err(other)?,
        })
    }
}

impl Instance {
    /// Bytes that it has, its stack and its share of the tables included.
    fn memory(&self) -> usize {
        const BASE: usize = 128 * 1024;
        BASE + self.store.data().guard.memory()
    }
}

impl Hook {
    /// The hook that `component` is; asks it at which points it wants to be asked.
    ///
    /// # Errors
    /// Why it cannot be one.
    pub(crate) fn new(
        id: &PluginId,
        api: Api,
        component: &Component,
        linker: &Linker<State>,
        (limits, kv): (Limits, Option<Kv>),
        machine: &'static Machine,
    ) -> Result<Self, String> {
        let told = |error: Error| format!("{error:#}");
        let pre = linker.instantiate_pre(component).map_err(told)?;
        let interface = api.interface("hook");
        let (_, interface) = component.get_export(None, &interface).ok_or("it exports no hook")?;
        let export = |name: &str| {
            let found = component.get_export_index(Some(&interface), name);
            found.ok_or_else(|| format!("its hook has no {name}"))
        };
        let exports = Exports {
            configure: export("configure")?,
            points: export("points")?,
            before_render: export("before-render")?,
            after_render: export("after-render")?,
            before_promote: export("before-promote")?,
        };
        let idle = Mutex::default();
        let mut hook =
            Self { id: id.clone(), machine, limits, kv, pre, exports, points: Vec::new(), idle };
        let points = cell::block_on(hook.ask_points());
        hook.points =
            points.map_err(|fault| format!("it could not say when to be asked: {fault}"))?;
        Ok(hook)
    }

    async fn ask_points(&self) -> Result<Vec<Point>, Fault> {
        // For nobody, so it keeps nothing.
        let (mut store, instance, _place) = self.instantiate(OrgId::new(), None).await?;
        let points = instance
            .get_typed_func::<(), (Vec<WitPoint>,)>(&mut store, &self.exports.points)
            .map_err(|error| Fault::other(&error))?;
        // That the others are what they should be is to be known now, and not when one is called.
        Asked::of(&instance, &mut store, &self.exports)?;
        let configure = &self.exports.configure;
        instance
            .get_typed_func::<_, _>(&mut store, configure)
            .map(|_: cell::Configure| ())
            .map_err(|error| Fault::other(&error))?;
        match points.call_async(&mut store, ()).await {
            Ok((named,)) => {
                let mut points = Vec::new();
                for point in named.into_iter().map(Point::from) {
                    if !points.contains(&point) {
                        points.push(point);
                    }
                }
                Ok(points)
            }
            Err(error) => Err(Fault::of(&error, &store.data().guard)),
        }
    }

    async fn instantiate(
        &self,
        org: OrgId,
        kv: Option<Kv>,
    ) -> Result<(Store<State>, wasmtime::component::Instance, OwnedSemaphorePermit), Fault> {
        let make_room = || {
            let gone = self.idle.lock().remove(0);
            drop(gone);
        };
        let place = self.machine.place(make_room).await.map_err(|error| Fault::other(&error))?;
        let state = State::new(&self.id, org, &self.limits, kv);
        cell::instance(&self.pre, state, &self.limits, place).await
    }

    /// Whether it wants to be asked at this point.
    pub(crate) fn is_asked_at(&self, point: Point) -> bool {
        self.points.contains(&point)
    }

    /// Tries settings on an instance of its own.
    ///
    /// # Errors
    /// It does not take them, or failed.
    pub(crate) async fn try_settings(
        self: Arc<Self>,
        org: OrgId,
        settings: JsonText,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), NotConfigured> {
        let (machine, deadline) = (self.machine, self.limits.deadline);
        let tried = async move {
            let _permit = permit;
            Ok(self.configured(org, Some(settings)).await.map(drop))
        };
        cell::run(machine, deadline, tried).await?
    }

    /// An instance that has `settings`.
    async fn configured(
        &self,
        org: OrgId,
        settings: Option<JsonText>,
    ) -> Result<Instance, NotConfigured> {
        let (mut store, instance, place) = self.instantiate(org, self.kv.clone()).await?;
        let configure = &self.exports.configure;
        cell::configure(&mut store, &instance, configure, settings.as_ref()).await?;
        let asked = Asked::of(&instance, &mut store, &self.exports)?;
        Ok(Instance { asked, store, settings, calls: 0, _place: place })
    }

    /// Asks it, with the permit of the organization.
    ///
    /// # Errors
    /// It failed.
    pub(crate) async fn ask(
        self: Arc<Self>,
        org: OrgId,
        settings: Option<JsonText>,
        question: Question,
        permit: OwnedSemaphorePermit,
    ) -> Result<Verdict, Fault> {
        let (machine, deadline) = (self.machine, self.limits.deadline);
        let asked = async move {
            // Kept until the call ends, also when nobody waits for it any more.
            let _permit = permit;
            let instance = match self.take(org, settings.as_ref()) {
                Some(instance) => instance,
                None => self.configured(org, settings).await.map_err(|not| match not {
                    NotConfigured::Fault(fault) => fault,
                    NotConfigured::Settings(why) => {
                        Fault::Said(format!("it does not take its settings any more: {why}"))
                    }
                })?,
            };
            self.ask_instance(instance, question).await
        };
        cell::run(machine, deadline, asked).await
    }

    async fn ask_instance(
        &self,
        mut instance: Instance,
        question: Question,
    ) -> Result<Verdict, Fault> {
        let Limits { fuel, fuel_per_byte, .. } = self.limits;
        let fuel = fuel.saturating_add(fuel_per_byte.saturating_mul(question.bytes()));
        cell::refresh(&mut instance.store, fuel)?;
        let store = &mut instance.store;
        let answer = match question {
            Question::BeforeRender(subject, variables) => {
                instance.asked.before_render.call_async(store, (subject, variables)).await
            }
            Question::AfterRender(subject, text) => {
                instance.asked.after_render.call_async(store, (subject, text)).await
            }
            Question::BeforePromote(subject, to, template, samples) => {
                let parameters = (subject, to.as_str().to_owned(), template, samples);
                instance.asked.before_promote.call_async(store, parameters).await
            }
        };
        let (answer,) = answer.map_err(|error| Fault::of(&error, &instance.store.data().guard))?;
        self.put(instance);
        answer.map_err(|error| match error {
            PluginError::Settings(why) | PluginError::Failed(why) => Fault::Said(tidy(&why)),
        })
    }

    /// Takes out an idle instance of `org`; one with other settings is of no use any more.
    fn take(&self, org: OrgId, settings: Option<&JsonText>) -> Option<Instance> {
        let mut idle = self.idle.lock();
        let at = idle.instances.iter().rposition(|instance| instance.store.data().org == org)?;
        let instance = idle.remove(at)?;
        drop(idle);
        (instance.settings.as_ref() == settings).then_some(instance)
    }

    fn put(&self, mut instance: Instance) {
        instance.calls += 1;
        // One that has grown to half of what it may have would only be stopped by its memory one day.
        let large = instance.memory() > self.limits.memory / 2;
        // While somebody waits for a place, none is kept for later.
        if instance.calls >= CALLS || large || !self.machine.has_places() {
            return;
        }
        let mut gone = Vec::new();
        let mut idle = self.idle.lock();
        idle.push(instance);
        while idle.memory > self.limits.pool_memory {
            gone.extend(idle.remove(0));
        }
        // Dropped after the lock is let go: unmapping memory takes its time.
        drop(idle);
        drop(gone);
    }
}
