//! Connections that ask for large answers, one after the other, and take none of them: what they hold, and for how long.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{io::AsyncWriteExt, task::JoinSet};

use super::{
    held::{self, Ending},
    process::{Binary, Start},
    scene::{Outcome, Scene, Watch},
};
use crate::{client::connect, product::Api};

/// How many, and for how long.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections.
    #[arg(long, default_value_t = 400)]
    connections: usize,
    /// Seconds that they go on, unless they are cut.
    #[arg(long, default_value_t = 40.0)]
    hold: f64,
    /// Addresses that they come from.
    #[arg(long, default_value_t = 4)]
    addresses: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 400, hold: 40.0, addresses: 4 }
    }
}

/// Bytes of an answer, nearly.
const ANSWER: usize = 60_000;
/// Requests of a connection: their answers are more than the buffers of the system take.
const REQUESTS: usize = 200;

/// Runs it.
pub(crate) async fn run(binary: &Binary, watch: Watch, options: Options) -> Vec<Outcome> {
    let watch = Watch { seconds: options.hold, ..watch };
    let mut scene = Scene::begin(binary, &Start::default(), watch).await;
    Api { addr: scene.addr() }.live(&scene.attacker, "wide", &"x".repeat(ANSWER)).await;
    let name = format!("slow-readers: {}", options.connections);
    vec![scene.under(&name, async |scene, until| attack(scene, until, options).await).await]
}

async fn attack(scene: &Scene, until: Instant, options: Options) -> Value {
    let mut running = JoinSet::new();
    for number in 0..options.connections {
        let source = held::source(number, options.addresses);
        running.spawn(read_nothing(scene.addr(), source, scene.attacker.key.clone(), until));
    }
    held::sum_up(running).await
}

/// When it was cut after its beginning; `None` if it never was.
async fn read_nothing(addr: SocketAddr, source: Ipv4Addr, key: String, until: Instant) -> Ending {
    let mut stream = connect(addr, Some(source.into())).await?;
    let begun = Instant::now();
    let request = format!(
        "POST /v1/prompts/wide/render HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.repeat(REQUESTS).as_bytes()).await?;
    let end = tokio::time::timeout_at(until.into(), async {
        // What was cut refuses another byte; until then a space between two requests does no harm.
        while stream.write_all(b"\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let cut = end.await.is_ok();
    Ok(cut.then(|| (begun.elapsed(), "hung up".to_owned())))
}
