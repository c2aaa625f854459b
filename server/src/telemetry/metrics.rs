//! The instruments.
//!
//! What HTTP has is named by OpenTelemetry's semantic conventions (<https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>); what
//! only px0 has begins with `px0.`. The values of every attribute are few: routes are templates, and prompts are named only where
//! somebody asked for it, up to a number.

use std::{collections::HashSet, sync::Arc, time::Duration};

use axum::http::Method;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, UpDownCounter},
};
use parking_lot::RwLock;
use px0_core::{
    Slug,
    render::{Limit, RenderError},
};
use px0_render_wasm::{Observer, Rendering, kind};

/// Limits of durations, in seconds. Most renders take some 50 µs.
const SECONDS: [f64; 16] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 10.0,
];

/// Limits of what bodies have, in bytes.
const BYTES: [f64; 8] =
    [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

/// Limits of instructions.
const FUEL: [f64; 10] = [10_000.0, 30_000.0, 100_000.0, 300_000.0, 1e6, 3e6, 1e7, 3e7, 1e8, 3e8];

/// Limits of how many writes are made durable together: at most 256 are.
const WRITES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What prompts are called that are too many to be named.
const OTHERS: &str = "_other";

/// The instruments.
#[derive(Clone)]
pub(crate) struct Metrics {
    meter: Meter,
    requests: Histogram<f64>,
    active: UpDownCounter<i64>,
    request_bytes: Histogram<u64>,
    response_bytes: Histogram<u64>,
    renders: Histogram<f64>,
    fuel: Histogram<u64>,
    limit_hits: Counter<u64>,
    store: Histogram<f64>,
    commit_batch: Histogram<u64>,
}

/// A request that was answered.
pub(crate) struct Answered {
    pub(crate) method: &'static str,
    /// As the contract writes it; none if there is no such route.
    pub(crate) route: Option<&'static str>,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) request_bytes: Option<u64>,
    pub(crate) response_bytes: Option<u64>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let seconds = |name: &'static str, what: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(what);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        let sizes = |name: &'static str, unit: &'static str, what: &'static str, limits: &[f64]| {
            let histogram = meter.u64_histogram(name).with_unit(unit).with_description(what);
            histogram.with_boundaries(limits.to_vec()).build()
        };
        let active = meter
            .i64_up_down_counter("http.server.active_requests")
            .with_unit("{request}")
            .with_description("Requests that are being answered.");
        let limit_hits = meter
            .u64_counter("px0.render.limit_hits")
            .with_unit("{render}")
            .with_description("Renders that were stopped at a limit.");
        // What never happened is 0, and not unknown.
        let limit_hits = limit_hits.build();
        for limit in [Limit::Fuel, Limit::Memory, Limit::Time, Limit::Output] {
            limit_hits.add(0, &[KeyValue::new("limit", name(limit))]);
        }
        Self {
            meter: meter.clone(),
            requests: seconds("http.server.request.duration", "Duration of HTTP requests."),
            active: active.build(),
            request_bytes: sizes(
                "http.server.request.body.size",
                "By",
                "Size of the bodies of HTTP requests.",
                &BYTES,
            ),
            response_bytes: sizes(
                "http.server.response.body.size",
                "By",
                "Size of the bodies of HTTP responses.",
                &BYTES,
            ),
            renders: seconds(
                "px0.render.duration",
                "Duration of renders in the sandbox, waiting for their turn included.",
            ),
            fuel: sizes(
                "px0.render.fuel",
                "{instruction}",
                "WebAssembly instructions of renders.",
                &FUEL,
            ),
            limit_hits,
            store: seconds("px0.store.duration", "Duration of operations of the store."),
            commit_batch: sizes(
                "px0.store.commit_batch",
                "{write}",
                "Writes that were made durable together.",
                &WRITES,
            ),
        }
    }

    /// For what is only looked at when somebody asks.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// A request begins; to be kept until it has ended.
    pub(crate) fn begin(&self, method: &'static str) -> Active {
        let attributes =
            [KeyValue::new("http.request.method", method), KeyValue::new("url.scheme", "http")];
        self.active.add(1, &attributes);
        Active { active: self.active.clone(), attributes }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, answered: &Answered) {
        let status = i64::from(answered.status);
        let mut attributes = Vec::with_capacity(5);
        attributes.push(KeyValue::new("http.request.method", answered.method));
        attributes.push(KeyValue::new("url.scheme", "http"));
        attributes.push(KeyValue::new("http.response.status_code", status));
        if let Some(route) = answered.route {
            attributes.push(KeyValue::new("http.route", route));
        }
        if answered.status >= 500 {
            attributes.push(KeyValue::new("error.type", answered.status.to_string()));
        }
        self.requests.record(answered.took.as_secs_f64(), &attributes);
        if let Some(bytes) = answered.request_bytes {
            self.request_bytes.record(bytes, &attributes);
        }
        if let Some(bytes) = answered.response_bytes {
            self.response_bytes.record(bytes, &attributes);
        }
    }

    /// An operation of the store has ended; `error` is why, if the store failed.
    pub(super) fn stored(
        &self,
        (backend, operation): (&'static str, &'static str),
        took: Duration,
        error: Option<&'static str>,
    ) {
        let mut attributes = Vec::with_capacity(3);
        attributes.push(KeyValue::new("operation", operation));
        attributes.push(KeyValue::new("backend", backend));
        attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
        self.store.record(took.as_secs_f64(), &attributes);
    }

    /// So many writes were made durable together.
    pub(crate) fn committed(&self, writes: usize) {
        self.commit_batch.record(writes as u64, &[]);
    }
}

/// A request that is being answered.
pub(crate) struct Active {
    active: UpDownCounter<i64>,
    attributes: [KeyValue; 2],
}

impl Drop for Active {
    fn drop(&mut self) {
        self.active.add(-1, &self.attributes);
    }
}

/// The method, if HTTP has it: others are `_OTHER`, as the conventions say, for anybody may send any.
pub(crate) fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}

fn name(limit: Limit) -> &'static str {
    match limit {
        Limit::Fuel => "fuel",
        Limit::Memory => "memory",
        Limit::Time => "time",
        Limit::Output => "output",
    }
}

/// Renders, as the sandbox tells of them.
pub(crate) struct Renders {
    metrics: Metrics,
    /// How many prompts are named.
    most: usize,
    named: RwLock<HashSet<Slug>>,
}

impl Renders {
    /// Names up to so many prompts.
    pub(crate) fn new(metrics: Metrics, most: usize) -> Arc<Self> {
        Arc::new(Self { metrics, most, named: RwLock::default() })
    }

    /// What a prompt is called, if prompts are named at all: those that were rendered first are.
    fn label(&self, slug: &Slug) -> Option<KeyValue> {
        if self.most == 0 {
            return None;
        }
        let known = self.named.read().contains(slug);
        let named = known || {
            let mut named = self.named.write();
            named.contains(slug) || (named.len() < self.most && named.insert(slug.clone()))
        };
        let value = if named { slug.as_str().to_owned() } else { OTHERS.to_owned() };
        Some(KeyValue::new("prompt", value))
    }
}

impl Observer for Renders {
    fn rendered(&self, rendering: &Rendering<'_>) {
        let Rendering { template, took, used, error } = rendering;
        let engine = KeyValue::new("engine", template.engine.shared());
        let mut attributes = Vec::with_capacity(4);
        attributes.push(engine.clone());
        attributes.extend(used.map(|used| KeyValue::new("start", used.start())));
        attributes.extend(error.map(|error| KeyValue::new("error.type", kind(error))));
        attributes.extend(template.title.as_ref().and_then(|title| self.label(&title.prompt)));
        self.metrics.renders.record(took.as_secs_f64(), &attributes);
        if let Some(used) = used {
            self.metrics.fuel.record(used.fuel, &[engine]);
        }
        if let Some(RenderError::Limit(limit)) = error {
            self.metrics.limit_hits.add(1, &[KeyValue::new("limit", name(*limit))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    use super::*;

    #[test]
    fn only_so_many_prompts_are_named_and_none_unless_asked_for() {
        let metrics = Metrics::new(&SdkMeterProvider::default().meter("test"));
        let slug = |text: &str| Slug::exact(text).expect("a slug");
        let label = |renders: &Renders, text: &str| {
            renders.label(&slug(text)).map(|label| label.value.to_string())
        };
        let renders = Renders::new(metrics.clone(), 2);
        for (text, expected) in
            [("a", "a"), ("b", "b"), ("c", OTHERS), ("a", "a"), ("c", OTHERS), ("b", "b")]
        {
            assert_eq!(label(&renders, text).as_deref(), Some(expected));
        }
        assert_eq!(label(&Renders::new(metrics, 0), "a"), None);
    }
}
