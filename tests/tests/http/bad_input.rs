//! Bad input of every kind, on every operation of the main path: the contract's error, and nothing lost.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use insta::assert_json_snapshot;
use px0_tests::{Answer, App, Client, Home, PASSWORD};
use reqwest::{Method, header::HeaderName};
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

/// What a client gets that promises a body and does not send it.
async fn half_a_request(base: &str) -> Answer {
    let address = base.trim_start_matches("http://").to_owned();
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "POST /v1/auth/login HTTP/1.1\r\nhost: px0\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let text = tokio::task::spawn_blocking(talk).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
    });
    Answer {
        status,
        headers: headers.collect(),
        body: serde_json::from_str(body).unwrap(),
        text: body.to_owned(),
    }
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
async fn of_ones_own_account() {
    let (app, ada, _) = world().await;
    app.founder("eve").await;
    let nobody = app.anonymous();
    let fresh = json!({ "email": "new@example.com", "password": PASSWORD });
    nobody.post("/v1/auth/register", fresh.clone()).await.expect(201);
    let change = async |body: Value| ada.post("/v1/auth/me/change-password", body).await;
    let reset = async |body: Value| nobody.post("/v1/auth/password-reset/reset", body).await;
    let key = ada.key("admin", &[]).await;
    let calls = vec![
        ("login: not verified", nobody.post("/v1/auth/login", fresh).await),
        (
            "verify: wrong",
            nobody
                .post("/v1/auth/verify-email", json!({ "email": "new@example.com", "code": "x" }))
                .await,
        ),
        ("me: by a key", key.get("/v1/auth/me").await),
        ("address: nothing", ada.put("/v1/auth/me", json!({})).await),
        ("address: none", ada.put("/v1/auth/me", json!({ "email": "x" })).await),
        ("address: taken", ada.put("/v1/auth/me", json!({ "email": "eve@example.com" })).await),
        ("password: nothing", change(json!({})).await),
        (
            "password: weak",
            change(json!({ "current_password": PASSWORD, "new_password": "longenough" })).await,
        ),
        (
            "password: wrong",
            change(json!({ "current_password": "x", "new_password": "An0ther-horse" })).await,
        ),
        (
            "password: too long",
            change(json!({ "current_password": PASSWORD, "new_password": "aA1!".repeat(300) }))
                .await,
        ),
        ("reset: nothing", reset(json!({})).await),
        ("reset: wrong", reset(json!({ "code": "x", "new_password": "An0ther-horse" })).await),
        ("trigger: nothing", nobody.post("/v1/auth/password-reset/trigger", json!({})).await),
        ("leave: not there", ada.delete("/v1/me/teams/00000000-0000-7000-8000-000000000000").await),
        ("leave: no id", ada.delete("/v1/me/teams/x").await),
    ];
    assert_json_snapshot!(table(calls).await);
}

#[tokio::test]
async fn of_organizations_and_teams() {
    let (app, ada, prompt) = world().await;
    let eve = app.founder("eve").await;
    let bob = app.member(&ada, &ada.team, "viewer").await;
    let teams = format!("/v1/orgs/{}/teams", ada.org);
    let other =
        ada.post(&teams, json!({ "name": "Other" })).await.expect(201)["team"]["id"].clone();
    let other = other.as_str().unwrap().to_owned();
    let own = format!("/v1/teams/{}", ada.team);
    let members = format!("{own}/members");
    let add = async |body: Value| ada.post(&members, body).await;
    let ask = format!("/v1/teams/{other}/join-requests");
    let request = bob.post(&ask, json!({})).await.expect(201);
    let request = format!("/v1/join-requests/{}", request["id"].as_str().unwrap());
    let role = |who: &Home| format!("{members}/{}/role", who.id());
    let move_to = format!("/v1/prompts/{prompt}/move");
    let second = ada.post("/v1/orgs", json!({ "name": "Second" })).await.expect(201);
    let second = format!("/v1/orgs/{}/teams", second["org"]["id"].as_str().unwrap());
    let second = ada.get(&second).await.expect(200)["teams"][0]["id"].clone();
    let mut calls = vec![
        ("organization: nothing", ada.post("/v1/orgs", json!({})).await),
        ("organization: taken", ada.post("/v1/orgs", json!({ "name": "Second" })).await),
        ("organization: no founder", bob.post("/v1/orgs", json!({ "name": "x" })).await),
        (
            "organization: foreign",
            eve.put(&format!("/v1/orgs/{}", ada.org), json!({ "name": "x" })).await,
        ),
        ("organization: no admin", bob.delete(&format!("/v1/orgs/{}", ada.org)).await),
        ("people: page", ada.get(&format!("/v1/orgs/{}/people?page=0", ada.org)).await),
        ("people: limit", ada.get(&format!("/v1/orgs/{}/people?limit=101", ada.org)).await),
        (
            "person: not there",
            ada.delete(&format!("/v1/orgs/{}/members/{}", ada.org, eve.id())).await,
        ),
        (
            "person: the last admin",
            ada.delete(&format!("/v1/orgs/{}/members/{}", ada.org, ada.id())).await,
        ),
        ("team: taken", ada.post(&teams, json!({ "name": "Other" })).await),
        ("team: no admin", bob.post(&teams, json!({ "name": "x" })).await),
        ("team: default", ada.delete(&own).await),
        ("team: force", ada.delete(&format!("/v1/teams/{other}?force=maybe")).await),
        ("member: nothing", add(json!({})).await),
        ("member: both", add(json!({ "user_id": eve.id(), "email": "eve@example.com" })).await),
        ("member: bad id", add(json!({ "user_id": "x" })).await),
        ("member: bad role", add(json!({ "user_id": eve.id(), "role": "owner" })).await),
        (
            "member: unknown",
            add(json!({ "user_id": "00000000-0000-7000-8000-000000000000" })).await,
        ),
        ("member: address of others", add(json!({ "email": "eve@example.com" })).await),
        ("member: already", add(json!({ "user_id": bob.id() })).await),
        ("member: not in the organization", ada.delete(&format!("{members}/{}", eve.id())).await),
        (
            "member: not in the team",
            ada.delete(&format!("/v1/teams/{other}/members/{}", bob.id())).await,
        ),
        ("role: nothing", ada.put(&role(&bob), json!({})).await),
        ("role: unknown", ada.put(&role(&bob), json!({ "role": "owner" })).await),
        ("role: no number", ada.put(&role(&bob), json!({ "role": 1 })).await),
        ("role: the last admin", ada.put(&role(&ada), json!({ "role": "editor" })).await),
        ("join: a member", ada.post(&ask, json!({})).await),
        ("join: again", bob.post(&ask, json!({})).await),
        ("join: foreign", eve.post(&ask, json!({})).await),
        ("join: long", bob.post(&ask, json!({ "justification": "x".repeat(2001) })).await),
        ("resolve: nothing", ada.put(&request, json!({})).await),
        ("resolve: pending", ada.put(&request, json!({ "status": "pending" })).await),
        ("resolve: foreign", eve.put(&request, json!({ "status": "approved" })).await),
        ("move: nothing", ada.post(&move_to, json!({})).await),
        ("move: foreign", ada.post(&move_to, json!({ "team_id": eve.team })).await),
        ("move: another organization", ada.post(&move_to, json!({ "team_id": second })).await),
    ];
    ada.put(&request, json!({ "status": "rejected" })).await.expect(200);
    calls.push(("resolve: again", ada.put(&request, json!({ "status": "approved" })).await));
    ada.post(&format!("/v1/teams/{other}/prompts"), json!({ "name": "P" })).await.expect(201);
    let mut ambiguous = ada.get(&format!("/v1/prompts/{prompt}")).await;
    for candidate in ambiguous.body["details"]["candidates"].as_array_mut().unwrap() {
        for (_, value) in candidate.as_object_mut().unwrap() {
            *value = "[…]".into();
        }
    }
    calls.push(("prompt: in several teams", ambiguous));
    calls.push(("team: owns prompts", ada.delete(&format!("/v1/teams/{other}")).await));
    assert_json_snapshot!(table(calls).await);
}

#[tokio::test]
async fn of_the_lifecycle() {
    let (_app, ada, prompt) = world().await;
    let path = |tail: &str| format!("/v1/prompts/{prompt}{tail}");
    ada.draft(&prompt, "x").await;
    let empty = json!({});
    let mut calls = vec![
        ("change: live", ada.put(&path("/versions/1"), json!({ "template": "x" })).await),
        ("delete: live", ada.delete(&path("/versions/1")).await),
        ("promote: live", ada.post(&path("/versions/1/promote"), empty.clone()).await),
        ("demote: draft", ada.post(&path("/versions/2/demote"), empty.clone()).await),
        ("tag: nothing", ada.post(&path("/versions/1/tags"), empty.clone()).await),
        ("tag: number", ada.post(&path("/versions/1/tags"), json!({ "tag": "12" })).await),
        ("tag: reserved", ada.post(&path("/versions/1/tags"), json!({ "tag": "Live" })).await),
        ("tag: characters", ada.post(&path("/versions/1/tags"), json!({ "tag": "a b" })).await),
        ("tag: not there", ada.delete(&path("/tags/nothing")).await),
        ("diff: nothing", ada.get(&path("/versions/diff")).await),
        ("diff: unknown", ada.get(&path("/versions/diff?from=1&to=9")).await),
        ("payload: nothing", ada.post(&path("/payloads"), empty.clone()).await),
        ("payload: null", ada.post(&path("/payloads"), json!({ "variables": null })).await),
        ("payload: a list", ada.post(&path("/payloads"), json!({ "variables": [] })).await),
        ("payload: bad id", ada.get(&path("/payloads/x")).await),
        (
            "payload: unknown",
            ada.get(&path("/payloads/00000000-0000-7000-8000-000000000000")).await,
        ),
    ];
    ada.post(&path("/versions/2/archive"), empty.clone()).await.expect(200);
    calls.push(("archive: again", ada.post(&path("/versions/2/archive"), empty.clone()).await));
    ada.post(&path("/archive"), empty).await.expect(200);
    calls.push(("change: archived prompt", ada.put(&path(""), json!({ "name": "x" })).await));
    assert_json_snapshot!(table(calls).await);
}

#[tokio::test]
async fn of_a_server_in_trouble() {
    let app = App::start_with(|settings| {
        settings.store.backend = px0_config::Backend::Sled;
        settings.rate_limit.enabled = true;
        settings.rate_limit.logins_per_minute = 1.try_into().unwrap();
        settings.http.timeout_ms = 2000;
    })
    .await;
    let nobody = app.anonymous();
    let login = json!({ "email": "ada@example.com", "password": "x" });
    nobody.post("/v1/auth/login", login.clone()).await.expect(401);
    let too_often = nobody.post("/v1/auth/login", login.clone()).await;
    let too_slow = half_a_request(app.base()).await;
    app.ready().await;
    app.close_store().await;
    let calls = vec![
        ("too often", too_often),
        ("too slow", too_slow),
        ("no store", nobody.get("/v1/health").await),
        ("not ready", nobody.get("/v1/health/ready").await),
        (
            "no store, with a token",
            app.bearer(&format!("sess_{}", "0".repeat(64))).get("/v1/auth/me").await,
        ),
    ];
    assert_json_snapshot!(table(calls).await);
    app.abandon();
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

#[tokio::test]
async fn a_body_that_is_left_unread_ends_its_connection_and_says_so() {
    let app = App::start_with(|settings| settings.http.max_body = 1024).await;
    let ada = app.founder("ada").await;
    let path = format!("/v1/teams/{}/prompts", ada.team);
    let large = json!({ "name": "x".repeat(2048) }).to_string();
    let answer = ada.post_text(&path, large).await.expect(413);
    assert_eq!(answer.header("connection"), "close");
    let text = ada.request(Method::POST, &path).header("content-type", "text/plain").body("x");
    assert_eq!(Answer::to(text).await.expect(415).header("connection"), "close");
    assert_eq!(ada.post_text(&path, "{}").await.expect(400).header("connection"), "");
}
