//! What rendering in the sandbox costs, against minijinja in the same process without one.
//!
//! One realistic chat prompt. All four read the variables from their JSON text, because that is how
//! they come. Compare medians within one run: clocks differ between machines, and between runs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use px0_benches::subjects::{TEMPLATE, VARIABLES, environment, sandbox, template, variables};
use px0_core::render::Renderer;
use px0_render_wasm::Isolation;

fn render(c: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("there is a runtime");
    let (template, environment) = (template(), environment());
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
