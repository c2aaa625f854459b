//! Registering, logging in, and one's own account.

use px0_tests::{App, Home, PASSWORD};
use serde_json::json;

const OTHER: &str = "An0ther-horse";

#[tokio::test]
async fn a_password_is_changed_and_other_sessions_end() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let elsewhere = app.login("ada@example.com").await;
    let change =
        |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let path = "/v1/auth/me/change-password";
    let wrong = ada.post(path, change("Wr0ng-horse", OTHER)).await.expect(401);
    assert_eq!(wrong.code(), "invalid_credentials");
    assert_eq!(ada.post(path, change(PASSWORD, "short")).await.expect(400).code(), "weak_password");
    elsewhere.get("/v1/auth/me").await.expect(200);
    ada.post(path, change(PASSWORD, OTHER)).await.expect(200);
    ada.get("/v1/auth/me").await.expect(200);
    elsewhere.get("/v1/auth/me").await.expect(401);
    let login = |password: &str| json!({ "email": "ada@example.com", "password": password });
    let nobody = app.anonymous();
    nobody.post("/v1/auth/login", login(PASSWORD)).await.expect(401);
    nobody.post("/v1/auth/login", login(OTHER)).await.expect(200);
}

#[tokio::test]
async fn a_password_is_reset_once_by_a_mailed_code() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let nobody = app.anonymous();
    let trigger = async |email: &str| {
        nobody.post("/v1/auth/password-reset/trigger", json!({ "email": email })).await.expect(200)
    };
    let known = trigger("ada@example.com").await;
    let unknown = trigger("nobody@example.com").await;
    assert_eq!(known.text, unknown.text, "an address is not told from another");
    let code = app.mailed("ada@example.com", "password_reset").await;
    assert!(code.len() > 40, "it cannot be guessed: {code}");
    let reset = async |code: &str, password: &str| {
        let body = json!({ "code": code, "new_password": password });
        nobody.post("/v1/auth/password-reset/reset", body).await
    };
    assert_eq!(reset("nonsense", OTHER).await.expect(400).code(), "invalid_reset_code");
    assert_eq!(reset(&code, "weak").await.expect(400).code(), "weak_password");
    let done = reset(&code, OTHER).await.expect(200);
    assert_eq!(done["email"], "ada@example.com");
    assert_eq!(reset(&code, OTHER).await.expect(400).code(), "invalid_reset_code");
    ada.get("/v1/auth/me").await.expect(401);
    let login = json!({ "email": "ada@example.com", "password": OTHER });
    nobody.post("/v1/auth/login", login).await.expect(200);
    assert!(app.mails("nobody@example.com", "password_reset").is_empty());
}

#[tokio::test]
async fn a_reset_proves_the_address() {
    let app = App::start().await;
    let nobody = app.anonymous();
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    nobody.post("/v1/auth/register", credentials.clone()).await.expect(201);
    nobody.post("/v1/auth/login", credentials).await.expect(403);
    let address = json!({ "email": "ada@example.com" });
    nobody.post("/v1/auth/password-reset/trigger", address).await.expect(200);
    let code = app.mailed("ada@example.com", "password_reset").await;
    let body = json!({ "code": code, "new_password": OTHER });
    nobody.post("/v1/auth/password-reset/reset", body).await.expect(200);
    let login = json!({ "email": "ada@example.com", "password": OTHER });
    assert_eq!(nobody.post("/v1/auth/login", login).await.expect(200)["user"]["is_verified"], true);
}

#[tokio::test]
async fn a_new_address_is_proved_before_the_next_login() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    app.founder("eve").await;
    let move_to = async |email: &str| ada.put("/v1/auth/me", json!({ "email": email })).await;
    assert_eq!(move_to("EVE@example.com").await.expect(409).code(), "email_taken");
    let same = move_to("ada@example.com").await.expect(200);
    assert_eq!(same["user"]["is_verified"], true, "nothing has changed");
    let moved = move_to(" Ada@Example.ORG ").await.expect(200);
    assert_eq!(moved["user"]["email"], "ada@example.org");
    assert_eq!(moved["user"]["is_verified"], false);
    ada.get("/v1/auth/me").await.expect(200);
    let nobody = app.anonymous();
    let login = |email: &str| json!({ "email": email, "password": PASSWORD });
    nobody.post("/v1/auth/login", login("ada@example.com")).await.expect(401);
    let early = nobody.post("/v1/auth/login", login("ada@example.org")).await.expect(403);
    assert_eq!(early.code(), "user_not_verified");
    let code = app.mailed("ada@example.org", "verification").await;
    let proof = json!({ "email": "ada@example.org", "code": code });
    nobody.post("/v1/auth/verify-email", proof).await.expect(200);
    nobody.post("/v1/auth/login", login("ada@example.org")).await.expect(200);
}

#[tokio::test]
async fn who_goes_takes_organizations_without_others_along() {
    let app = App::start_on_sled().await;
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("P").await;
    let key = ada.key("all", &[]).await;
    let eve = app.founder("eve").await;
    let seat = json!({ "user_id": ada.id(), "role": "admin" });
    eve.post(&format!("/v1/teams/{}/members", eve.team), seat).await.expect(204);
    ada.delete("/v1/auth/me").await.expect(204);
    ada.get("/v1/auth/me").await.expect(401);
    key.get(&format!("/v1/prompts/{prompt}")).await.expect(401);
    let people = eve.get(&format!("/v1/orgs/{}/people", eve.org)).await.expect(200);
    assert_eq!(people["total"], 1);
    // The address is free again, and whoever takes it is somebody new.
    let again = app.founder("ada").await;
    assert_ne!(again.user["id"], ada.user["id"]);
}

#[tokio::test]
async fn verification_codes_are_five_tries_and_one_use() {
    let app = App::start().await;
    let nobody = app.anonymous();
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    nobody.post("/v1/auth/register", credentials.clone()).await.expect(201);
    let code = app.mailed("ada@example.com", "verification").await;
    let verify = async |code: &str| {
        let proof = json!({ "email": "ada@example.com", "code": code });
        nobody.post("/v1/auth/verify-email", proof).await
    };
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(verify(wrong).await.expect(400).code(), "invalid_verification_code");
    }
    verify(&code).await.expect(400);
    let trigger = "/v1/auth/verify-email?email=ada@example.com";
    let known = nobody.get(trigger).await.expect(200);
    let unknown = nobody.get("/v1/auth/verify-email?email=nobody@example.com").await.expect(200);
    assert_eq!(known.text, unknown.text);
    let second = app.mailed_after(1, "ada@example.com", "verification").await;
    verify(&second).await.expect(200);
    verify(&second).await.expect(400);
    nobody.post("/v1/auth/login", credentials).await.expect(200);
    // Somebody who is verified is sent nothing.
    assert_eq!(nobody.get(trigger).await.expect(200).text, unknown.text);
}

#[tokio::test]
async fn sessions_end_by_themselves() {
    let app = App::start_with(|settings| settings.auth.session_seconds = 2).await;
    let ada = app.founder("ada").await;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(ada.get("/v1/auth/me").await.expect(401).code(), "unauthorized");
    ada.delete("/v1/auth/session").await.expect(204);
}

#[tokio::test]
async fn with_auto_verify_nobody_waits_for_mail() {
    let app =
        App::start_with(|settings| settings.email.mode = px0_config::EmailMode::AutoVerify).await;
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    let user = app.anonymous().post("/v1/auth/register", credentials).await.expect(201);
    assert_eq!(user["user"]["is_verified"], true);
    app.login("ada@example.com").await;
}

#[tokio::test]
async fn what_needs_a_person_refuses_a_key() {
    let app = App::start().await;
    let ada: Home = app.founder("ada").await;
    let key = ada.key("admin", &[]).await;
    for path in
        ["/v1/auth/me", "/v1/me/orgs", "/v1/me/teams", "/v1/me/inbox", "/v1/api-keys?org_id=x"]
    {
        let refused = key.get(path).await.expect(403);
        assert_eq!(refused.body["error"], "access token required", "{path}");
    }
}
