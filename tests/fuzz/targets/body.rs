//! Bodies of requests to a running px0: whatever is sent, the answer is one of the contract's, and never the server's fault.
//!
//! The first byte of an input chooses what is called, the others are the body.
#![no_main]

use std::{
    panic,
    sync::{LazyLock, Mutex},
};

use libfuzzer_sys::fuzz_target;
use px0_tests::{App, Client, Home};
use tokio::runtime::Runtime;

/// So many bodies later there is a new server: what they made piles up.
const BODIES: u32 = 20_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
});

static SERVER: Mutex<Option<Server>> = Mutex::new(None);

struct Server {
    app: App,
    home: Home,
    renderer: Client,
    calls: Vec<(&'static str, String)>,
    bodies: u32,
}

impl Server {
    async fn start() -> Self {
        let app = App::start().await;
        let home = app.founder("ana").await;
        let (team, org) = (home.team.clone(), home.org.clone());
        let prompt = home.prompt("Greeting").await;
        home.live(&prompt, "Hello {{ name }}, {{ list | join }}").await;
        home.draft(&prompt, "Bye {{ name }}").await;
        let renderer = home.key("read_render", &[&team]).await;
        let calls = vec![
            ("POST", format!("/v1/prompts/{prompt}/render")),
            ("POST", format!("/v1/prompts/{prompt}/versions/1/render")),
            ("POST", format!("/v1/prompts/{prompt}/versions")),
            ("PUT", format!("/v1/prompts/{prompt}/versions/2")),
            ("POST", format!("/v1/teams/{team}/prompts")),
            ("PUT", format!("/v1/prompts/{prompt}")),
            ("POST", format!("/v1/prompts/{prompt}/payloads")),
            ("POST", format!("/v1/prompts/{prompt}/versions/2/tags")),
            ("POST", format!("/v1/prompts/{prompt}/versions/1/duplicate")),
            ("POST", format!("/v1/orgs/{org}/teams")),
            ("PUT", format!("/v1/teams/{team}")),
            ("POST", format!("/v1/teams/{team}/members")),
            ("POST", "/v1/api-keys".to_owned()),
            ("POST", "/v1/orgs".to_owned()),
            ("PUT", "/v1/auth/me".to_owned()),
            ("POST", "/v1/auth/login".to_owned()),
            ("POST", "/v1/auth/verify-email".to_owned()),
            ("POST", "/v1/auth/password-reset/reset".to_owned()),
        ];
        Self { app, home, renderer, calls, bodies: 0 }
    }

    async fn send(&self, data: &[u8]) {
        let Some((which, body)) = data.split_first() else { return };
        let (method, path) = &self.calls[usize::from(*which) % self.calls.len()];
        let method = method.parse().expect("a method");
        let client = if path.ends_with("/render") { &self.renderer } else { &*self.home };
        let request = client.request(method, path).header("content-type", "application/json");
        let answer = request.body(body.to_vec()).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a whole answer");
        assert!(status < 500, "{status} {text}");
        let json: serde_json::Value = if text.is_empty() {
            serde_json::Value::Null
        } else {
            serde_json::from_str(&text).expect("JSON")
        };
        if status >= 400 {
            assert!(json["error"].is_string() && json["code"].is_string(), "{status} {text}");
        }
    }
}

fn run(data: &[u8]) {
    let mut server = SERVER.lock().unwrap_or_else(|poison| poison.into_inner());
    RUNTIME.block_on(async {
        if server.as_ref().is_none_or(|server| server.bodies >= BODIES) {
            if let Some(old) = server.take() {
                drop(old.app.stop().await);
            }
            *server = Some(Server::start().await);
        }
        if let Some(server) = server.as_mut() {
            server.bodies += 1;
            server.send(data).await;
        }
    });
}

fuzz_target!(
    init: {
        // libFuzzer's own hook ends the process also for panics that the server catches, which it answers with 500.
        panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
        // The guests are compiled before any input is timed.
        run(&[]);
    },
    |data: &[u8]| {
        if panic::catch_unwind(|| run(data)).is_err() {
            std::process::abort();
        }
    }
);
