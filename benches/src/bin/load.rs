//! Puts a px0 under load: `cargo run --release -p px0-benches --bin load -- --help`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::unwrap_used, reason = "a load that cannot go on has nothing better to do")]

use std::{net::ToSocketAddrs, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::{Parser, Subcommand};
use hyper::{Method, StatusCode};
use px0_benches::{
    filled::{Filled, slug},
    load::{Call, Connections, Load, Pace, Report},
    product::Product,
    subjects::{TEMPLATE, VARIABLES},
};
use serde_json::json;

/// Puts an HTTP server under load, and prints a table and JSON.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// One request, again and again, to a server that runs.
    Run(Run),
    /// A px0 of its own: one tenant sends endless templates at full speed, another renders an honest prompt. Prints what the
    /// honest one gets alone and beside the other, in turns.
    NoisyNeighbour {
        /// Connections of the noisy tenant.
        #[arg(long, default_value_t = 32)]
        noisy: usize,
        /// Connections of the honest tenant.
        #[arg(long, default_value_t = 4)]
        honest: usize,
        /// Renders a second that the honest tenant wants; without it, as many as it can get.
        #[arg(long)]
        rate: Option<f64>,
        /// Turns of each kind.
        #[arg(long, default_value_t = 5)]
        turns: usize,
        /// Seconds of a turn.
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
    },
    /// A px0 of its own with many live versions, each rendered in turn, so that none is warm. Prints latencies and memory.
    ColdPool {
        /// How many versions.
        #[arg(long, default_value_t = 10_000)]
        versions: usize,
        /// How often all of them are rendered.
        #[arg(long, default_value_t = 2)]
        rounds: usize,
    },
    /// A px0 in a process of its own is attacked. Prints what a neighbour in it gets before and meanwhile.
    #[cfg(target_os = "linux")]
    Attack(px0_benches::attack::Options),
}

#[derive(clap::Args)]
struct Run {
    /// `http://host:port/path`.
    url: String,
    /// The method.
    #[arg(long, default_value = "POST")]
    method: Method,
    /// A bearer token.
    #[arg(long)]
    token: Option<String>,
    /// The body.
    #[arg(long, default_value = "{}")]
    body: String,
    /// The status that is expected.
    #[arg(long, default_value = "200")]
    expect: StatusCode,
    /// Connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests a second (open loop); without it, as many as the server answers (closed loop).
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

fn pace(rate: Option<f64>) -> Pace {
    rate.map_or(Pace::Closed, Pace::Open)
}

async fn run(run: Run) {
    let url: hyper::Uri = run.url.parse().unwrap();
    let host = (url.host().unwrap(), url.port_u16().unwrap_or(80));
    let call = Call {
        method: run.method,
        path: url.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        token: run.token,
        body: Bytes::from(run.body),
    };
    let load = Load {
        addr: host.to_socket_addrs().unwrap().next().unwrap(),
        calls: Arc::new(move |_| call.clone()),
        connections: run.connections,
        pace: pace(run.rate),
        duration: Duration::from_secs_f64(run.seconds),
        expected: run.expect,
    };
    let report = Connections::open(load).await.run().await;
    println!("{}\n{}\n{}", Report::head(), report.row(&run.url), report.json());
}

const ENDLESS: &str =
    "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";

async fn noisy_neighbour(
    product: &Product,
    noisy: usize,
    honest: usize,
    rate: Option<f64>,
    turns: usize,
    seconds: f64,
) {
    let (loud, calm) = (product.tenant("loud").await, product.tenant("calm").await);
    product.live(&loud, "endless", ENDLESS).await;
    product.live(&calm, "chat", TEMPLATE).await;
    let call = Product::render(&calm.key, "chat", VARIABLES);
    let endless = Product::render(&loud.key, "endless", "{}");
    let duration = Duration::from_secs_f64(seconds);
    let load = |call: Call, connections, pace, duration, expected| Load {
        addr: product.addr,
        calls: Arc::new(move |_| call.clone()),
        connections,
        pace,
        duration,
        expected,
    };
    let ok = StatusCode::OK;
    let mut calm = Connections::open(load(call, honest, pace(rate), duration, ok)).await;
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    // A little longer, so that it is there from the first to the last of the honest ones.
    let longer = duration + Duration::from_millis(400);
    let mut loud = Connections::open(load(endless, noisy, Pace::Closed, longer, refused)).await;
    calm.run().await;
    let (mut alone, mut beside, mut noise) = (Report::empty(), Report::empty(), Report::empty());
    for _ in 0..turns {
        alone.add(&calm.run().await);
        let noisy = loud.run();
        let honest = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            calm.run().await
        };
        let (noisy, honest) = tokio::join!(noisy, honest);
        noise.add(&noisy);
        beside.add(&honest);
    }
    println!("{}", Report::head());
    println!("{}", alone.row("honest, alone"));
    println!("{}", beside.row("honest, beside the noise"));
    println!("{}", noise.row("the noise"));
    println!(
        "{}",
        json!({
            "alone": alone.json(), "beside": beside.json(), "noise": noise.json(),
            "p99_ratio": beside.ms(0.99) / alone.ms(0.99), "rps_ratio": beside.rps() / alone.rps(),
        })
    );
}

/// Memory that this process holds, in MiB: the px0 under load, and the little that the generator needs.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

async fn cold_pool(product: &Product, filled: &Filled, rounds: usize) {
    let (size, key) = (filled.size, filled.key.clone());
    let variables = r#"{"company":"Acme","messages":[{"role":"user","text":"Hello"}]}"#;
    let before = resident();
    let load = Load {
        addr: product.addr,
        calls: Arc::new(move |number| {
            Product::render(&key, slug(number as usize % size).as_str(), variables)
        }),
        connections: 1,
        pace: Pace::Closed,
        duration: Duration::MAX,
        expected: StatusCode::OK,
    };
    let mut connections = Connections::open(load).await;
    println!("{}", Report::head());
    let mut all = Report::empty();
    for round in 0..rounds {
        let report = connections.times(size as u64).await;
        println!("{}", report.row(&format!("{size} versions, round {round}")));
        all.add(&report);
    }
    let after = resident();
    let mut json = all.json();
    json["rss_before_mib"] = before.into();
    json["rss_after_mib"] = after.into();
    println!("{json}");
}

fn main() {
    let cli = Cli::parse();
    // The generator has one thread, the px0 under load its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match cli.scenario {
        Scenario::Run(options) => runtime.block_on(run(options)),
        #[cfg(target_os = "linux")]
        Scenario::Attack(options) => {
            runtime.block_on(px0_benches::attack::run(options, |line| println!("{line}")));
        }
        Scenario::NoisyNeighbour { noisy, honest, rate, turns, seconds } => {
            let product = Product::start(|_| {});
            runtime.block_on(noisy_neighbour(&product, noisy, honest, rate, turns, seconds));
        }
        Scenario::ColdPool { versions, rounds } => {
            let product = Product::start(|_| {});
            let filled = product.run(Filled::new(product.store().clone(), versions));
            runtime.block_on(cold_pool(&product, &filled, rounds));
        }
    }
}
