//! Bodies that are as large as they may be and made of as many values as fit: anonymous logins, and payloads that are refused.

use std::{fmt::Write as _, net::Ipv4Addr, sync::Arc, time::Instant};

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::{
    hammer::Hammer,
    process::{Binary, Start},
    scene::{Outcome, Scene, Watch},
};
use crate::client::Call;

/// How many at once.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections that send them, each as fast as it is answered.
    #[arg(long, default_value_t = 8)]
    connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 8 }
    }
}

/// Just below the 2 MiB that a body may have.
const MOST: usize = 2 * 1024 * 1024 - 64;

/// A login with 170,000 fields that nobody asked for.
fn login() -> String {
    let mut body = r#"{"email":"nobody@example.com","password":"x""#.to_owned();
    for number in 0..170_000 {
        let _ = write!(body, r#","{number:06}":0"#);
    }
    body.push('}');
    body
}

/// A payload whose variables are nested lists, and more bytes than variables may have.
fn payload() -> String {
    let mut body = r#"{"variables":{"a":[0"#.to_owned();
    while body.len() < MOST {
        body.push_str(",[[1]]");
    }
    body.push_str("]}}");
    body
}

/// Runs both.
pub(crate) async fn run(binary: &Binary, watch: Watch, options: Options) -> Vec<Outcome> {
    let mut scene = Scene::begin(binary, &Start::default(), watch).await;
    let login = Call {
        method: Method::POST,
        path: "/v1/auth/login".to_owned(),
        token: None,
        body: Bytes::from(login()),
    };
    let payload = Call {
        path: "/v1/prompts/chat/payloads".to_owned(),
        token: Some(scene.attacker.session.clone()),
        body: Bytes::from(payload()),
        ..login.clone()
    };
    let mut outcomes = Vec::new();
    for (name, call) in [("fat-bodies: logins", login), ("fat-bodies: payloads", payload)] {
        let attack =
            async |scene: &Scene, until| send(scene, until, options.connections, call).await;
        outcomes.push(scene.under(name, attack).await);
    }
    outcomes
}

async fn send(scene: &Scene, until: Instant, connections: usize, call: Call) -> Value {
    let bytes = call.body.len();
    let hammer = Hammer {
        addr: scene.addr(),
        connections,
        per_second: None,
        until,
        source: |_| Ipv4Addr::new(127, 0, 0, 2),
        fresh: false,
        calls: Arc::new(move |_| call.clone()),
    };
    let before = scene.process.cpu();
    let answers = hammer.run().await;
    let cpu = scene.process.cpu() - before;
    json!({ "body_bytes": bytes, "answers": answers.json(), "px0_cpu_seconds": cpu.as_secs_f64() })
}
