//! Bad input of every kind, on every operation of the main path: the contract's error, and nothing lost.

use insta::assert_json_snapshot;
use px0_tests::{Answer, App, Client, Home, PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};

/// What a client sees of a failure, without what differs from run to run.
fn seen(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.text);
    let mut body = answer.body.clone();
    if let Some(id) = body.pointer_mut("/details/request_id") {
        *id = "[id]".into();
    }
    json!({ "status": answer.status, "body": body })
}

/// Names each call by what it was about.
async fn table(calls: Vec<(&str, Answer)>) -> Value {
    calls
        .iter()
        .map(|(name, answer)| ((*name).to_owned(), seen(answer)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

async fn send(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
    Answer::to(client.request(method, path).header("content-type", content_type).body(body)).await
}

async fn world() -> (App, Home, String) {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("P").await;
    ada.live(&prompt, "Hi {{ name }}").await;
    (app, ada, prompt)
}

#[tokio::test]
async fn of_the_router_and_the_body() {
    let (app, ada, _) = world().await;
    let nobody = app.anonymous();
    let path = format!("/v1/teams/{}/prompts", ada.team);
    let big = format!("{{\"name\":\"{}\"}}", "a".repeat(3 << 20));
    let options = Answer::to(nobody.request(Method::PATCH, "/v1/prompts/x")).await;
    assert!(
        options.header("allow").contains("GET") && options.header("allow").contains("PUT"),
        "{:?}",
        options.headers
    );
    let calls = vec![
        ("unknown path", nobody.get("/v1/nothing").await),
        ("unknown path, bad token", app.bearer("nonsense").get("/v1/nothing").await),
        ("unknown method", options),
        ("no token", nobody.get("/v1/auth/me").await),
        ("bad token", app.bearer("sess_0000").get("/v1/auth/me").await),
        ("token of no kind", app.bearer("x").get("/v1/auth/me").await),
        (
            "basic authorization",
            Answer::to(nobody.request(Method::GET, "/v1/auth/me").basic_auth("a", Some("b"))).await,
        ),
        ("no content type", Answer::to(ada.request(Method::POST, &path).body("{}")).await),
        (
            "form",
            send(&ada, Method::POST, &path, "application/x-www-form-urlencoded", "name=x").await,
        ),
        ("not JSON", ada.post_text(&path, "{\"name\": ").await),
        ("an array", ada.post_text(&path, "[]").await),
        ("a number", ada.post_text(&path, "1").await),
        ("two values", ada.post_text(&path, "{} {}").await),
        ("not UTF-8", ada.post_text(&path, b"{\"name\":\"\xff\"}".to_vec()).await),
        ("NUL", ada.post_text(&path, "{\"name\":\"a\\u0000b\"}").await),
        ("NUL in the path", ada.get("/v1/prompts/a%00b").await),
        ("NUL in the query", ada.get(&format!("{path}?q=%00")).await),
        ("not UTF-8 in the path", ada.get("/v1/prompts/%ff").await),
        ("too large", ada.post_text(&path, big).await),
    ];
    assert_json_snapshot!(table(calls).await);
}

#[tokio::test]
async fn of_getting_in() {
    let (app, ada, _) = world().await;
    let nobody = app.anonymous();
    let register = async |body: Value| nobody.post("/v1/auth/register", body).await;
    let login = async |body: Value| nobody.post("/v1/auth/login", body).await;
    let verify = async |body: Value| nobody.post("/v1/auth/verify-email", body).await;
    let key = ada.key("all", &[]).await;
    let new = |email: &str| json!({ "email": email, "password": PASSWORD });
    let calls = vec![
        ("register: nothing", register(json!({})).await),
        ("register: no address", register(new("nobody")).await),
        (
            "register: a number for an address",
            register(json!({ "email": 5, "password": PASSWORD })).await,
        ),
        ("register: weak", register(json!({ "email": "a@b.cd", "password": "abc" })).await),
        ("register: taken", register(new("ADA@example.com")).await),
        (
            "register: a team, by nobody",
            register(json!({ "email": "a@b.cd", "password": PASSWORD, "team_id": ada.team })).await,
        ),
        ("register: by a key", key.post("/v1/auth/register", new("a@b.cd")).await),
        (
            "register: bad token",
            app.bearer("sess_x").post("/v1/auth/register", new("a@b.cd")).await,
        ),
        ("login: nothing", login(json!({})).await),
        (
            "login: wrong password",
            login(json!({ "email": "ada@example.com", "password": "x" })).await,
        ),
        ("login: unknown", login(new("eve@example.com")).await),
        ("verify: nothing", verify(json!({})).await),
        ("verify: unknown", verify(json!({ "email": "eve@example.com", "code": "123456" })).await),
        ("trigger: nothing", nobody.get("/v1/auth/verify-email").await),
        ("trigger: no address", nobody.get("/v1/auth/verify-email?email=x").await),
    ];
    assert_json_snapshot!(table(calls).await);
}

#[tokio::test]
async fn of_keys_and_prompts() {
    let (app, ada, prompt) = world().await;
    let eve = app.founder("eve").await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    let keys = async |body: Value| ada.post("/v1/api-keys", body).await;
    let path = format!("/v1/teams/{}/prompts", ada.team);
    let create = async |body: Value| ada.post(&path, body).await;
    let get = async |tail: &str| ada.get(&format!("/v1/prompts/{prompt}{tail}")).await;
    let list = async |query: &str| ada.get(&format!("{path}?{query}")).await;
    let key = ada.key("all", &[]).await;
    let calls = vec![
        ("key: nothing", keys(json!({})).await),
        ("key: bad organization", keys(json!({ "name": "k", "org_id": "x" })).await),
        ("key: foreign organization", keys(json!({ "name": "k", "org_id": eve.org })).await),
        (
            "key: foreign team",
            keys(json!({ "name": "k", "org_id": ada.org, "team_ids": [eve.team] })).await,
        ),
        (
            "key: teams no list",
            keys(json!({ "name": "k", "org_id": ada.org, "team_ids": "x" })).await,
        ),
        (
            "key: bad operation",
            keys(json!({ "name": "k", "org_id": ada.org, "operation": "write" })).await,
        ),
        ("key: by a key", key.post("/v1/api-keys", json!({})).await),
        ("keys: no organization", ada.get("/v1/api-keys").await),
        ("keys: bad organization", ada.get("/v1/api-keys?org_id=x").await),
        ("keys: foreign organization", ada.get(&format!("/v1/api-keys?org_id={}", eve.org)).await),
        ("delete key: no id", ada.delete("/v1/api-keys/x").await),
        ("delete key: unknown", ada.delete(&format!("/v1/api-keys/{unknown}")).await),
        ("prompt: nothing", create(json!({})).await),
        ("prompt: empty name", create(json!({ "name": " " })).await),
        ("prompt: long name", create(json!({ "name": "a".repeat(101) })).await),
        ("prompt: control character", create(json!({ "name": "a\nb" })).await),
        ("prompt: no slug in the name", create(json!({ "name": "日本" })).await),
        ("prompt: long slug", create(json!({ "name": "a", "slug": "a".repeat(101) })).await),
        (
            "prompt: long description",
            create(json!({ "name": "a", "description": "a".repeat(2001) })).await,
        ),
        ("prompt: taken", create(json!({ "name": "P" })).await),
        (
            "prompt: foreign team",
            ada.post(&format!("/v1/teams/{}/prompts", eve.team), json!({ "name": "a" })).await,
        ),
        ("prompt: bad team", ada.post("/v1/teams/x/prompts", json!({ "name": "a" })).await),
        ("prompts: limit", list("limit=0").await),
        ("prompts: limit no number", list("limit=ten").await),
        ("prompts: cursor", list("cursor=x").await),
        ("prompts: status", list("status=gone").await),
        ("prompts: archived", list("archived=maybe").await),
        ("prompts: contradicting", list("archived=true&status=active").await),
        ("prompts: tag", list("tag=12").await),
        ("get prompt: unknown word", ada.get("/v1/prompts/no-such").await),
        ("get prompt: unknown id", ada.get(&format!("/v1/prompts/{unknown}")).await),
        ("get prompt: foreign", eve.get(&format!("/v1/prompts/{prompt}")).await),
        ("get prompt: version and tag", get("?version=1&tag=a").await),
        ("get prompt: unknown version", get("?version=9").await),
        ("get prompt: bad team", get("?team_id=x").await),
    ];
    assert_json_snapshot!(table(calls).await);
}

#[tokio::test]
async fn of_versions_and_renders() {
    let (_app, ada, prompt) = world().await;
    let versions = format!("/v1/prompts/{prompt}/versions");
    let create = async |body: Value| ada.post(&versions, body).await;
    let template = async |text: &str| create(json!({ "template": text })).await;
    let get = async |tail: &str| ada.get(&format!("{versions}{tail}")).await;
    let render = async |body: &str| {
        ada.post_text(&format!("/v1/prompts/{prompt}/render"), body.to_owned()).await
    };
    let path = |tail: &str| format!("/v1/prompts/{prompt}/versions/{tail}");
    let empty = ada.prompt("empty").await;
    let strict = json!({
        "template": "{{ n }}",
        "variables_schema": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] },
    });
    let strict = create(strict).await.expect(201)["version"]["version"].clone();
    let failing =
        template("a\n{{ raise_exception('no good') }}").await.expect(201)["version"]["version"]
            .clone();
    let looping = "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}{% endfor %}{% endfor %}{% endfor %}";
    let looping = template(looping).await.expect(201)["version"]["version"].clone();
    let renders = async |number: &Value, body: Value| {
        ada.post(&path(&format!("{number}/render")), body).await
    };
    let calls = vec![
        ("version: nothing", create(json!({})).await),
        ("version: empty", template("").await),
        ("version: null", create(json!({ "template": null })).await),
        ("version: a number", create(json!({ "template": 1 })).await),
        ("version: too large", template(&"a".repeat(65537)).await),
        ("version: does not parse", template("Hi\n{% if %}").await),
        ("version: unknown filter", template("Hi {{ name|shout }}").await),
        ("version: unknown test", template("{{ name is loud }}").await),
        ("version: unknown function", template("{{ now() }}").await),
        ("version: unknown engine", create(json!({ "template": "x", "engine": "jinja9" })).await),
        (
            "version: parameters no object",
            create(json!({ "template": "x", "model_params": [] })).await,
        ),
        (
            "version: bad schema",
            create(json!({ "template": "x", "variables_schema": { "type": "thing" } })).await,
        ),
        ("version: empty model", create(json!({ "template": "x", "model": " " })).await),
        ("versions: status", get("?status=gone").await),
        ("versions: tags", get("?tags=a,live").await),
        ("versions: cursor", get("?cursor=x").await),
        ("versions: limit", get("?limit=1001").await),
        ("get version: unknown", get("/99").await),
        ("get version: unknown tag", get("/prod").await),
        ("get version: no word for one", get("/-1").await),
        ("promote: unknown", ada.post(&path("99/promote"), json!({})).await),
        ("promote: live", ada.post(&path("1/promote"), json!({})).await),
        ("render: variables null", render("{\"variables\": null}").await),
        ("render: variables a list", render("{\"variables\": []}").await),
        (
            "render: variables too large",
            render(&format!("{{\"variables\": {{\"name\": \"{}\"}}}}", "a".repeat(1 << 20))).await,
        ),
        ("render: missing", render("{}").await),
        ("render: lone surrogate", render("{\"variables\": {\"name\": \"\\ud800\"}}").await),
        (
            "render: too deep",
            render(&format!(
                "{{\"variables\": {{\"name\": {}}}}}",
                "[".repeat(5000) + &"]".repeat(5000)
            ))
            .await,
        ),
        ("render: unknown prompt", ada.post("/v1/prompts/nothing/render", json!({})).await),
        (
            "render: no live version",
            ada.post(&format!("/v1/prompts/{empty}/render"), json!({})).await,
        ),
        ("render: unknown version", ada.post(&path("99/render"), json!({})).await),
        (
            "render: breaks the schema",
            renders(&strict, json!({ "variables": { "n": "one" } })).await,
        ),
        ("render: fails", renders(&failing, json!({})).await),
        ("render: a limit", renders(&looping, json!({})).await),
    ];
    assert_json_snapshot!(table(calls).await);
}

#[tokio::test]
async fn nothing_is_lost_by_what_was_refused() {
    let (_app, ada, prompt) = world().await;
    let path = format!("/v1/prompts/{prompt}/versions");
    let before = ada.get(&path).await.expect(200).body;
    ada.post(&path, json!({ "template": "{% if %}" })).await.expect(400);
    ada.post(&format!("{path}/1/promote"), json!({})).await.expect(422);
    assert_eq!(ada.get(&path).await.expect(200).body, before);
    assert_eq!(ada.draft(&prompt, "next").await, 2, "a refused version takes no number");
}
