//! Guessing passwords: one account from many connections, and many accounts from one address. Limits of requests are on.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    hammer::Hammer,
    process::{Binary, Start},
    scene::{Outcome, Scene, Tries, Watch, timed},
};
use crate::{
    client::{Call, Client},
    load::Report,
};

/// How many guesses.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections that guess the password of one account.
    #[arg(long, default_value_t = 400)]
    connections: usize,
    /// Guesses a second, at most.
    #[arg(long, default_value_t = 1000.0)]
    guesses: f64,
    /// Seconds that many accounts are tried from one address.
    #[arg(long, default_value_t = 60.0)]
    spray: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 400, guesses: 1000.0, spray: 60.0 }
    }
}

const PASSWORD: &str = "Corr3ct-horse";

/// Where honest people come from.
const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Fewer than may register from one address in an hour.
const ACCOUNTS: usize = 12;
/// Honest logins while it is calm, and while somebody guesses: together fewer than an address may try in a minute.
const LOGINS: u32 = 40;

fn credentials(path: &str, name: &str, password: &str) -> Call {
    let body = json!({ "email": format!("{name}@example.com"), "password": password });
    Call {
        method: Method::POST,
        path: path.to_owned(),
        token: None,
        body: Bytes::from(body.to_string()),
    }
}

/// Runs both.
pub(crate) async fn run(binary: &Binary, watch: Watch, options: Options) -> Vec<Outcome> {
    let mut scene = Scene::begin(binary, &Start::default(), watch).await;
    for number in 0..ACCOUNTS {
        let new = credentials("/v1/auth/register", &format!("honest{number}"), PASSWORD);
        let made = Client::new(scene.addr()).from(HONEST).call(&new).await;
        assert!(made.is_ok_and(|(status, _)| status == StatusCode::CREATED), "no account is made");
    }
    let calm = honest(scene.addr(), scene.seconds()).await;
    let one = async |scene: &Scene, until| guess(scene, until, options, &calm).await;
    let mut outcomes = vec![scene.under("logins: one account", one).await];
    drop(scene);

    let watch = Watch { seconds: options.spray, ..watch };
    let mut scene = Scene::begin(binary, &Start::default(), watch).await;
    let many = async |scene: &Scene, until| spray(scene, until).await;
    outcomes.push(scene.under("logins: many accounts", many).await);
    outcomes
}

/// Somebody guesses the password of an account whose owner, like others, logs in from elsewhere.
async fn guess(scene: &Scene, until: Instant, options: Options, calm: &Logins) -> Value {
    let hammer = Hammer {
        addr: scene.addr(),
        connections: options.connections,
        per_second: Some(options.guesses),
        until,
        source: |_| Ipv4Addr::new(127, 0, 0, 3),
        fresh: false,
        calls: Arc::new(|number| {
            credentials("/v1/auth/login", "honest0", &format!("Wr0ng-guess{number}"))
        }),
    };
    let (answers, attacked) = tokio::join!(hammer.run(), honest(scene.addr(), scene.seconds()));
    json!({
        "guesses": answers.json(), "honest_calm": calm.json(), "honest_attacked": attacked.json(),
    })
}

/// Somebody tries one password on many accounts.
async fn spray(scene: &Scene, until: Instant) -> Value {
    let begun = Instant::now();
    let hammer = Hammer {
        addr: scene.addr(),
        connections: 50,
        per_second: Some(500.0),
        until,
        source: |_| Ipv4Addr::new(127, 0, 0, 4),
        fresh: false,
        calls: Arc::new(|number| {
            credentials("/v1/auth/login", &format!("somebody{number}"), PASSWORD)
        }),
    };
    let answers = hammer.run().await;
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    json!({
        "answers": answers.json(), "admitted": answers.admitted(),
        "admitted_a_minute": answers.admitted() as f64 / minutes,
    })
}

/// What came of honest logins.
struct Logins {
    latencies: Report,
    tries: Tries,
}

/// People with the right password log in for so long, each over a connection of their own.
async fn honest(addr: SocketAddr, duration: Duration) -> Logins {
    let mut running = JoinSet::new();
    for number in 0..LOGINS {
        let name = format!("honest{}", number as usize % ACCOUNTS);
        let call = credentials("/v1/auth/login", &name, PASSWORD);
        running.spawn(async move {
            tokio::time::sleep(duration * number / LOGINS).await;
            timed(&mut Client::new(addr).from(HONEST), &call).await
        });
    }
    let mut logins = Logins { latencies: Report::empty(), tries: Tries::default() };
    while let Some(done) = running.join_next().await {
        let (status, took) = done.unwrap();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        logins.latencies.latencies.saturating_record(micros);
        logins.tries.count(status == Some(StatusCode::OK), took);
    }
    logins
}

impl Logins {
    fn json(&self) -> Value {
        json!({
            "good": self.tries.good, "all": self.tries.all, "p50_ms": self.latencies.ms(0.5),
            "p99_ms": self.latencies.ms(0.99),
        })
    }
}
