//! What px0 costs over HTTP: its `renderLive` (authentication, routing, cache, sandbox) against a handler that has nothing to
//! protect: the same server library, minijinja in the process, its template parsed before, and no authentication.
//!
//! ```sh
//! cargo run --release -p px0-benches --bin http
//! ```
//!
//! Both are under the same load on the same cores, in turns. The last line is JSON.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, response::IntoResponse, routing::post};
use clap::Parser;
use hyper::StatusCode;
use minijinja::{Environment, Value};
use px0_benches::{
    load::{Call, Connections, Load, Pace, Report},
    product::Product,
    subjects::{TEMPLATE, VARIABLES, environment},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Runtime;

/// Puts px0 and a bare handler under the same load.
#[derive(Parser)]
struct Cli {
    /// Connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Turns of each.
    #[arg(long, default_value_t = 10)]
    turns: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Leaves the other one without load, for a profiler.
    #[arg(long)]
    only: Option<Side>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Side {
    Bare,
    Px0,
}

#[derive(Deserialize)]
struct Body {
    variables: Value,
}

#[derive(Serialize)]
struct About {
    version: u32,
    slug: &'static str,
    tags: [&'static str; 0],
    model: Option<String>,
    model_params: Option<String>,
    engine: &'static str,
}

/// As px0 does it, down to the writer of the answer.
async fn render(
    State(environment): State<Arc<Environment<'static>>>,
    Json(body): Json<Body>,
) -> axum::response::Response {
    match environment.get_template("chat").and_then(|chat| chat.render(body.variables)) {
        Ok(rendered) => {
            let (tags, engine) = ([], "minijinja");
            let (model, model_params) = (None, None);
            let about = About { version: 1, slug: "chat", tags, model, model_params, engine };
            px0_server::answer::rendered(&rendered, &about)
                .map_err(|error| error.to_string())
                .into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

/// Serves the bare handler on threads of its own.
fn baseline() -> (Runtime, SocketAddr) {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/v1/prompts/{slug}/render", post(render))
        .with_state(Arc::new(environment()));
    runtime.spawn(async move {
        use axum::serve::ListenerExt as _;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router).await
    });
    (runtime, addr)
}

fn main() {
    let cli = Cli::parse();
    let generator = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_baseline, bare) = baseline();
    let product = Product::start(|_| {});
    let call: Call = generator.block_on(async {
        let tenant = product.tenant("acme").await;
        product.live(&tenant, "chat", TEMPLATE).await;
        Product::render(&tenant.key, "chat", VARIABLES)
    });
    let connections = |addr| {
        let call = call.clone();
        let load = Load {
            addr,
            calls: Arc::new(move |_| call.clone()),
            connections: cli.connections,
            pace: Pace::Closed,
            duration: Duration::from_secs_f64(cli.seconds),
            expected: StatusCode::OK,
        };
        generator.block_on(Connections::open(load))
    };
    let (mut to_bare, mut to_px0) = (connections(bare), connections(product.addr));
    let (mut of_bare, mut of_px0) = (Report::empty(), Report::empty());
    for turn in 0..=cli.turns {
        let run = |side, connections: &mut Connections| match cli.only {
            Some(only) if only != side => Report::empty(),
            _ => generator.block_on(connections.run()),
        };
        let (bare, px0) = (run(Side::Bare, &mut to_bare), run(Side::Px0, &mut to_px0));
        // The first is to get warm.
        if turn > 0 {
            of_bare.add(&bare);
            of_px0.add(&px0);
        }
    }
    println!("{}", Report::head());
    println!("{}", of_bare.row("bare handler, native"));
    println!("{}", of_px0.row("px0, sandboxed"));
    println!(
        "{}",
        json!({
            "baseline_rps": of_bare.rps().round(), "px0_rps": of_px0.rps().round(),
            "ratio": (of_px0.rps() / of_bare.rps() * 1000.0).round() / 1000.0,
            "baseline_p99_ms": of_bare.ms(0.99), "px0_p99_ms": of_px0.ms(0.99),
        })
    );
}
