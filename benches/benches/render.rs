//! What rendering in the sandbox costs, against minijinja in the same process without one.
//!
//! One realistic chat prompt. All four read the variables from their JSON text, because that is how
//! they come. Compare medians within one run: clocks differ between machines, and between runs.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use minijinja::{Environment, Value};
use px0_core::{
    ids::{OrgId, VersionId},
    render::{EngineName, Renderer, TemplateRef},
};
use px0_render_wasm::{Isolation, RenderSettings, Sandbox};

const TEMPLATE: &str = include_str!("../prompts/chat.jinja");
const VARIABLES: &str = include_str!("../prompts/chat.json");

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the syntax is minijinja's own"));
    // minijinja replaces only what is undefined; px0 replaces null too.
    environment.add_filter("default", |value: &Value, other: Value| {
        if value.is_undefined() || value.is_none() { other } else { value.clone() }
    });
    environment
}

fn variables() -> Value {
    serde_json::from_str(black_box(VARIABLES)).expect("the variables are JSON")
}

fn sandbox(isolation: Isolation) -> Sandbox {
    let cache_dir = Some(std::env::temp_dir().join("px0-benches-code"));
    Sandbox::new(RenderSettings { isolation, cache_dir, ..RenderSettings::default() })
        .expect("the sandbox can be made")
}

fn render(c: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("there is a runtime");
    let template = TemplateRef {
        tenant: OrgId::new(),
        version: VersionId::new(),
        engine: EngineName::default(),
        source: Arc::from(TEMPLATE),
    };
    let mut environment = environment();
    environment.add_template("chat", TEMPLATE).expect("the template compiles");
    let chat = environment.get_template("chat").expect("it was just added");
    let (warm, fresh) = (sandbox(Isolation::Version), sandbox(Isolation::Render));

    // Figures about different texts would compare nothing.
    let text = chat.render(variables()).expect("the template renders");
    for sandbox in [&warm, &fresh] {
        assert_eq!(runtime.block_on(sandbox.render(&template, VARIABLES)).as_deref(), Ok(&*text));
    }

    let mut group = c.benchmark_group("render");
    group.bench_function("native-preparsed", |b| b.iter(|| chat.render(variables())));
    group.bench_function("sandbox-warm", |b| {
        b.to_async(&runtime).iter(|| warm.render(&template, black_box(VARIABLES)));
    });
    group.bench_function("native-parse", |b| {
        b.iter(|| environment.render_str(black_box(TEMPLATE), variables()));
    });
    group.bench_function("sandbox-fresh", |b| {
        b.to_async(&runtime).iter(|| fresh.render(&template, black_box(VARIABLES)));
    });
    group.finish();
}

criterion_group!(benches, render);
criterion_main!(benches);
