//! From settings to a running server, and to its end.

use std::{
    net::SocketAddr,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

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
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    App,
    app::Parts,
    bodies::Bodies,
    connections::Connections,
    control::Control,
    descriptors,
    limiter::Limiter,
    listen::{AddrSetting, ListenError, listen},
    mail::mailer,
    one_address::OneAddress,
    router::router,
    serve::serve,
    summary::Summary,
    telemetry::{Telemetry, metrics::Renders, scrape, store::Observed},
};

/// Why px0 did not start: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The store cannot be opened or read.
    #[error("cannot open the store: {0}")]
    Store(String),
    /// The sandbox cannot be made.
    #[error("{0}")]
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

/// Connections that those who read metrics may have.
const SCRAPERS: usize = 64;

/// How often a start that takes long says what it is at.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A server that runs.
pub struct Running {
    /// Where it listens: what was asked for, with the port that the system chose when that was 0.
    pub addr: SocketAddr,
    /// Where metrics are served, if they are.
    pub metrics_addr: Option<SocketAddr>,
    store: SharedStore,
    engines: Vec<EngineName>,
    control: Option<Control>,
    plugins: Arc<Plugins>,
    sandbox: Arc<Sandbox>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Running {
    /// What px0 prints when it is ready.
    pub fn summary(&self) -> Summary {
        Summary {
            version: env!("CARGO_PKG_VERSION"),
            url: format!("http://{}", self.addr),
            store: self.store.summary(),
            engines: self.engines.clone(),
            metrics: self.metrics_addr.map(|addr| format!("http://{addr}/metrics")),
        }
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

/// Starts a server that tells nobody but those who read its metrics.
///
/// # Errors
/// What stands in the way, in a sentence for the operator.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let telemetry = Telemetry::local().map_err(|error| StartError::Internal(error.to_string()))?;
    start_with(settings, telemetry).await
}

/// Starts a server.
///
/// # Errors
/// What stands in the way, in a sentence for the operator.
pub async fn start_with(settings: Settings, telemetry: Telemetry) -> Result<Running, StartError> {
    let (listener, addr) = listen(AddrSetting::HTTP, &settings.http.addr).await?;
    let scraped = match &settings.telemetry.addr {
        Some(addr) => Some(listen(AddrSetting::METRICS, addr).await?),
        None => None,
    };
    let most = descriptors::for_connections(settings.http.max_connections);
    // What can be wrong with the settings or the store is told before anything takes long.
    let store = patiently("opening the store", observed(&settings, &telemetry)).await?;
    let sandbox = patiently("making the sandbox", sandbox(&settings)).await?;
    let metrics = telemetry.metrics().clone();
    sandbox.observe(Renders::new(metrics, settings.telemetry.prompt_labels));
    let policy = settings.policy();
    let plugins = patiently("loading plugins", plugins(&settings, store.clone())).await?;
    sandbox.extend(plugins.extensions());
    let renderer: Arc<dyn Renderer> = sandbox.clone();
    let engines = renderer.engines();
    let mailer = mailer(&settings.email, policy.code_ttl).map_err(StartError::Mail)?;
    let px0 = Px0::new(store.clone(), renderer, plugins.clone(), mailer, policy).await;
    // The operator is told the cause, which clients are not.
    let cause = |error: px0_core::Error| {
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    };
    let px0 = px0.map_err(|error| StartError::Store(cause(error)))?;
    let drain = Duration::from_millis(settings.http.drain_ms);
    let limiter = Limiter::new(&settings.rate_limit);
    let of_one = settings.http.max_connections_per_address;
    let proxies = settings.http.trusted_proxies.clone();
    let connections = Connections::new(most, of_one, move |peer| proxies.contains(peer));
    let bodies = Bodies::new(settings.http.body_memory, settings.http.max_body);
    let parts = Parts {
        px0,
        limiter,
        bodies,
        connections: connections.clone(),
        one_address: OneAddress::new(),
        http: settings.http,
        sandbox: sandbox.clone(),
        telemetry: telemetry.clone(),
    };
    let app = App::new(parts);
    telemetry.observe(&app, &sandbox);
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
    let metrics_addr = scraped.as_ref().map(|(_, addr)| *addr);
    if let Some((listener, _)) = scraped {
        let metrics = scrape::router(telemetry);
        let scrapers = Connections::new(SCRAPERS, SCRAPERS / 4, |_| false);
        tokio::spawn(serve(listener, metrics, scrapers, stopped.clone(), Duration::ZERO));
    }
    let served = tokio::spawn(serve(listener, router(app), connections, stopped, drain));
    Ok(Running { addr, metrics_addr, store, engines, control, plugins, sandbox, stop, served })
}

/// The store that the settings name, whose operations are told of.
async fn observed(settings: &Settings, telemetry: &Telemetry) -> Result<SharedStore, StartError> {
    let metrics = telemetry.metrics().clone();
    let (store, backend): (SharedStore, _) = match settings.store.backend {
        Backend::Sled => {
            let store = open_sled(settings).await?;
            let metrics = metrics.clone();
            store.on_commit(move |writes| metrics.committed(writes));
            (Arc::new(store), "sled")
        }
        Backend::Memory => (open(settings).await?, "memory"),
        Backend::Postgres => (open(settings).await?, "postgres"),
    };
    Ok(Observed::over(store, backend, metrics))
}

async fn open_sled(settings: &Settings) -> Result<SledStore, StartError> {
    let sled = settings.store.sled.clone();
    let store = blocking(move || SledStore::open(sled)).await?;
    store.map_err(|error| StartError::Store(error.to_string()))
}

pub(crate) async fn open(settings: &Settings) -> Result<SharedStore, StartError> {
    match settings.store.backend {
        Backend::Memory => Ok(Arc::new(MemoryStore::new())),
        Backend::Sled => Ok(Arc::new(open_sled(settings).await?)),
        Backend::Postgres => {
            let store = PgStore::open(settings.store.postgres.clone()).await;
            Ok(Arc::new(store.map_err(|error| StartError::Store(error.to_string()))?))
        }
    }
}

async fn plugins(settings: &Settings, store: SharedStore) -> Result<Arc<Plugins>, StartError> {
    let mut plugins = settings.plugins.clone();
    plugins.default_engine = settings.render.default_engine.clone();
    if settings.store.backend == Backend::Postgres {
        plugins.values_at_once = settings.store.postgres.max_connections.get() as usize / 2;
    }
    let output = settings.render.output;
    let cache_dir = cache_dir(settings);
    let plugins = blocking(move || Plugins::new(plugins, store, cache_dir, output)).await?;
    plugins.map_err(|error| StartError::Plugins(error.to_string()))
}

async fn sandbox(settings: &Settings) -> Result<Arc<Sandbox>, StartError> {
    let mut render = settings.render.clone();
    render.cache_dir = cache_dir(settings);
    let sandbox = blocking(move || Sandbox::new(render)).await?;
    Ok(Arc::new(sandbox.map_err(|error| StartError::Sandbox(error.to_string()))?))
}

/// Where compiled code is kept between starts: a folder of our own, which is closed to others, in the one that the settings name or in
/// the data folder. With Postgres there is nothing else in that, and it may be lost.
fn cache_dir(settings: &Settings) -> Option<PathBuf> {
    let folder = settings.render.cache_dir.as_ref();
    let data = match settings.store.backend {
        Backend::Sled | Backend::Postgres => Some(&settings.store.sled.path),
        Backend::Memory => None,
    };
    folder.or(data).map(|folder| folder.join("compiled"))
}

/// Waits for something that the start needs, and says so when it takes long.
async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(TELL_EVERY, &mut work).await {
            Ok(done) => return done,
            Err(_) => {
                let seconds = begun.elapsed().as_secs();
                tracing::info!(seconds, "still starting: {what} takes its time");
            }
        }
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StartError::Internal(error.to_string()))
}
