//! The main job, end to end, held to the contract field by field.

use px0_tests::{Answer, App, PASSWORD};
use serde_json::{Value, json};

/// The names of an object's fields, in their order.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T') && text.len() >= 20
}

async fn from_registration_to_render(app: &App) {
    let nobody = app.anonymous();
    assert_eq!(nobody.get("/v1/health").await.expect(200).body, json!({ "status": "OK" }));

    let email = "ada@example.com";
    let credentials = json!({ "email": " Ada@Example.com ", "password": PASSWORD });
    let registered = nobody.post("/v1/auth/register", credentials.clone()).await.expect(201);
    assert_eq!(fields(&registered), ["user"]);
    let user = &registered["user"];
    assert_eq!(fields(user), ["id", "email", "is_verified", "is_admin", "created_at"]);
    assert_eq!((&user["email"], &user["is_verified"]), (&json!(email), &json!(false)));
    assert_eq!(user["is_admin"], true);
    assert!(is_time(&user["created_at"]));

    let early = nobody.post("/v1/auth/login", credentials.clone()).await.expect(403);
    assert_eq!(early.body["error"], "user is not verified");

    let code = app.mailed(email, "verification").await;
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
    let verified =
        nobody.post("/v1/auth/verify-email", json!({ "email": email, "code": code })).await;
    assert_eq!(fields(&verified.expect(200)), ["message"]);

    let login = nobody.post("/v1/auth/login", credentials).await.expect(200);
    assert_eq!(fields(&login), ["token", "expires_at", "user"]);
    assert_eq!(login["user"]["is_verified"], true);
    let token = login["token"].as_str().unwrap();
    assert!(token.starts_with("sess_"));
    let ada = app.bearer(token);

    assert_eq!(ada.get("/v1/auth/me").await.expect(200)["user"], login["user"]);
    let orgs = ada.get("/v1/me/orgs").await.expect(200);
    let org = &orgs["organizations"][0];
    assert_eq!(fields(org), ["id", "name", "role", "created_at"]);
    assert_eq!(org["role"], "ADMIN");
    let teams = ada.get("/v1/me/teams").await.expect(200);
    let team = &teams["teams"][0];
    assert_eq!(fields(team), ["id", "org_id", "name", "role", "is_default", "created_at"]);
    assert_eq!((&team["name"], &team["role"]), (&json!("Default Team"), &json!("admin")));
    assert_eq!((&team["org_id"], &team["is_default"]), (&org["id"], &json!(true)));

    let new =
        json!({ "name": "k", "org_id": org["id"], "team_ids": [team["id"]], "operation": "all" });
    let key = ada.post("/v1/api-keys", new).await.expect(201);
    assert_eq!(
        fields(&key),
        ["id", "name", "key", "operation", "org_id", "team_ids", "created_at"]
    );
    assert!(key["key"].as_str().unwrap().starts_with("ak_"));
    let path = format!("/v1/api-keys?org_id={}", org["id"].as_str().unwrap());
    let keys = ada.get(&path).await.expect(200);
    assert_eq!(fields(&keys), ["api_keys", "next_cursor"]);
    let listed = &keys["api_keys"][0];
    assert_eq!(
        fields(listed),
        [
            "id",
            "name",
            "org_id",
            "team_id",
            "team_ids",
            "operation",
            "key_prefix",
            "created_at",
            "last_used_at"
        ]
    );
    assert_eq!((&listed["team_id"], &listed["last_used_at"]), (&team["id"], &Value::Null));
    assert!(key["key"].as_str().unwrap().starts_with(listed["key_prefix"].as_str().unwrap()));
    assert!(!keys.text.contains(key["key"].as_str().unwrap()), "a key is shown once");

    let service = app.bearer(key["key"].as_str().unwrap());
    let path = format!("/v1/teams/{}/prompts", team["id"].as_str().unwrap());
    let prompt = service
        .post(&path, json!({ "name": "Support  Reply!", "description": "d" }))
        .await
        .expect(201);
    let prompt = &prompt["prompt"];
    assert_eq!(
        fields(prompt),
        ["id", "team_id", "slug", "name", "description", "status", "created_at", "updated_at"]
    );
    assert_eq!((&prompt["slug"], &prompt["status"]), (&json!("support_reply"), &json!("active")));
    let listed = service.get(&path).await.expect(200);
    assert_eq!((&listed["prompts"][0], &listed["next_cursor"]), (prompt, &Value::Null));

    let body = json!({
        "template": "Hi {{ name }}, {% if vip %}welcome back{% else %}hello{% endif %}!\n",
        "model": "gpt-5", "model_params": { "temperature": 0.70, "seed": 12345678901234567890_u64 },
        "variables_schema": { "type": "object", "properties": { "name": { "type": "string" } } },
    });
    let version =
        service.post("/v1/prompts/support_reply/versions", body.clone()).await.expect(201);
    let version = &version["version"];
    assert_eq!(
        fields(version),
        [
            "id",
            "prompt_id",
            "version",
            "template",
            "engine",
            "status",
            "model",
            "model_params",
            "variables_schema",
            "created_at",
            "updated_at",
            "published_at",
            "tags"
        ]
    );
    assert_eq!((&version["version"], &version["status"]), (&json!(1), &json!("draft")));
    assert_eq!((&version["engine"], &version["published_at"]), (&json!("minijinja"), &Value::Null));
    assert_eq!(version["model_params"], body["model_params"]);

    let none = service.post("/v1/prompts/support_reply/render", json!({})).await.expect(404);
    assert_eq!(none.body["error"], "no live version found for this prompt");
    let promote = "/v1/prompts/support_reply/versions/1/promote";
    assert_eq!(service.post(promote, json!({})).await.expect(200)["version"]["status"], "stable");
    let live = service.post(promote, json!({})).await.expect(200);
    assert_eq!(live["version"]["status"], "live");
    assert!(is_time(&live["version"]["published_at"]));
    let again = service.post(promote, json!({})).await.expect(422);
    assert_eq!(again.body["error"], "cannot promote version");

    assert_eq!(
        service.get("/v1/prompts/support_reply/versions").await.expect(200)["versions"][0],
        live["version"]
    );
    for selector in ["1", "live", "latest"] {
        let path = format!("/v1/prompts/support_reply/versions/{selector}");
        assert_eq!(service.get(&path).await.expect(200)["version"], live["version"]);
    }
    let by_id = format!("/v1/prompts/{}?version=live", prompt["id"].as_str().unwrap());
    let got = service.get(&by_id).await.expect(200);
    assert_eq!((&got["prompt"], &got["version"]), (prompt, &live["version"]));
    assert_eq!(fields(&service.get("/v1/prompts/support_reply").await.expect(200)), ["prompt"]);

    let variables = json!({ "variables": { "name": "Ada <b>", "vip": true } });
    let rendered =
        service.post("/v1/prompts/support_reply/render", variables.clone()).await.expect(200);
    assert_eq!(
        fields(&rendered),
        ["rendered", "version", "slug", "tags", "model", "model_params", "engine"]
    );
    assert_eq!(rendered["rendered"], "Hi Ada <b>, welcome back!\n");
    assert_eq!((&rendered["version"], &rendered["slug"]), (&json!(1), &json!("support_reply")));
    assert_eq!((&rendered["model"], &rendered["tags"]), (&json!("gpt-5"), &json!([])));
    assert!(rendered.header("server-timing").starts_with("render;dur="), "{:?}", rendered.headers);
    let path = "/v1/prompts/support_reply/versions/1/render";
    assert_eq!(service.post(path, variables).await.expect(200).body, rendered.body);

    let path = format!("/v1/api-keys/{}", key["id"].as_str().unwrap());
    ada.delete(&path).await.expect(204);
    assert_eq!(service.get("/v1/prompts/support_reply").await.expect(401).code(), "unauthorized");
    ada.delete("/v1/auth/session").await.expect(204);
    assert_eq!(ada.get("/v1/auth/me").await.expect(401).code(), "unauthorized");
    nobody.delete("/v1/auth/session").await.expect(204);
}

#[tokio::test]
async fn from_registration_to_render_on_memory() {
    from_registration_to_render(&App::start().await).await;
}

#[tokio::test]
async fn from_registration_to_render_on_sled() {
    from_registration_to_render(&App::start_on_sled().await).await;
}

#[tokio::test]
async fn from_registration_to_render_on_postgres() {
    if let Some(app) = App::start_on_postgres().await {
        from_registration_to_render(&app).await;
        app.stop().await;
    }
}

#[tokio::test]
async fn an_absent_body_is_an_empty_object() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("P").await;
    ada.live(&prompt, "hi").await;
    let request = ada.request(reqwest::Method::POST, &format!("/v1/prompts/{prompt}/render"));
    assert_eq!(Answer::to(request).await.expect(200)["rendered"], "hi");
}

#[tokio::test]
async fn one_slug_in_two_teams_is_settled_by_team_id() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let teams = format!("/v1/orgs/{}/teams", ada.org);
    let other =
        ada.post(&teams, json!({ "name": "Other" })).await.expect(201)["team"]["id"].clone();
    let other = other.as_str().unwrap();
    let prompt = ada.prompt("P").await;
    ada.live(&prompt, "first").await;
    ada.post(&format!("/v1/teams/{other}/prompts"), json!({ "name": "P" })).await.expect(201);
    let render = format!("/v1/prompts/{prompt}/render");
    let ambiguous = ada.post(&render, json!({})).await.expect(409);
    assert_eq!(ambiguous.code(), "ambiguous_slug");
    assert_eq!(ambiguous["details"]["candidates"].as_array().unwrap().len(), 2);
    let settled = ada.post(&format!("{render}?team_id={}", ada.team), json!({})).await.expect(200);
    assert_eq!(settled["rendered"], "first");
    let none = ada.post(&format!("{render}?team_id={other}"), json!({})).await.expect(404);
    assert_eq!(none.code(), "no_live_version");
    let key = ada.key("read_render", &[other]).await;
    assert_eq!(key.post(&render, json!({})).await.expect(404).code(), "no_live_version");
}
