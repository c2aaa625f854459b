//! No secret leaves: neither into the log, nor into spans, nor into metrics.

use std::{path::Path, time::Duration};

use px0_tests::{
    Client,
    process::{Server, sled},
};
use serde_json::{Value, json};

use crate::receiver::{Protocol, Receiver};

const PASSWORDS: [&str; 3] = ["Planted-1-password", "Planted-2-password", "Planted-wrong-3"];
const VARIABLES: [&str; 3] = ["planted_variable_value", "planted_deep_value", "planted_undefined"];
const TEMPLATE: &str = "planted_template_text";
const QUERY: &str = "planted_query_value";

/// The code in the mail of this kind, once it is there.
async fn code(outbox: &Path, kind: &str) -> String {
    for _ in 0..600 {
        let files = std::fs::read_dir(outbox).into_iter().flatten();
        for file in files.map(|entry| entry.unwrap().path()) {
            let mail = std::fs::read(&file).unwrap_or_default();
            let mail: Value = serde_json::from_slice(&mail).unwrap_or_default();
            if mail["kind"] == kind {
                return mail["code"].as_str().unwrap().to_owned();
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is no mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves() {
    let receiver = Receiver::start(Protocol::Grpc).await;
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox");
    let mut variables = sled(&folder.path().join("data"));
    variables.extend(receiver.variables());
    variables.push(("PX0_TELEMETRY__PROMPT_LABELS", "10".to_owned()));
    // All that px0 itself says.
    variables.push(("PX0_LOG__FILTER", "info,px0=trace,px0_core=trace,px0_server=trace,px0_backends=trace,px0_plugins=trace,px0_render_wasm=trace".to_owned()));
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let own = outbox.clone();
    let server = Server::start_with(&variables, move |command| {
        command.env("PX0_EMAIL__MODE", "file").env("PX0_EMAIL__OUTBOX", own).stderr(log);
    })
    .await;
    let mut planted: Vec<String> = [TEMPLATE, QUERY].map(str::to_owned).into();
    planted.extend(PASSWORDS.into_iter().chain(VARIABLES).map(str::to_owned));

    let nobody = Client::at(&server.base);
    let email = "ada@example.com";
    let with = |password: &str| json!({ "email": email, "password": password });
    nobody.post("/v1/auth/register", with(PASSWORDS[0])).await.expect(201);
    let verification = code(&outbox, "verification").await;
    nobody.post("/v1/auth/verify-email", json!({ "email": email, "code": "000000" })).await;
    nobody
        .post("/v1/auth/verify-email", json!({ "email": email, "code": verification }))
        .await
        .expect(200);
    nobody.post("/v1/auth/login", with(PASSWORDS[2])).await.expect(401);
    nobody.post("/v1/auth/password-reset/trigger", json!({ "email": email })).await;
    let reset = code(&outbox, "password_reset").await;
    let change = json!({ "code": reset, "new_password": PASSWORDS[1] });
    nobody.post("/v1/auth/password-reset/reset", change).await.expect(200);
    let login = nobody.post("/v1/auth/login", with(PASSWORDS[1])).await;
    let token = login.expect(200)["token"].as_str().unwrap().to_owned();
    let ada = nobody.with_token(&token);
    let team =
        ada.get("/v1/me/teams").await.expect(200)["teams"][0]["id"].as_str().unwrap().to_owned();
    let org = ada.get("/v1/me/orgs").await.expect(200)["organizations"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let prompts = format!("/v1/teams/{team}/prompts");
    ada.post(&prompts, json!({ "name": "Greeting" })).await.expect(201);
    let versions = "/v1/prompts/greeting/versions";
    let template = format!("{TEMPLATE} {{{{ a }}}}{{% if b %}}{{{{ b.c }}}}{{% endif %}}");
    ada.post(versions, json!({ "template": template })).await.expect(201);
    ada.post(versions, json!({ "template": format!("{TEMPLATE} {{% if %}}") })).await.expect(400);
    for _ in 0..2 {
        ada.post(&format!("{versions}/1/promote"), json!({})).await.expect(200);
    }
    let key =
        json!({ "name": "key", "org_id": org, "team_ids": [team], "operation": "read_render" });
    let key = ada.post("/v1/api-keys", key).await.expect(201)["key"].as_str().unwrap().to_owned();
    let callers = [ada.clone(), nobody.with_token(&key)];
    let mut secrets = vec![token.clone(), key, verification.clone(), reset.clone()];
    for caller in &callers {
        for variables in [
            json!({ "a": VARIABLES[0] }),
            json!({ "a": VARIABLES[0], "b": { "c": VARIABLES[1] } }),
            json!({ "b": { "c": [VARIABLES[1]] } }),
            json!({ "a": 1, "b": VARIABLES[2] }),
        ] {
            let path = format!("/v1/prompts/greeting/render?team_id={team}&x={QUERY}");
            caller.post(&path, json!({ "variables": variables })).await;
        }
        caller
            .post_text(
                "/v1/prompts/greeting/render",
                format!("{{\"variables\": {{\"a\": \"{}\"", VARIABLES[0]),
            )
            .await
            .expect(400);
    }
    nobody.with_token("sess_planted_token_of_nobody").get("/v1/auth/me").await.expect(401);
    secrets.push("planted_token_of_nobody".to_owned());
    let metrics = Client::at(server.metrics.as_ref().unwrap().trim_end_matches("/metrics"));
    let metrics = metrics.get("/metrics").await.expect(200).text;
    server.stop().await;
    receiver
        .find("a render", |received| received.spans().find(|span| span.name == "sandbox").map(drop))
        .await;

    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("/v1/prompts/{slug}/render"), "the log is of this run");
    assert!(metrics.contains("prompt=\"greeting\""), "the metrics are of this run");
    let sent = receiver.bytes();
    // Six digits may well be a part of a number that is no code: of a time, say.
    let of_number = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_digit() || *b == b'.');
    let has = |bytes: &[u8], secret: &str| {
        let is_code = secret.bytes().all(|b| b.is_ascii_digit());
        bytes.windows(secret.len()).enumerate().any(|(at, window)| {
            let around =
                [at.checked_sub(1).and_then(|at| bytes.get(at)), bytes.get(at + secret.len())];
            window == secret.as_bytes() && !(is_code && around.into_iter().any(of_number))
        })
    };
    assert!(has(&sent, "greeting"), "what was sent is of this run");
    // A token is a secret by its second half alone.
    planted.extend(
        secrets
            .iter()
            .map(|secret| secret.split_once('_').map_or(&**secret, |(_, own)| own).to_owned()),
    );
    for secret in planted {
        assert!(secret.len() >= 6, "{secret}");
        assert!(!has(log.as_bytes(), &secret), "the log has {secret}");
        assert!(!has(metrics.as_bytes(), &secret), "the metrics have {secret}");
        assert!(!has(&sent, &secret), "what was sent has {secret}");
    }
}
