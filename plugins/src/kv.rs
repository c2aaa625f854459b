//! `kv`: a small memory that lasts, of one plugin for one organization.

use std::{future::Future, sync::Arc, time::Duration};

use px0_core::{
    clock::Timestamp,
    ids::OrgId,
    plugin::{MAX_VALUE, PluginId, ValueKey},
    store::{Actor, Plugins as Values, Refusal, Result as Stored, Stamp, StoreError},
};
use px0_render_wasm::host::charge;
use tokio::{runtime::Handle, sync::Semaphore};
use wasmtime::{
    Error, StoreContextMut,
    component::{ComponentType, Linker, Lower},
};

use crate::{api::Api, cell::State};

/// How long the store is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often one call may read or keep a value.
pub(crate) const VALUES: u32 = 64;

/// Where values are kept, and what runs that.
#[derive(Clone)]
pub(crate) struct Kv {
    store: Arc<dyn Values>,
    runtime: Handle,
    turns: Arc<Semaphore>,
}

/// `kv-error` of the interface.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum KvError {
    #[component(name = "key")]
    Key,
    #[component(name = "size")]
    Size,
    #[component(name = "full")]
    Full,
    #[component(name = "unavailable")]
    Unavailable,
}

impl Kv {
    /// Values in `store`, which is asked by tasks of the runtime that this is called in, at most so many at once.
    pub(crate) fn new(store: Arc<dyn Values>, at_once: usize) -> Self {
        let turns = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
        Self { store, runtime: Handle::current(), turns }
    }

    /// What the store says. It is asked in a task of the server's own: a hook may run where no timers and sockets are served.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Stored<T>> + Send + 'static,
    ) -> Result<T, KvError> {
        // Waited for here, so that whoever is gone does not wait any more. Nobody closes it.
        let turn = self.turns.clone().acquire_owned().await;
        let asked = async move {
            let _turn = turn;
            tokio::time::timeout(PATIENCE, question).await
        };
        match self.runtime.spawn(asked).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(StoreError::Refused(Refusal::PluginValuesFull)))) => Err(KvError::Full),
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "a value of a plugin could not be read or kept");
                Err(KvError::Unavailable)
            }
            Ok(Err(_)) | Err(_) => Err(KvError::Unavailable),
        }
    }
}

/// What one hook keeps for one organization.
struct Own {
    kv: Kv,
    org: OrgId,
    plugin: PluginId,
}

impl Own {
    /// None where nothing is kept, and when it was asked for too often.
    fn of(state: &mut State) -> Option<Self> {
        state.values_left = state.values_left.checked_sub(1)?;
        Some(Self { kv: state.kv.clone()?, org: state.org, plugin: state.plugin.clone() })
    }

    async fn get(own: Option<Self>, key: String) -> Result<Option<Vec<u8>>, KvError> {
        let Self { kv, org, plugin } = own.ok_or(KvError::Unavailable)?;
        let key = ValueKey::parse(key).ok_or(KvError::Key)?;
        let store = kv.store.clone();
        kv.ask(async move { store.plugin_value(org, &plugin, &key).await }).await
    }

    async fn set(own: Option<Self>, key: String, value: Option<Vec<u8>>) -> Result<(), KvError> {
        let Self { kv, org, plugin } = own.ok_or(KvError::Unavailable)?;
        let key = ValueKey::parse(key).ok_or(KvError::Key)?;
        if value.as_ref().is_some_and(|value| value.len() > MAX_VALUE) {
            return Err(KvError::Size);
        }
        let store = kv.store.clone();
        let stamp = Stamp { by: Actor::Anonymous, at: Timestamp::now() };
        kv.ask(async move { store.set_plugin_value(stamp, org, &plugin, &key, value).await }).await
    }
}

/// Gives it to a plugin.
pub(crate) fn link(linker: &mut Linker<State>, api: Api) -> Result<(), Error> {
    let mut kv = linker.instance(&api.interface("kv"))?;
    kv.func_wrap_async("get", |mut store: StoreContextMut<'_, State>, (key,): (String,)| {
        Box::new(async move {
            charge(&mut store, key.len(), 0).await?;
            let own = Own::of(store.data_mut());
            Ok((Own::get(own, key).await,))
        })
    })?;
    kv.func_wrap_async(
        "set",
        |mut store: StoreContextMut<'_, State>, (key, value): (String, Vec<u8>)| {
            Box::new(async move {
                charge(&mut store, key.len() + value.len(), 0).await?;
                let own = Own::of(store.data_mut());
                Ok((Own::set(own, key, Some(value)).await,))
            })
        },
    )?;
    kv.func_wrap_async("delete", |mut store: StoreContextMut<'_, State>, (key,): (String,)| {
        Box::new(async move {
            charge(&mut store, key.len(), 0).await?;
            let own = Own::of(store.data_mut());
            Ok((Own::set(own, key, None).await,))
        })
    })
}
