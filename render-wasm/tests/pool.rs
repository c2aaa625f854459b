//! Warm instances: kept, bounded, never shared.

mod support;

use std::sync::Arc;

use px0_core::render::{Limit, RenderError, Renderer};
use px0_render_wasm::Isolation;
use support::{sandbox_with, template};

#[tokio::test]
async fn a_second_render_finds_a_warm_instance() {
    let sandbox = sandbox_with(|_| {});
    let template = template("{{ a }}");
    for n in 0..5 {
        assert_eq!(sandbox.render(&template, &format!(r#"{{"a": {n}}}"#)).await, Ok(n.to_string()));
    }
    let stats = sandbox.stats().pool;
    assert_eq!((stats.misses, stats.hits, stats.instances), (1, 4, 1));
}

#[tokio::test]
async fn an_error_of_the_template_keeps_the_instance() {
    let sandbox = sandbox_with(|_| {});
    let template = template("{{ a }}");
    assert!(matches!(sandbox.render(&template, "{}").await, Err(RenderError::Missing(_))));
    // Variables that cannot be read never get as far as an instance.
    assert!(matches!(sandbox.render(&template, "{").await, Err(RenderError::Variables(_))));
    assert_eq!(sandbox.render(&template, r#"{"a": 1}"#).await.as_deref(), Ok("1"));
    assert_eq!((sandbox.stats().pool.hits, sandbox.stats().pool.discarded), (1, 0));
}

#[tokio::test]
async fn a_stopped_instance_is_never_used_again() {
    let sandbox = sandbox_with(|_| {});
    let template =
        template("{% for i in range(n) %}{% for j in range(n) %}{% endfor %}{% endfor %}ok");
    for round in 1..=3 {
        let error = sandbox.render(&template, r#"{"n": 100000}"#).await;
        assert_eq!(error, Err(RenderError::Limit(Limit::Fuel)));
        let stats = sandbox.stats().pool;
        assert_eq!((stats.instances, stats.discarded, stats.memory), (0, round, 0));
        assert_eq!(sandbox.render(&template, r#"{"n": 1}"#).await.as_deref(), Ok("ok"));
    }
}

#[tokio::test]
async fn versions_never_share_instances() {
    let sandbox = sandbox_with(|_| {});
    let (one, two) = (template("one"), template("two"));
    for _ in 0..3 {
        assert_eq!(sandbox.render(&one, "{}").await.as_deref(), Ok("one"));
        assert_eq!(sandbox.render(&two, "{}").await.as_deref(), Ok("two"));
    }
    assert_eq!(sandbox.stats().pool.misses, 2);
    // The same text in another version is another instance.
    let mut same = one.clone();
    same.version = two.version;
    assert_eq!(sandbox.render(&same, "{}").await.as_deref(), Ok("one"));
    assert_eq!(sandbox.stats().pool.misses, 3);
}

#[tokio::test]
async fn a_changed_draft_is_another_template() {
    let sandbox = sandbox_with(|_| {});
    let mut draft = template("before");
    assert_eq!(sandbox.render(&draft, "{}").await.as_deref(), Ok("before"));
    draft.source = Arc::from("after");
    assert_eq!(sandbox.render(&draft, "{}").await.as_deref(), Ok("after"));
    assert_eq!(sandbox.stats().pool.instances, 1);
}

#[tokio::test]
async fn isolation_per_render_keeps_nothing() {
    let sandbox = sandbox_with(|settings| settings.isolation = Isolation::Render);
    let template = template("{{ a }}");
    for _ in 0..3 {
        assert_eq!(sandbox.render(&template, r#"{"a": 1}"#).await.as_deref(), Ok("1"));
    }
    let stats = sandbox.stats().pool;
    assert_eq!((stats.instances, stats.hits, stats.misses), (0, 0, 0));
}

#[tokio::test]
async fn the_pool_keeps_to_its_budget() {
    let sandbox = sandbox_with(|settings| settings.pool_memory = 4 << 20);
    let templates: Vec<_> = (0..100).map(|n| template(&format!("{n}"))).collect();
    for template in &templates {
        assert!(sandbox.render(template, "{}").await.is_ok());
        assert!(sandbox.stats().pool.memory <= 4 << 20);
    }
    let stats = sandbox.stats().pool;
    assert!(stats.instances > 5 && stats.instances < 100, "{stats:?}");
    assert_eq!(stats.evictions as usize + stats.instances, 100);
    // The newest are the ones that stayed.
    let hits = stats.hits;
    assert!(sandbox.render(&templates[99], "{}").await.is_ok());
    assert!(sandbox.render(&templates[0], "{}").await.is_ok());
    assert_eq!(sandbox.stats().pool.hits, hits + 1);
}

#[tokio::test]
async fn instances_retire_by_age_and_size() {
    let sandbox = sandbox_with(|settings| settings.renders_per_instance = 3);
    let old = template("x");
    for _ in 0..7 {
        assert!(sandbox.render(&old, "{}").await.is_ok());
    }
    assert_eq!((sandbox.stats().pool.retired, sandbox.stats().pool.misses), (2, 3));

    let sandbox = sandbox_with(|settings| settings.retire_above = 1 << 20);
    let fat = template("{{ a is defined }}");
    assert!(sandbox.render(&fat, r#"{"a": 1}"#).await.is_ok());
    assert_eq!(sandbox.stats().pool.retired, 0);
    assert!(
        sandbox.render(&fat, &format!(r#"{{"a": "{}"}}"#, "x".repeat(3_000_000))).await.is_ok()
    );
    assert_eq!(sandbox.stats().pool.retired, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_keep_apart() {
    let sandbox = Arc::new(sandbox_with(|_| {}));
    let templates: Vec<_> =
        (0..8).map(|n| template(&format!("{n}:{{{{ a }}}}{{{{ b|default('-') }}}}"))).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64usize {
        let (sandbox, template) = (sandbox.clone(), templates[task % 8].clone());
        tasks.spawn(async move {
            for round in 0..50 {
                let text =
                    sandbox.render(&template, &format!(r#"{{"a": "{task}.{round}"}}"#)).await;
                assert_eq!(text, Ok(format!("{}:{task}.{round}-", task % 8)));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no task failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_tenant_leaves_room_for_others() {
    let sandbox = Arc::new(sandbox_with(|settings| settings.fuel = 50_000_000));
    let busy = template("{% for i in range(n) %}{% for j in range(n) %}{% endfor %}{% endfor %}");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (sandbox, busy) = (sandbox.clone(), busy.clone());
        tasks.spawn(async move {
            loop {
                let _ = sandbox.render(&busy, r#"{"n": 100000}"#).await;
            }
        });
    }
    let calm = template("{{ a }}");
    let start = std::time::Instant::now();
    for n in 0..200 {
        assert_eq!(sandbox.render(&calm, &format!(r#"{{"a": {n}}}"#)).await, Ok(n.to_string()));
        tokio::task::yield_now().await;
    }
    // Without turns this would take 200 times as long as the busy tenant's 32 renders.
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    tasks.abort_all();
}
