//! The life of a server: what it says, how it stops, what it keeps.

use px0_config::{Backend, Settings};
use px0_tests::App;
use serde_json::json;

#[tokio::test]
async fn lines_say_where_on_what_and_with_which_engines() {
    let app = App::start().await;
    let addr = app.base().to_owned();
    let lines: Vec<_> = app.summary().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].ends_with(&format!("listens on {addr}")), "{lines:?}");
    assert!(lines[1].starts_with("stores on memory"), "{lines:?}");
    assert_eq!(lines[2], "engines: gotemplate, minijinja");
    assert_eq!(lines[3], "metrics are not served");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let app = App::start_on_sled().await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("Greeting").await;
    ada.live(&prompt, "Hello {{ name }}").await;
    let key = ada.key("read_render", &[]).await;
    let token = key.token().to_owned();
    let folder = app.stop().await;

    let data = folder.path().join("data");
    let again = App::start_with(|settings: &mut Settings| {
        settings.store.backend = Backend::Sled;
        settings.store.sled.path = data;
    })
    .await;
    let key = again.bearer(&token);
    let path = format!("/v1/prompts/{prompt}/render");
    let rendered = key.post(&path, json!({ "variables": { "name": "Ada" } })).await.expect(200);
    assert_eq!(rendered["rendered"], "Hello Ada");
    again.login("ada@example.com").await;
}

#[tokio::test]
async fn a_request_that_runs_is_answered_before_the_end() {
    let app = App::start().await;
    let client = app.anonymous();
    // The connection is there, so that what comes on it is taken.
    client.get("/v1/health").await.expect(200);
    // Hashing a password takes long enough for the server to be stopping meanwhile.
    let login = tokio::spawn(async move {
        let credentials = json!({ "email": "nobody@example.com", "password": "Wr0ng-password" });
        client.post("/v1/auth/login", credentials).await
    });
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let (answer, _) = tokio::join!(login, app.stop());
    assert_eq!(answer.unwrap().expect(401).code(), "invalid_credentials");
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_plain_one_is_kept() {
    let app = App::start().await;
    let with = |id: &str| {
        let request = app.anonymous().request(reqwest::Method::GET, "/v1/health");
        px0_tests::Answer::to(request.header("x-request-id", id.to_owned()))
    };
    assert_eq!(with("abc-1.2_3").await.header("x-request-id"), "abc-1.2_3");
    let long = "a".repeat(65);
    for bad in ["a b", "<script>", long.as_str()] {
        let id = with(bad).await.header("x-request-id").to_owned();
        assert!(id != bad && id.len() == 36, "{id}");
    }
    let missing = app.anonymous().get("/nowhere").await.expect(404);
    assert_eq!(missing.header("x-request-id").len(), 36);
}
