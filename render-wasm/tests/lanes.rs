//! Long calls: made again in a lane of their own, and paid for until they end.

mod support;

use std::{future::Future, pin::pin, sync::Arc, task::Context, time::Duration};

use px0_core::render::{Limit, RenderError, Renderer};
use support::{sandbox_with, template};

/// `n` rounds of a little work: a few are a short call, a thousand are not.
const ROUNDS: &str =
    "{% for i in range(n) %}{% for j in range(30) %}{{ j|string|length }}{% endfor %}{% endfor %}";

#[tokio::test]
async fn a_long_render_gives_its_text_and_short_ones_are_short_again() {
    let sandbox = sandbox_with(|_| {});
    let template = template(ROUNDS);
    let long = sandbox.render(&template, r#"{"n": 40}"#).await;
    assert_eq!(long.map(|text| text.len()), Ok(40 * 30));
    // The instance of the first try is gone, that of the second is kept for what follows, in both lanes.
    let misses = sandbox.stats().pool.misses;
    for _ in 0..40 {
        let short = sandbox.render(&template, r#"{"n": 1}"#).await;
        assert_eq!(short.map(|text| text.len()), Ok(30));
    }
    let stats = sandbox.stats().pool;
    assert_eq!((stats.misses, stats.discarded), (misses, 0));
}

#[tokio::test]
async fn a_long_render_that_nobody_waits_for_keeps_its_permits_until_it_ends() {
    let sandbox = sandbox_with(|settings| {
        settings.concurrent_per_tenant = 1;
        settings.fuel = 50_000_000;
    });
    let (endless, mut short) = (
        template("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}"),
        template("ok"),
    );
    short.tenant = endless.tenant.clone();
    {
        // Far enough to be in the long lane, and no further.
        let mut abandoned = pin!(sandbox.render(&endless, "{}"));
        assert!(
            abandoned
                .as_mut()
                .poll(&mut Context::from_waker(std::task::Waker::noop()))
                .is_pending()
        );
    }
    assert_eq!(sandbox.stats().pool.discarded, 0, "it has not ended yet");
    assert_eq!(sandbox.render(&short, "{}").await.as_deref(), Ok("ok"));
    assert_eq!(sandbox.stats().pool.discarded, 1, "the only permit was free before it ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_renders_do_not_wait_for_long_ones() {
    let sandbox = Arc::new(sandbox_with(|settings| {
        settings.fuel = 50_000_000;
        settings.deadline_ms = 10_000;
    }));
    let endless =
        template("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}");
    let noise: Vec<_> = (0..16)
        .map(|_| {
            let (sandbox, endless) = (sandbox.clone(), endless.clone());
            tokio::spawn(async move { sandbox.render(&endless, "{}").await })
        })
        .collect();
    let short = template("ok");
    let mut before = 0;
    while noise.iter().any(|noise| !noise.is_finished()) {
        assert_eq!(sandbox.render(&short, "{}").await.as_deref(), Ok("ok"));
        before += 1;
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    for noise in noise {
        assert_eq!(noise.await.ok(), Some(Err(RenderError::Limit(Limit::Fuel))));
    }
    // Each of the sixteen takes longer than many short ones, and they have half of the cores at most.
    assert!(before > 50, "{before} short renders beside sixteen long ones");
}
