//! How often is too often, and how long to wait.

use std::num::NonZeroU32;

use px0_config::{Backend, RateLimitSettings, TrustedProxies};
use px0_tests::{Answer, App, PASSWORD};
use serde_json::json;

/// 429, with the seconds to wait in the header.
#[track_caller]
fn refused(answer: &Answer, at_most: u64) {
    assert_eq!((answer.status, answer.code()), (429, "rate_limited"), "{}", answer.text);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=at_most).contains(&wait), "{wait} s");
}

/// One with lower limits, which believes clients about their address.
async fn limited_to(change: impl FnOnce(&mut RateLimitSettings)) -> App {
    App::start_with(|settings| {
        App::behind_a_proxy(settings);
        settings.rate_limit.enabled = true;
        change(&mut settings.rate_limit);
    })
    .await
}

fn few(number: u32) -> NonZeroU32 {
    number.try_into().unwrap()
}

/// Tries to log in to an account at an address.
async fn login(app: &App, from: &str, email: &str, password: &str) -> Answer {
    let credentials = json!({ "email": email, "password": password });
    app.anonymous().from(from).post("/v1/auth/login", credentials).await
}

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn logins_to_an_account_from_an_address_are_counted_right_or_wrong_known_or_not() {
    // Few, so that none is given back while a busy machine checks passwords.
    let app = limited_to(|limits| limits.logins_per_minute = few(3)).await;
    app.founder("ada").await;
    for email in [" ADA@example.com", "nobody@example.com"] {
        for _ in 0..3 {
            login(&app, "192.0.2.1", email, "x").await.expect(401);
        }
        refused(&login(&app, "192.0.2.1", email.trim(), PASSWORD).await, 60);
        login(&app, "192.0.2.2", email, "x").await.expect(401);
    }
    login(&app, "192.0.2.1", "somebody.else@example.com", "x").await.expect(401);
}

#[tokio::test]
async fn a_64_of_ipv6_is_one_address() {
    let app = limited_to(|limits| limits.logins_per_minute = few(2)).await;
    for last in ["1", "ffff:2"] {
        login(&app, &format!("2001:db8:1:2::{last}"), ADA, "x").await.expect(401);
    }
    refused(&login(&app, "2001:db8:1:2::3", ADA, "x").await, 60);
    login(&app, "2001:db8:1:3::3", ADA, "x").await.expect(401);
}

#[tokio::test]
async fn logins_from_an_address_are_counted_whatever_the_accounts() {
    let app = limited_to(|limits| {
        limits.logins_per_minute_from_address = few(5);
        limits.logins_per_minute_to_account = few(1);
    })
    .await;
    for number in 0..5 {
        login(&app, "192.0.2.1", &format!("made-up{number}@example.com"), "x").await.expect(401);
    }
    refused(&login(&app, "192.0.2.1", ADA, "x").await, 60);
    // Addresses first: that try was not held against the account.
    login(&app, "192.0.2.2", ADA, "x").await.expect(401);
    refused(&login(&app, "192.0.2.3", ADA, "x").await, 60);
}

/// Strangers use up what an account has from everywhere: where it logged in before, it still can.
#[tokio::test]
async fn strangers_lock_nobody_out_of_where_they_logged_in_before() {
    let limits = |limits: &mut RateLimitSettings| {
        limits.enabled = true;
        limits.logins_per_minute_to_account = few(6);
        limits.logins_per_minute_from_known_addresses = few(3);
    };
    let app = App::start_with(|settings| {
        App::behind_a_proxy(settings);
        settings.store.backend = Backend::Sled;
        limits(&mut settings.rate_limit);
    })
    .await;
    app.founder("ada").await;
    login(&app, "198.51.100.1", ADA, PASSWORD).await.expect(200);
    // A known address is known after a restart, too.
    let folder = app.stop().await;
    let app = App::start_with(|settings| {
        App::behind_a_proxy(settings);
        settings.store.backend = Backend::Sled;
        settings.store.sled.path = folder.path().join("data");
        limits(&mut settings.rate_limit);
    })
    .await;
    for last in 0..6 {
        login(&app, &format!("192.0.2.{last}"), ADA, "x").await.expect(401);
    }
    refused(&login(&app, "192.0.2.7", ADA, PASSWORD).await, 60);
    // Known ones are counted apart, and all together.
    login(&app, "198.51.100.1", ADA, PASSWORD).await.expect(200);
    for _ in 0..2 {
        login(&app, "198.51.100.1", ADA, "x").await.expect(401);
    }
    refused(&login(&app, "198.51.100.1", ADA, PASSWORD).await, 60);
    // A wrong password makes no address known.
    refused(&login(&app, "192.0.2.1", ADA, PASSWORD).await, 60);
}

#[tokio::test]
async fn codes_to_an_account_are_counted_by_address() {
    let app = limited_to(|_| {}).await;
    for email in [ADA, "nobody@example.com"] {
        let path = format!("/v1/auth/verify-email?email={email}");
        let stranger = app.anonymous().from("192.0.2.1");
        for _ in 0..2 {
            stranger.get(&path).await.expect(200);
        }
        let reset = json!({ "email": email });
        stranger.post("/v1/auth/password-reset/trigger", reset.clone()).await.expect(200);
        let too_many = stranger.post("/v1/auth/password-reset/trigger", reset.clone()).await;
        refused(&too_many, 3600);
        refused(&stranger.get(&path).await, 3600);
        let owner = app.anonymous().from("198.51.100.1");
        owner.post("/v1/auth/password-reset/trigger", reset).await.expect(200);
        owner.get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn codes_from_an_address_are_counted_whatever_the_accounts() {
    let app = limited_to(|limits| limits.codes_per_hour_from_address = few(4)).await;
    let ask = async |from: &str, number: u32| {
        let path = format!("/v1/auth/verify-email?email=made-up{number}@example.com");
        app.anonymous().from(from).get(&path).await
    };
    for number in 0..4 {
        ask("192.0.2.1", number).await.expect(200);
    }
    refused(&ask("192.0.2.1", 4).await, 3600);
    ask("192.0.2.2", 4).await.expect(200);
}

/// Each is mailed a code: who may register people may not have px0 write to the world.
#[tokio::test]
async fn registrations_by_an_admin_are_counted_as_codes() {
    let app = limited_to(|limits| limits.codes_per_hour_from_address = few(2)).await;
    let ada = app.founder("ada").await.from("192.0.2.1");
    let register = async |name: &str| {
        let new = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        ada.post("/v1/auth/register", new).await
    };
    register("b").await.expect(201);
    register("c").await.expect(201);
    refused(&register("d").await, 3600);
}

#[tokio::test]
async fn registrations_from_an_address_are_counted() {
    let app = limited_to(|limits| limits.registrations_per_hour = few(3)).await;
    let register = async |from: &str, name: &str| {
        let new = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        app.anonymous().from(from).post("/v1/auth/register", new).await
    };
    for name in ["a", "b", "c"] {
        register("192.0.2.1", name).await.expect(201);
    }
    refused(&register("192.0.2.1", "d").await, 3600);
    register("192.0.2.2", "d").await.expect(201);
}

#[tokio::test]
async fn changes_of_a_password_are_counted_for_who_has_a_session() {
    let app = limited_to(|limits| {
        limits.logins_per_minute_to_account = few(3);
        limits.password_changes_per_minute = few(4);
    })
    .await;
    let ada = app.founder("ada").await;
    while login(&app, "192.0.2.1", ADA, "x").await.status == 401 {}
    // No login is left, and the password can be changed all the same.
    let change =
        |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let path = "/v1/auth/me/change-password";
    ada.post(path, change(PASSWORD, "An0ther-horse")).await.expect(200);
    for _ in 0..3 {
        ada.post(path, change("wrong", "An0ther-horse")).await.expect(401);
    }
    refused(&ada.post(path, change("An0ther-horse", PASSWORD)).await, 60);
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_says_who_asks() {
    let app = App::start_with(|settings| {
        settings.rate_limit.enabled = true;
        settings.rate_limit.logins_per_minute = few(2);
    })
    .await;
    for last in 1..=2 {
        login(&app, &format!("192.0.2.{last}"), ADA, "x").await.expect(401);
    }
    refused(&login(&app, "192.0.2.3", ADA, "x").await, 60);

    let app = App::start_with(|settings| {
        let proxies = ["127.0.0.1", "10.0.0.0/8"];
        settings.http.trusted_proxies = TrustedProxies::parse(proxies).unwrap();
        settings.rate_limit.enabled = true;
        settings.rate_limit.logins_per_minute = few(2);
    })
    .await;
    // What stands left of who asked the first trusted proxy, anybody may have made up.
    for made_up in ["203.0.113.1", "203.0.113.2"] {
        login(&app, &format!("{made_up}, 192.0.2.1, 10.0.0.2"), ADA, "x").await.expect(401);
    }
    refused(&login(&app, "203.0.113.3, 192.0.2.1,10.0.0.3", ADA, "x").await, 60);
    login(&app, "203.0.113.1, 192.0.2.2, 10.0.0.2", ADA, "x").await.expect(401);
}
