//! Plugins: those that come with px0, on every backend; those that mean harm; those that come and go, and what they keep.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use insta::assert_json_snapshot;
use px0_config::{Backend, Settings};
use px0_core::{
    Timestamp,
    ids::OrgId,
    plugin::{PluginId, ValueKey},
    render::EngineName,
    store::{Actor, Stamp},
};
use px0_plugins::Grant;
use px0_tests::{Answer, App, Client, Home, plugin::Wat, postgres::Database};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::sleep};

/// Those that come with px0, sorted.
const SHIPPED: [&str; 4] = ["gotemplate", "json-guard", "redact", "token-budget"];

/// Does the same on every backend; on Postgres where there is one.
async fn on_every_backend(change: impl Fn(&mut Settings), job: impl AsyncFn(&App)) {
    let change = &change;
    let on = |backend: Backend| {
        move |settings: &mut Settings| {
            change(settings);
            settings.store.backend = backend;
        }
    };
    let app = App::start_with(on(Backend::Memory)).await;
    Box::pin(job(&app)).await;
    app.stop().await;
    let app = App::start_with(on(Backend::Sled)).await;
    Box::pin(job(&app)).await;
    app.stop().await;
    if Database::missing().is_none() {
        let database = Database::take().await;
        let app = App::start_with(|settings| {
            on(Backend::Postgres)(settings);
            settings.store.postgres = database.settings();
        })
        .await;
        Box::pin(job(&app)).await;
        app.stop().await;
    }
}

/// A machine that builds or tests other things meanwhile may take its time.
fn unhurried(settings: &mut Settings) {
    settings.plugins.deadline_ms = 300_000;
}

/// The plugins in `folder`, too.
fn plugins_in(folder: &TempDir) -> impl Fn(&mut Settings) {
    let path = folder.path().to_owned();
    move |settings| {
        unhurried(settings);
        settings.plugins.path = Some(path.clone());
    }
}

fn granted(grant: &str) -> Grant {
    Grant::try_from(grant.to_owned()).unwrap()
}

/// A founder with a prompt `p`.
async fn founder(app: &App, name: &str) -> Home {
    let home = app.founder(name).await;
    home.prompt("P").await;
    home
}

/// Decides about a plugin for somebody's organization.
async fn decide(who: &Home, plugin: &str, decision: Value) -> Answer {
    who.put(&format!("/v1/orgs/{}/plugins/{plugin}", who.org), decision).await
}

fn on() -> Value {
    json!({ "enabled": true })
}

fn off() -> Value {
    json!({ "enabled": false })
}

/// Adds a version to the prompt `p`.
async fn add(who: &Home, version: Value) -> Answer {
    who.post("/v1/prompts/p/versions", version).await
}

/// The way to a version of the prompt `p`.
fn at(number: u64, tail: &str) -> String {
    format!("/v1/prompts/p/versions/{number}{tail}")
}

/// Adds a version to the prompt `p`; answers its number.
async fn draft(who: &Home, version: Value) -> u64 {
    add(who, version).await.expect(201)["version"]["version"].as_u64().unwrap()
}

async fn promote(who: &Home, number: u64) -> Answer {
    who.post(&at(number, "/promote"), json!({})).await
}

/// Adds a version to the prompt `p` and makes it live.
async fn live(who: &Home, version: Value) {
    let number = draft(who, version).await;
    for _ in 0..2 {
        promote(who, number).await.expect(200);
    }
}

/// Renders the live version of the prompt `p`.
async fn render(who: &Client, variables: Value) -> Answer {
    who.post("/v1/prompts/p/render", json!({ "variables": variables })).await
}

/// Renders a version of the prompt `p`.
async fn render_at(who: &Client, number: u64, variables: Value) -> Answer {
    who.post(&at(number, "/render"), json!({ "variables": variables })).await
}

/// The reason of the plugin that said no.
#[track_caller]
fn refused(answer: Answer, plugin: &str, code: &str) -> String {
    let answer = answer.expect(422);
    let details = &answer["details"];
    assert_eq!(answer.code(), "plugin_refused", "{}", answer.text);
    assert_eq!((&details["plugin"], &details["code"]), (&json!(plugin), &json!(code)));
    details["reason"].as_str().unwrap().to_owned()
}

/// What is told of the plugin that failed.
#[track_caller]
fn failed(answer: Answer, plugin: &str) -> String {
    let answer = answer.expect(502);
    let named = json!({ "plugin": plugin, "version": "1.0.0" });
    assert_eq!((answer.code(), &answer["details"]), ("plugin_failed", &named), "{}", answer.text);
    let told = answer["error"].as_str().unwrap();
    assert!(told.starts_with(&format!("plugin {plugin} 1.0.0 failed: ")), "{told}");
    told.to_owned()
}

/// Where a plugin keeps a value for somebody's organization.
fn place(who: &Home, plugin: &str, key: &str) -> (OrgId, PluginId, ValueKey) {
    (who.org.parse().unwrap(), PluginId::parse(plugin).unwrap(), ValueKey::parse(key).unwrap())
}

/// What is there.
async fn kept(app: &App, who: &Home, plugin: &str, key: &str) -> Option<Vec<u8>> {
    let (org, plugin, key) = place(who, plugin, key);
    app.store().plugin_value(org, &plugin, &key).await.unwrap()
}

/// What a client sees of a failure.
fn seen(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.text);
    json!({ "status": answer.status, "body": answer.body })
}

/// The ids of a list of plugins.
fn ids(list: &Answer) -> Vec<&str> {
    let plugins = list["plugins"].as_array().unwrap();
    plugins.iter().map(|plugin| plugin["id"].as_str().unwrap()).collect()
}

/// The names of an object's fields, in their order.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Somebody who renders all the while, at least fifty times, and always gets the same.
struct Steady {
    over: Arc<AtomicBool>,
    renders: JoinHandle<()>,
}

impl Steady {
    fn begin(who: &Home, variables: Value, text: &'static str) -> Self {
        let (client, over) = (who.client(), Arc::new(AtomicBool::new(false)));
        let told = over.clone();
        let renders = tokio::spawn(async move {
            let mut count = 0;
            while count < 50 || !told.load(Ordering::Relaxed) {
                let rendered = render(&client, variables.clone()).await.expect(200);
                assert_eq!(rendered["rendered"], text);
                count += 1;
            }
        });
        Self { over, renders }
    }

    async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.renders.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn go_templates_are_rendered_where_they_are_not_disabled() {
    on_every_backend(unhurried, async |app: &App| {
        let (ada, eve) = (founder(app, "ada").await, founder(app, "eve").await);
        let template = "Hello {{.name}}{{range .items}} {{.}}{{end}}";
        let hello = json!({ "template": template, "engine": "gotemplate" });
        live(&ada, hello.clone()).await;
        let variables = json!({ "name": "Ada", "items": [1, "two"] });
        let rendered = render(&ada, variables.clone()).await.expect(200);
        assert_eq!(
            (&rendered["rendered"], &rendered["engine"]),
            (&json!("Hello Ada 1 two"), &json!("gotemplate"))
        );

        let missing = render(&ada, json!({})).await.expect(422);
        assert_eq!(missing.code(), "missing_variables");
        assert_eq!(missing["details"]["missing"], json!(["items", "name"]));
        let broken = json!({ "template": "one\n{{if .a}}", "engine": "gotemplate" });
        let broken = add(&ada, broken).await.expect(400);
        assert_eq!(broken.code(), "invalid_template");
        assert_eq!(broken["details"]["line"], 2, "{}", broken.text);
        let unknown = json!({ "template": "x", "engine": "mustache" });
        let unknown = add(&ada, unknown).await.expect(400);
        assert_eq!(unknown.code(), "unknown_engine");
        assert_eq!(unknown["details"]["engines"], json!(["gotemplate", "minijinja"]));

        let number = draft(&ada, hello.clone()).await;
        decide(&ada, "gotemplate", off()).await.expect(200);
        let new = add(&ada, hello.clone()).await.expect(400);
        assert_eq!(new.code(), "unknown_engine");
        assert_eq!(new["details"]["engines"], json!(["minijinja"]));
        let change = ada.put(&at(number, ""), json!({ "template": "x" })).await.expect(400);
        assert_eq!(change.code(), "unknown_engine");
        // What is there goes on, and others have not decided anything.
        let rendered = render(&ada, variables.clone()).await.expect(200);
        assert_eq!(rendered["rendered"], "Hello Ada 1 two");
        live(&eve, hello.clone()).await;
        assert_eq!(render(&eve, variables).await.expect(200)["rendered"], "Hello Ada 1 two");
        decide(&ada, "gotemplate", on()).await.expect(200);
        add(&ada, hello).await.expect(201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_taken_out_of_texts_for_who_wants_that() {
    on_every_backend(unhurried, async |app: &App| {
        let (ada, eve) = (founder(app, "ada").await, founder(app, "eve").await);
        for who in [&ada, &eve] {
            live(who, json!({ "template": "{{ mail }}, {{ card }}, {{ key }}." })).await;
        }
        let service = ada.key("read_render", &[]).await;
        let key = format!("sk-{}", "a1B2".repeat(12));
        let secrets =
            json!({ "mail": "ada@example.com", "card": "4111 1111 1111 1111", "key": key });
        let plain = format!("ada@example.com, 4111 1111 1111 1111, {key}.");
        let text =
            async |who: &Client| render(who, secrets.clone()).await.expect(200)["rendered"].clone();
        assert_eq!(text(&ada).await, plain);

        let settings = json!({ "replacement": "<{kind}>" });
        let decision = json!({ "enabled": true, "settings": settings });
        let decided = decide(&ada, "redact", decision).await.expect(200);
        let plugin = &decided["plugin"];
        assert_eq!(
            (&plugin["id"], &plugin["enabled"], &plugin["on_failure"], &plugin["settings"]),
            (&json!("redact"), &json!(true), &json!("refuse"), &settings)
        );
        assert_eq!(text(&ada).await, "<email>, <card>, <openai_key>.");
        assert_eq!(text(&service).await, "<email>, <card>, <openai_key>.");
        assert_eq!(text(&eve).await, plain);

        let own = json!({ "name": "four", "pattern": "4111 1111" });
        let settings = json!({ "email": false, "card": false, "patterns": [own] });
        decide(&ada, "redact", json!({ "enabled": true, "settings": settings })).await.expect(200);
        assert_eq!(
            text(&ada).await,
            "ada@example.com, [redacted:four] 1111 1111, [redacted:openai_key]."
        );

        let refuse = json!({ "enabled": true, "settings": { "mode": "refuse" } });
        decide(&ada, "redact", refuse).await.expect(200);
        let refusal = "the text contains card (1), email (1), openai_key (1); leave it out";
        let refuses = async || {
            let answer = render(&ada, secrets.clone()).await;
            assert_eq!(refused(answer, "redact", "sensitive_text"), refusal);
        };
        refuses().await;
        let harmless = json!({ "mail": "mail", "card": 4111, "key": "sk" });
        assert_eq!(render(&ada, harmless).await.expect(200)["rendered"], "mail, 4111, sk.");

        for (settings, path) in [
            (json!({ "mode": "shout" }), Some("/mode")),
            (json!({ "email": 1 }), Some("/email")),
            (json!({ "nothing": true }), Some("")),
            (json!({ "patterns": [{ "name": "x", "pattern": "(" }] }), None),
            (json!({ "patterns": [{ "name": "x", "pattern": "a*" }] }), None),
        ] {
            let decision = json!({ "enabled": true, "settings": settings });
            let wrong = decide(&ada, "redact", decision).await.expect(400);
            assert_eq!(wrong.code(), "invalid_settings", "{}", wrong.text);
            assert_eq!(wrong["details"]["field"], "settings", "{}", wrong.text);
            let errors = &wrong["details"]["errors"];
            assert_eq!(errors[0]["path"].as_str(), path, "{}", wrong.text);
        }
        // What was refused has changed nothing.
        refuses().await;
        assert_eq!(text(&eve).await, plain);
        decide(&ada, "redact", off()).await.expect(200);
        assert_eq!(text(&ada).await, plain);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_beyond_the_token_budget_are_neither_promoted_nor_handed_out() {
    on_every_backend(unhurried, async |app: &App| {
        let (ada, eve) = (founder(app, "ada").await, founder(app, "eve").await);
        let budget = async |max: u64| {
            let decision = json!({ "enabled": true, "settings": { "max_tokens": max } });
            decide(&ada, "token-budget", decision).await
        };
        budget(3).await.expect(200);
        for who in [&ada, &eve] {
            // The newest cannot be rendered, which is not what this plugin is about.
            for (name, variables) in
                [("long chat", json!({ "words": "one two three four" })), ("nothing", json!({}))]
            {
                let payload = json!({ "name": name, "variables": variables });
                who.post("/v1/prompts/p/payloads", payload).await.expect(201);
            }
            draft(who, json!({ "template": "{{ words }}" })).await;
        }
        let reason = refused(promote(&ada, 1).await, "token-budget", "token_budget_exceeded");
        assert_eq!(reason, "sample `long chat` has 4 tokens of at most 3");
        assert_eq!(ada.get(&at(1, "")).await.expect(200)["version"]["status"], "draft");
        promote(&eve, 1).await.expect(200);

        budget(4).await.expect(200);
        assert_eq!(promote(&ada, 1).await.expect(200)["version"]["status"], "stable");
        assert_eq!(promote(&ada, 1).await.expect(200)["version"]["status"], "live");
        let words = async |words: &str| render(&ada, json!({ "words": words })).await;
        assert_eq!(words("one two").await.expect(200)["rendered"], "one two");
        let long = words("one two three four five six").await;
        let reason = refused(long, "token-budget", "token_budget_exceeded");
        assert!(reason.starts_with("the text has "), "{reason}");
        assert_eq!(budget(0).await.expect(400).code(), "invalid_settings");
        decide(&ada, "token-budget", off()).await.expect(200);
        words("one two three four five six").await.expect(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_should_be_json_are_json() {
    on_every_backend(unhurried, async |app: &App| {
        let ada = founder(app, "ada").await;
        let template = "{\"name\": {{ name }} }";
        let version = async |params: Value| {
            draft(&ada, json!({ "template": template, "model_params": params })).await
        };
        let guarded = version(json!({ "output": "json" })).await;
        let other = version(json!({ "output": "text" })).await;
        let inside = version(json!({ "format": { "type": "json" } })).await;
        let without = draft(&ada, json!({ "template": template })).await;
        let all = [guarded, other, inside, without];
        let (list, word) = (json!({ "name": "[1]" }), json!({ "name": "Ada" }));
        for number in all {
            render_at(&ada, number, word.clone()).await.expect(200);
        }
        let deep = json!({ "enabled": true, "settings": { "param": "format.type" } });
        for (decision, only) in [(on(), guarded), (deep, inside)] {
            decide(&ada, "json-guard", decision).await.expect(200);
            for number in all {
                let fits = render_at(&ada, number, list.clone()).await.expect(200);
                assert_eq!(fits["rendered"], "{\"name\": [1] }");
                let answer = render_at(&ada, number, word.clone()).await;
                if number == only {
                    let reason = refused(answer, "json-guard", "not_json");
                    assert!(reason.starts_with("the text is not JSON: "), "{reason}");
                } else {
                    assert_eq!(answer.expect(200)["rendered"], "{\"name\": Ada }");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_name_no_engine_have_the_default_one() {
    let app = App::start_with(|settings| {
        settings.render.default_engine = EngineName::new("gotemplate");
    })
    .await;
    let ada = founder(&app, "ada").await;
    let made = add(&ada, json!({ "template": "{{.a}}" })).await.expect(201);
    assert_eq!(made["version"]["engine"], "gotemplate");
    let text = async |number: u64| {
        render_at(&ada, number, json!({ "a": "x" })).await.expect(200)["rendered"].clone()
    };
    assert_eq!(text(1).await, "x");

    let number = draft(&ada, json!({ "template": "{{ a }}", "engine": "minijinja" })).await;
    let path = at(number, "");
    let go = ada.put(&path, json!({ "engine": null })).await.expect(400);
    assert_eq!(go.code(), "invalid_template", "it is no template of that language");
    assert_eq!(ada.get(&path).await.expect(200)["version"]["engine"], "minijinja");
    assert_eq!(text(number).await, "x");
    let change = json!({ "engine": null, "template": "{{.a}}!" });
    assert_eq!(ada.put(&path, change).await.expect(200)["version"]["engine"], "gotemplate");
    assert_eq!(text(number).await, "x!");

    decide(&ada, "gotemplate", off()).await.expect(200);
    let none = add(&ada, json!({ "template": "x" })).await.expect(400);
    assert_eq!(none.code(), "unknown_engine");
    add(&ada, json!({ "template": "x", "engine": "minijinja" })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_decide_and_everybody_sees_what_there_is() {
    let app = App::start().await;
    let (ada, eve) = (app.founder("ada").await, app.founder("eve").await);
    let own = format!("/v1/orgs/{}/plugins", ada.org);
    let redact = format!("{own}/redact");

    let installed = ada.get("/v1/plugins").await.expect(200);
    assert_eq!(fields(&installed), ["plugins"]);
    assert_eq!(ids(&installed), SHIPPED);
    let about = [
        "id",
        "version",
        "api",
        "kind",
        "description",
        "granted",
        "settings_schema",
        "enabled_by_default",
    ];
    for plugin in installed["plugins"].as_array().unwrap() {
        assert_eq!(fields(plugin), about);
        let has_settings = plugin["settings_schema"].is_object();
        assert_eq!(has_settings, plugin["kind"] == "hook", "{plugin}");
        assert_eq!(plugin["granted"], json!([]));
    }

    for role in ["viewer", "editor"] {
        let bob = app.member(&ada, &ada.team, role).await;
        assert_eq!(bob.get(&own).await.expect(403).code(), "forbidden", "{role}");
        assert_eq!(bob.put(&redact, on()).await.expect(403).code(), "forbidden", "{role}");
        assert_eq!(bob.get("/v1/plugins").await.expect(200).body, installed.body, "{role}");
    }
    for path in [own.as_str(), "/v1/plugins"] {
        assert_eq!(app.anonymous().get(path).await.expect(401).code(), "unauthorized");
        let key = ada.key("admin", &[]).await;
        assert_eq!(key.get(path).await.expect(403).code(), "access_token_required");
    }
    assert_eq!(eve.get(&own).await.expect(404).code(), "not_found");
    assert_eq!(eve.put(&redact, on()).await.expect(404).code(), "not_found");
    for nothing in ["nothing", "No_Plugin", "redact2"] {
        let answer = decide(&ada, nothing, on()).await.expect(404);
        assert_eq!(answer.body["error"], "plugin not found", "{nothing}");
    }
    assert_eq!(decide(&ada, "redact", json!({})).await.expect(400).code(), "missing_field");
    assert_eq!(decide(&ada, "redact", json!({ "enabled": null })).await.status, 400);

    let mut all = ada.get(&own).await.expect(200);
    assert_eq!(ids(&all), SHIPPED);
    let more = ["enabled", "on_failure", "settings", "updated_at", "benched"];
    for plugin in all["plugins"].as_array().unwrap() {
        assert_eq!(fields(plugin), [about.as_slice(), &more].concat());
        assert_eq!(plugin["enabled"], plugin["enabled_by_default"], "{plugin}");
        assert_eq!((&plugin["settings"], &plugin["updated_at"]), (&Value::Null, &Value::Null));
    }
    // Every decision takes the place of the one before, as a whole.
    let decision =
        json!({ "enabled": true, "on_failure": "pass", "settings": { "mode": "refuse" } });
    for decision in [decision, off()] {
        let decided = ada.put(&redact, decision).await.expect(200)["plugin"].clone();
        assert!(decided["updated_at"].is_string(), "{decided}");
        let before = all.body["plugins"].as_array().unwrap()[..2].to_vec();
        all = ada.get(&own).await.expect(200);
        assert_eq!(all["plugins"][2], decided);
        assert_eq!(all["plugins"].as_array().unwrap()[..2], before);
    }
    let last = &all["plugins"][2];
    assert_eq!((&last["on_failure"], &last["settings"]), (&json!("refuse"), &Value::Null));
    let others = eve.get(&format!("/v1/orgs/{}/plugins", eve.org)).await.expect(200);
    assert!(others["plugins"].as_array().unwrap().iter().all(|one| one["updated_at"].is_null()));

    let listed = installed["plugins"].as_array().unwrap().iter();
    let listed: Vec<_> = listed
        .map(|plugin| json!([plugin["id"], plugin["kind"], plugin["enabled_by_default"]]))
        .collect();
    assert_json_snapshot!(listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_plugins_that_refuse_and_fail() {
    let folder = tempfile::tempdir().unwrap();
    Wat::hook("traps").body("after-render", "unreachable").install(folder.path());
    let app = App::start_with(plugins_in(&folder)).await;
    let ada = founder(&app, "ada").await;
    live(&ada, json!({ "template": "{{ text }}" })).await;
    let set = async |plugin: &str, decision: Value| decide(&ada, plugin, decision).await;
    let with = |settings: Value| json!({ "enabled": true, "settings": settings });
    let mail = async || render(&ada, json!({ "text": "mail ada@example.com" })).await;
    let mut calls = vec![
        ("decide: nothing", set("redact", json!({})).await),
        ("decide: unknown", set("nothing", on()).await),
        ("decide: no name of a plugin", set("No_Plugin", on()).await),
        ("decide: a word", set("redact", json!({ "enabled": "yes" })).await),
        (
            "decide: bad on_failure",
            set("redact", json!({ "enabled": true, "on_failure": "shrug" })).await,
        ),
        ("settings: a list", set("redact", with(json!([]))).await),
        ("settings: too large", set("redact", with(json!({ "x": "x".repeat(70_000) }))).await),
        (
            "settings: break the schema",
            set("redact", with(json!({ "mode": "shout", "email": "no" }))).await,
        ),
        (
            "settings: no pattern",
            set("redact", with(json!({ "patterns": [{ "name": "x", "pattern": "a(" }] }))).await,
        ),
        ("settings: of a plugin without any", set("gotemplate", with(json!({ "x": 1 }))).await),
    ];
    set("redact", with(json!({ "mode": "refuse" }))).await.expect(200);
    calls.push(("render: refused", mail().await));
    set("redact", off()).await.expect(200);
    set("traps", on()).await.expect(200);
    calls.push(("render: failed", mail().await));
    for _ in 0..2 {
        mail().await.expect(502);
    }
    calls.push(("render: failed too often", mail().await));
    set("traps", off()).await.expect(200);
    mail().await.expect(200);
    set("gotemplate", off()).await.expect(200);
    let go = json!({ "template": "{{.a}}", "engine": "gotemplate" });
    calls.push(("version: an engine that is disabled", add(&ada, go).await));
    let table = calls.iter().map(|(name, answer)| ((*name).to_owned(), seen(answer)));
    assert_json_snapshot!(table.collect::<serde_json::Map<_, _>>());
}

/// What is told of a plugin that is benched.
const MINUTE: &str = "it failed three times in a row and is not asked for a minute";

/// What hooks may do after a render that they should not.
const HARM: [(&str, &str); 3] = [
    ("traps", "unreachable"),
    ("loops", "(loop $l (br $l)) unreachable"),
    (
        "grows",
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 100)) (i32.const -1)))) unreachable",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_mean_harm_fail_for_who_has_them_and_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    for (id, body) in HARM {
        Wat::hook(id).body("after-render", body).install(folder.path());
    }
    Wat::engine("worse").body("render", "unreachable").install(folder.path());
    Wat::filters("worst").body("call", "unreachable").install(folder.path());
    let app = App::start_with(plugins_in(&folder)).await;
    let (ada, eve) = (founder(&app, "ada").await, founder(&app, "eve").await);
    let bob = founder(&app, "bob").await;
    for who in [&ada, &eve, &bob] {
        live(who, json!({ "template": "Hi {{ name }}" })).await;
    }
    let name = || json!({ "name": "Ada" });
    let steady: Vec<_> = (0..2).map(|_| Steady::begin(&ada, name(), "Hi Ada")).collect();
    let benched = async |plugin: &str| {
        // Strangers learn nothing of it, and other organizations neither.
        let health = app.anonymous().get("/v1/health").await.expect(200);
        assert_eq!(health.body, json!({ "status": "OK" }));
        let of = async |who: &Home| {
            let plugins = who.get(&format!("/v1/orgs/{}/plugins", who.org)).await.expect(200);
            let mut plugins = plugins["plugins"].as_array().unwrap().iter();
            plugins.find(|one| one["id"] == plugin).unwrap()["benched"] == true
        };
        assert!(!of(&ada).await, "{plugin}");
        of(&eve).await
    };

    for (id, _) in HARM {
        decide(&eve, id, on()).await.expect(200);
        for _ in 0..3 {
            assert!(!benched(id).await, "{id}");
            let told = failed(render(&eve, name()).await, id);
            assert!(!told.contains(MINUTE), "{told}");
        }
        assert!(benched(id).await, "{id}");
        let told = failed(render(&eve, name()).await, id);
        assert!(told.contains(MINUTE), "{told}");
        decide(&eve, id, off()).await.expect(200);
        assert_eq!(render(&eve, name()).await.expect(200)["rendered"], "Hi Ada", "{id}");
    }

    decide(&eve, "worse", on()).await.expect(200);
    let number = draft(&eve, json!({ "template": "x", "engine": "worse" })).await;
    for _ in 0..3 {
        assert!(!benched("worse").await);
        failed(render_at(&eve, number, name()).await, "worse");
    }
    assert!(benched("worse").await);
    let told = failed(render_at(&eve, number, name()).await, "worse");
    assert!(told.contains(MINUTE), "{told}");

    decide(&eve, "worst", on()).await.expect(200);
    let number = draft(&eve, json!({ "template": "{{ f(name) }}" })).await;
    let told = async || {
        let answer = render_at(&eve, number, name()).await.expect(422);
        assert_eq!(answer.code(), "execution_failed", "{}", answer.text);
        let told = answer["error"].as_str().unwrap().to_owned();
        assert!(told.contains("plugin worst 1.0.0 failed: "), "{told}");
        told
    };
    for _ in 0..3 {
        assert!(!benched("worst").await);
        let told = told().await;
        assert!(!told.contains(MINUTE), "{told}");
    }
    assert!(benched("worst").await);
    let told = told().await;
    assert!(told.contains(MINUTE), "{told}");
    // Who has not enabled it does not even know its functions.
    let unknown = add(&ada, json!({ "template": "{{ f(name) }}" })).await.expect(400);
    assert_eq!(unknown.code(), "invalid_template");

    // Who says that failures are to be passed over gets the text, however often it fails.
    for (id, _) in HARM {
        let decision = json!({ "enabled": true, "on_failure": "pass" });
        decide(&bob, id, decision).await.expect(200);
    }
    for _ in 0..5 {
        assert_eq!(render(&bob, name()).await.expect(200)["rendered"], "Hi Ada");
    }
    for steady in steady {
        steady.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_come_and_go_while_renders_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start_with(plugins_in(&folder)).await;
    let ada = founder(&app, "ada").await;
    live(&ada, json!({ "template": "Hi {{ name }}" })).await;
    let steady: Vec<_> =
        (0..4).map(|_| Steady::begin(&ada, json!({ "name": "Ada" }), "Hi Ada")).collect();
    let installed = async || ada.get("/v1/plugins").await.expect(200);
    assert_eq!(ids(&installed().await), SHIPPED);

    Wat::hook("polite").install(folder.path());
    Wat::engine("silent").install(folder.path());
    assert_eq!(ids(&installed().await), SHIPPED, "nobody has looked yet");
    app.reload().await;
    let with_both = ["gotemplate", "json-guard", "polite", "redact", "silent", "token-budget"];
    assert_eq!(ids(&installed().await), with_both);
    for id in ["polite", "silent"] {
        decide(&ada, id, on()).await.expect(200);
    }
    let number = draft(&ada, json!({ "template": "x", "engine": "silent" })).await;
    let silent = async || render_at(&ada, number, json!({})).await;
    assert_eq!(silent().await.expect(200)["rendered"], "");

    // A hook that is enabled and gone fails what it would have been asked about, so it is disabled first.
    decide(&ada, "polite", off()).await.expect(200);
    for id in ["polite", "silent"] {
        fs::remove_dir_all(folder.path().join(id)).unwrap();
    }
    silent().await.expect(200);
    app.reload().await;
    assert_eq!(ids(&installed().await), SHIPPED);
    decide(&ada, "polite", on()).await.expect(404);
    let gone = silent().await.expect(502);
    assert_eq!(gone.code(), "plugin_failed");
    assert_eq!(gone.body["error"], "template engine silent is not installed any more");
    let new = add(&ada, json!({ "template": "x", "engine": "silent" })).await.expect(400);
    assert_eq!(new.code(), "unknown_engine");

    // What was decided is still there when it comes back.
    Wat::engine("silent").install(folder.path());
    app.reload().await;
    assert_eq!(silent().await.expect(200)["rendered"], "");
    for steady in steady {
        steady.end().await;
    }
}

/// Keeps the text under the key `k`, or refuses if there is no place for it: the parameters end with the text's address
/// and length, the answer of `set` begins with 0 if it is kept, and the refusal is at 5120.
fn keeper() -> Wat {
    Wat::hook("keeper")
        .wants(&["kv"])
        .line(r#"(data (i32.const 6144) "k")"#)
        .line(r#"(data (i32.const 5120) "\00\00\00\00\02\00\00\00\40\15\00\00\08\00\00\00\48\15\00\00\18\00\00\00")"#)
        .line(r#"(data (i32.const 5440) "not_keptthere is no place for it")"#)
        .body(
            "after-render",
            "(call $set (i32.const 6144) (i32.const 1) (local.get 13) (local.get 14) (i32.const 6200))
            (if (result i32) (i32.load8_u (i32.const 6200))
                (then (i32.const 5120))
                (else (i32.const 1024)))",
        )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hook_keeps_is_kept_for_its_organization_alone() {
    let folder = tempfile::tempdir().unwrap();
    keeper().install(folder.path());
    let change = |settings: &mut Settings| {
        plugins_in(&folder)(settings);
        settings.plugins.grant = [granted("keeper:kv")].into();
    };
    on_every_backend(change, async |app: &App| {
        let (ada, eve) = (founder(app, "ada").await, founder(app, "eve").await);
        let installed = ada.get("/v1/plugins").await.expect(200);
        let plugins = installed["plugins"].as_array().unwrap();
        let plugin = plugins.iter().find(|plugin| plugin["id"] == "keeper").unwrap();
        assert_eq!(plugin["granted"], json!(["kv"]));
        for who in [&ada, &eve] {
            live(who, json!({ "template": "Hi {{ name }}" })).await;
        }
        let say = async |who: &Home, name: &str| render(who, json!({ "name": name })).await;
        let kept = async |who: &Home| {
            let value = kept(app, who, "keeper", "k").await;
            value.map(|value| String::from_utf8(value).unwrap())
        };
        decide(&ada, "keeper", on()).await.expect(200);
        assert_eq!(kept(&ada).await, None);
        for name in ["Ada", "Ada Lovelace"] {
            say(&ada, name).await.expect(200);
            say(&eve, "nobody").await.expect(200);
            assert_eq!(kept(&ada).await, Some(format!("Hi {name}")));
            assert_eq!(kept(&eve).await, None);
        }
        let too_long = "x".repeat(17_000);
        let reason = refused(say(&ada, &too_long).await, "keeper", "not_kept");
        assert_eq!(reason, "there is no place for it");
        assert_eq!(kept(&ada).await.as_deref(), Some("Hi Ada Lovelace"));
        decide(&eve, "keeper", on()).await.expect(200);
        say(&eve, "Eve").await.expect(200);
        assert_eq!(kept(&eve).await.as_deref(), Some("Hi Eve"));
        assert_eq!(kept(&ada).await.as_deref(), Some("Hi Ada Lovelace"));
    })
    .await;
}

/// Says by the key `asked` that it is asked about a promotion, and thinks about it until there is the key `go`, which it looks for
/// 60 times: a call may use `kv` 64 times.
fn patient() -> Wat {
    Wat::hook("patient")
        .wants(&["kv"])
        .line(r#"(data (i32.const 6144) "asked")"#)
        .line(r#"(data (i32.const 6152) "go")"#)
        .body(
            "before-promote",
            "(local $rounds i32) (local $spins i32)
            (call $set (i32.const 6144) (i32.const 5) (i32.const 6144) (i32.const 5) (i32.const 6200))
            (loop $wait
                (local.set $spins (i32.const 100000000))
                (loop $spin
                    (local.set $spins (i32.sub (local.get $spins) (i32.const 1)))
                    (br_if $spin (local.get $spins)))
                (call $get (i32.const 6152) (i32.const 2) (i32.const 6216))
                (local.set $rounds (i32.add (local.get $rounds) (i32.const 1)))
                (br_if $wait (i32.and
                    (i32.lt_u (local.get $rounds) (i32.const 60))
                    (i32.eqz (i32.load8_u (i32.const 6220))))))
            i32.const 1024",
        )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_a_hook_looks_at_it_is_not_promoted() {
    let folder = tempfile::tempdir().unwrap();
    patient().install(folder.path());
    let app = App::start_with(|settings| {
        plugins_in(&folder)(settings);
        settings.plugins.grant = [granted("patient:kv")].into();
        settings.plugins.fuel = 1_000_000_000_000;
    })
    .await;
    let ada = founder(&app, "ada").await;
    decide(&ada, "patient", on()).await.expect(200);
    let number = draft(&ada, json!({ "template": "seen" })).await;
    let (client, path) = (ada.client(), at(number, "/promote"));
    let promotion = tokio::spawn(async move { client.post(&path, json!({})).await });
    while kept(&app, &ada, "patient", "asked").await.is_none() {
        assert!(!promotion.is_finished(), "nobody was asked");
        sleep(Duration::from_millis(5)).await;
    }
    ada.put(&at(number, ""), json!({ "template": "not seen" })).await.expect(200);
    let (org, plugin, go) = place(&ada, "patient", "go");
    let stamp = Stamp { by: Actor::Anonymous, at: Timestamp::now() };
    let told = app.store().set_plugin_value(stamp, org, &plugin, &go, Some(b"go".to_vec()));
    told.await.unwrap();
    let changed = promotion.await.unwrap();
    assert_eq!(changed.code(), "version_changed", "{}", changed.text);
    assert_json_snapshot!(seen(&changed));
    let version = ada.get(&at(number, "")).await.expect(200)["version"].clone();
    assert_eq!((&version["status"], &version["template"]), (&json!("draft"), &json!("not seen")));
    assert_eq!(promote(&ada, number).await.expect(200)["version"]["status"], "stable");
}
