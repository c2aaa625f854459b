//! Traces, metrics and logs arrive, and are about what happened.

use px0_tests::{
    Answer, Home,
    process::{Server, sled},
};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::receiver::{Protocol, Receiver, attribute, hex, text};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A px0 with these variables, its folder, and somebody with a live prompt.
pub(crate) async fn px0(variables: &[(&'static str, String)]) -> (Server, TempDir, Home, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = sled(&folder.path().join("data"));
    all.extend_from_slice(variables);
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let server = Server::start_with(&all, |command| {
        command.stderr(log);
    })
    .await;
    let ada = Home::found(&server.base, "ada").await;
    let prompt = ada.prompt("Greeting").await;
    ada.live(&prompt, "Hello {{ name }}").await;
    (server, folder, ada, prompt)
}

/// Renders, as a part of a trace.
pub(crate) async fn render(who: &Home, prompt: &str, traceparent: Option<&str>) -> Answer {
    let request = who.request(Method::POST, &format!("/v1/prompts/{prompt}/render"));
    let request = request.json(&json!({ "variables": { "name": "Eve" } }));
    let answer = match traceparent {
        Some(parent) => Answer::to(request.header("traceparent", parent)).await,
        None => Answer::to(request).await,
    };
    answer.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc() {
    everything_arrives(Protocol::Grpc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_http() {
    everything_arrives(Protocol::Http).await;
}

async fn everything_arrives(protocol: Protocol) {
    let receiver = Receiver::start(protocol).await;
    let (server, _folder, ada, prompt) = px0(&receiver.variables()).await;
    render(&ada, &prompt, None).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let answer = render(&ada, &prompt, Some(&traceparent)).await;

    // The request is a part of the caller's trace, and its own parts are parts of it.
    let of_trace = |name: &'static str| {
        receiver.find(name, move |received| {
            let mut spans = received.spans();
            spans.find(|span| hex(&span.trace_id) == TRACE && span.name == name).cloned()
        })
    };
    let root = of_trace("POST /v1/prompts/{slug}/render").await;
    assert_eq!(hex(&root.parent_span_id), PARENT);
    assert_eq!(root.kind, 2, "it is a server's");
    let told = format!("00-{TRACE}-{}-01", hex(&root.span_id));
    assert_eq!(answer.header("traceresponse"), told);
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/prompts/{slug}/render"),
        ("http.response.status_code", "200"),
        ("url.path", &format!("/v1/prompts/{prompt}/render")),
        ("url.scheme", "http"),
    ] {
        assert_eq!(attribute(&root.attributes, key).as_deref(), Some(value), "{key}");
    }
    for name in ["auth", "resolve", "sandbox"] {
        let part = of_trace(name).await;
        assert_eq!(hex(&part.parent_span_id), hex(&root.span_id), "{name}");
    }
    let sandbox = of_trace("sandbox").await;
    for (key, value) in [
        ("px0.prompt.slug", &*prompt),
        ("px0.version.number", "1"),
        ("px0.engine", "minijinja"),
        ("px0.render.start", "warm"),
    ] {
        assert_eq!(attribute(&sandbox.attributes, key).as_deref(), Some(value), "{key}");
    }
    let fuel = attribute(&sandbox.attributes, "px0.render.fuel").unwrap();
    assert!(fuel.parse::<u64>().unwrap() > 0);

    // A write of the store is a part of the request that made it.
    receiver
        .find("an operation of the store below its request", |received| {
            let write = received.spans().find(|span| span.name == "create_prompt")?;
            let parent = received.spans().find(|span| span.span_id == write.parent_span_id)?;
            assert_eq!(parent.name, "POST /v1/teams/{teamID}/prompts");
            assert_eq!(write.kind, 3, "it is a client's");
            Some(())
        })
        .await;

    receiver
        .find("metrics", |received| {
            let metrics = received.metrics();
            let wanted = [
                ("http.server.request.duration", "s"),
                ("http.server.active_requests", "{request}"),
                ("px0.render.duration", "s"),
                ("px0.render.fuel", "{instruction}"),
                ("px0.render.limit_hits", "{render}"),
                ("px0.pool.instances", "{instance}"),
                ("px0.pool.memory", "By"),
                ("px0.pool.hits", "{render}"),
                ("px0.pool.evictions", "{instance}"),
                ("px0.cache.hits", "{look}"),
                ("px0.cache.misses", "{look}"),
                ("px0.store.duration", "s"),
                ("px0.store.commit_batch", "{write}"),
                ("process.cpu.time", "s"),
                ("process.memory.usage", "By"),
            ];
            wanted.iter().all(|(name, unit)| metrics.get(name) == Some(unit)).then_some(())
        })
        .await;

    // The line of the request, by its trace.
    let line = receiver
        .find("a log record", |received| {
            let mut logs = received.logs();
            let record = logs.find(|record| {
                hex(&record.trace_id) == TRACE
                    && record.body.as_ref().is_some_and(|body| text(body) == "answered")
            });
            record.cloned()
        })
        .await;
    assert_eq!(attribute(&line.attributes, "status").as_deref(), Some("200"));
    assert_eq!(hex(&line.span_id), hex(&root.span_id));

    receiver
        .find("who says it", |received| {
            for resource in received.resources()? {
                let name = attribute(&resource.attributes, "service.name");
                assert_eq!(name.as_deref(), Some("px0"));
                assert!(attribute(&resource.attributes, "service.version").is_some());
                assert!(attribute(&resource.attributes, "service.instance.id").is_some());
            }
            Some(())
        })
        .await;
    server.stop().await;
}

/// What is left is sent at the end, however long it was to wait.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_sent_at_the_end() {
    let receiver = Receiver::start(Protocol::Grpc).await;
    let mut variables = receiver.variables();
    for (name, value) in &mut variables {
        if name.ends_with("DELAY") || name.ends_with("INTERVAL") {
            "3600000".clone_into(value);
        }
    }
    variables.push(("OTEL_SERVICE_NAME", "prompts".to_owned()));
    let (server, _folder, ada, prompt) = px0(&variables).await;
    render(&ada, &prompt, None).await;
    server.stop().await;
    receiver
        .find("spans, metrics and logs", |received| {
            let resources = received.resources()?;
            for resource in resources {
                let name = attribute(&resource.attributes, "service.name");
                assert_eq!(name.as_deref(), Some("prompts"));
            }
            received.spans().find(|span| span.name == "sandbox").map(drop)
        })
        .await;
}

/// Who calls decides whether a trace is recorded; where nobody calls, the sampler does.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_for_the_caller_and_the_sampler_to_say() {
    let receiver = Receiver::start(Protocol::Grpc).await;
    let mut variables = receiver.variables();
    variables.push(("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()));
    variables.push(("OTEL_TRACES_SAMPLER_ARG", "0.0".to_owned()));
    let (server, _folder, ada, prompt) = px0(&variables).await;
    let quiet = render(&ada, &prompt, None).await;
    assert_eq!(quiet.header("traceresponse"), "");
    let no = format!("00-{TRACE}-{PARENT}-00");
    let answer = render(&ada, &prompt, Some(&no)).await;
    assert_eq!(answer.header("traceresponse"), "", "there is nothing to be found");
    let yes = format!("00-{}-{PARENT}-01", "ab".repeat(16));
    render(&ada, &prompt, Some(&yes)).await;
    server.stop().await;
    receiver
        .find("the spans of one trace", |received| {
            received.spans().find(|span| span.name == "sandbox")?;
            let traces: std::collections::BTreeSet<_> =
                received.spans().map(|span| hex(&span.trace_id)).collect();
            assert_eq!(traces, ["ab".repeat(16)].into());
            Some(())
        })
        .await;
}

/// Each request is one line, with the trace that it belongs to.
#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_a_line_with_its_trace() {
    let (server, folder, ada, prompt) = px0(&[]).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    render(&ada, &prompt, Some(&traceparent)).await;
    ada.get("/nowhere").await.expect(404);
    server.stop().await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert!(answered.iter().all(|line| {
        let id = line["span"]["trace_id"].as_str().unwrap();
        id.len() == 32 && line["span"]["request_id"].is_string()
    }));
    let render = answered.iter().find(|line| line["span"]["trace_id"] == TRACE).unwrap();
    assert_eq!(render["route"], "/v1/prompts/{slug}/render");
    assert_eq!((&render["method"], &render["status"]), (&json!("POST"), &json!(200)));
    assert!(render["ms"].is_number());
    assert_eq!(answered.last().unwrap()["route"], "-");
    let calls = 10;
    assert_eq!(answered.len(), calls, "{log}");
}

/// What makes no sense is told at the start.
#[tokio::test(flavor = "multi_thread")]
async fn variables_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, told) in [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER: `zipkin` is no exporter"),
        ("OTEL_TRACES_SAMPLER", "some", "OTEL_TRACES_SAMPLER: `some` is no sampler"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "OTEL_TRACES_SAMPLER_ARG: `2` is no number from 0 to 1"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "`http/json` is no protocol that px0 speaks"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not an address", "OTLP: "),
        ("PX0_TELEMETRY__ADDR", "here", "telemetry.addr"),
    ] {
        let mut variables = sled(&folder.path().join("data"));
        variables.push(("PX0_HTTP__ADDR", "127.0.0.1:0".to_owned()));
        if name == "OTEL_TRACES_SAMPLER_ARG" {
            variables.push(("OTEL_TRACES_SAMPLER", "traceidratio".to_owned()));
        }
        if name == "OTEL_EXPORTER_OTLP_PROTOCOL" || name.contains("SAMPLER") {
            variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1".to_owned()));
        }
        variables.push((name, value.to_owned()));
        let output = px0_tests::process::run(&["serve"], &variables).await;
        let said = px0_tests::process::said(&output, false);
        assert!(said.contains(told), "{said}");
    }
}
