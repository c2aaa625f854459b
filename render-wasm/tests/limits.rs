//! Limits in pairs: obeyed and violated.

mod support;

use px0_core::render::{Limit, RenderError, Renderer};
use px0_render_wasm::{RenderSettings, Sandbox, SandboxError};
use support::{sandbox_with, template};

const LOOP: &str = "{% for i in range(n) %}{% set x = i * i %}{% endfor %}ok";

#[tokio::test]
async fn fuel_obeyed_and_violated() {
    let sandbox = sandbox_with(|settings| settings.fuel = 1_000_000);
    let template = template(LOOP);
    assert_eq!(sandbox.render(&template, r#"{"n": 10}"#).await.as_deref(), Ok("ok"));
    let error = sandbox.render(&template, r#"{"n": 100000}"#).await;
    assert_eq!(error, Err(RenderError::Limit(Limit::Fuel)));
}

#[tokio::test]
async fn large_variables_have_fuel_of_their_own() {
    let sandbox = sandbox_with(|settings| settings.fuel = 500_000);
    let variables = format!(r#"{{"a": [{}1]}}"#, r#"{"key": "some text"},"#.repeat(40_000));
    assert_eq!(sandbox.render(&template("ok"), &variables).await.as_deref(), Ok("ok"));
}

#[tokio::test]
async fn memory_obeyed_and_violated() {
    let sandbox = sandbox_with(|settings| settings.memory = 4 << 20);
    let source = "{% set n = namespace(x='x' * 1024) %}{% for i in range(n_) %}{% set n.x = n.x ~ n.x %}{% endfor %}ok";
    assert_eq!(sandbox.render(&template(source), r#"{"n_": 8}"#).await.as_deref(), Ok("ok"));
    let error = sandbox.render(&template(source), r#"{"n_": 12}"#).await;
    assert_eq!(error, Err(RenderError::Limit(Limit::Memory)));
}

#[tokio::test]
async fn time_obeyed_and_violated() {
    let sandbox = sandbox_with(|settings| {
        settings.fuel = RenderSettings::MAX_FUEL;
        settings.deadline_ms = 2;
    });
    assert_eq!(sandbox.render(&template("ok"), "{}").await.as_deref(), Ok("ok"));
    let error = sandbox.render(&template(LOOP), r#"{"n": 100000}"#).await;
    assert_eq!(error, Err(RenderError::Limit(Limit::Time)));
}

#[tokio::test]
async fn output_obeyed_and_violated() {
    let sandbox = sandbox_with(|settings| settings.output = 1000);
    let template = template("{{ 'x' * n }}");
    assert_eq!(sandbox.render(&template, r#"{"n": 1000}"#).await, Ok("x".repeat(1000)));
    let error = sandbox.render(&template, r#"{"n": 1001}"#).await;
    assert_eq!(error, Err(RenderError::Limit(Limit::Output)));
    assert_eq!(sandbox.stats().pool.discarded, 0, "too much output is an answer, not a crash");
}

#[tokio::test]
async fn compiling_has_limits_too() {
    let sandbox = sandbox_with(|settings| settings.compile_fuel = 1_000_000);
    let small = template("{{ a|default('x') }}");
    assert_eq!(sandbox.render(&small, "{}").await.as_deref(), Ok("x"));
    let large = template(&"{{ a|default('x') }}".repeat(3_000));
    let checked = sandbox
        .check(
            &px0_core::render::Tenant::plain(px0_core::ids::OrgId::new()),
            &large.engine,
            &large.source,
        )
        .await
        .expect("the sandbox works");
    let message = checked.expect_err("it is too large").message;
    assert_eq!(message, "template is too complex: it reaches the fuel limit");
    let error = sandbox.render(&large, "{}").await;
    assert_eq!(error, Err(RenderError::Limit(Limit::Fuel)));
}

#[tokio::test]
async fn a_dense_template_of_64_kib_compiles() {
    let sandbox = sandbox_with(|_| {});
    let unit = "{% if a.b == 'x' and c|default(1) > 2 %}{{ d[0].e|upper|trim }}{% endif %}";
    let source = unit.repeat(64 * 1024 / unit.len());
    assert_eq!(
        sandbox
            .check(
                &px0_core::render::Tenant::plain(px0_core::ids::OrgId::new()),
                &Default::default(),
                &source
            )
            .await,
        Ok(Ok(()))
    );
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (change, word) in [
        ((|settings| settings.fuel = 0) as fn(&mut RenderSettings), "fuel"),
        (|settings| settings.fuel = RenderSettings::MAX_FUEL + 1, "fuel"),
        (|settings| settings.memory = 1024, "memory"),
        (|settings| settings.deadline_ms = 0, "deadline_ms"),
        (|settings| settings.output = usize::MAX, "output"),
        (|settings| settings.concurrent_per_tenant = 0, "concurrent_per_tenant"),
    ] {
        let mut settings = RenderSettings::default();
        change(&mut settings);
        match Sandbox::new(settings).err() {
            Some(SandboxError::Settings(problem)) => {
                assert!(problem.starts_with(&format!("render.{word} must be")), "{problem}")
            }
            other => panic!("{word}: {other:?}"),
        }
    }
}
