//! The log of the process.

use std::io::{IsTerminal, stderr};

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use px0_config::{LogFormat, LogSettings};
use px0_core::SPANS;
use px0_server::{Telemetry, telemetry::is_recorded};
use tracing::{Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, FilterFn, filter_fn},
    fmt,
    layer::{Context, Filter, SubscriberExt},
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
    let lines = lines(settings.format, writer).with_filter(filter()?.and(no_spans())).boxed();
    let traces = telemetry.tracer().map(|tracer| {
        let layer = tracing_opentelemetry::layer().with_tracer(tracer.clone());
        layer
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_filter(Recorded)
            .boxed()
    });
    let records = match telemetry.logs() {
        Some(logs) => {
            let filter = filter()?.and(no_spans()).and(filter_fn(may_be_sent));
            Some(OpenTelemetryTracingBridge::new(logs).with_filter(filter).boxed())
        }
        None => None,
    };
    let layers: Vec<_> = [Some(lines), traces, records].into_iter().flatten().collect();
    tracing_subscriber::registry().with(layers).init();
    Ok(guard)
}

fn lines(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<Registry> + Send + Sync> {
    let pretty = match format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let lines = fmt::layer().with_writer(writer);
    if pretty {
        lines.with_ansi(stderr().is_terminal()).with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    }
}

/// Spans of traces are not for logs.
fn no_spans() -> FilterFn {
    filter_fn(|metadata| metadata.target() != SPANS)
}

/// Lets through spans of traces, within a request that is recorded.
struct Recorded;

impl<S> Filter<S> for Recorded {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.target() == SPANS && is_recorded()
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.target() == SPANS {
            true => Interest::sometimes(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
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
