//! What a store costs when it is small and when it is large.
//!
//! ```sh
//! cargo run --release -p px0-benches --bin store -- sled 100 100000
//! cargo run --release -p px0-benches --bin store -- postgres://postgres@localhost/empty 100000
//! cargo run --release -p px0-benches --bin store -- overwrite 1000000
//! ```
//!
//! The first fills one embedded store for each size, with three versions a prompt, and takes turns between them, so that their
//! figures can be compared whatever the machine is doing. The second does so on an empty database. The third overwrites
//! drafts in an embedded store, and tells how much of the disk it has in the end.
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
use px0_core::{
    Description, Email, Name, Slug, Timestamp,
    ids::{OrgId, PromptId, TeamId, UserId, VersionId},
    lifecycle::Status,
    page::Page,
    prompt::{Prompt, PromptFilter, PromptRef, PromptStatus},
    render::EngineName,
    store::{Actor, Reach, Result, SharedStore, Stamp, archive::Record},
    tag::Selector,
    tenancy::{Membership, Org, Role, Team},
    user::{Account, User},
    version::{Body, BodyChange, Version},
};

/// Versions of each prompt; the second is live.
const VERSIONS: u32 = 3;

/// Prompts of a team: an organization has many teams.
const TEAM: usize = 1000;

/// Rounds in which the stores take turns.
const ROUNDS: usize = 20;

fn body(number: usize) -> Body {
    let line = "You answer for {{ company }}. {% for m in messages %}{{ m.role }}: {{ m.text }}{% endfor %}\n";
    Body {
        template: format!("{number} {}", line.repeat(10)).into(),
        engine: EngineName::default(),
        model: None,
        model_params: None,
        variables_schema: None,
    }
}

/// A store with so many prompts in it.
struct Filled {
    size: usize,
    store: SharedStore,
    org: OrgId,
    teams: Vec<TeamId>,
    prompts: Vec<PromptId>,
}

fn slug(number: usize) -> Slug {
    Slug::exact(&format!("prompt_{number}")).unwrap()
}

impl Filled {
    async fn new(store: SharedStore, size: usize) -> Self {
        let at = Timestamp::now();
        let (org, user) = (OrgId::new(), UserId::new());
        let teams: Vec<_> = (0..size.div_ceil(TEAM)).map(|_| TeamId::new()).collect();
        let prompts: Vec<_> = (0..size).map(|_| PromptId::new()).collect();
        let email = Email::parse("bench@example.com").unwrap();
        let user_record =
            User { id: user, email, is_verified: true, is_admin: true, created_at: at };
        let account = Account { user: user_record, password_hash: String::new() };
        let mut records = vec![
            Record::User(account),
            Record::Org(Org { id: org, name: Name::made("bench"), created_at: at }),
        ];
        let team = |(number, id): (usize, &TeamId)| Team {
            id: *id,
            org_id: org,
            name: Name::made(&format!("team {number}")),
            is_default: number == 0,
            created_at: at,
        };
        records.extend(teams.iter().enumerate().map(team).map(Record::Team));
        let seat =
            Membership { team: teams[0], org, is_default: true, role: Role::Admin, created_at: at };
        records.push(Record::Member { user, membership: seat });
        let prompt = |number: usize| {
            let prompt = Prompt {
                id: prompts[number],
                team_id: teams[number / TEAM],
                slug: slug(number),
                name: Name::made(&format!("prompt {number}")),
                description: Description::default(),
                status: PromptStatus::Active,
                created_at: at.plus(Duration::from_micros(number as u64)),
                updated_at: at,
            };
            Record::Prompt { prompt, last_number: VERSIONS }
        };
        let version = |place: usize| {
            let (of, number) = (place / VERSIONS as usize, (place % VERSIONS as usize) as u32 + 1);
            let status = if number == 2 { Status::Live } else { Status::Draft };
            Record::Version(Version {
                id: VersionId::new(),
                prompt_id: prompts[of],
                number,
                status,
                body: body(of),
                created_at: at,
                updated_at: at,
                published_at: (status == Status::Live).then_some(at),
                tags: Vec::new(),
            })
        };
        let rest = (0..size).map(prompt).chain((0..size * VERSIONS as usize).map(version));
        let mut source = records.into_iter().chain(rest).map(Ok);
        store.import(&mut source).await.unwrap();
        Self { size, store, org, teams, prompts }
    }
}

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
        "prompts", "resolve p50/p99 µs", "list 100 p50/p99 µs", "create p50/p99 µs"
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
    Arc::new(SledStore::open(SledSettings { path: folder.to_owned() }).unwrap())
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

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments.iter().skip(1).map(|text| text.parse().unwrap()).collect();
    match arguments.first().map(String::as_str) {
        Some("sled") => on_sled(&numbers).await,
        Some("overwrite") => overwrite(numbers.first().copied().unwrap_or(1_000_000)).await,
        Some(url) => on_postgres(url, numbers.first().copied().unwrap_or(100_000)).await,
        None => println!("sled SIZE…, POSTGRES_URL SIZE, or overwrite TIMES"),
    }
}
