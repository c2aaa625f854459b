//! What leaves by OTLP: by gRPC or HTTP, as the variables of the OpenTelemetry specification say.
//!
//! Nothing leaves unless a variable asks for it: px0 does not look for a collector on its own machine.

use std::{env, time::Duration};

use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT,
    SpanExporter, WithHttpConfig, WithTonicConfig, tonic_types::transport::ClientTlsConfig,
};

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
        let (traces, metrics, logs) = (wanted("TRACES")?, wanted("METRICS")?, wanted("LOGS")?);
        Ok(Self {
            spans: traces
                .map(|way| match way {
                    Way::Grpc(tls) => with_tls(SpanExporter::builder().with_tonic(), tls).build(),
                    Way::Http(client) => {
                        with_client(SpanExporter::builder().with_http(), client).build()
                    }
                })
                .transpose()
                .map_err(failed)?,
            metrics: metrics
                .map(|way| match way {
                    Way::Grpc(tls) => with_tls(MetricExporter::builder().with_tonic(), tls).build(),
                    Way::Http(client) => {
                        with_client(MetricExporter::builder().with_http(), client).build()
                    }
                })
                .transpose()
                .map_err(failed)?,
            logs: logs
                .map(|way| match way {
                    Way::Grpc(tls) => with_tls(LogExporter::builder().with_tonic(), tls).build(),
                    Way::Http(client) => {
                        with_client(LogExporter::builder().with_http(), client).build()
                    }
                })
                .transpose()
                .map_err(failed)?,
            is_disabled: false,
        })
    }
}

fn failed(error: ExporterBuildError) -> TelemetryError {
    TelemetryError::Setup(format!("OTLP: {error}"))
}

/// How a signal leaves.
enum Way {
    /// Whether by TLS.
    Grpc(bool),
    /// By this client, if it is not to be the usual one.
    Http(Option<reqwest::blocking::Client>),
}

fn with_tls<B: WithTonicConfig>(builder: B, tls: bool) -> B {
    if !tls {
        return builder;
    }
    // Without a word on it, no authority is trusted.
    builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots())
}

fn with_client<B: WithHttpConfig>(builder: B, client: Option<reqwest::blocking::Client>) -> B {
    match client {
        Some(client) => builder.with_http_client(client),
        None => builder,
    }
}

/// A client that speaks no TLS: the usual one wants to know the machine's authorities, also where there are none and none is needed.
fn plain_client(signal: &str) -> Result<reqwest::blocking::Client, TelemetryError> {
    let names =
        [format!("OTEL_EXPORTER_OTLP_{signal}_TIMEOUT"), "OTEL_EXPORTER_OTLP_TIMEOUT".to_owned()];
    let timeout = names.iter().find_map(|name| value(name)).and_then(|text| text.parse().ok());
    let timeout = timeout.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis);
    let make = move || {
        let client = reqwest::blocking::Client::builder().timeout(timeout);
        client.tls_certs_only([]).build()
    };
    // It has a runtime of its own, which cannot be made within another.
    let made = std::thread::spawn(make).join();
    let made = made.map_err(|_| TelemetryError::Setup("no client for HTTP".to_owned()))?;
    made.map_err(|error| TelemetryError::Setup(format!("no client for HTTP: {error}")))
}

/// Whether and how a signal is to leave: when `OTEL_<SIGNAL>_EXPORTER` is `otlp`, or nothing and there is an endpoint for it.
fn wanted(signal: &str) -> Result<Option<Way>, TelemetryError> {
    let given = |what: &str| {
        let names =
            [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| value(&name).map(|value| (name, value)))
    };
    let wrong = |name: String, why: String| Err(TelemetryError::Variable { name, why });
    let endpoint = given("ENDPOINT").map(|(_, endpoint)| endpoint);
    let name = format!("OTEL_{signal}_EXPORTER");
    let wanted = match value(&name).as_deref() {
        Some("otlp") => true,
        Some("none") => false,
        // Metrics are there for Prometheus in any case.
        Some("prometheus") if signal == "METRICS" => false,
        Some(other) => {
            return wrong(name, format!("`{other}` is no exporter that px0 has: otlp or none"));
        }
        None => endpoint.is_some(),
    };
    if !wanted {
        return Ok(None);
    }
    if let Some((name, compression)) = given("COMPRESSION")
        && !["none", "gzip"].contains(&compression.as_str())
    {
        return wrong(
            name,
            format!("`{compression}` is no compression that px0 has: gzip or none"),
        );
    }
    let tls = endpoint.is_some_and(|endpoint| endpoint.starts_with("https"));
    match given("PROTOCOL") {
        Some((_, protocol)) if protocol == "grpc" => Ok(Some(Way::Grpc(tls))),
        Some((name, protocol)) if protocol != "http/protobuf" => {
            let why = format!("`{protocol}` is no protocol that px0 speaks: grpc or http/protobuf");
            wrong(name, why)
        }
        _ if tls => Ok(Some(Way::Http(None))),
        _ => Ok(Some(Way::Http(Some(plain_client(signal)?)))),
    }
}

/// A variable; empty is none, as the specification has it.
fn value(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
