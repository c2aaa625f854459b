//! A load generator for HTTP/1.1: so many connections, each with one request at a time.
//!
//! *Closed loop*: each connection sends as soon as it has its answer, which finds the highest throughput. *Open loop*:
//! requests are due at fixed times whatever the server does, and their latency counts from when they were due, so that a
//! server that stalls is charged for everybody who would have come meanwhile.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub use crate::client::Call;
use crate::client::Client;

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends when it has its answer.
    Closed,
    /// So many a second, over all connections.
    Open(f64),
}

/// A load.
#[derive(Clone)]
pub struct Load {
    /// Where to.
    pub addr: SocketAddr,
    /// What is sent by number: the n-th request of all is `calls(n)`.
    pub calls: Arc<dyn Fn(u64) -> Call + Send + Sync>,
    /// How many connections.
    pub connections: usize,
    /// When requests are sent.
    pub pace: Pace,
    /// For how long.
    pub duration: Duration,
    /// The status that is expected; every other answer is an error.
    pub expected: StatusCode,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Report {
    /// Microseconds from when a request was sent, or due, until its answer was there whole. Also of errors.
    pub latencies: Histogram<u64>,
    /// Answers with another status, and requests without an answer.
    pub errors: u64,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Nothing yet.
    pub fn empty() -> Self {
        let latencies = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
        Self { latencies, errors: 0, took: Duration::ZERO }
    }

    /// Adds what came of another slice of the same load.
    pub fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies).unwrap();
        self.errors += other.errors;
        self.took += other.took;
    }

    /// Good answers a second.
    pub fn rps(&self) -> f64 {
        (self.latencies.len() - self.errors.min(self.latencies.len())) as f64
            / self.took.as_secs_f64()
    }

    /// The latency that this share of requests had at most, in milliseconds.
    pub fn ms(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1000.0
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let round = |x: f64| (x * 1000.0).round() / 1000.0;
        json!({
            "requests": self.latencies.len(), "errors": self.errors, "seconds": round(self.took.as_secs_f64()),
            "rps": round(self.rps()), "p50_ms": round(self.ms(0.5)), "p90_ms": round(self.ms(0.9)),
            "p99_ms": round(self.ms(0.99)), "p99_9_ms": round(self.ms(0.999)),
        })
    }

    /// The head of [`Report::row`].
    pub fn head() -> String {
        format!(
            "{:<28} {:>10} {:>9} {:>9} {:>9} {:>9} {:>7}",
            "", "RPS", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "errors"
        )
    }

    /// As a row of a table.
    pub fn row(&self, name: &str) -> String {
        let Self { errors, .. } = self;
        let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|share| self.ms(share));
        let rps = self.rps();
        format!("{name:<28} {rps:>10.0} {p50:>9.3} {p90:>9.3} {p99:>9.3} {p999:>9.3} {errors:>7}")
    }
}

/// The connections of a load, kept open between its slices.
pub struct Connections {
    load: Load,
    open: Vec<Client>,
    sent: u64,
}

impl Connections {
    /// Opens them.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn open(load: Load) -> Self {
        let mut open = Vec::new();
        for _ in 0..load.connections {
            let mut client = Client::new(load.addr);
            client.open().await.unwrap();
            open.push(client);
        }
        Self { load, open, sent: 0 }
    }

    /// The same connections for another load.
    #[must_use]
    pub fn with(self, load: Load) -> Self {
        Self { load, ..self }
    }

    /// Runs the load for its duration. A server that stops answering holds it up by at most twice [`Client::PATIENCE`].
    pub async fn run(&mut self) -> Report {
        self.times(u64::MAX).await
    }

    /// Runs the load for its duration, or until each connection has sent so many requests.
    pub async fn times(&mut self, most: u64) -> Report {
        let started = Instant::now();
        let count = self.open.len() as u64;
        let mut running = JoinSet::new();
        for (place, client) in self.open.drain(..).enumerate() {
            let (load, first) = (self.load.clone(), self.sent + place as u64);
            let share = Share { place: place as u64, first, count, most };
            running.spawn(one(load, client, started, share));
        }
        let mut report = Report::empty();
        while let Some(done) = running.join_next().await {
            let (client, latencies, errors) = done.unwrap();
            self.open.push(client);
            report.latencies.add(&latencies).unwrap();
            report.errors += errors;
        }
        // Every connection numbers its requests in steps of `count`.
        self.sent += report.latencies.len().next_multiple_of(count.max(1));
        report.took = started.elapsed();
        report
    }
}

/// What one connection of `count` sends: every `count`th request from `first` on, at most so many.
struct Share {
    place: u64,
    first: u64,
    count: u64,
    most: u64,
}

/// One connection.
async fn one(
    load: Load,
    mut client: Client,
    started: Instant,
    share: Share,
) -> (Client, Histogram<u64>, u64) {
    let Share { place, first, count, most } = share;
    let (mut latencies, mut errors) = (Report::empty().latencies, 0);
    for turn in 0..most {
        let mut from = Instant::now();
        if let Pace::Open(per_second) = load.pace {
            let due = started + Duration::from_secs_f64((turn * count + place) as f64 / per_second);
            tokio::time::sleep_until(due.into()).await;
            from = due;
        }
        if from.duration_since(started) >= load.duration {
            break;
        }
        // What is due still, long after the end, will not be answered either.
        let given_up = started.elapsed() > load.duration.saturating_add(Client::PATIENCE);
        let good = !given_up
            && matches!(client.call(&(load.calls)(first + turn * count)).await, Ok((status, _)) if status == load.expected);
        errors += u64::from(!good);
        let micros = u64::try_from(from.elapsed().as_micros()).unwrap_or(u64::MAX);
        latencies.saturating_record(micros);
    }
    (client, latencies, errors)
}
