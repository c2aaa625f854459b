//! The guide "Get an Access Key", command for command, with curl in a shell; then create, version, promote, render.

use std::process::Command;

use px0_tests::App;
use serde_json::Value;

/// Runs one of the guide's commands as it stands, with this server's address and these variables.
async fn run(app: &App, command: &str, variables: &[(&str, &str)]) -> String {
    let command = command.replace("http://localhost:8000", app.base());
    let mut shell = Command::new("bash");
    shell.args(["-euc", &command]).envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn get_an_access_key_and_render() {
    let app = App::start_on_sled().await;
    let ada = app.founder("ada").await;
    let token = ("PX0_ACCESS_TOKEN", ada.token());

    let orgs = r#"curl -s -H "Authorization: Bearer ${PX0_ACCESS_TOKEN}" \
  http://localhost:8000/v1/me/orgs"#;
    let orgs = json(&run(&app, orgs, &[token]).await);
    let org = ("PX0_ORG_ID", orgs["organizations"][0]["id"].as_str().unwrap());

    let teams = r#"curl -s -H "Authorization: Bearer ${PX0_ACCESS_TOKEN}" \
  http://localhost:8000/v1/me/teams"#;
    let teams = json(&run(&app, teams, &[token]).await);
    let team = ("PX0_TEAM_ID", teams["teams"][0]["id"].as_str().unwrap());

    let key = r#"curl -i -X POST "http://localhost:8000/v1/api-keys" \
  -H "Authorization: Bearer ${PX0_ACCESS_TOKEN}" \
  -H "Content-Type: application/json" \
  --data @- <<EOF
{
  "name": "my-application-key",
  "org_id": "${PX0_ORG_ID}",
  "team_ids": ["${PX0_TEAM_ID}"],
  "operation": "all"
}
EOF"#;
    let answer = run(&app, key, &[token, org, team]).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    let key = json(answer.split("\r\n\r\n").last().unwrap());
    assert_eq!(
        (key["name"].as_str(), key["operation"].as_str()),
        (Some("my-application-key"), Some("all"))
    );
    let key = ("PX0_API_KEY", key["key"].as_str().unwrap());

    let post = |path: &str, body: &str| {
        format!(
            "curl -sf -X POST \"http://localhost:8000{path}\" -H \"Authorization: Bearer ${{PX0_API_KEY}}\" \
             -H 'Content-Type: application/json' --data '{body}'"
        )
    };
    let prompt = post("/v1/teams/${PX0_TEAM_ID}/prompts", r#"{"name":"Welcome"}"#);
    assert_eq!(json(&run(&app, &prompt, &[key, team]).await)["prompt"]["slug"], "welcome");
    let version = post("/v1/prompts/welcome/versions", r#"{"template":"Welcome, {{ name }}!"}"#);
    assert_eq!(json(&run(&app, &version, &[key]).await)["version"]["version"], 1);
    for status in ["stable", "live"] {
        let promote = post("/v1/prompts/welcome/versions/1/promote", "{}");
        assert_eq!(json(&run(&app, &promote, &[key]).await)["version"]["status"], status);
    }
    let render = post("/v1/prompts/welcome/render", r#"{"variables":{"name":"Ada"}}"#);
    assert_eq!(json(&run(&app, &render, &[key]).await)["rendered"], "Welcome, Ada!");
}
