//! The part of a trace that one request is.

use std::env;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry::{
    Context, KeyValue, TraceId,
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{Sampler, SamplingDecision, SdkTracer, ShouldSample},
};

use super::{TelemetryError, metrics::OTHER_METHOD};

/// Where W3C's trace context comes in (<https://www.w3.org/TR/trace-context/>).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where it goes out (<https://www.w3.org/TR/trace-context-2/>).
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Who records requests.
pub(super) struct Recorder {
    /// Records all that it is given.
    pub(super) tracer: SdkTracer,
    /// Decides what that is: most requests are not recorded, and should not pay for those that are.
    pub(super) sampler: Sampler,
}

/// The sampler that `OTEL_TRACES_SAMPLER` names, with its argument.
pub(super) fn sampler() -> Result<Sampler, TelemetryError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let wrong = |name: &str, why: String| TelemetryError::Variable { name: name.to_owned(), why };
    let given = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let ratio = || match given(ARGUMENT) {
        None => Ok(1.0),
        Some(text) => match text.trim().parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
            _ => Err(wrong(ARGUMENT, format!("`{text}` is no number from 0 to 1"))),
        },
    };
    let by_parent = |root: Sampler| Sampler::ParentBased(Box::new(root));
    Ok(match given(NAME).as_deref().map(str::trim) {
        None | Some("parentbased_always_on") => by_parent(Sampler::AlwaysOn),
        Some("parentbased_always_off") => by_parent(Sampler::AlwaysOff),
        Some("parentbased_traceidratio") => by_parent(Sampler::TraceIdRatioBased(ratio()?)),
        Some("always_on") => Sampler::AlwaysOn,
        Some("always_off") => Sampler::AlwaysOff,
        Some("traceidratio") => Sampler::TraceIdRatioBased(ratio()?),
        Some(other) => {
            let why = format!(
                "`{other}` is no sampler that px0 has: always_on, always_off, traceidratio, or one of them with parentbased_ in front"
            );
            return Err(wrong(NAME, why));
        }
    })
}

/// The part of a trace that one request is.
pub(crate) struct Trace {
    /// With the span of the request, if it is recorded.
    context: Option<Context>,
    id: TraceId,
}

impl Trace {
    /// Begins a request: goes on with the trace that it belongs to, or begins one.
    pub(super) fn begin(
        recorder: Option<&Recorder>,
        headers: &HeaderMap,
        method: &'static str,
    ) -> Self {
        let parent = headers.contains_key(TRACEPARENT).then(|| {
            let propagator = TraceContextPropagator::new();
            propagator.extract_with_context(&Context::new(), &Headers(headers))
        });
        let parent = parent.filter(|parent| parent.span().span_context().is_valid());
        let id = match &parent {
            Some(parent) => parent.span().span_context().trace_id(),
            None => random(),
        };
        let recorder = recorder.filter(|recorder| recorder.wants(parent.as_ref(), id, method));
        let Some(recorder) = recorder else { return Self { context: None, id } };
        let parent = parent.unwrap_or_default();
        // By the conventions, what has no route is called by its method, and one that nobody knows `HTTP`.
        let name = if method == OTHER_METHOD { "HTTP" } else { method };
        let span = SpanBuilder::from_name(name).with_kind(SpanKind::Server);
        let context = parent.with_span(recorder.tracer.build_with_context(span, &parent));
        let id = context.span().span_context().trace_id();
        Self { context: Some(context), id }
    }

    /// What the work on the request happens in, if it is recorded.
    pub(crate) fn context(&self) -> Option<Context> {
        self.context.clone()
    }

    /// The id of the trace.
    pub(crate) fn id(&self) -> TraceId {
        self.id
    }

    /// Ends the request, and tells who asked where it is to be found, if it is recorded.
    pub(crate) fn end(
        self,
        (method, uri): (&'static str, &Uri),
        route: Option<&'static str>,
        status: u16,
        answer: &mut HeaderMap,
    ) {
        let Some(context) = self.context else { return };
        let span = context.span();
        if let Some(route) = route {
            let name = if method == OTHER_METHOD { "HTTP" } else { method };
            span.update_name(format!("{name} {route}"));
            span.set_attribute(KeyValue::new("http.route", route));
        }
        span.set_attribute(KeyValue::new("http.request.method", method));
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        // The path, never the query: only one of them is made of names alone.
        span.set_attribute(KeyValue::new("url.path", uri.path().to_owned()));
        span.set_attribute(KeyValue::new("url.scheme", "http"));
        if status >= 500 {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
        span.end();
        let own = span.span_context();
        let value = format!("00-{}-{}-{:02x}", own.trace_id(), own.span_id(), own.trace_flags());
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert(TRACERESPONSE, value);
        }
    }
}

impl Recorder {
    fn wants(&self, parent: Option<&Context>, id: TraceId, method: &'static str) -> bool {
        let result = self.sampler.should_sample(parent, id, method, &SpanKind::Server, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }
}

/// The span of a part of the request, if it is recorded: to ask here costs less than to ask whoever would make it.
macro_rules! part {
    ($name:literal) => {
        if $crate::telemetry::trace::is_recorded() {
            tracing::info_span!(target: px0_core::SPANS, $name)
        } else {
            tracing::Span::none()
        }
    };
}
pub(crate) use part;

/// Whether what happens now belongs to a request that is recorded.
pub(crate) fn is_recorded() -> bool {
    Context::map_current(TraceContextExt::has_active_span)
}

fn random() -> TraceId {
    // Version 4 of a UUID is random but for six bits.
    TraceId::from_bytes(uuid::Uuid::new_v4().into_bytes())
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
