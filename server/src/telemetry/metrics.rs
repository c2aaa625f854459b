//! The instruments.
//!
//! What HTTP has is named by OpenTelemetry's semantic conventions (<https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>); what
//! only px0 has begins with `px0.`. The values of every attribute are few: routes are templates, and prompts are named only where
//! somebody asked for it, up to a number.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::Method;
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, BoundHistogram, Counter, Histogram, Meter},
};
use parking_lot::RwLock;
use px0_core::{
    Slug,
    render::{EngineName, Limit, RenderError},
};
use px0_render_wasm::{Observer, Rendering, Used, kind};

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

/// The target of the line that is logged for each request: `px0::access=warn` in `log.filter` is without.
pub(crate) const ACCESS: &str = "px0::access";

/// What prompts are called that are too many to be named.
const OTHERS: &str = "_other";

/// The instruments.
#[derive(Clone)]
pub(crate) struct Metrics {
    meter: Meter,
    active: Arc<[Begun; METHODS.len()]>,
    requests: Histogram<f64>,
    request_bytes: Histogram<u64>,
    response_bytes: Histogram<u64>,
    answered: Arc<Known<(usize, usize, u16), OfRequests>>,
    renders: Histogram<f64>,
    fuel: Histogram<u64>,
    limit_hits: Counter<u64>,
    store: Histogram<f64>,
    commit_batch: Histogram<u64>,
}

/// Requests of one method.
struct Begun {
    all: AtomicU64,
    active: AtomicI64,
}

impl Begun {
    const fn new() -> Self {
        Self { all: AtomicU64::new(0), active: AtomicI64::new(0) }
    }
}

/// What was counted before, by what tells it from others: to look for an instrument's own place for some attributes takes as long
/// as all the rest. There are as many as there are sets of attributes.
struct Known<K, V>(RwLock<HashMap<K, V>>);

impl<K: Eq + Hash, V> Known<K, V> {
    fn new() -> Self {
        Self(RwLock::default())
    }

    /// Counts in the place for `key`, which is made by `new` if there is none.
    fn count(&self, key: K, new: impl FnOnce() -> V, count: impl FnOnce(&V)) {
        if let Some(known) = self.0.read().get(&key) {
            return count(known);
        }
        count(self.0.write().entry(key).or_insert_with(new));
    }
}

/// The places of requests with the same attributes.
struct OfRequests {
    duration: BoundHistogram<f64>,
    request_bytes: BoundHistogram<u64>,
    response_bytes: BoundHistogram<u64>,
}

/// The places of renders with the same attributes.
struct OfRenders {
    duration: BoundHistogram<f64>,
    fuel: BoundHistogram<u64>,
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
        let active = Arc::new([const { Begun::new() }; METHODS.len()]);
        let begun = active.clone();
        let observe = move |observer: &dyn AsyncInstrument<i64>| {
            for (method, begun) in METHODS.iter().zip(&*begun) {
                if begun.all.load(Ordering::Relaxed) > 0 {
                    observer.observe(
                        begun.active.load(Ordering::Relaxed),
                        &[
                            KeyValue::new("http.request.method", *method),
                            KeyValue::new("url.scheme", "http"),
                        ],
                    );
                }
            }
        };
        meter
            .i64_observable_up_down_counter("http.server.active_requests")
            .with_unit("{request}")
            .with_description("Requests that are being answered.")
            .with_callback(observe)
            .build();
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
            active,
            answered: Arc::new(Known::new()),
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
        let place = METHODS.iter().position(|known| *known == method).unwrap_or(0);
        if let Some(begun) = self.active.get(place) {
            begun.all.fetch_add(1, Ordering::Relaxed);
            begun.active.fetch_add(1, Ordering::Relaxed);
        }
        let (duration, began) = (self.requests.clone(), Instant::now());
        Active { active: self.active.clone(), place, duration, began, is_answered: false }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, answered: &Answered) {
        let Answered { method, route, status, .. } = *answered;
        // Both are constants of this program.
        let key = (method.as_ptr().addr(), route.map_or(0, |route| route.as_ptr().addr()), status);
        let new = || {
            let mut attributes = vec![
                KeyValue::new("http.request.method", method),
                KeyValue::new("url.scheme", "http"),
                KeyValue::new("http.response.status_code", i64::from(status)),
            ];
            attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
            if status >= 500 {
                attributes.push(KeyValue::new("error.type", status.to_string()));
            }
            OfRequests {
                duration: self.requests.bind(&attributes),
                request_bytes: self.request_bytes.bind(&attributes),
                response_bytes: self.response_bytes.bind(&attributes),
            }
        };
        self.answered.count(key, new, |of| {
            of.duration.record(answered.took.as_secs_f64());
            answered.request_bytes.into_iter().for_each(|bytes| of.request_bytes.record(bytes));
            answered.response_bytes.into_iter().for_each(|bytes| of.response_bytes.record(bytes));
        });
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
    active: Arc<[Begun; METHODS.len()]>,
    place: usize,
    duration: Histogram<f64>,
    began: Instant,
    is_answered: bool,
}

impl Active {
    /// It was answered, and counted as such.
    pub(crate) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(begun) = self.active.get(self.place) {
            begun.active.fetch_sub(1, Ordering::Relaxed);
        }
        if !self.is_answered {
            // Whoever asked is gone.
            let method = METHODS.get(self.place).copied().unwrap_or(OTHER_METHOD);
            let attributes = [
                KeyValue::new("http.request.method", method),
                KeyValue::new("url.scheme", "http"),
                KeyValue::new("error.type", "cancelled"),
            ];
            self.duration.record(self.began.elapsed().as_secs_f64(), &attributes);
            tracing::info!(target: ACCESS, method, "whoever asked is gone");
        }
    }
}

/// What methods are called that HTTP does not have.
pub(crate) const OTHER_METHOD: &str = "_OTHER";

/// The methods that HTTP has; the first is for all others, for anybody may send any.
const METHODS: [&str; 10] =
    [OTHER_METHOD, "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/// The method, if HTTP has it, or `_OTHER`, as the conventions say.
pub(crate) fn known_method(method: &Method) -> &'static str {
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER_METHOD)
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
    known: Known<OfWhat, OfRenders>,
}

/// Engine, start, kind of error, and what the prompt is called.
type OfWhat = (EngineName, Option<&'static str>, Option<&'static str>, Option<Cow<'static, str>>);

impl Renders {
    /// Names up to so many prompts.
    pub(crate) fn new(metrics: Metrics, most: usize) -> Arc<Self> {
        Arc::new(Self { metrics, most, named: RwLock::default(), known: Known::new() })
    }

    /// What a prompt is called, if prompts are named at all: those that were rendered first are.
    fn label(&self, slug: &Slug) -> Option<Cow<'static, str>> {
        if self.most == 0 {
            return None;
        }
        let known = self.named.read().contains(slug);
        let named = known || {
            let mut named = self.named.write();
            named.contains(slug) || (named.len() < self.most && named.insert(slug.clone()))
        };
        Some(if named { slug.as_str().to_owned().into() } else { OTHERS.into() })
    }
}

impl Observer for Renders {
    fn rendered(&self, rendering: &Rendering<'_>) {
        let Rendering { template, took, used, error } = rendering;
        let (start, kind) = (used.map(Used::start), error.map(kind));
        let label = template.title.as_ref().and_then(|title| self.label(&title.prompt));
        let new = || {
            let engine = KeyValue::new("engine", template.engine.shared());
            let mut attributes = vec![engine.clone()];
            attributes.extend(start.map(|start| KeyValue::new("start", start)));
            attributes.extend(kind.map(|kind| KeyValue::new("error.type", kind)));
            attributes.extend(label.clone().map(|label| KeyValue::new("prompt", label)));
            OfRenders {
                duration: self.metrics.renders.bind(&attributes),
                fuel: self.metrics.fuel.bind(&[engine]),
            }
        };
        let key = (template.engine.clone(), start, kind, label.clone());
        self.known.count(key, new, |of| {
            of.duration.record(took.as_secs_f64());
            used.iter().for_each(|used| of.fuel.record(used.fuel));
        });
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
        let label = |renders: &Renders, text: &str| renders.label(&slug(text)).map(Cow::into_owned);
        let renders = Renders::new(metrics.clone(), 2);
        for (text, expected) in
            [("a", "a"), ("b", "b"), ("c", OTHERS), ("a", "a"), ("c", OTHERS), ("b", "b")]
        {
            assert_eq!(label(&renders, text).as_deref(), Some(expected));
        }
        assert_eq!(label(&Renders::new(metrics, 0), "a"), None);
    }
}
