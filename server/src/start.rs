//! From settings to a running server, and to its end.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use px0_backends::{postgres::PgStore, sled::SledStore};
use px0_config::{Backend, Settings};
use px0_core::{
    memory::MemoryStore,
    render::{EngineName, Renderer},
    store::SharedStore,
    workflows::Px0,
};
use px0_plugins::Plugins;
use px0_render_wasm::Sandbox;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    App, app::Parts, control::Control, limiter::Limiter, mail::mailer, router::router, serve::serve,
};

/// Why px0 did not start: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {addr} (http.addr): {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The store cannot be opened or read.
    #[error("cannot open the store: {0}")]
    Store(String),
    /// The sandbox cannot be made.
    #[error("cannot make the sandbox: {0}")]
    Sandbox(String),
    /// A plugin cannot be used.
    #[error("{0}")]
    Plugins(String),
    /// Mail cannot be sent as the settings say.
    #[error("{0}")]
    Mail(String),
    /// Something of our own failed.
    #[error("{0}")]
    Internal(String),
}

/// A server that runs.
pub struct Running {
    /// Where it listens: what was asked for, with the port that the system chose when that was 0.
    pub addr: SocketAddr,
    store: SharedStore,
    engines: Vec<EngineName>,
    control: Option<Control>,
    plugins: Arc<Plugins>,
    sandbox: Arc<Sandbox>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Running {
    /// The three lines that px0 prints when it is ready: where it listens, what it stores on, which engines it has.
    pub fn summary(&self) -> String {
        let engines: Vec<_> = self.engines.iter().map(EngineName::as_str).collect();
        format!(
            "px0 {} listens on http://{}\nstores on {}\nengines: {}",
            env!("CARGO_PKG_VERSION"),
            self.addr,
            self.store.summary(),
            engines.join(", "),
        )
    }

    /// Looks at the folder of plugins again: all that is there now counts for renders that begin from now on. After an error,
    /// what counted before goes on to.
    ///
    /// # Errors
    /// A plugin cannot be used.
    pub async fn reload(&self) -> Result<(), StartError> {
        let plugins = self.plugins.clone();
        let reloaded = blocking(move || plugins.reload()).await?;
        reloaded.map_err(|error| StartError::Plugins(error.to_string()))?;
        self.sandbox.extend(self.plugins.extensions());
        Ok(())
    }

    /// The store it runs on.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// Stops: takes no new connections, lets running requests finish, closes the store.
    ///
    /// # Errors
    /// What the store could not write.
    pub async fn stop(self) -> Result<(), StartError> {
        let _ = self.stop.send(true);
        self.served.await.map_err(|error| StartError::Internal(error.to_string()))?;
        drop(self.control);
        self.store.close().await.map_err(|error| StartError::Store(error.to_string()))
    }
}

/// Starts a server.
///
/// # Errors
/// What stands in the way, in a sentence for the operator.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let addr = settings.http.addr;
    let listener =
        TcpListener::bind(addr).await.map_err(|source| StartError::Listen { addr, source })?;
    let addr = listener.local_addr().map_err(|source| StartError::Listen { addr, source })?;
    // Both read files and use a core for a while: side by side, and on threads that may block.
    let (store, sandbox) = tokio::join!(open(&settings), sandbox(&settings));
    let (store, sandbox) = (store?, sandbox?);
    let policy = settings.policy();
    let plugins = plugins(&settings, store.clone()).await?;
    sandbox.extend(plugins.extensions());
    let renderer: Arc<dyn Renderer> = sandbox.clone();
    let engines = renderer.engines();
    let mailer = mailer(&settings.email, policy.code_ttl).map_err(StartError::Mail)?;
    let px0 = Px0::new(store.clone(), renderer, plugins.clone(), mailer, policy).await;
    let px0 = px0.map_err(|error| StartError::Store(error.to_string()))?;
    let drain = Duration::from_millis(settings.http.drain_ms);
    let limiter = Limiter::new(&settings.rate_limit);
    let app = App::new(Parts { px0, limiter, http: settings.http });
    let control = match settings.store.backend {
        Backend::Sled => {
            let folder = &settings.store.sled.path;
            // Without it px0 serves as well; only `px0 export` has to wait until it stops.
            Control::open(folder, store.clone())
                .inspect_err(|error| tracing::warn!(%error, "there is no control socket"))
                .ok()
        }
        Backend::Memory | Backend::Postgres => None,
    };
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(serve(listener, router(app), stopped, drain));
    Ok(Running { addr, store, engines, control, plugins, sandbox, stop, served })
}

pub(crate) async fn open(settings: &Settings) -> Result<SharedStore, StartError> {
    match settings.store.backend {
        Backend::Memory => Ok(Arc::new(MemoryStore::new())),
        Backend::Sled => {
            let sled = settings.store.sled.clone();
            let store = blocking(move || SledStore::open(sled)).await?;
            Ok(Arc::new(store.map_err(|error| StartError::Store(error.to_string()))?))
        }
        Backend::Postgres => {
            let store = PgStore::open(settings.store.postgres.clone()).await;
            Ok(Arc::new(store.map_err(|error| StartError::Store(error.to_string()))?))
        }
    }
}

async fn plugins(settings: &Settings, store: SharedStore) -> Result<Arc<Plugins>, StartError> {
    let mut plugins = settings.plugins.clone();
    plugins.default_engine = settings.render.default_engine.clone();
    let output = settings.render.output;
    let cache_dir = settings.render.cache_dir.clone().or_else(|| cache_dir(settings));
    let plugins = blocking(move || Plugins::new(plugins, store, cache_dir, output)).await?;
    plugins.map_err(|error| StartError::Plugins(error.to_string()))
}

async fn sandbox(settings: &Settings) -> Result<Arc<Sandbox>, StartError> {
    let mut render = settings.render.clone();
    render.cache_dir = render.cache_dir.or_else(|| cache_dir(settings));
    let sandbox = blocking(move || Sandbox::new(render)).await?;
    Ok(Arc::new(sandbox.map_err(|error| StartError::Sandbox(error.to_string()))?))
}

/// Where compiled code is kept between starts: in the data folder, which is ours alone. With Postgres there is nothing else in it,
/// and it may be lost.
fn cache_dir(settings: &Settings) -> Option<PathBuf> {
    match settings.store.backend {
        Backend::Sled | Backend::Postgres => Some(settings.store.sled.path.join("compiled")),
        Backend::Memory => None,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StartError::Internal(error.to_string()))
}
