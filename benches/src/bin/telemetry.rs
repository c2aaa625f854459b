//! What telemetry costs over HTTP: px0 with all of it off against px0 as it is by default, and against px0 that sends traces.
//!
//! ```sh
//! cargo build --release --workspace
//! cargo run --release -p px0-benches --bin telemetry
//! ```
//!
//! Each is a process of its own (the `px0` beside this program), and they are under the same load in turns. Who receives what
//! is sent is this program, on the same cores: a part of what it costs is its own work. The last line is JSON.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing better to do")]

use std::{
    io::BufRead as _,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use hyper::StatusCode;
use px0_benches::{
    load::{Call, Connections, Load, Pace, Report},
    product::{Api, Product},
    subjects::{TEMPLATE, VARIABLES},
};
use serde_json::{Map, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

/// Puts px0 with and without telemetry under the same load.
#[derive(Parser)]
struct Cli {
    /// Connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Turns of each.
    #[arg(long, default_value_t = 20)]
    turns: usize,
    /// Seconds of a turn.
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// The share of requests that is recorded.
    #[arg(long, default_value_t = 0.1)]
    sampled: f64,
}

/// Without a line for each request.
const QUIET: (&str, &str) = ("PX0_LOG__FILTER", "info,px0::access=warn");

/// What is compared: the first is what the others are compared with.
fn subjects(
    receiver: SocketAddr,
    sampled: f64,
) -> [(&'static str, Vec<(&'static str, String)>); 4] {
    let (name, value) = QUIET;
    let quiet = (name, value.to_owned());
    let sent = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
        ("OTEL_LOGS_EXPORTER", "none".to_owned()),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()),
        ("OTEL_TRACES_SAMPLER_ARG", sampled.to_string()),
    ];
    [
        ("off", vec![quiet.clone(), ("OTEL_SDK_DISABLED", "true".to_owned())]),
        ("metrics", vec![quiet.clone()]),
        ("metrics_and_traces", [vec![quiet], sent.to_vec()].concat()),
        ("and_a_line_each", sent.to_vec()),
    ]
}

/// A px0 in a process of its own.
struct Process {
    child: Child,
    api: Api,
    _folder: TempDir,
}

impl Process {
    fn start(variables: &[(&'static str, String)]) -> Self {
        let this = std::env::current_exe().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(this.with_file_name("px0"));
        command
            .env("PX0_HTTP__ADDR", "127.0.0.1:0")
            .env("PX0_TELEMETRY__ADDR", "127.0.0.1:0")
            .env("PX0_STORE__SLED__PATH", folder.path().join("data"))
            .env("PX0_EMAIL__MODE", "auto-verify")
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("px0 is built: cargo build --release --workspace");
        let mut line = String::new();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let (_, addr) = line.trim().rsplit_once("http://").expect("px0 starts");
        Self { child, api: Api { addr: addr.parse().unwrap() }, _folder: folder }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who takes whatever comes, and looks at nothing but where it ends: a collector has a machine of its own.
fn receiver() -> (Runtime, SocketAddr) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(BufReader::with_capacity(1 << 20, stream)));
        }
    });
    (runtime, addr)
}

/// Takes requests until there is none any more.
async fn take(mut stream: BufReader<TcpStream>) -> std::io::Result<()> {
    let mut length = 0;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = given.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            while length > 0 {
                let taken = stream.fill_buf().await?.len().min(length);
                stream.consume(taken);
                length -= taken;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
        }
        line.clear();
    }
    Ok(())
}

fn main() {
    let cli = Cli::parse();
    let generator = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_receiver, addr) = receiver();
    let mut subjects: Vec<_> = subjects(addr, cli.sampled)
        .into_iter()
        .map(|(name, variables)| {
            let process = Process::start(&variables);
            let call: Call = generator.block_on(async {
                let tenant = process.api.tenant("acme").await;
                process.api.live(&tenant, "chat", TEMPLATE).await;
                Product::render(&tenant.key, "chat", VARIABLES)
            });
            let load = Load {
                addr: process.api.addr,
                calls: Arc::new(move |_| call.clone()),
                connections: cli.connections,
                pace: Pace::Closed,
                duration: Duration::from_secs_f64(cli.seconds),
                expected: StatusCode::OK,
            };
            let connections = generator.block_on(Connections::open(load));
            (name, process, connections, Report::empty())
        })
        .collect();
    for turn in 0..=cli.turns {
        for (_, _, connections, report) in &mut subjects {
            let of_turn = generator.block_on(connections.run());
            // The first is to get warm.
            if turn > 0 {
                report.add(&of_turn);
            }
        }
    }
    println!("{}", Report::head());
    let mut figures = Map::new();
    let off = subjects.first().map_or(0.0, |(_, _, _, report)| report.rps());
    for (name, _, _, report) in &subjects {
        println!("{}", report.row(name));
        let ratio = (report.rps() / off * 1000.0).round() / 1000.0;
        figures.insert(
            (*name).to_owned(),
            json!({ "rps": report.rps().round(), "ratio": ratio, "p99_ms": report.ms(0.99) }),
        );
    }
    println!("{}", serde_json::Value::Object(figures));
}
