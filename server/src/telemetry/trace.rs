//! The part of a trace that one request is.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use opentelemetry::{
    Context, KeyValue, TraceId,
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracer};

use crate::telemetry::metrics::known_method;

/// Where W3C's trace context comes in (<https://www.w3.org/TR/trace-context/>).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where it goes out (<https://www.w3.org/TR/trace-context-2/>).
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// The part of a trace that one request is.
pub(crate) struct Trace {
    /// With the span of the request, or with what came with it.
    context: Context,
    id: TraceId,
    /// Whether whoever asks is told.
    told: bool,
}

impl Trace {
    /// Begins a request: goes on with the trace that it belongs to, or begins one. Whether it is recorded is for the sampler to say.
    pub(crate) fn begin(tracer: Option<&SdkTracer>, headers: &HeaderMap, method: &Method) -> Self {
        let came = headers.contains_key(TRACEPARENT);
        let mut context = Context::new();
        if came {
            let found =
                TraceContextPropagator::new().extract_with_context(&context, &Headers(headers));
            context = found;
        }
        if let Some(tracer) = tracer {
            let span = SpanBuilder::from_name(known_method(method)).with_kind(SpanKind::Server);
            let span = tracer.build_with_context(span, &context);
            context = context.with_span(span);
        }
        let given = context.span().span_context().trace_id();
        let id = if given == TraceId::INVALID { random() } else { given };
        let told = came || context.span().span_context().is_sampled();
        Self { context, id, told }
    }

    /// What the work on the request happens in, if it is recorded.
    pub(crate) fn context(&self) -> Option<Context> {
        let recorded = self.context.span().span_context().is_sampled();
        recorded.then(|| self.context.clone())
    }

    /// The id of the trace.
    pub(crate) fn id(&self) -> TraceId {
        self.id
    }

    /// Ends the request, and tells who asked where it is to be found.
    pub(crate) fn end(
        self,
        (method, uri): (&'static str, &Uri),
        route: Option<&'static str>,
        status: u16,
        answer: &mut HeaderMap,
    ) {
        let span = self.context.span();
        if span.is_recording() {
            if let Some(route) = route {
                span.update_name(format!("{method} {route}"));
            }
            span.set_attribute(KeyValue::new("http.request.method", method));
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            // The path, never the query: only one of them is made of names alone.
            span.set_attribute(KeyValue::new("url.path", uri.path().to_owned()));
            span.set_attribute(KeyValue::new("url.scheme", "http"));
            if let Some(route) = route {
                span.set_attribute(KeyValue::new("http.route", route));
            }
            if status >= 500 {
                span.set_attribute(KeyValue::new("error.type", status.to_string()));
                span.set_status(Status::error(""));
            }
            span.end();
        }
        let own = span.span_context();
        if self.told && own.is_valid() && !own.is_remote() {
            let flags = own.trace_flags().to_u8();
            let value = format!("00-{}-{}-{flags:02x}", own.trace_id(), own.span_id());
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.insert(TRACERESPONSE, value);
            }
        }
    }
}

/// Whether what happens now belongs to a trace that is recorded.
pub fn is_recorded() -> bool {
    Context::map_current(|context| {
        context.has_active_span() && context.span().span_context().is_sampled()
    })
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
