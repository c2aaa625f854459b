//! Connections that announce a large body, send nearly all of it, and then a byte a second: what they hold, and for how long.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::OwnedWriteHalf,
    task::JoinSet,
};

use super::{
    held::{self, Ending},
    process::{Binary, Start},
    scene::{Outcome, Scene, Watch},
};
use crate::client::connect;

/// How many, and for how long.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// Seconds that they go on, unless they are cut.
    #[arg(long, default_value_t = 40.0)]
    hold: f64,
    /// Organizations and addresses that they come from.
    #[arg(long, default_value_t = 4)]
    attackers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 200, hold: 40.0, attackers: 4 }
    }
}

/// As many bytes as a body may have.
const BODY: usize = 2 * 1024 * 1024;
/// What is not sent at once.
const REST: usize = 1024;

/// Runs it.
pub(crate) async fn run(binary: &Binary, watch: Watch, options: Options) -> Vec<Outcome> {
    let watch = Watch { seconds: options.hold, ..watch };
    let mut scene = Scene::begin(binary, &Start::default(), watch).await;
    let mut keys = vec![scene.attacker.key.clone()];
    for number in 1..options.attackers.max(1) {
        keys.push(scene.one_more_attacker(number).await.key);
    }
    let attack = async |scene: &Scene, until| attack(scene, until, options, &keys).await;
    let name = format!("slow-bodies: {} of {}", options.connections, keys.len());
    vec![scene.under(&name, attack).await]
}

async fn attack(scene: &Scene, until: Instant, options: Options, keys: &[String]) -> Value {
    let mut running = JoinSet::new();
    for number in 0..options.connections {
        let source = held::source(number, keys.len());
        let key = keys[number % keys.len()].clone();
        running.spawn(send_slowly(scene.addr(), source, key, until));
    }
    held::sum_up(running).await
}

/// When it was cut after its beginning, and with which status; `None` if it never was.
async fn send_slowly(addr: SocketAddr, source: Ipv4Addr, key: String, until: Instant) -> Ending {
    let stream = connect(addr, Some(source.into())).await?;
    let begun = Instant::now();
    let (mut reads, writes) = stream.into_split();
    let mut answer = [0; 64];
    let ended = tokio::time::timeout_at(until.into(), async {
        tokio::select! {
            read = reads.read(&mut answer) => read,
            // The other side has closed it; what it said before may still be there.
            failed = trickle(writes, addr, &key) => match reads.read(&mut answer).await {
                Ok(read) => Ok(read),
                Err(_) => failed,
            },
        }
    });
    let Ok(read) = Box::pin(ended).await else {
        return Ok(None);
    };
    let said = String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned();
    let status = said.split(' ').nth(1).unwrap_or("none").to_owned();
    Ok(Some((begun.elapsed(), status)))
}

/// Sends a request all but its last bytes, and those one a second, until it cannot any more.
async fn trickle(mut writes: OwnedWriteHalf, addr: SocketAddr, key: &str) -> io::Result<usize> {
    let head = format!(
        "POST /v1/prompts/chat/render HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {BODY}\r\n\r\n"
    );
    writes.write_all(head.as_bytes()).await?;
    let blank = [b' '; 16 * 1024];
    let mut left = BODY - REST;
    while left > 0 {
        let part = left.min(blank.len());
        writes.write_all(&blank[..part]).await?;
        left -= part;
    }
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        writes.write_all(b" ").await?;
    }
}
