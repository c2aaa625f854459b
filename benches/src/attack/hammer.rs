//! Many clients who send whatever they like, and count what they get.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::{Call, Client};

/// Who sends what, and how often.
#[derive(Clone)]
pub(crate) struct Hammer {
    /// Where to.
    pub(crate) addr: SocketAddr,
    /// How many connections.
    pub(crate) connections: usize,
    /// Requests a second over all connections; without it each sends when it has its answer.
    pub(crate) per_second: Option<f64>,
    /// When it ends.
    pub(crate) until: Instant,
    /// From which address of this machine the n-th request comes.
    pub(crate) source: fn(u64) -> Ipv4Addr,
    /// Whether each request opens a connection of its own.
    pub(crate) fresh: bool,
    /// The n-th request of all.
    pub(crate) calls: Arc<dyn Fn(u64) -> Call + Send + Sync>,
}

/// How often there was which answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(BTreeMap<u16, u64>);

impl Answers {
    /// What counts as an answer when there is none: refused, cut, or not in time.
    const NONE: u16 = 0;

    /// Counts one.
    pub(crate) fn count(&mut self, status: Option<StatusCode>) {
        *self.0.entry(status.map_or(Self::NONE, |status| status.as_u16())).or_default() += 1;
    }

    /// How many had another status than 429, and had one.
    pub(crate) fn admitted(&self) -> u64 {
        let answers = self.0.iter();
        answers.filter(|(status, _)| ![Self::NONE, 429].contains(status)).map(|(_, n)| n).sum()
    }

    /// By status; `none` without.
    pub(crate) fn json(&self) -> Value {
        let name = |status: u16| match status {
            Self::NONE => "none".to_owned(),
            status => status.to_string(),
        };
        self.0.iter().map(|(status, count)| (name(*status), Value::from(*count))).collect()
    }
}

impl Hammer {
    /// Sends until it is over. What is not answered by then is cut.
    ///
    /// # Panics
    /// Never: what cannot be sent is counted.
    pub(crate) async fn run(self) -> Answers {
        let mut running = JoinSet::new();
        let begun = Instant::now();
        for place in 0..self.connections as u64 {
            running.spawn(self.clone().one(place, begun));
        }
        let mut all = Answers::default();
        while let Some(done) = running.join_next().await {
            for (status, count) in done.unwrap().0 {
                *all.0.entry(status).or_default() += count;
            }
        }
        all
    }

    async fn one(self, place: u64, begun: Instant) -> Answers {
        let mut answers = Answers::default();
        let mut client = Client::new(self.addr).from((self.source)(place));
        for turn in 0.. {
            let number = turn * self.connections as u64 + place;
            if let Some(rate) = self.per_second {
                let due = begun + Duration::from_secs_f64(number as f64 / rate);
                tokio::time::sleep_until(due.min(self.until).into()).await;
            }
            if Instant::now() >= self.until {
                break;
            }
            if self.fresh {
                client = Client::new(self.addr).from((self.source)(number));
            }
            let call = (self.calls)(number);
            let answer = tokio::time::timeout_at(self.until.into(), client.call(&call)).await;
            let status = answer.ok().and_then(Result::ok).map(|(status, _)| status);
            answers.count(status);
            if status.is_none() {
                client.close();
                // Whoever is refused comes back, and not at once: this machine has other things to do.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        answers
    }
}
