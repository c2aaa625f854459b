//! Traces, metrics and logs, by OpenTelemetry.
//!
//! Metrics are always counted, and read at the second address of the server. Traces, and metrics and logs besides, leave by OTLP when
//! the standard `OTEL_*` variables say where to. Nothing in here waits for whoever receives them: what cannot be sent is dropped.
//!
//! - [`Telemetry`] is what a server is started with; [`Metrics`] are its instruments; [`otlp`] is what leaves;
//! - [`trace`] is the part of a trace that one request is; the spans below it are made where the work is done, for
//!   [`SPANS`](px0_core::SPANS);
//! - [`store`] observes the store, [`observed`] tells what is only looked at when somebody asks;
//! - [`scrape`] serves `/metrics`.
//!
//! `OTEL_SDK_DISABLED=true` turns all of it off.

pub(crate) mod metrics;
mod observed;
mod otlp;
pub(crate) mod scrape;
pub(crate) mod store;
pub(crate) mod trace;

use std::{
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use axum::http::HeaderMap;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{AsyncInstrument, MeterProvider},
    trace::TracerProvider,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::SdkLoggerProvider,
    metrics::SdkMeterProvider,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use prometheus::Registry;
use tracing::Dispatch;

pub use otlp::TelemetryError;

use metrics::Metrics;
use trace::{Recorder, Trace};

/// What px0 calls itself to whoever receives telemetry.
const SCOPE: &str = "px0";

/// For how long the end of the process waits until what is left has been sent.
const FLUSH: Duration = Duration::from_secs(2);

/// Where traces, metrics and logs go.
#[derive(Clone)]
pub struct Telemetry(Arc<Parts>);

struct Parts {
    metrics: Metrics,
    registry: Registry,
    meters: SdkMeterProvider,
    recorder: Option<Recorder>,
    subscriber: OnceLock<Dispatch>,
    traces: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
}

impl Telemetry {
    /// Metrics only, for whoever reads them.
    ///
    /// # Errors
    /// The instruments cannot be made.
    pub fn local() -> Result<Self, TelemetryError> {
        Self::with(otlp::Exporters::default())
    }

    /// As the `OTEL_*` variables say. To be called within the runtime that exporters may use, and not in one of its tasks.
    ///
    /// # Errors
    /// A variable that is no such value, or names what this px0 cannot do.
    pub fn from_env() -> Result<Self, TelemetryError> {
        Self::with(otlp::Exporters::from_env()?)
    }

    fn with(exporters: otlp::Exporters) -> Result<Self, TelemetryError> {
        let resource = resource();
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| TelemetryError::Setup(error.to_string()))?;
        let mut meters = SdkMeterProvider::builder().with_resource(resource.clone());
        // Where nobody reads, nothing is counted.
        if !exporters.is_disabled {
            meters = meters.with_reader(reader);
        }
        if let Some(exporter) = exporters.metrics {
            meters = meters.with_periodic_exporter(exporter);
        }
        let meters = meters.build();
        let traces = exporters.spans.map(|exporter| {
            // What is not to be recorded is decided before.
            let traces = SdkTracerProvider::builder().with_resource(resource.clone());
            traces.with_sampler(Sampler::AlwaysOn).with_batch_exporter(exporter).build()
        });
        let logs = exporters.logs.map(|exporter| {
            let logs = SdkLoggerProvider::builder().with_resource(resource.clone());
            logs.with_batch_exporter(exporter).build()
        });
        let recorder = |traces: &SdkTracerProvider| {
            let version = env!("CARGO_PKG_VERSION");
            let scope = InstrumentationScope::builder(SCOPE).with_version(version).build();
            let tracer = traces.tracer_with_scope(scope);
            Ok(Recorder { tracer, sampler: trace::sampler()? })
        };
        let recorder = traces.as_ref().map(recorder).transpose()?;
        let metrics = Metrics::new(&meters.meter(SCOPE));
        Ok(Self(Arc::new(Parts {
            metrics,
            registry,
            meters,
            recorder,
            subscriber: OnceLock::new(),
            traces,
            logs,
        })))
    }

    /// The instruments.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Who makes spans, if traces are wanted.
    pub fn tracer(&self) -> Option<&SdkTracer> {
        self.0.recorder.as_ref().map(|recorder| &recorder.tracer)
    }

    /// What requests that are recorded run under: it makes spans of them. The first one is the only one.
    pub fn record_by(&self, subscriber: Dispatch) {
        let _ = self.0.subscriber.set(subscriber);
    }

    /// See [`record_by`](Telemetry::record_by).
    pub(crate) fn subscriber(&self) -> Option<&Dispatch> {
        self.0.subscriber.get()
    }

    /// Begins a request.
    pub(crate) fn trace(&self, headers: &HeaderMap, method: &'static str) -> Trace {
        Trace::begin(self.0.recorder.as_ref(), headers, method)
    }

    /// Who takes log records, if logs are wanted.
    pub fn logs(&self) -> Option<&SdkLoggerProvider> {
        self.0.logs.as_ref()
    }

    /// Tells of lines of the log that were lost, since the start.
    pub fn count_lost_lines(&self, lost: impl Fn() -> u64 + Send + Sync + 'static) {
        let callback = move |observer: &dyn AsyncInstrument<u64>| observer.observe(lost(), &[]);
        let counter = self.metrics().meter().u64_observable_counter("px0.log.lost");
        let counter = counter.with_unit("{line}").with_callback(callback);
        counter
            .with_description("Lines of the log that were lost, because they were read too slowly.")
            .build();
    }

    /// Sends what is left, for as long as that may take, and ends. Blocks.
    pub fn stop(&self) {
        let Parts { traces, logs, meters, .. } = &*self.0;
        let (ended, all_ended) = mpsc::channel();
        let end = |work: Box<dyn FnOnce() -> OTelSdkResult + Send>| {
            let ended = ended.clone();
            // Without another thread nothing is sent, and nothing waited for.
            let _ = thread::Builder::new().spawn(move || ended.send(work()));
        };
        if let Some(traces) = traces.clone() {
            end(Box::new(move || traces.shutdown_with_timeout(FLUSH)));
        }
        if let Some(logs) = logs.clone() {
            end(Box::new(move || logs.shutdown_with_timeout(FLUSH)));
        }
        let meters = meters.clone();
        // It does not know how long it may take.
        end(Box::new(move || meters.shutdown_with_timeout(FLUSH)));
        drop(ended);
        // What a receiver that is gone does not get is lost.
        let begun = Instant::now();
        while let Ok(_ended) = all_ended.recv_timeout(FLUSH.saturating_sub(begun.elapsed())) {}
    }
}

/// What telemetry is about: this process, called px0 unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say otherwise.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let missing = |key: &'static str, value: String| {
        let key = opentelemetry::Key::from_static_str(key);
        let given = found.get(&key).filter(|found| !found.as_str().starts_with("unknown_service"));
        given.is_none().then(|| KeyValue::new(key, value))
    };
    let own = [
        missing("service.name", "px0".to_owned()),
        missing("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        missing("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    Resource::builder().with_attributes(own.into_iter().flatten()).build()
}
