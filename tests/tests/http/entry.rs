//! Getting in, while strangers try to keep one out.

use std::process::Stdio;

use futures::future::join_all;
use px0_config::EmailMode;
use px0_tests::{
    Answer, App, Client, PASSWORD,
    process::{Server, sled},
};
use serde_json::json;

const ADA: &str = "ada@example.com";

const OTHER: &str = "An0ther-horse";

async fn register(client: &Client, email: &str) -> Answer {
    client.post("/v1/auth/register", json!({ "email": email, "password": PASSWORD })).await
}

async fn login(client: &Client, email: &str, password: &str) -> Answer {
    client.post("/v1/auth/login", json!({ "email": email, "password": password })).await
}

async fn verify(client: &Client, email: &str, code: &str) -> Answer {
    client.post("/v1/auth/verify-email", json!({ "email": email, "code": code })).await
}

async fn trigger_reset(client: &Client, email: &str) {
    client.post("/v1/auth/password-reset/trigger", json!({ "email": email })).await.expect(200);
}

async fn reset(client: &Client, code: &str) -> Answer {
    let body = json!({ "code": code, "new_password": OTHER });
    client.post("/v1/auth/password-reset/reset", body).await
}

fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[tokio::test]
async fn guesses_of_a_stranger_do_not_end_a_code() {
    let app = App::start_with(App::behind_a_proxy).await;
    let (owner, stranger) = (app.anonymous().from("192.0.2.1"), app.anonymous());
    register(&owner, ADA).await.expect(201);
    let code = app.mailed(ADA, "verification").await;
    let wrong = other_than(&code);
    for last in 0..4 {
        for _ in 0..7 {
            let refused = verify(&stranger.from(&format!("198.51.100.{last}")), ADA, wrong).await;
            assert_eq!(refused.expect(400).code(), "invalid_verification_code");
        }
    }
    // Where five tries were wrong, the right one is.
    verify(&stranger.from("198.51.100.1"), ADA, &code).await.expect(400);
    verify(&owner, ADA, &code).await.expect(200);
}

#[tokio::test]
async fn fifty_guesses_from_everywhere_end_the_codes_of_an_account() {
    let app = App::start_with(App::behind_a_proxy).await;
    let stranger = app.anonymous();
    register(&stranger, ADA).await.expect(201);
    let code = app.mailed(ADA, "verification").await;
    let wrong = other_than(&code);
    for number in 0..50 {
        verify(&stranger.from(&format!("198.51.100.{}", number / 5)), ADA, wrong).await.expect(400);
    }
    verify(&stranger.from("192.0.2.1"), ADA, &code).await.expect(400);
    // Nobody has more guesses by having another one made; its owner proves the address by a reset.
    stranger.get(&format!("/v1/auth/verify-email?email={ADA}")).await.expect(200);
    let code = app.mailed_after(1, ADA, "verification").await;
    verify(&stranger, ADA, &code).await.expect(400);
    trigger_reset(&stranger, ADA).await;
    let code = app.mailed(ADA, "password_reset").await;
    reset(&stranger, &code).await.expect(200);
    login(&stranger, ADA, OTHER).await.expect(200);
}

#[tokio::test]
async fn codes_that_a_stranger_asks_for_void_none_and_are_few() {
    let app = App::start().await;
    let nobody = app.anonymous();
    register(&nobody, ADA).await.expect(201);
    let code = app.mailed(ADA, "verification").await;
    for _ in 0..20 {
        nobody.get(&format!("/v1/auth/verify-email?email={ADA}")).await.expect(200);
    }
    trigger_reset(&nobody, ADA).await;
    let first = app.mailed(ADA, "password_reset").await;
    for _ in 0..20 {
        trigger_reset(&nobody, ADA).await;
    }
    app.mailed_after(4, ADA, "verification").await;
    app.mailed_after(4, ADA, "password_reset").await;
    // Letters are taken in turn: when this mail is there, what was asked for before it is decided.
    register(&nobody, "eve@example.com").await.expect(201);
    app.mailed("eve@example.com", "verification").await;
    assert_eq!(app.mails(ADA, "verification").len(), 5);
    assert_eq!(app.mails(ADA, "password_reset").len(), 5);
    verify(&nobody, ADA, &code).await.expect(200);
    reset(&nobody, &first).await.expect(200);
    login(&nobody, ADA, OTHER).await.expect(200);
    // With the first used, the others are void.
    let last = app.mailed(ADA, "password_reset").await;
    assert_eq!(reset(&nobody, &last).await.expect(400).code(), "invalid_reset_code");
}

#[tokio::test]
async fn who_an_admin_registers_proves_the_address() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let nobody = app.anonymous();
    let bob = register(&ada, "bob@example.com").await.expect(201);
    assert_eq!(
        (&bob["user"]["is_verified"], &bob["user"]["is_admin"]),
        (&json!(false), &json!(false))
    );
    let early = login(&nobody, "bob@example.com", PASSWORD).await.expect(403);
    assert_eq!(early.code(), "user_not_verified");
    let code = app.mailed("bob@example.com", "verification").await;
    verify(&nobody, "bob@example.com", &code).await.expect(200);
    let user = login(&nobody, "bob@example.com", PASSWORD).await.expect(200);
    assert_eq!(
        (&user["user"]["is_verified"], &user["user"]["is_admin"]),
        (&json!(true), &json!(false))
    );
    // Who accepted the account so stays what they were made, also after a reset.
    trigger_reset(&nobody, "bob@example.com").await;
    reset(&nobody, &app.mailed("bob@example.com", "password_reset").await).await.expect(200);
    let user = login(&nobody, "bob@example.com", OTHER).await.expect(200);
    assert_eq!(user["user"]["is_admin"], false);
}

#[tokio::test]
async fn with_auto_verify_who_an_admin_registers_needs_no_proof() {
    let app = App::start_with(|settings| settings.email.mode = EmailMode::AutoVerify).await;
    let nobody = app.anonymous();
    register(&nobody, ADA).await.expect(201);
    let ada = app.login(ADA).await;
    let bob = register(&ada, "bob@example.com").await.expect(201);
    assert_eq!(bob["user"]["is_verified"], true);
    login(&nobody, "bob@example.com", PASSWORD).await.expect(200);
}

/// Somebody founds an organization and registers another's address into it, with a password that they know.
#[tokio::test]
async fn an_address_that_a_stranger_registered_is_its_owners_after_a_reset() {
    let app = App::start().await;
    let eve = app.founder("eve").await;
    register(&eve, ADA).await.expect(201);
    let nobody = app.anonymous();
    login(&nobody, ADA, PASSWORD).await.expect(403);
    assert_eq!(register(&nobody, ADA).await.expect(409).code(), "email_taken");
    trigger_reset(&nobody, ADA).await;
    reset(&nobody, &app.mailed(ADA, "password_reset").await).await.expect(200);
    login(&nobody, ADA, PASSWORD).await.expect(401);
    let user = login(&nobody, ADA, OTHER).await.expect(200);
    assert_eq!(
        (&user["user"]["is_verified"], &user["user"]["is_admin"]),
        (&json!(true), &json!(true))
    );
    let ada = app.bearer(user["token"].as_str().unwrap());
    ada.post("/v1/orgs", json!({ "name": "Mine" })).await.expect(201);
    // The code that was mailed when the account was made is void.
    let code = app.mailed(ADA, "verification").await;
    verify(&nobody, ADA, &code).await.expect(400);
}

/// The answers with this status.
fn with_status(answers: &[Answer], status: u16) -> Vec<&Answer> {
    answers.iter().filter(|answer| answer.status == status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_logins_from_one_address_are_refused_early_and_hold_up_no_other() {
    let app = App::start_with(|settings| {
        App::behind_a_proxy(settings);
        settings.auth.waiting_per_address = 4;
    })
    .await;
    let flood = join_all((0..60).map(|number| {
        let stranger = app.anonymous().from("198.51.100.1");
        async move { login(&stranger, &format!("made-up{number}@example.com"), PASSWORD).await }
    }));
    let owner = async {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        login(&app.anonymous().from("192.0.2.1"), ADA, PASSWORD).await
    };
    let (answers, owner) = tokio::join!(flood, owner);
    owner.expect(401);
    let refused = with_status(&answers, 429);
    assert_eq!(refused.len() + with_status(&answers, 401).len(), 60);
    assert!(!refused.is_empty(), "all of them waited");
    for answer in refused {
        assert_eq!(answer.code(), "rate_limited");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert_eq!(answer["details"]["retry_after"], wait);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_logins_from_everywhere_are_told_when_to_come_back() {
    let app = App::start_with(|settings| {
        App::behind_a_proxy(settings);
        settings.auth.waiting = 4;
    })
    .await;
    let tries = (0..60).map(|number| {
        let client = app.anonymous().from(&format!("198.51.100.{number}"));
        async move {
            match number % 2 {
                0 => login(&client, ADA, PASSWORD).await,
                _ => register(&client, &format!("made-up{number}@example.com")).await,
            }
        }
    });
    let answers = join_all(tries).await;
    let refused = with_status(&answers, 503);
    assert!(!refused.is_empty(), "all of them waited");
    for answer in refused {
        assert_eq!(answer.code(), "unavailable");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_reset_code_waits_for_no_password() {
    let app = App::start_with(|settings| settings.auth.waiting_per_address = 1).await;
    let nobody = app.anonymous();
    let answers = join_all((0..40).map(|_| reset(&nobody, "rst_wrong"))).await;
    assert!(answers.iter().all(|answer| answer.code() == "invalid_reset_code"));
}

/// How often px0 warns of a proxy that it was not told of, while somebody does something.
async fn warnings(what: impl AsyncFn(&Client)) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(&folder.path().join("data"));
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let server = Server::start_with(&store, move |command| {
        command.env("PX0_TELEMETRY__ADDR", "").env("PX0_LOG__FORMAT", "json");
        command.stderr(Stdio::from(file));
    })
    .await;
    what(&Client::at(&server.base)).await;
    server.stop().await;
    let log = std::fs::read_to_string(&log).unwrap();
    log.lines().filter(|line| line.contains("http.trusted_proxies")).count()
}

#[tokio::test]
async fn a_proxy_that_px0_was_not_told_of_is_warned_of_once() {
    let by_header = warnings(async |nobody| {
        for _ in 0..3 {
            login(&nobody.from("192.0.2.1"), ADA, "x").await.expect(401);
        }
    });
    assert_eq!(by_header.await, 1);
    let by_accounts = warnings(async |nobody| {
        for number in 0..25 {
            login(nobody, &format!("a{number}@example.com"), "x").await.expect(401);
        }
    });
    assert_eq!(by_accounts.await, 1);
    let one_person = warnings(async |nobody| {
        for _ in 0..25 {
            login(nobody, ADA, "x").await.expect(401);
        }
    });
    assert_eq!(one_person.await, 0);
}
