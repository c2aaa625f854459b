//! The log of the process.

use std::io::{IsTerminal, stderr};

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::trace::SdkTracer;
use px0_config::{LogFormat, LogSettings};
use px0_core::{SPANS, Timestamp};
use px0_server::{Summary, Telemetry};
use serde::Serialize;
use tracing::{Dispatch, Metadata};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, FilterFn, LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Who sends telemetry: what they log would be sent by them, and logged again.
const SENDERS: [&str; 7] =
    ["opentelemetry", "h2", "hyper", "hyper_util", "reqwest", "tonic", "tower"];

/// Where codes that are mailed to nobody are logged: they are for who looks at this process, and not for those who collect logs.
const MAIL: &str = "px0::mail";

/// Starts logging to standard error, for standard output is for what a command answers, and, if it is wanted, to whoever collects
/// logs. Traces begin here, too: their spans are made by the same means.
///
/// Lines are written by a thread of their own, until what this answers is dropped: who reads them slowly delays no request. When too
/// many wait, lines are lost, and counted.
///
/// # Errors
/// When the filter of the settings cannot be read.
pub(crate) fn start(settings: &LogSettings, telemetry: &Telemetry) -> Result<WorkerGuard, String> {
    let filter = || {
        let filter = EnvFilter::try_new(&settings.filter);
        filter.map_err(|error| format!("invalid value for `log.filter`: {error}"))
    };
    let (writer, guard) = tracing_appender::non_blocking(stderr());
    let lost = writer.error_counter();
    telemetry.count_lost_lines(move || lost.dropped_lines() as u64);
    // A filter that lets a span through for some changes what all spans cost. So requests that are recorded have a subscriber of
    // their own, and others never hear of traces.
    let subscriber = |tracer: Option<&SdkTracer>| -> Result<Dispatch, String> {
        let lines = lines(settings.format, writer.clone());
        let mut layers = vec![lines.with_filter(no_spans().and(filter()?.or(mail()))).boxed()];
        if let Some(logs) = telemetry.logs() {
            let filter = no_spans().and(filter_fn(may_be_sent)).and(filter()?);
            layers.push(OpenTelemetryTracingBridge::new(logs).with_filter(filter).boxed());
        }
        if let Some(tracer) = tracer {
            let layer = tracing_opentelemetry::layer().with_tracer(tracer.clone());
            let layer = layer
                // A span's parent is that of its callers, or the request; nobody else looks at the context.
                .with_context_activation(false)
                .with_tracked_inactivity(false)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_level(false);
            let of_traces = filter_fn(|metadata| metadata.target() == SPANS);
            layers.push(layer.with_filter(of_traces).boxed());
        }
        Ok(tracing_subscriber::registry().with(layers).into())
    };
    if let Some(tracer) = telemetry.tracer() {
        telemetry.record_by(subscriber(Some(tracer))?);
    }
    subscriber(None)?.init();
    Ok(guard)
}

fn lines(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(writer);
    if is_json(format) {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    } else {
        lines.with_ansi(stderr().is_terminal()).with_target(false).boxed()
    }
}

/// Whether the log is for machines.
pub(crate) fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => !stderr().is_terminal(),
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    }
}

/// A line like those of a log in JSON, for what is told beside the log.
pub(crate) fn json_line(level: &str, message: &str, summary: Option<&Summary>) -> String {
    let timestamp = Timestamp::now();
    let line = Line { timestamp, level, message, target: "px0", summary };
    serde_json::to_string(&line).unwrap_or_else(|_| message.to_owned())
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    level: &'a str,
    message: &'a str,
    target: &'a str,
    #[serde(flatten)]
    summary: Option<&'a Summary>,
}

/// Codes that are mailed to the log: without them nobody could log in, whatever else is wanted in it.
fn mail() -> FilterFn {
    let mail: FilterFn = filter_fn(|metadata| metadata.target() == MAIL);
    mail.with_max_level_hint(LevelFilter::INFO)
}

/// Spans of traces are not for logs.
fn no_spans() -> FilterFn {
    filter_fn(|metadata| metadata.target() != SPANS)
}

fn may_be_sent(metadata: &Metadata<'_>) -> bool {
    let of = |target: &str| {
        let rest = metadata.target().strip_prefix(target);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with("::") || rest.starts_with(['_', '-'])
        })
    };
    !of(MAIL) && !SENDERS.into_iter().any(of)
}
