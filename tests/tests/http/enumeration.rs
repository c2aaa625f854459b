//! A report: whether the time of an answer tells that an address is known.
//!
//! `cargo test -p px0-tests --test http -- --ignored --nocapture report` prints medians; it judges nothing, because
//! machines are shared.

use std::time::{Duration, Instant};

use px0_tests::{Answer, App, PASSWORD};
use serde_json::json;

const TRIES: usize = 500;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// Alternates between a known and an unknown address, so that the machine's moods meet both.
#[expect(clippy::print_stdout, reason = "it is a report")]
async fn compare(what: &str, call: impl AsyncFn(String) -> Answer) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..TRIES {
        for (times, email) in [
            (&mut known, "ada@example.com".to_owned()),
            (&mut unknown, format!("nobody{number}@example.com")),
        ] {
            let started = Instant::now();
            call(email).await;
            times.push(started.elapsed());
        }
    }
    let (known, unknown) = (median(known), median(unknown));
    let difference = (known / unknown - 1.0) * 100.0;
    println!(
        "{what:<22} known {known:7.3} ms, unknown {unknown:7.3} ms, difference {difference:+.1} %"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a report of several minutes"]
async fn report_on_known_and_unknown_addresses() {
    let app = App::start_on_sled().await;
    app.founder("ada").await;
    let nobody = app.anonymous();
    compare("login", async |email| {
        let body = json!({ "email": email, "password": "Wr0ng-horse" });
        nobody.post("/v1/auth/login", body).await.expect(401)
    })
    .await;
    compare("verify-email", async |email| {
        let body = json!({ "email": email, "code": "000000" });
        nobody.post("/v1/auth/verify-email", body).await.expect(400)
    })
    .await;
    compare("trigger verification", async |email| {
        nobody.get(&format!("/v1/auth/verify-email?email={email}")).await.expect(200)
    })
    .await;
    compare("trigger reset", async |email| {
        let body = json!({ "email": email });
        nobody.post("/v1/auth/password-reset/trigger", body).await.expect(200)
    })
    .await;
    compare("register", async |email| {
        nobody.post("/v1/auth/register", json!({ "email": email, "password": PASSWORD })).await
    })
    .await;
}
