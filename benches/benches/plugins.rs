//! What plugins cost: a hook that does nothing, a call of a function, a warm render of another engine; against a warm render of the
//! same prompt without any. Compare medians within one run.

use std::{hint::black_box, path::Path, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use px0_benches::subjects::{VARIABLES, sandbox, template};
use px0_componentize::{Package, write};
use px0_core::{
    Slug, Timestamp,
    ids::OrgId,
    lifecycle::Status,
    memory::MemoryStore,
    plugin::{Host, Kind, OnFailure, OrgPlugin, PluginId, Subject},
    render::{EngineName, Renderer, TemplateRef, Tenant},
};
use px0_plugins::{PluginSettings, Plugins, install};
use px0_render_wasm::Isolation;

/// A Go template for the same variables as the prompt that all benches render.
const GO: &str = include_str!("../prompts/chat.gotmpl");

/// Calls of a function in one render: more than templates usually make, and few enough for the short lane, or it would be the threads
/// of the other one that are measured.
const CALLS: u64 = 20;

/// The folder of plugins: those of `../plugins`, built and installed.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    let settings = PluginSettings { path: Some(folder.path().into()), ..PluginSettings::default() };
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let target = std::env::temp_dir().join("px0-benches-plugins");
    let package = Package { folder: &sources, target: &target, flags: &[] };
    let built = package.build().expect("the plugins can be built");
    for (id, kind) in [("noop", "hook"), ("upper", "filters")] {
        let project = tempfile::tempdir().expect("there is room");
        write(&built, id, &project.path().join("plugin.wasm")).expect("it is a plugin");
        let manifest = format!(
            "id = \"{id}\"\nversion = \"1.0.0\"\napi = \"0.1.0\"\nkind = \"{kind}\"\ncomponent = \"plugin.wasm\"\n"
        );
        std::fs::write(project.path().join("plugin.toml"), manifest).expect("there is room");
        install::add(project.path(), &settings).expect("it can be installed");
    }
    folder
}

/// An organization that has both.
fn tenant() -> Tenant {
    let org = OrgId::new();
    let decide = |id: &str| OrgPlugin {
        org_id: org,
        plugin: PluginId::parse(id).expect("an id"),
        kind: Kind::Hook,
        enabled: true,
        on_failure: OnFailure::Refuse,
        settings: None,
        updated_at: Timestamp::now(),
    };
    Tenant { org, plugins: Arc::new(vec![decide("noop"), decide("upper")]) }
}

fn plugins(c: &mut Criterion) {
    let folder = installed();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let settings = PluginSettings { path: Some(folder.path().into()), ..PluginSettings::default() };
    let host = {
        let _within = runtime.enter();
        Plugins::new(settings, Arc::new(MemoryStore::new()), None, 1 << 20).expect("they load")
    };
    let sandbox = sandbox(Isolation::Version);
    sandbox.extend(host.extensions());
    let (tenant, chat) = (tenant(), template());
    let version = |engine: &str, source: &str| {
        TemplateRef::loose(tenant.clone(), EngineName::new(engine), source)
    };
    let (go, lent, own) = (
        version("gotemplate", GO),
        version("minijinja", "{% for i in range(20) %}{{ company | upper_case }}{% endfor %}"),
        version("minijinja", "{% for i in range(20) %}{{ company | upper }}{% endfor %}"),
    );
    let text = runtime.block_on(sandbox.render(&chat, VARIABLES)).expect("it renders");
    let same = |a, b| {
        let render = |template| runtime.block_on(sandbox.render(template, VARIABLES));
        assert_eq!(render(a).expect("it renders"), render(b).expect("it renders"));
    };
    same(&lent, &own);
    let (slug, engine) = (Slug::given("chat").expect("a slug"), EngineName::default());
    let subject = Subject {
        prompt: &slug,
        version: 1,
        status: Status::Live,
        engine: &engine,
        model: None,
        model_params: None,
    };

    let mut group = c.benchmark_group("plugin");
    group.bench_function("none", |b| {
        b.to_async(&runtime).iter(|| sandbox.render(&chat, black_box(VARIABLES)));
    });
    group.bench_function("hook-noop", |b| {
        b.to_async(&runtime).iter(|| host.after_render(&tenant, &subject, black_box(text.clone())));
    });
    group.bench_function("engine-gotemplate-warm", |b| {
        b.to_async(&runtime).iter(|| sandbox.render(&go, black_box(VARIABLES)));
    });
    // Per element is per call; what the language's own function takes is the difference to be made.
    group.throughput(Throughput::Elements(CALLS));
    group.bench_function("filter-call", |b| {
        b.to_async(&runtime).iter(|| sandbox.render(&lent, black_box(VARIABLES)));
    });
    group.bench_function("filter-call-own", |b| {
        b.to_async(&runtime).iter(|| sandbox.render(&own, black_box(VARIABLES)));
    });
    group.finish();
}

criterion_group!(benches, plugins);
criterion_main!(benches);
