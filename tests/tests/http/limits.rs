//! How often is too often, and how long to wait.

use px0_tests::{Answer, App, PASSWORD};
use serde_json::json;

async fn limited() -> App {
    App::start_with(|settings| settings.rate_limit.enabled = true).await
}

/// 429, with the seconds to wait in the header.
#[track_caller]
fn refused(answer: &Answer, at_most: u64) {
    assert_eq!((answer.status, answer.code()), (429, "rate_limited"), "{}", answer.text);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=at_most).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn logins_to_an_account_are_counted_right_or_wrong_known_or_not() {
    let app = limited().await;
    app.founder("ada").await;
    let login = async |email: &str, password: &str| {
        app.anonymous()
            .post("/v1/auth/login", json!({ "email": email, "password": password }))
            .await
    };
    // The first was the founder's own.
    for _ in 0..9 {
        login(" ADA@example.com", "x").await.expect(401);
    }
    refused(&login("ada@example.com", PASSWORD).await, 60);
    for _ in 0..10 {
        login("nobody@example.com", "x").await.expect(401);
    }
    refused(&login("nobody@example.com", "x").await, 60);
    login("somebody.else@example.com", "x").await.expect(401);
}

#[tokio::test]
async fn codes_to_an_account_are_counted() {
    let app = limited().await;
    let nobody = app.anonymous();
    for email in ["ada@example.com", "nobody@example.com"] {
        let path = format!("/v1/auth/verify-email?email={email}");
        for _ in 0..2 {
            nobody.get(&path).await.expect(200);
        }
        let reset = json!({ "email": email });
        nobody.post("/v1/auth/password-reset/trigger", reset.clone()).await.expect(200);
        refused(&nobody.post("/v1/auth/password-reset/trigger", reset).await, 3600);
        refused(&nobody.get(&path).await, 3600);
    }
}

#[tokio::test]
async fn registrations_from_an_address_are_counted() {
    let app = App::start_with(|settings| {
        settings.rate_limit.enabled = true;
        settings.rate_limit.registrations_per_hour = 3.try_into().unwrap();
    })
    .await;
    let register = async |name: &str| {
        let new = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        app.anonymous().post("/v1/auth/register", new).await
    };
    for name in ["a", "b", "c"] {
        register(name).await.expect(201);
    }
    refused(&register("d").await, 3600);
}

#[tokio::test]
async fn the_current_password_is_guessed_no_more_often_than_at_login() {
    let app = limited().await;
    let ada = app.founder("ada").await;
    let change = json!({ "current_password": "wrong", "new_password": "An0ther-horse" });
    let path = "/v1/auth/me/change-password";
    for _ in 0..9 {
        ada.post(path, change.clone()).await.expect(401);
    }
    refused(&ada.post(path, change).await, 60);
}
