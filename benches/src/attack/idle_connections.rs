//! More idle connections than px0 may have files open: is anything written still, and is anybody let in?

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use super::{
    process::{Binary, Start},
    scene::{Outcome, Scene, Watch},
};
use crate::client::{Call, Client, connect};

/// How many connections, and how many files px0 may have open.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Idle connections.
    #[arg(long, default_value_t = 1100)]
    connections: usize,
    /// px0's soft limit of open files.
    #[arg(long, default_value_t = 1024)]
    files: u64,
    /// Addresses that they come from.
    #[arg(long, default_value_t = 4)]
    sources: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 1100, files: 1024, sources: 4 }
    }
}

/// Runs it.
pub(crate) async fn run(binary: &Binary, watch: Watch, options: Options) -> Vec<Outcome> {
    let env = vec![("PX0_RATE_LIMIT__ENABLED", "false".to_owned())];
    let start = Start { env, files: Some(options.files) };
    let mut scene = Scene::begin(binary, &start, watch).await;
    let name = format!("idle-connections: {}", options.connections);
    vec![scene.under(&name, async |scene, until| attack(scene, until, options).await).await]
}

async fn attack(scene: &Scene, until: Instant, options: Options) -> Value {
    let addr = scene.addr();
    // Somebody who was there before, and registers when all is full.
    let mut newcomer = Client::new(addr);
    let _ = newcomer.open().await;
    let mut held: Vec<Option<TcpStream>> = (0..options.connections).map(|_| None).collect();
    let (mut reopened, mut first) = (0_usize, true);
    let mut registered = None;
    let mut files = 0;
    while Instant::now() < until {
        let lost: Vec<_> = (0..held.len()).filter(|at| !is_open(held[*at].as_ref())).collect();
        reopened += if first { 0 } else { lost.len() };
        let mut opening = JoinSet::new();
        for at in lost {
            opening.spawn(async move { (at, open(addr, at, options.sources).await) });
        }
        while let Some(opened) = opening.join_next().await {
            let (at, stream) = opened.unwrap();
            held[at] = stream;
        }
        if first {
            first = false;
            let registration = Call {
                method: Method::POST,
                path: "/v1/auth/register".to_owned(),
                token: None,
                body: Bytes::from_static(
                    br#"{"email":"newcomer@example.com","password":"Corr3ct-horse"}"#,
                ),
            };
            let answer = tokio::time::timeout(Duration::from_secs(5), newcomer.call(&registration));
            registered = answer.await.ok().and_then(Result::ok).map(|(status, _)| status.as_u16());
        }
        files = files.max(scene.process.files());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let open = held.iter().filter(|stream| is_open(stream.as_ref())).count();
    json!({
        "registration": registered, "open_at_the_end": open, "reopened": reopened, "files_of_px0": files,
    })
}

/// Opens an idle connection from one of so many addresses.
async fn open(addr: SocketAddr, number: usize, sources: u8) -> Option<TcpStream> {
    let last = number % usize::from(sources.max(1)) + 1;
    let source = Ipv4Addr::new(127, 0, 1, u8::try_from(last).unwrap_or(1));
    let opened = tokio::time::timeout(Duration::from_secs(1), connect(addr, Some(source.into())));
    opened.await.ok().and_then(Result::ok)
}

/// Whether the other side has not closed it.
fn is_open(stream: Option<&TcpStream>) -> bool {
    let read = stream.map(|stream| stream.try_read(&mut [0; 512]));
    matches!(read, Some(Err(error)) if error.kind() == std::io::ErrorKind::WouldBlock)
}
