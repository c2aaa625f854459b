//! What a store costs when it is small and when it is large.
//!
//! ```sh
//! cargo run --release -p px0-benches --bin store -- sled 100 100000
//! cargo run --release -p px0-benches --bin store -- render 100 100000
//! cargo run --release -p px0-benches --bin store -- postgres://postgres@localhost/empty 100000
//! cargo run --release -p px0-benches --bin store -- overwrite 1000000
//! ```
//!
//! The first fills one embedded store for each size, with three versions a prompt, and takes turns between them, so that their
//! figures can be compared whatever the machine is doing. The second does the same with a px0 for each, and renders over HTTP: a
//! hundred prompts, then all. The third fills an empty database. The fourth overwrites drafts in an embedded store, and tells how much of the disk it has in the end.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a report, which may stop where it stands"
)]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use px0_backends::{PgStore, PostgresSettings, SledSettings, SledStore};
use px0_benches::{
    filled::{Filled, VERSIONS, body, slug},
    load::{Connections, Load, Pace, Report},
    product::Product,
};
use px0_core::{
    Timestamp,
    ids::VersionId,
    page::Page,
    prompt::{PromptFilter, PromptRef},
    store::{Actor, Reach, Result, SharedStore, Stamp},
    tag::Selector,
    version::BodyChange,
};

/// Rounds in which the stores take turns.
const ROUNDS: usize = 20;

fn stamp() -> Stamp {
    Stamp { by: Actor::Anonymous, at: Timestamp::now() }
}

/// Times, and what can be said of them.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    async fn take<T>(&mut self, work: impl Future<Output = Result<T>>) {
        let started = Instant::now();
        work.await.unwrap();
        self.0.push(started.elapsed());
    }

    fn at(&mut self, share: f64) -> f64 {
        self.0.sort();
        let place = ((self.0.len() - 1) as f64 * share) as usize;
        self.0[place].as_secs_f64() * 1e6
    }
}

#[derive(Default)]
struct Figures {
    resolve: Times,
    list: Times,
    create: Times,
}

/// A number that looks random, and is the same in every run.
fn mix(number: usize) -> usize {
    let mut x = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x as usize
}

async fn measure(stores: &[Filled]) {
    let mut figures: Vec<Figures> = stores.iter().map(|_| Figures::default()).collect();
    for round in 0..ROUNDS {
        for (filled, figures) in stores.iter().zip(&mut figures) {
            let reach = Reach { orgs: vec![filled.org], teams: Vec::new() };
            for step in 0..500 {
                let name = PromptRef::Slug(slug(mix(round * 500 + step) % filled.size));
                figures.resolve.take(filled.store.resolve(&reach, &name, &Selector::Live)).await;
            }
            let filter = PromptFilter::default();
            for step in 0..20 {
                let team = filled.teams[mix(step) % filled.teams.len()];
                let page = Page { limit: 100, after: None };
                figures.list.take(filled.store.prompts(team, &filter, page)).await;
            }
            for step in 0..20 {
                let prompt = filled.prompts[mix(round * 20 + step) % filled.size];
                let made =
                    filled.store.create_version(stamp(), prompt, VersionId::new(), body(step));
                figures.create.take(made).await;
            }
        }
    }
    println!(
        "{:>8}  {:>24}  {:>24}  {:>24}",
        "prompts", "store/resolve p50/p99 µs", "store/list p50/p99 µs", "store/create p50/p99 µs"
    );
    for (filled, figures) in stores.iter().zip(&mut figures) {
        let show = |times: &mut Times| format!("{:.0} / {:.0}", times.at(0.5), times.at(0.99));
        println!(
            "{:>8}  {:>24}  {:>24}  {:>24}",
            filled.size,
            show(&mut figures.resolve),
            show(&mut figures.list),
            show(&mut figures.create)
        );
    }
    if let [small, .., large] = figures.as_mut_slice() {
        println!(
            "resolve p99, large / small: {:.2}",
            large.resolve.at(0.99) / small.resolve.at(0.99)
        );
    }
}

/// Bytes that the files in a folder take.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn sled(folder: &Path) -> SharedStore {
    Arc::new(
        SledStore::open(SledSettings { path: folder.to_owned(), ..SledSettings::default() })
            .unwrap(),
    )
}

async fn on_sled(sizes: &[usize]) {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = Vec::new();
    for size in sizes {
        let path = folder.path().join(size.to_string());
        let started = Instant::now();
        let filled = Filled::new(sled(&path), *size).await;
        println!(
            "{size} prompts imported in {:.1} s, {} MB on disk",
            started.elapsed().as_secs_f64(),
            size_of(&path) >> 20
        );
        stores.push(filled);
    }
    measure(&stores).await;
}

async fn on_postgres(url: &str, size: usize) {
    let settings = PostgresSettings { url: url.to_owned(), ..PostgresSettings::default() };
    let started = Instant::now();
    let filled = Filled::new(Arc::new(PgStore::open(settings).await.unwrap()), size).await;
    println!("{size} prompts imported in {:.1} s", started.elapsed().as_secs_f64());
    measure(&[filled]).await;
}

async fn overwrite(times: usize) {
    const DRAFTS: usize = 1000;
    const WRITERS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let filled = Filled::new(sled(folder.path()), DRAFTS).await;
    let mut drafts = Vec::new();
    for prompt in &filled.prompts {
        let draft = filled.store.version(*prompt, &Selector::Number(1)).await.unwrap().unwrap();
        drafts.push(draft.id);
    }
    let live = body(0).template.len() * DRAFTS * VERSIONS as usize;
    println!("{} MB of templates, {} MB on disk before", live >> 20, size_of(folder.path()) >> 20);
    let (started, drafts) = (Instant::now(), Arc::new(drafts));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, drafts) = (filled.store.clone(), drafts.clone());
        writers.spawn(async move {
            for number in 0..times / WRITERS {
                let draft = drafts[mix(writer * times + number) % DRAFTS];
                let change =
                    BodyChange { template: Some(body(number).template), ..BodyChange::default() };
                store.update_version(stamp(), draft, change).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let seconds = started.elapsed().as_secs_f64();
    let disk = size_of(folder.path());
    println!(
        "{times} overwrites in {seconds:.0} s ({:.0}/s); {} MB on disk, {:.1} × the templates",
        times as f64 / seconds,
        disk >> 20,
        disk as f64 / live as f64
    );
    let problems = filled.store.check().await.unwrap();
    println!("fsck: {} problems", problems.len());
}

/// Renders a second, far below what px0 gets through: what is measured is latency, not queues.
const RATE: f64 = 400.0;

/// The p99 of renders over HTTP, of a px0 for each size, in turns. Each renders the same number of prompts (`prompts`), drawn
/// from all that it has.
fn renders(products: &[(Product, Filled)], prompts: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let variables = r#"{"company":"Acme","messages":[{"role":"user","text":"Hello"}]}"#;
    let mut reports = Vec::new();
    let mut connections = Vec::new();
    for (product, filled) in products {
        let (size, key) = (filled.size, filled.key.clone());
        let slugs: Vec<_> = (0..prompts).map(|number| slug(mix(number) % size)).collect();
        let calls = move |number: u64| {
            let slug = &slugs[mix(number as usize) % slugs.len()];
            Product::render(&key, slug.as_str(), variables)
        };
        let load = Load {
            addr: product.addr,
            calls: std::sync::Arc::new(calls),
            connections: 8,
            pace: Pace::Open(RATE),
            duration: Duration::from_secs(2),
            expected: hyper::StatusCode::OK,
        };
        connections.push(runtime.block_on(Connections::open(load)));
        reports.push(Report::empty());
    }
    for round in 0..=ROUNDS {
        for (connections, report) in connections.iter_mut().zip(&mut reports) {
            let slice = runtime.block_on(connections.run());
            // The first is to get warm.
            if round > 0 {
                report.add(&slice);
            }
        }
    }
    println!("{}", Report::head());
    for ((_, filled), report) in products.iter().zip(&reports) {
        println!("{}", report.row(&format!("render/{} {prompts} of them", filled.size)));
    }
    if let [small, .., large] = reports.as_slice() {
        println!("render p99, large / small: {:.2}", large.ms(0.99) / small.ms(0.99));
    }
}

fn rendering(sizes: &[usize]) {
    let products: Vec<_> = sizes
        .iter()
        .map(|size| {
            let product = Product::start(|_| {});
            let filled = product.run(Filled::new(product.store().clone(), *size));
            (product, filled)
        })
        .collect();
    renders(&products, 100);
    renders(&products, sizes.iter().copied().max().unwrap_or(0));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments.iter().skip(1).map(|text| text.parse().unwrap()).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match arguments.first().map(String::as_str) {
        Some("sled") => runtime.block_on(on_sled(&numbers)),
        Some("render") => rendering(&numbers),
        Some("overwrite") => {
            runtime.block_on(overwrite(numbers.first().copied().unwrap_or(1_000_000)));
        }
        Some(url) => {
            runtime.block_on(on_postgres(url, numbers.first().copied().unwrap_or(100_000)));
        }
        None => println!("sled SIZE…, render SIZE…, POSTGRES_URL SIZE, or overwrite TIMES"),
    }
}
