//! Requests that each come from an address that px0 never saw: what it keeps of them, and what the counting costs.

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::{
    hammer::Hammer,
    process::{Binary, Start},
    scene::{Outcome, Scene, Watch},
};
use crate::client::Call;

/// How many addresses.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// New addresses a second.
    #[arg(long, default_value_t = 2000.0)]
    addresses: f64,
    /// Every so many requests one is a login; the others ask for a verification code.
    #[arg(long, default_value_t = 100)]
    logins: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { addresses: 2000.0, logins: 100 }
    }
}

/// Runs it.
pub(crate) async fn run(binary: &Binary, watch: Watch, options: Options) -> Vec<Outcome> {
    let mut scene = Scene::begin(binary, &Start::default(), watch).await;
    let name = format!("addresses: {} a second", options.addresses);
    vec![scene.under(&name, async |scene, until| attack(scene, until, options).await).await]
}

/// The n-th address: all of 127.16.0.0 to 127.255.255.255, then from the beginning.
fn address(number: u64) -> Ipv4Addr {
    const FIRST: u32 = u32::from_be_bytes([127, 16, 0, 1]);
    const COUNT: u64 = 240 << 16;
    Ipv4Addr::from(FIRST + u32::try_from(number % (COUNT - 2)).unwrap_or(0))
}

fn call(number: u64, logins: u64) -> Call {
    let is_login = number.is_multiple_of(logins.max(1));
    let email = format!("nobody{number}@example.com");
    Call {
        method: if is_login { Method::POST } else { Method::GET },
        path: if is_login {
            "/v1/auth/login".to_owned()
        } else {
            format!("/v1/auth/verify-email?email={email}")
        },
        token: None,
        body: if is_login {
            Bytes::from(json!({ "email": email, "password": "Wr0ng-guess" }).to_string())
        } else {
            Bytes::new()
        },
    }
}

async fn attack(scene: &Scene, until: Instant, options: Options) -> Value {
    let hammer = Hammer {
        addr: scene.addr(),
        connections: 64,
        per_second: Some(options.addresses),
        until,
        source: address,
        fresh: true,
        calls: Arc::new(move |number| call(number, options.logins)),
    };
    let before = scene.process.cpu();
    let answers = hammer.run().await;
    let cpu = scene.process.cpu() - before;
    json!({ "answers": answers.json(), "px0_cpu_seconds": cpu.as_secs_f64() })
}
