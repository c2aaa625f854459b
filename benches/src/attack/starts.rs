//! The first start of all: what it costs until px0 answers, on a fresh folder and where no code can be kept, and how soon it can be
//! ended.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Binary, Start};

/// How often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Starts of each kind.
    #[arg(long, default_value_t = 3)]
    starts: usize,
    /// Seconds from the start of px0 to SIGTERM.
    #[arg(long, default_value_t = 0.1)]
    term_after: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { starts: 3, term_after: 0.1 }
    }
}

/// When the memory of a px0 that was just started is looked at.
const SETTLED: Duration = Duration::from_secs(8);

/// What a start cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    wall: f64,
    cpu: f64,
    rss_mib: u64,
    cpu_settled: f64,
}

/// The head of the rows.
pub(crate) fn head() -> String {
    format!(
        "{:<32} {:<6} {:>9} {:>9} {:>12} {:>12}",
        "", "px0", "wall s", "CPU s", "CPU 8 s", "RSS MiB 8 s"
    )
}

/// Runs it; prints a row as soon as it is there.
pub(crate) async fn run(binary: &Binary, options: Options, print: impl Fn(String)) -> Value {
    let mut kinds = Vec::new();
    for (kind, unwritable) in [("starts: fresh folder", false), ("starts: no code is kept", true)] {
        let mut costs = Vec::new();
        for _ in 0..options.starts {
            let cost = start(binary, unwritable).await;
            let Cost { wall, cpu, rss_mib, cpu_settled } = cost;
            print(format!(
                "{kind:<32} {:<6} {wall:>9.3} {cpu:>9.2} {cpu_settled:>12.2} {rss_mib:>12}",
                binary.name
            ));
            costs.push(json!({
                "wall_seconds": wall, "cpu_seconds": cpu, "cpu_seconds_after_8_s": cpu_settled,
                "rss_mib_after_8_s": rss_mib,
            }));
        }
        kinds.push(json!({ "start": kind, "px0": binary.name, "costs": costs }));
    }
    let mut ends = Vec::new();
    for _ in 0..options.starts {
        let mut process = binary.spawn(&Start::default(), folder(false));
        tokio::time::sleep(Duration::from_secs_f64(options.term_after)).await;
        let (status, took) = process.terminate().await;
        let how = status.map_or_else(|| "never".to_owned(), |status| status.to_string());
        let kind = format!("starts: SIGTERM after {} s", options.term_after);
        print(format!("{kind:<32} {:<6} {:>9.3} ({how})", binary.name, took.as_secs_f64()));
        ends.push(json!({ "seconds": took.as_secs_f64(), "status": how }));
    }
    json!({ "starts": kinds, "term": { "px0": binary.name, "ends": ends } })
}

async fn start(binary: &Binary, unwritable: bool) -> Cost {
    let mut process = binary.spawn(&Start::default(), folder(unwritable));
    let wall = process.answers().await;
    let cpu = process.cpu();
    tokio::time::sleep(SETTLED.saturating_sub(process.started.elapsed().saturating_sub(wall)))
        .await;
    Cost {
        wall: wall.as_secs_f64(),
        cpu: cpu.as_secs_f64(),
        rss_mib: process.rss_mib(),
        cpu_settled: process.cpu().as_secs_f64(),
    }
}

/// An empty folder; an `unwritable` one has a file where px0 would keep its code, which keeps out root, too.
fn folder(unwritable: bool) -> TempDir {
    let folder = TempDir::new().unwrap();
    if unwritable {
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("compiled"), "").unwrap();
    }
    folder
}
