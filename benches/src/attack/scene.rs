//! A px0 with a neighbour in it: what they get while all is calm, and while somebody attacks.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{runtime, sync::oneshot, task::JoinHandle};

use super::process::{Binary, Process, Start};
use crate::{
    client::{Call, Client},
    load::{Connections, Load, Pace, Report},
    product::{Api, Product, Tenant},
    subjects::{TEMPLATE, VARIABLES},
};

/// How the neighbour is watched.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Watch {
    /// Seconds of calm, and then of attack.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Renders a second that the neighbour wants.
    #[arg(long, default_value_t = 200.0)]
    pub(crate) rate: f64,
}

/// Connections of the neighbour: enough that one slow answer holds up no other.
const CONNECTIONS: usize = 16;

/// How long an attack goes on before the neighbour is looked at.
const RAMP: Duration = Duration::from_secs(1);

/// How often it is tried whether a write and a new connection succeed.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// A px0 that runs, with tenants.
pub(crate) struct Scene {
    /// The process.
    pub(crate) process: Process,
    /// Who is measured.
    pub(crate) neighbour: Tenant,
    /// Who attacks from within; has a live prompt `chat`, too.
    pub(crate) attacker: Tenant,
    watch: Watch,
}

/// What came of an attack.
pub(crate) struct Outcome {
    /// The attack.
    pub(crate) attack: String,
    /// The neighbour's renders before it.
    pub(crate) calm: Report,
    /// Those during it.
    pub(crate) attacked: Report,
    /// The neighbour's writes during it, over a connection that was open before.
    pub(crate) writes: Tries,
    /// The neighbour's renders over new connections during it.
    pub(crate) fresh: Tries,
    /// Whether a write succeeds once it is over, and after how many seconds.
    pub(crate) write_after: Option<f64>,
    /// Memory of px0 in MiB: before, at most during the attack, and five seconds after it.
    pub(crate) rss_mib: [u64; 3],
    /// What else was seen.
    pub(crate) facts: Value,
}

/// Things that were tried, each within [`Client::PATIENCE`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// How many succeeded.
    pub(crate) good: usize,
    /// How many there were.
    pub(crate) all: usize,
    /// How long the slowest took.
    pub(crate) slowest: Duration,
}

impl Tries {
    /// Counts one.
    pub(crate) fn count(&mut self, good: bool, took: Duration) {
        self.all += 1;
        self.good += usize::from(good);
        self.slowest = self.slowest.max(took);
    }
}

impl Scene {
    /// Starts px0 and makes its tenants.
    ///
    /// # Panics
    /// When px0 does not start or refuses them.
    pub(crate) async fn begin(binary: &Binary, start: &Start, watch: Watch) -> Self {
        let process = binary.start(start).await;
        let api = Api { addr: process.addr };
        let neighbour = api.tenant("neighbour").await;
        let attacker = api.tenant("attacker").await;
        for tenant in [&neighbour, &attacker] {
            api.live(tenant, "chat", TEMPLATE).await;
        }
        Self { process, neighbour, attacker, watch }
    }

    /// Another tenant who attacks, with a live prompt `chat`.
    ///
    /// # Panics
    /// When px0 refuses them.
    pub(crate) async fn one_more_attacker(&self, number: usize) -> Tenant {
        let api = Api { addr: self.addr() };
        let attacker = api.tenant(&format!("attacker{number}")).await;
        api.live(&attacker, "chat", TEMPLATE).await;
        attacker
    }

    /// Where px0 listens.
    pub(crate) fn addr(&self) -> std::net::SocketAddr {
        self.process.addr
    }

    /// For how long the neighbour is watched, calm or under attack.
    pub(crate) fn seconds(&self) -> Duration {
        Duration::from_secs_f64(self.watch.seconds)
    }

    /// Attacks, and watches the neighbour before and meanwhile. `attack` gets a time at which it is to end by itself; it answers
    /// what it saw.
    ///
    /// # Panics
    /// When px0 ended.
    pub(crate) async fn under<A>(&mut self, attack: &str, run: A) -> Outcome
    where
        A: AsyncFnOnce(&Self, Instant) -> Value,
    {
        let (mut neighbour, seconds) = (Neighbour::of(self), self.seconds());
        neighbour.renders(Duration::from_secs(2)).await;
        let calm = neighbour.renders(seconds).await;
        let before = self.process.rss_mib();
        let probes = tokio::spawn(probe(self.addr(), self.write(), self.render(), seconds));
        let until = Instant::now() + RAMP + seconds + Duration::from_millis(500);
        let watched = async {
            tokio::time::sleep(RAMP).await;
            neighbour.renders(seconds).await
        };
        let scene = &*self;
        let (facts, attacked, peak) =
            tokio::join!(run(scene, until), watched, scene.most_memory(until));
        let (writes, fresh) = probes.await.unwrap();
        let write_after = self.write_after().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = self.process.rss_mib();
        assert!(self.process.lives(), "px0 ended: {}", self.process.log());
        Outcome {
            attack: attack.to_owned(),
            calm,
            attacked,
            writes,
            fresh,
            write_after,
            rss_mib: [before, peak, after],
            facts,
        }
    }

    fn render(&self) -> Call {
        Product::render(&self.neighbour.key, "chat", VARIABLES)
    }

    /// A new draft: a write that always succeeds.
    fn write(&self) -> Call {
        Call {
            method: Method::POST,
            path: "/v1/prompts/chat/versions".to_owned(),
            token: Some(self.neighbour.session.clone()),
            body: Bytes::from_static(b"{\"template\":\"Hello\"}"),
        }
    }

    async fn most_memory(&self, until: Instant) -> u64 {
        let mut most = 0;
        while Instant::now() < until {
            most = most.max(self.process.rss_mib());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        most
    }

    /// Writes until one succeeds, for ten seconds at most.
    async fn write_after(&self) -> Option<f64> {
        let over = Instant::now();
        while over.elapsed() < Duration::from_secs(10) {
            let call = Client::new(self.addr()).call(&self.write()).await;
            if call.is_ok_and(|(status, _)| status == StatusCode::CREATED) {
                return Some(over.elapsed().as_secs_f64());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        None
    }
}

/// The neighbour's renders, on a thread of their own: what attacks is busy, and must not be what is measured.
struct Neighbour {
    runtime: runtime::Handle,
    end: Option<oneshot::Sender<()>>,
    connections: Option<Connections>,
    load: Load,
}

impl Neighbour {
    fn of(scene: &Scene) -> Self {
        let (end, ended) = oneshot::channel::<()>();
        let (handle, handed) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            handle.send(runtime.handle().clone()).unwrap();
            let _ = runtime.block_on(ended);
        });
        let call = scene.render();
        let load = Load {
            addr: scene.addr(),
            calls: Arc::new(move |_| call.clone()),
            connections: CONNECTIONS,
            pace: Pace::Open(scene.watch.rate),
            duration: Duration::ZERO,
            expected: StatusCode::OK,
        };
        Self { runtime: handed.recv().unwrap(), end: Some(end), connections: None, load }
    }

    /// Renders for so long. The connections stay open between one time and the next.
    async fn renders(&mut self, duration: Duration) -> Report {
        let (load, open) = (Load { duration, ..self.load.clone() }, self.connections.take());
        let running: JoinHandle<(Connections, Report)> = self.runtime.spawn(async move {
            let mut connections = match open {
                Some(open) => open.with(load),
                None => Connections::open(load).await,
            };
            let report = connections.run().await;
            (connections, report)
        });
        let (connections, report) = running.await.unwrap();
        self.connections = Some(connections);
        report
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.end.take().map(|end| end.send(()));
    }
}

/// Tries again and again whether a write over a connection that was there, and a render over a new one, succeed.
async fn probe(
    addr: std::net::SocketAddr,
    write: Call,
    render: Call,
    duration: Duration,
) -> (Tries, Tries) {
    let mut writer = Client::new(addr);
    writer.open().await.unwrap();
    tokio::time::sleep(RAMP).await;
    let (mut writes, mut fresh) = (Tries::default(), Tries::default());
    let begun = Instant::now();
    while begun.elapsed() < duration {
        let next = Instant::now() + PROBE_EVERY;
        let mut newcomer = Client::new(addr);
        let (written, rendered) =
            tokio::join!(timed(&mut writer, &write), timed(&mut newcomer, &render));
        writes.count(written.0 == Some(StatusCode::CREATED), written.1);
        fresh.count(rendered.0 == Some(StatusCode::OK), rendered.1);
        tokio::time::sleep_until(next.into()).await;
    }
    (writes, fresh)
}

/// The status of an answer, if there is one, and how long it took.
pub(super) async fn timed(client: &mut Client, call: &Call) -> (Option<StatusCode>, Duration) {
    let begun = Instant::now();
    let answer = client.call(call).await;
    (answer.ok().map(|(status, _)| status), begun.elapsed())
}

impl Outcome {
    /// The head of [`Outcome::row`].
    pub(crate) fn head() -> String {
        format!(
            "{:<32} {:<6} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7} {:>9} {:>9} {:>6} {:>15}",
            "",
            "px0",
            "calm p50",
            "calm p99",
            "p50 ms",
            "p99 ms",
            "ratio",
            "errors",
            "writes",
            "new conn.",
            "after",
            "RSS MiB"
        )
    }

    /// Whether the neighbour was left in peace: every write and every new connection succeeded, and the p99 of renders is within
    /// twice that of calm, or 25 ms.
    pub(crate) fn is_fine(&self) -> bool {
        let bound = (2.0 * self.calm.ms(0.99)).max(25.0);
        self.attacked.ms(0.99) <= bound
            && self.attacked.errors == 0
            && self.writes.good == self.writes.all
            && self.fresh.good == self.fresh.all
            && self.write_after.is_some()
    }

    fn ratio(&self) -> f64 {
        self.attacked.ms(0.99) / self.calm.ms(0.99)
    }

    /// As a row of a table.
    pub(crate) fn row(&self, binary: &str) -> String {
        let [before, most, after] = self.rss_mib;
        let mut row = format!("{:<32} {binary:<6}", self.attack);
        for report in [&self.calm, &self.attacked] {
            let _ = write!(row, " {:>9.2} {:>9.2}", report.ms(0.5), report.ms(0.99));
        }
        let tries = |tries: &Tries| format!("{}/{}", tries.good, tries.all);
        let _ = write!(
            row,
            " {:>6.1}x {:>7} {:>9} {:>9} {:>6} {:>15}",
            self.ratio(),
            self.attacked.errors,
            tries(&self.writes),
            tries(&self.fresh),
            if self.write_after.is_some() { "writes" } else { "dead" },
            format!("{before}/{most}/{after}"),
        );
        if !self.is_fine() {
            row.push_str("  MISSED");
        }
        row
    }

    /// As JSON.
    pub(crate) fn json(&self, binary: &str) -> Value {
        let tries = |tries: &Tries| json!({ "good": tries.good, "all": tries.all, "slowest_ms": tries.slowest.as_millis() as u64 });
        json!({
            "attack": self.attack, "px0": binary, "fine": self.is_fine(),
            "calm": self.calm.json(), "attacked": self.attacked.json(), "p99_ratio": self.ratio(),
            "writes": tries(&self.writes), "new_connections": tries(&self.fresh),
            "write_after_seconds": self.write_after, "rss_mib": self.rss_mib, "facts": self.facts,
        })
    }
}
