//! Connections that announce a large body, send nearly all of it, and then a byte a second: what they hold, and for how long.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::OwnedWriteHalf,
    task::JoinSet,
};

use super::{
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
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 200, hold: 40.0 }
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
    let name = format!("slow-bodies: {}", options.connections);
    vec![scene.under(&name, async |scene, until| attack(scene, until, options).await).await]
}

async fn attack(scene: &Scene, until: Instant, options: Options) -> Value {
    let mut running = JoinSet::new();
    for _ in 0..options.connections {
        running.spawn(send_slowly(scene.addr(), scene.attacker.key.clone(), until));
    }
    let (mut cut, mut kept, mut refused, mut answers) = (Vec::new(), 0, 0, BTreeMap::new());
    while let Some(ended) = running.join_next().await {
        match ended.unwrap() {
            Ok(Some((after, answer))) => {
                cut.push(after.as_secs_f64());
                *answers.entry(answer).or_insert(0) += 1;
            }
            Ok(None) => kept += 1,
            Err(_) => refused += 1,
        }
    }
    cut.sort_by(f64::total_cmp);
    json!({
        "cut": cut.len(), "cut_after_seconds":
            { "first": cut.first(), "median": cut.get(cut.len() / 2), "last": cut.last() },
        "answers": answers, "never_cut": kept, "never_opened": refused,
    })
}

/// When it was cut after its beginning, and with which status; `None` if it never was.
async fn send_slowly(
    addr: SocketAddr,
    key: String,
    until: Instant,
) -> io::Result<Option<(Duration, String)>> {
    let source = Ipv4Addr::new(127, 0, 0, 2);
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
