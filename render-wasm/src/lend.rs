//! Functions that plugins lend to templates: what an engine imports.
//!
//! An engine asks for the list when it compiles its template, and calls a function by name while it renders. The call happens
//! within the render: it gives up control as the render does, counts as a part of it in both lanes, and what it costs is taken
//! from the render's fuel.

use std::{future::Future, pin::Pin, sync::Arc};

use px0_core::{
    ids::OrgId,
    plugin::PluginFailure,
    render::{EngineName, Tenant},
};
use wasmtime::{
    Engine, Error, StoreContextMut, Trap,
    component::{ComponentType, Linker, Lower},
};

use crate::{
    guard::Guard,
    meter::{charge, price},
};

/// What plugins add to the sandbox besides engines.
pub trait Plugins: Send + Sync + 'static {
    /// The functions that templates of `tenant` may call at present; none is the usual case.
    fn functions(&self, tenant: &Tenant) -> Option<Arc<dyn Functions>>;

    /// Whether the engine may run for `tenant`.
    ///
    /// # Errors
    /// It is benched.
    fn may_run(&self, engine: &EngineName, tenant: OrgId) -> Result<(), PluginFailure>;

    /// The engine ended for `tenant`: as it should, or by a fault of its own.
    fn ran(&self, engine: &EngineName, tenant: OrgId, fault: Option<&str>);
}

/// A function that is lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// What templates call it.
    pub name: String,
    /// At least so many arguments.
    pub min_arguments: u32,
    /// At most so many; `None` is any number.
    pub max_arguments: Option<u32>,
}

/// The functions that one tenant's templates may call.
pub trait Functions: Send + Sync + 'static {
    /// Equal for equal functions with equal settings, and for nothing else.
    fn mark(&self) -> u64;

    /// The functions, sorted by name, each name once.
    fn list(&self) -> &[Function];

    /// Begins to lend to one instance of an engine. What it calls belongs to this instance alone, and lives as long.
    fn open(self: Arc<Self>) -> Box<dyn Calls>;
}

/// The calls that one instance of an engine makes.
pub trait Calls: Send + 'static {
    /// Calls a function with arguments that are a JSON array, for at most so many instructions. It gives up control after each
    /// [`SLICE`](crate::host::SLICE) of them, and waits for nothing else.
    fn call(&mut self, name: String, arguments: String, fuel: u64) -> Calling<'_>;

    /// Bytes of memory that the calls hold.
    fn memory(&self) -> usize;
}

/// A call that is under way.
pub type Calling<'c> = Pin<Box<dyn Future<Output = Called> + Send + 'c>>;

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// What it answered.
    pub answer: Answer,
    /// Instructions that it took.
    pub fuel: u64,
}

/// What a lent function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// JSON.
    Value(String),
    /// There is no function of that name.
    Unknown,
    /// The arguments are not what it takes.
    Arguments(String),
    /// It could not do its work.
    Failed(String),
    /// It used up its instructions.
    OutOfFuel,
}

impl Answer {
    /// Bytes that go over with it.
    fn len(&self) -> usize {
        match self {
            Self::Value(text) | Self::Arguments(text) | Self::Failed(text) => text.len(),
            Self::Unknown | Self::OutOfFuel => 0,
        }
    }
}

/// What is lent to an instance.
pub(crate) struct Lent {
    functions: Arc<dyn Functions>,
    /// Not here while a call is under way.
    calls: Option<Box<dyn Calls>>,
}

impl Lent {
    pub(crate) fn of(functions: Arc<dyn Functions>) -> Self {
        let calls = functions.clone().open();
        Self { functions, calls: Some(calls) }
    }

    pub(crate) fn memory(&self) -> usize {
        self.calls.as_ref().map_or(0, |calls| calls.memory())
    }
}

/// `function` of the interface.
#[derive(ComponentType, Lower)]
#[component(record)]
struct WitFunction {
    name: String,
    #[component(name = "min-arguments")]
    min_arguments: u32,
    #[component(name = "max-arguments")]
    max_arguments: Option<u32>,
}

/// `call-error` of the interface.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum WitCallError {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "arguments")]
    Arguments(String),
    #[component(name = "failed")]
    Failed(String),
}

/// What an engine may import: functions, under the name that its interface gives them.
pub(crate) fn linker(engine: &Engine, interface: &str) -> Result<Linker<Guard>, Error> {
    let mut linker = Linker::new(engine);
    let mut functions = linker.instance(interface)?;
    functions.func_wrap_async("available", |mut store: StoreContextMut<'_, Guard>, ()| {
        Box::new(async move {
            let available = available(&store);
            // A list of nothing is copied, too: each takes as much as a short name.
            let bytes = available.iter().map(|function| 32 + function.name.len()).sum();
            charge(&mut store, bytes, 0).await?;
            Ok((available,))
        })
    })?;
    functions.func_wrap_async(
        "call",
        |store: StoreContextMut<'_, Guard>, (name, arguments): (String, String)| {
            Box::new(async move { Ok((call(store, name, arguments).await?,)) })
        },
    )?;
    Ok(linker)
}

fn available(store: &StoreContextMut<'_, Guard>) -> Vec<WitFunction> {
    let lent = store.data().lent.iter().flat_map(|lent| lent.functions.list());
    let function = |function: &Function| WitFunction {
        name: function.name.clone(),
        min_arguments: function.min_arguments,
        max_arguments: function.max_arguments,
    };
    lent.map(function).collect()
}

async fn call(
    mut store: StoreContextMut<'_, Guard>,
    name: String,
    arguments: String,
) -> Result<Result<String, WitCallError>, Error> {
    let bytes = name.len() + arguments.len();
    // What it may take; it is paid for once it is known how much it took.
    let fuel = store.get_fuel()?.checked_sub(price(bytes)).ok_or(Trap::OutOfFuel)?;
    let lent = store.data_mut().lent.as_mut();
    let Called { answer, fuel: taken } = match lent.and_then(|lent| lent.calls.take()) {
        Some(mut calls) => {
            let called = calls.call(name, arguments, fuel).await;
            if let Some(lent) = &mut store.data_mut().lent {
                lent.calls = Some(calls);
            }
            called
        }
        None => Called { answer: Answer::Unknown, fuel: 0 },
    };
    charge(&mut store, bytes + answer.len(), taken).await?;
    match answer {
        Answer::Value(json) => Ok(Ok(json)),
        Answer::Unknown => Ok(Err(WitCallError::Unknown)),
        Answer::Arguments(why) => Ok(Err(WitCallError::Arguments(why))),
        Answer::Failed(why) => Ok(Err(WitCallError::Failed(why))),
        Answer::OutOfFuel => Err(Trap::OutOfFuel.into()),
    }
}
