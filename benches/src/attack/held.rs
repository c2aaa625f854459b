//! Connections that an attacker keeps: which of them were cut, and when.

use std::{collections::BTreeMap, io, net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How one ended: after how long, and with which status or other word; `None` if it was never cut.
pub(super) type Ending = io::Result<Option<(Duration, String)>>;

/// Waits for all of them; answers what became of them.
///
/// # Panics
/// When one of them did.
pub(super) async fn sum_up(mut running: JoinSet<Ending>) -> Value {
    let (mut cut, mut kept, mut refused, mut endings) = (Vec::new(), 0, 0, BTreeMap::new());
    while let Some(ended) = running.join_next().await {
        match ended.unwrap() {
            Ok(Some((after, how))) => {
                cut.push(after.as_secs_f64());
                *endings.entry(how).or_insert(0) += 1;
            }
            Ok(None) => kept += 1,
            Err(_) => refused += 1,
        }
    }
    cut.sort_by(f64::total_cmp);
    json!({
        "cut": cut.len(), "cut_after_seconds":
            { "first": cut.first(), "median": cut.get(cut.len() / 2), "last": cut.last() },
        "endings": endings, "never_cut": kept, "never_opened": refused,
    })
}

/// The address of an attacker's machine: they have several, and take them in turns.
pub(super) fn source(number: usize, addresses: usize) -> Ipv4Addr {
    let last = 2 + number % addresses.clamp(1, 250);
    Ipv4Addr::new(127, 0, 0, u8::try_from(last).unwrap_or(2))
}
