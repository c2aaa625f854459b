//! Filters: functions for templates.

use std::collections::BTreeMap;

use px0_core::{ids::OrgId, json::JsonText, plugin::PluginId};
use px0_render_wasm::{Answer, Called, Function, host::Machine};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    Error, Store,
    component::{
        Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, TypedFunc,
    },
};

use crate::{
    api::Api,
    cell::{self, Fault, Limits, NotConfigured, State},
    log::tidy,
};

/// Most functions of one plugin.
const FUNCTIONS: usize = 256;

/// `function` of the interface.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WitFunction {
    name: String,
    #[component(name = "min-arguments")]
    min_arguments: u32,
    #[component(name = "max-arguments")]
    max_arguments: Option<u32>,
}

/// `call-error` of the interface.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum CallError {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "arguments")]
    Arguments(String),
    #[component(name = "failed")]
    Failed(String),
}

type Call = TypedFunc<(String, String), (Result<String, CallError>,)>;

/// Functions: their code, ready to be instantiated.
pub(crate) struct Filters {
    id: PluginId,
    machine: &'static Machine,
    limits: Limits,
    pre: InstancePre<State>,
    configure: ComponentExportIndex,
    declare: ComponentExportIndex,
    call: ComponentExportIndex,
    functions: Vec<Function>,
}

/// An instance that was configured, for one instance of an engine.
pub(crate) struct Instance {
    store: Store<State>,
    call: Call,
    /// Instructions that it took to start.
    started: u64,
    /// Dropped after the store.
    _place: OwnedSemaphorePermit,
}

impl Filters {
    /// The functions that `component` has; asks it what they are.
    ///
    /// # Errors
    /// Why it cannot be a plugin of this kind.
    pub(crate) fn new(
        id: &PluginId,
        api: Api,
        component: &Component,
        linker: &Linker<State>,
        limits: Limits,
        machine: &'static Machine,
    ) -> Result<Self, String> {
        let pre = linker.instantiate_pre(component).map_err(|error| format!("{error:#}"))?;
        let interface = api.interface("filters");
        let (_, interface) =
            component.get_export(None, &interface).ok_or("it exports no filters")?;
        let export = |name: &str| {
            let found = component.get_export_index(Some(&interface), name);
            found.ok_or_else(|| format!("its filters have no {name}"))
        };
        let (configure, declare, call) =
            (export("configure")?, export("declare")?, export("call")?);
        let functions = Vec::new();
        let mut filters =
            Self { id: id.clone(), machine, limits, pre, configure, declare, call, functions };
        let declared = cell::block_on(filters.ask_functions());
        let declared =
            declared.map_err(|fault| format!("it could not say what it has: {fault}"))?;
        filters.functions = valid(declared)?;
        Ok(filters)
    }

    async fn ask_functions(&self) -> Result<Vec<WitFunction>, Fault> {
        let (mut store, instance, _place) = self.instantiate(OrgId::new()).await?;
        let other = |error: Error| Fault::other(&error);
        let declare = instance
            .get_typed_func::<(), (Vec<WitFunction>,)>(&mut store, &self.declare)
            .map_err(other)?;
        // That the others are what they should be is to be known now, and not when one is called.
        let _: cell::Configure =
            instance.get_typed_func(&mut store, self.configure).map_err(other)?;
        let _: Call = instance.get_typed_func(&mut store, self.call).map_err(other)?;
        match declare.call_async(&mut store, ()).await {
            Ok((functions,)) => Ok(functions),
            Err(error) => Err(Fault::of(&error, &store.data().guard)),
        }
    }

    /// What its calls may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The functions, sorted by name.
    pub(crate) fn functions(&self) -> &[Function] {
        &self.functions
    }

    async fn instantiate(
        &self,
        org: OrgId,
    ) -> Result<(Store<State>, wasmtime::component::Instance, OwnedSemaphorePermit), Fault> {
        // A render that waited for a place would keep its own meanwhile, and so might all others.
        let place = self.machine.try_place().ok_or(Fault::Busy)?;
        let state = State::new(&self.id, org, &self.limits, None);
        cell::instance(&self.pre, state, &self.limits, place).await
    }

    /// Tries settings on an instance of its own.
    ///
    /// # Errors
    /// It does not take them, or failed.
    pub(crate) async fn try_settings(
        self: std::sync::Arc<Self>,
        org: OrgId,
        settings: JsonText,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), NotConfigured> {
        let (machine, deadline) = (self.machine, self.limits.deadline);
        let tried = async move {
            let _permit = permit;
            Ok(self.configured(org, Some(&settings)).await.map(drop))
        };
        cell::run(machine, deadline, tried).await?
    }

    /// An instance that has `settings`.
    ///
    /// # Errors
    /// It does not take them, or failed.
    pub(crate) async fn configured(
        &self,
        org: OrgId,
        settings: Option<&JsonText>,
    ) -> Result<Instance, NotConfigured> {
        let other = |error: Error| Fault::other(&error);
        let (mut store, instance, place) = self.instantiate(org).await?;
        cell::configure(&mut store, &instance, &self.configure, settings).await?;
        let call = instance.get_typed_func(&mut store, self.call).map_err(other)?;
        let left = store.get_fuel().unwrap_or_default();
        let started = self.limits.start_fuel.saturating_sub(left);
        Ok(Instance { store, call, started, _place: place })
    }
}

impl Instance {
    /// Calls a function.
    ///
    /// # Errors
    /// It failed, after so many instructions, and the instance must not be used again.
    pub(crate) async fn call(
        &mut self,
        name: String,
        arguments: String,
        fuel: u64,
    ) -> Result<Called, (Fault, u64)> {
        cell::refresh(&mut self.store, fuel).map_err(|fault| (fault, 0))?;
        let answer = self.call.call_async(&mut self.store, (name, arguments)).await;
        let left = self.store.get_fuel().unwrap_or_default();
        let answer = match answer {
            Ok((Ok(json),)) => Answer::Value(json),
            Ok((Err(CallError::Unknown),)) => Answer::Unknown,
            Ok((Err(CallError::Arguments(why)),)) => Answer::Arguments(tidy(&why)),
            Ok((Err(CallError::Failed(why)),)) => Answer::Failed(tidy(&why)),
            Err(error) => {
                let fault = Fault::of(&error, &self.store.data().guard);
                return Err((fault, fuel.saturating_sub(left)));
            }
        };
        Ok(Called { answer, fuel: fuel.saturating_sub(left) })
    }

    /// Instructions that it took to start.
    pub(crate) fn started(&self) -> u64 {
        self.started
    }

    /// Whether it may go on: one that has grown to half of what it may have would only be stopped by its memory one day.
    pub(crate) fn is_fit(&self, limits: &Limits) -> bool {
        self.memory() <= limits.memory / 2
    }

    /// Bytes of memory that it has.
    pub(crate) fn memory(&self) -> usize {
        self.store.data().guard.memory()
    }
}

/// What is declared, if templates can call it.
fn valid(declared: Vec<WitFunction>) -> Result<Vec<Function>, String> {
    if declared.len() > FUNCTIONS {
        return Err(format!("it declares more than {FUNCTIONS} functions"));
    }
    let mut functions = BTreeMap::new();
    for WitFunction { name, min_arguments, max_arguments } in declared {
        if !is_name(&name) {
            return Err(format!("it declares a function `{}`, which is no name", tidy(&name)));
        }
        if max_arguments.is_some_and(|max| max < min_arguments) {
            return Err(format!("it declares `{name}` with a maximum below its minimum"));
        }
        let function = Function { name: name.clone(), min_arguments, max_arguments };
        if functions.insert(name, function).is_some() {
            return Err("it declares a function twice".to_owned());
        }
    }
    Ok(functions.into_values().collect())
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
