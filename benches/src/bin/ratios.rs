//! What the sandbox costs against minijinja in the same process: `cargo run --release -p px0-benches --bin ratios [warm|fresh]`.
//!
//! Clocks of shared machines jump between speeds, also within one run, so what is compared takes turns of a fraction of a
//! millisecond, and what is told is the median of the ratios of neighbours. The last line is JSON.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use px0_benches::subjects::{TEMPLATE, VARIABLES, environment, sandbox, template, variables};
use px0_core::render::Renderer;
use px0_render_wasm::Isolation;

/// Turns of each.
const TURNS: usize = 2000;

/// Renders in a turn.
const RENDERS: u32 = 10;

/// How long a turn of this takes.
fn turn(mut render: impl FnMut()) -> Duration {
    let started = Instant::now();
    (0..RENDERS).for_each(|_| render());
    started.elapsed() / RENDERS
}

/// The value that a share of all are below.
fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

/// Lets two take turns; answers the median of their ratios.
fn compare(names: [&str; 2], mut one: impl FnMut(), mut other: impl FnMut()) -> f64 {
    let (mut ratios, mut ones, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..TURNS + TURNS / 10 {
        let (one, other) = (turn(&mut one), turn(&mut other));
        // The first tenth is to get warm.
        if number >= TURNS / 10 {
            ratios.push(one.as_secs_f64() / other.as_secs_f64());
            ones.push(one.as_secs_f64() * 1e6);
            others.push(other.as_secs_f64() * 1e6);
        }
    }
    let (low, ratio, high) = (at(&mut ratios, 0.25), at(&mut ratios, 0.5), at(&mut ratios, 0.75));
    println!(
        "{:>13} {:7.1} µs   {:>16} {:7.1} µs   ratio {ratio:.2} (half of them from {low:.2} to {high:.2})",
        names[0],
        at(&mut ones, 0.5),
        names[1],
        at(&mut others, 0.5),
    );
    ratio
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (template, environment) = (template(), environment());
    let chat = environment.get_template("chat")?;
    let (warm, fresh) = (sandbox(Isolation::Version), sandbox(Isolation::Render));
    // Figures about different texts would compare nothing.
    let text = chat.render(variables())?;
    for sandbox in [&warm, &fresh] {
        assert_eq!(runtime.block_on(sandbox.render(&template, VARIABLES)).as_deref(), Ok(&*text));
    }
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let warm = wanted("warm").then(|| {
        compare(
            ["sandbox-warm", "native-preparsed"],
            || drop(black_box(runtime.block_on(warm.render(&template, black_box(VARIABLES))))),
            || drop(black_box(chat.render(variables()))),
        )
    });
    let fresh = wanted("fresh").then(|| {
        compare(
            ["sandbox-fresh", "native-parse"],
            || drop(black_box(runtime.block_on(fresh.render(&template, black_box(VARIABLES))))),
            || drop(black_box(environment.render_str(black_box(TEMPLATE), variables()))),
        )
    });
    let ratios = [("warm_to_preparsed", warm), ("fresh_to_parse", fresh)];
    let told: Vec<_> = ratios
        .iter()
        .filter_map(|(name, ratio)| Some(format!(r#""{name}":{:.3}"#, (*ratio)?)))
        .collect();
    println!("{{{}}}", told.join(","));
    Ok(())
}
