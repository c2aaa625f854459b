//! `/metrics`.

use std::collections::BTreeSet;

use px0_tests::{Client, process::Server};
use reqwest::Method;
use serde_json::json;

use crate::otlp::{px0, render};

/// The text of all metrics.
async fn metrics(server: &Server) -> String {
    let base = server.metrics.as_ref().unwrap().trim_end_matches("/metrics");
    let answer = Client::at(base).get("/metrics").await.expect(200);
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    answer.text
}

/// The series: names with their labels.
fn series(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ').map(|(series, _)| series)).collect()
}

/// The value of a series.
#[track_caller]
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("there is no {series}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted() {
    let (server, _folder, ada, prompt) = px0(&[]).await;
    for _ in 0..3 {
        render(&ada, &prompt, None).await;
    }
    let endless = ada.prompt("Endless").await;
    let source =
        "{% for i in range(n) %}{% for j in range(n) %}{{ i * j }}{% endfor %}{% endfor %}";
    ada.live(&endless, source).await;
    let path = format!("/v1/prompts/{endless}/render");
    ada.post(&path, json!({ "variables": { "n": 90000 } })).await.expect(422);
    let text = metrics(&server).await;
    let renders = r#"http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/v1/prompts/{slug}/render""#;
    assert!((value(&text, renders) - 3.0).abs() < 0.5);
    assert!(
        value(&text, r#"px0_render_duration_seconds_count{engine="minijinja",start="warm""#) >= 2.0
    );
    assert!(value(&text, r#"px0_render_fuel_sum{engine="minijinja""#) > 1000.0);
    let hits: f64 = ["fuel", "memory", "time", "output"]
        .map(|limit| value(&text, &format!("px0_render_limit_hits_total{{limit=\"{limit}\"}}")))
        .iter()
        .sum();
    assert!((hits - 1.0).abs() < 0.5, "{hits}");
    assert!(value(&text, "px0_pool_hits_total") >= 2.0);
    assert!(value(&text, "px0_pool_instances") >= 1.0);
    assert!(value(&text, "px0_pool_memory_bytes") > 0.0);
    assert!(value(&text, r#"px0_cache_hits_total{cache="versions"}"#) >= 2.0);
    assert!(
        value(
            &text,
            r#"px0_store_duration_seconds_count{backend="sled",operation="create_prompt"}"#
        ) >= 2.0
    );
    assert!(value(&text, "px0_store_commit_batch_count") >= 5.0);
    assert!(value(&text, "process_memory_usage_bytes") > 1e6);
    assert!(value(&text, "process_uptime_seconds") > 0.0);
    // Only this is there.
    let elsewhere = Client::at(server.metrics.as_ref().unwrap().trim_end_matches("/metrics"));
    elsewhere.get("/v1/health").await.expect(404);
    Client::at(&server.base).get("/metrics").await.expect(404);
}

/// However many paths, methods, prompts and people there are, metrics stay as few as they are.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_stay_few() {
    let (server, _folder, ada, prompt) = px0(&[]).await;
    let prompts = async |count: usize| {
        for number in 0..count {
            ada.get(&format!("/nowhere/{count}/{number}")).await.expect(404);
            ada.get(&format!("/v1/prompts/unknown_{count}_{number}")).await.expect(404);
            let method = Method::from_bytes(format!("M{count}X{number}").as_bytes()).unwrap();
            let _ = px0_tests::Answer::to(ada.request(method, "/v1/health")).await;
            let slug = ada.prompt(&format!("Prompt {count} {number}")).await;
            ada.live(&slug, "Hello {{ name }}").await;
            render(&ada, &slug, None).await;
            render(&ada, &slug, None).await;
        }
        render(&ada, &prompt, None).await;
    };
    prompts(2).await;
    let before = metrics(&server).await;
    prompts(20).await;
    let after = metrics(&server).await;
    let new: Vec<_> = series(&after).difference(&series(&before)).copied().collect();
    assert!(new.is_empty(), "{new:#?}");
    for named in ["unknown_", "nowhere", "prompt_", "M2X", ada.org.as_str(), ada.id()] {
        assert!(!after.contains(named), "{named}");
    }
}

/// Prompts are named where somebody asked for it, up to a number.
#[tokio::test(flavor = "multi_thread")]
async fn so_many_prompts_are_named_as_was_asked_for() {
    let (server, _folder, ada, prompt) =
        px0(&[("PX0_TELEMETRY__PROMPT_LABELS", "2".to_owned())]).await;
    render(&ada, &prompt, None).await;
    for number in 0..4 {
        let slug = ada.prompt(&format!("Prompt {number}")).await;
        ada.live(&slug, "Hello {{ name }}").await;
        render(&ada, &slug, None).await;
    }
    let text = metrics(&server).await;
    let count = |prompt: &str| {
        let of = |line: &&str| {
            line.starts_with("px0_render_duration_seconds_count{")
                && line.contains(&format!("prompt=\"{prompt}\""))
        };
        text.lines()
            .filter(of)
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum::<f64>()
    };
    assert!((count("greeting") - 1.0).abs() < 0.5);
    assert!((count("prompt_0") - 1.0).abs() < 0.5);
    assert!((count("_other") - 3.0).abs() < 0.5);
    assert!(count("prompt_1").abs() < 0.5);
}
