//! What leaves by OTLP: by gRPC or HTTP, as the variables of the OpenTelemetry specification say.
//!
//! Nothing leaves unless a variable asks for it: px0 does not look for a collector on its own machine.

use std::env;

use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable that makes no sense.
    #[error("{name}: {why}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something could not be made.
    #[error("telemetry: {0}")]
    Setup(String),
}

/// Who sends what.
#[derive(Default)]
pub(crate) struct Exporters {
    pub(crate) spans: Option<SpanExporter>,
    pub(crate) metrics: Option<MetricExporter>,
    pub(crate) logs: Option<LogExporter>,
    /// Whether nothing is to be counted either: `OTEL_SDK_DISABLED`.
    pub(crate) is_disabled: bool,
}

impl Exporters {
    /// Those that the variables ask for.
    pub(super) fn from_env() -> Result<Self, TelemetryError> {
        if value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self { is_disabled: true, ..Self::default() });
        }
        // For collectors that are reached by https. Who has chosen already is right, too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: opentelemetry_otlp::ExporterBuildError| {
            TelemetryError::Setup(format!("OTLP: {error}"))
        };
        let exporters = Self {
            spans: wanted("TRACES")?
                .then(|| SpanExporter::builder().build())
                .transpose()
                .map_err(failed)?,
            metrics: wanted("METRICS")?
                .then(|| MetricExporter::builder().build())
                .transpose()
                .map_err(failed)?,
            logs: wanted("LOGS")?
                .then(|| LogExporter::builder().build())
                .transpose()
                .map_err(failed)?,
            is_disabled: false,
        };
        Ok(exporters)
    }
}

/// Whether a signal is to leave: when `OTEL_<SIGNAL>_EXPORTER` is `otlp`, or nothing and there is an endpoint for it.
fn wanted(signal: &str) -> Result<bool, TelemetryError> {
    let endpoints =
        [format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"), "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned()];
    let protocols =
        [format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"), "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned()];
    let name = format!("OTEL_{signal}_EXPORTER");
    let wanted = match value(&name).as_deref() {
        Some("otlp") => true,
        Some("none") => false,
        // Metrics are there for Prometheus in any case.
        Some("prometheus") if signal == "METRICS" => false,
        Some(other) => {
            let why = format!("`{other}` is no exporter that px0 has: otlp or none");
            return Err(TelemetryError::Variable { name, why });
        }
        None => endpoints.iter().any(|name| value(name).is_some()),
    };
    let known = ["grpc", "http/protobuf"];
    let unknown = |protocol: &String| !known.contains(&protocol.as_str());
    let protocol = protocols.iter().find_map(|name| value(name).map(|value| (name, value)));
    if let Some((name, protocol)) = protocol.filter(|(_, protocol)| wanted && unknown(protocol)) {
        let why = format!("`{protocol}` is no protocol that px0 speaks: grpc or http/protobuf");
        return Err(TelemetryError::Variable { name: name.clone(), why });
    }
    Ok(wanted)
}

/// A variable; empty is none, as the specification has it.
fn value(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
