//! Where calls of hooks and filters run: a store of its own for each instance, bounded in every way.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use px0_core::{ids::OrgId, json::JsonText, plugin::PluginId};
use px0_render_wasm::host::{Guard, Guarded, Machine, SHORT_FUEL, SLICE, ran};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    Error, Store, Trap,
    component::{ComponentExportIndex, ComponentType, InstancePre, Lift, TypedFunc},
};

use crate::{
    kv::{Kv, VALUES},
    log::{LINES, tidy},
};

/// Bytes that may come over at once besides the longest text.
const MARGIN: usize = 1024 * 1024;

/// For how long a plugin may take to say what it is, when it is loaded.
const PATIENCE: Duration = Duration::from_secs(30);

/// What calls may use.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Instructions for one call.
    pub(crate) fuel: u64,
    /// And on top for every byte of what it is about.
    pub(crate) fuel_per_byte: u64,
    /// Instructions for making an instance ready.
    pub(crate) start_fuel: u64,
    /// Bytes of memory.
    pub(crate) memory: usize,
    /// For how long a call may run.
    pub(crate) deadline: Duration,
    /// Bytes of all idle instances of one hook.
    pub(crate) pool_memory: usize,
    /// Bytes of a text that a hook may put instead of another.
    pub(crate) text: usize,
}

/// What a store knows: whose it is, what it may have, and what was granted.
pub(crate) struct State {
    pub(crate) guard: Guard,
    pub(crate) plugin: PluginId,
    pub(crate) org: OrgId,
    pub(crate) lines_left: u32,
    pub(crate) values_left: u32,
    pub(crate) kv: Option<Kv>,
}

/// `plugin-error` of the interface.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum PluginError {
    #[component(name = "settings")]
    Settings(String),
    #[component(name = "failed")]
    Failed(String),
}

/// Why an instance could not be configured.
pub(crate) enum NotConfigured {
    /// It does not take these settings.
    Settings(String),
    /// It failed.
    Fault(Fault),
}

impl From<Fault> for NotConfigured {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Why a call gave no answer: a sentence for people, after "plugin x 1.0.0 failed: ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// All its instructions are used up.
    Fuel,
    /// There is no place for another instance; it is not its fault.
    Busy,
    /// It said so itself. What it says may have anything in it that it was shown: it is for who asked, and for nobody else.
    Said(String),
    /// Anything else.
    Other(String),
}

impl Fault {
    /// What the log is told.
    pub(crate) fn for_log(&self) -> String {
        match self {
            Self::Said(_) => "it gave a reason, which is in the answer".to_owned(),
            fault => fault.to_string(),
        }
    }

    pub(crate) fn other(error: &Error) -> Self {
        Self::Other(format!("{error:#}"))
    }

    /// The fault that `error` is, given what the guard saw.
    pub(crate) fn of(error: &Error, guard: &Guard) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::Fuel,
            _ if guard.denied() => Self::Other("it asked for more memory than it may have".into()),
            Some(Trap::StackOverflow) => Self::Other("its calls are nested too deeply".into()),
            Some(trap) => Self::Other(format!("it crashed ({trap})")),
            None => Self::Other(format!("it broke the rules of its interface ({error:#})")),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fuel => f.write_str("it used up its instructions"),
            Self::Busy => f.write_str("the server is too busy for another instance"),
            Self::Said(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

/// An instance, not configured yet, and its place, which must outlive it.
pub(crate) async fn instance(
    pre: &InstancePre<State>,
    state: State,
    limits: &Limits,
    place: OwnedSemaphorePermit,
) -> Result<(Store<State>, wasmtime::component::Instance, OwnedSemaphorePermit), Fault> {
    let mut store = store(pre, state, limits).map_err(|error| Fault::other(&error))?;
    match pre.instantiate_async(&mut store).await {
        Ok(instance) => Ok((store, instance, place)),
        Err(error) => Err(Fault::of(&error, &store.data().guard)),
    }
}

fn store(pre: &InstancePre<State>, state: State, limits: &Limits) -> Result<Store<State>, Error> {
    let mut store = Store::new(pre.engine(), state);
    store.limiter(|state| &mut state.guard);
    store.set_fuel(limits.start_fuel)?;
    store.fuel_async_yield_interval(Some(SLICE))?;
    // Checked before anything is copied, so that a plugin that lies about lengths gains nothing.
    store.set_hostcall_fuel(limits.text + MARGIN);
    Ok(store)
}

impl Guarded for State {
    fn guard(&mut self) -> &mut Guard {
        &mut self.guard
    }
}

impl State {
    pub(crate) fn new(plugin: &PluginId, org: OrgId, limits: &Limits, kv: Option<Kv>) -> Self {
        let guard = Guard::new(limits.memory);
        Self { guard, plugin: plugin.clone(), org, lines_left: LINES, values_left: VALUES, kv }
    }
}

/// `configure` of the interface.
pub(crate) type Configure = TypedFunc<(String,), (Result<(), PluginError>,)>;

/// Hands `settings` to a new instance.
///
/// # Errors
/// It does not take them, or failed.
pub(crate) async fn configure(
    store: &mut Store<State>,
    instance: &wasmtime::component::Instance,
    configure: &ComponentExportIndex,
    settings: Option<&JsonText>,
) -> Result<(), NotConfigured> {
    let configure: Configure =
        instance.get_typed_func(&mut *store, configure).map_err(|error| Fault::other(&error))?;
    let text = settings.map_or("{}", JsonText::as_str).to_owned();
    match configure.call_async(&mut *store, (text,)).await {
        Ok((Ok(()),)) => Ok(()),
        Ok((Err(PluginError::Settings(why)),)) => Err(NotConfigured::Settings(tidy(&why))),
        Ok((Err(PluginError::Failed(why)),)) => Err(Fault::Said(tidy(&why)).into()),
        Err(error) => Err(Fault::of(&error, &store.data().guard).into()),
    }
}

/// Gives an instance what it may use in the next call.
pub(crate) fn refresh(store: &mut Store<State>, fuel: u64) -> Result<(), Fault> {
    let state = store.data_mut();
    state.guard.forget();
    state.lines_left = LINES;
    state.values_left = VALUES;
    store.set_fuel(fuel).map_err(|error| Fault::other(&error))
}

/// Runs `call`: where it is asked for if it is short, and among long ones if it is not. It gives up control after each slice of
/// fuel; when it has run for longer than its deadline it is dropped. Waiting does not count: for a core, or for the store, which
/// has a patience of its own.
pub(crate) async fn run<T: Send + 'static>(
    machine: &'static Machine,
    deadline: Duration,
    call: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    let mut call: Calling<T> = Box::pin(call);
    let mut slices = SHORT_FUEL / SLICE;
    let short = poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if slices == 0 => Poll::Ready(None),
        Poll::Pending => {
            slices -= 1;
            Poll::Pending
        }
    });
    if let Some(answer) = short.await {
        return answer;
    }
    let mut spent = Duration::ZERO;
    let long = poll_fn(move |context| {
        let begun = ran();
        let polled = call.as_mut().poll(context);
        spent += ran().saturating_sub(begun);
        match polled {
            Poll::Pending if spent > deadline => {
                Poll::Ready(Err(Fault::Other("it took too long".into())))
            }
            polled => polled,
        }
    });
    machine.long.run(long).await.map_err(Fault::Other)?
}

type Calling<T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>>;

/// Runs `call` here and now, in a thread that may block: when a plugin is loaded.
pub(crate) fn block_on<T>(call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    // Nothing but fuel is waited for while nothing is granted, so it can always go on.
    let mut call = std::pin::pin!(call);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let begun = ran();
    loop {
        if let Poll::Ready(answer) = call.as_mut().poll(&mut context) {
            return answer;
        }
        if ran().saturating_sub(begun) > PATIENCE {
            return Err(Fault::Other("it took too long".into()));
        }
    }
}
