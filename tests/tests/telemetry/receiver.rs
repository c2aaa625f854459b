//! Somebody who receives OTLP, by gRPC or HTTP, as a collector would.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Router, extract::State, routing::post};
use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::{LogsService, LogsServiceServer},
        },
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    resource::v1::Resource,
    trace::v1::Span,
};
use parking_lot::Mutex;
use prost::Message;
use tokio::{net::TcpListener, sync::oneshot};
use tonic::{Request, Response, Status};

/// How px0 speaks with it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

/// What came.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
    pub(crate) metrics: Vec<ExportMetricsServiceRequest>,
    pub(crate) logs: Vec<ExportLogsServiceRequest>,
}

/// Somebody who receives; stops when it is dropped.
pub(crate) struct Receiver {
    received: Arc<Mutex<Received>>,
    protocol: Protocol,
    endpoint: String,
    _stop: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Inbox(Arc<Mutex<Received>>);

#[tonic::async_trait]
impl TraceService for Inbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().traces.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Inbox {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.lock().metrics.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Inbox {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.0.lock().logs.push(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Receiver {
    /// Begins to receive.
    pub(crate) async fn start(protocol: Protocol) -> Self {
        let inbox = Inbox(Arc::default());
        let received = inbox.0.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        match protocol {
            Protocol::Grpc => {
                let server = tonic::transport::Server::builder()
                    .add_service(TraceServiceServer::new(inbox.clone()))
                    .add_service(MetricsServiceServer::new(inbox.clone()))
                    .add_service(LogsServiceServer::new(inbox));
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                tokio::spawn(server.serve_with_incoming_shutdown(incoming, async {
                    let _ = stopped.await;
                }));
            }
            Protocol::Http => {
                let router = Router::new()
                    .route(
                        "/v1/traces",
                        post(async |State(Inbox(inbox)), body: Bytes| {
                            inbox.lock().traces.push(Message::decode(body).unwrap());
                        }),
                    )
                    .route(
                        "/v1/metrics",
                        post(async |State(Inbox(inbox)), body: Bytes| {
                            inbox.lock().metrics.push(Message::decode(body).unwrap());
                        }),
                    )
                    .route(
                        "/v1/logs",
                        post(async |State(Inbox(inbox)), body: Bytes| {
                            inbox.lock().logs.push(Message::decode(body).unwrap());
                        }),
                    )
                    .with_state(inbox);
                tokio::spawn(async move {
                    let served = axum::serve(listener, router).with_graceful_shutdown(async {
                        let _ = stopped.await;
                    });
                    served.await.unwrap();
                });
            }
        }
        Self { received, protocol, endpoint, _stop: stop }
    }

    /// The variables by which a px0 is told of it. What is to be sent is sent soon.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let protocol = match self.protocol {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http/protobuf",
        };
        let mut variables = soon();
        variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint.clone()));
        variables.push(("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()));
        variables
    }

    /// Looks until `found` finds what it looks for.
    #[track_caller]
    pub(crate) fn find<T>(
        &self,
        what: &str,
        found: impl Fn(&Received) -> Option<T>,
    ) -> impl Future<Output = T> {
        let caller = std::panic::Location::caller();
        async move {
            // The limit only ends a test that fails.
            for _ in 0..600 {
                if let Some(found) = found(&self.received.lock()) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("{caller}: {what} did not arrive; spans: {:?}", names(&self.received.lock()));
        }
    }

    /// Everything that came, as bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Received { traces, metrics, logs } = &*self.received.lock();
        let traces = traces.iter().flat_map(Message::encode_to_vec);
        let metrics = metrics.iter().flat_map(Message::encode_to_vec);
        traces.chain(metrics).chain(logs.iter().flat_map(Message::encode_to_vec)).collect()
    }
}

/// The variables by which exporters wait for little.
pub(crate) fn soon() -> Vec<(&'static str, String)> {
    let names =
        ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"];
    names.map(|name| (name, "100".to_owned())).into()
}

fn names(received: &Received) -> Vec<String> {
    received.spans().map(|span| span.name.clone()).collect()
}

impl Received {
    /// All spans.
    pub(crate) fn spans(&self) -> impl Iterator<Item = &Span> {
        let resources = self.traces.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|spans| &spans.scope_spans).flat_map(|spans| &spans.spans)
    }

    /// The names of all metrics, with their units.
    pub(crate) fn metrics(&self) -> BTreeMap<&str, &str> {
        let resources = self.metrics.iter().flat_map(|request| &request.resource_metrics);
        let metrics = resources.flat_map(|metrics| &metrics.scope_metrics);
        metrics
            .flat_map(|metrics| &metrics.metrics)
            .map(|metric| (&*metric.name, &*metric.unit))
            .collect()
    }

    /// All log records.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &LogRecord> {
        let resources = self.logs.iter().flat_map(|request| &request.resource_logs);
        resources.flat_map(|logs| &logs.scope_logs).flat_map(|logs| &logs.log_records)
    }

    /// Who says all this, as each signal has it.
    pub(crate) fn resources(&self) -> Option<[&Resource; 3]> {
        Some([
            self.traces.first()?.resource_spans.first()?.resource.as_ref()?,
            self.metrics.first()?.resource_metrics.first()?.resource.as_ref()?,
            self.logs.first()?.resource_logs.first()?.resource.as_ref()?,
        ])
    }
}

/// An attribute, as text.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(text(found.value.as_ref()?))
}

/// A value as text.
pub(crate) fn text(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// An id, as it is written.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
