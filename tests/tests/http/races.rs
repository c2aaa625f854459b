//! Many at once: the rules hold at every moment, over a real socket and on the embedded store.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use px0_tests::{Answer, App, Home, PASSWORD};
use serde_json::json;
use tokio::{sync::Barrier, task::JoinSet};

const MANY: usize = 64;

/// Runs `count` calls that start together.
async fn together<F>(count: usize, call: impl Fn(usize) -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let gate = Arc::new(Barrier::new(count));
    let mut calls = JoinSet::new();
    for number in 0..count {
        let (gate, call) = (gate.clone(), call(number));
        calls.spawn(async move {
            gate.wait().await;
            call.await
        });
    }
    calls.join_all().await
}

async fn world() -> (App, Home) {
    let app = App::start_on_sled().await;
    let ada = app.founder("ada").await;
    ada.prompt("P").await;
    (app, ada)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_numbered_without_gap_or_double() {
    let (_app, ada) = world().await;
    let answers = together(MANY, |number| {
        let client = ada.client();
        async move {
            let body = json!({ "template": number.to_string() });
            client.post("/v1/prompts/p/versions", body).await.expect(201)
        }
    })
    .await;
    let numbers: BTreeSet<_> =
        answers.iter().map(|answer| answer["version"]["version"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=MANY as u64).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_version_is_live_at_every_moment() {
    let (_app, ada) = world().await;
    for number in 0..MANY {
        ada.draft("p", &number.to_string()).await;
        let path = format!("/v1/prompts/p/versions/{}/promote", number + 1);
        ada.post(&path, json!({})).await.expect(200);
    }
    ada.post("/v1/prompts/p/versions/1/promote", json!({})).await.expect(200);
    let done = Arc::new(AtomicBool::new(false));
    let (watcher, over) = (ada.client(), done.clone());
    let watch = tokio::spawn(async move {
        let mut looks = 0;
        while !over.load(Ordering::Relaxed) || looks == 0 {
            let live = watcher.get("/v1/prompts/p/versions?status=live").await.expect(200);
            assert_eq!(live["versions"].as_array().unwrap().len(), 1, "{}", live.text);
            let rendered = watcher.post("/v1/prompts/p/render", json!({})).await.expect(200);
            let number = rendered["version"].as_u64().unwrap();
            assert_eq!(rendered["rendered"], (number - 1).to_string(), "of one piece");
            looks += 1;
        }
        looks
    });
    let answers = together(MANY - 1, |number| {
        let client = ada.client();
        async move {
            let path = format!("/v1/prompts/p/versions/{}/promote", number + 2);
            client.post(&path, json!({})).await
        }
    })
    .await;
    // Each was stable when it was asked for, so each was live once.
    assert!(answers.iter().all(|answer| answer.status == 200));
    done.store(true, Ordering::Relaxed);
    assert!(watch.await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_on_one_version_whoever_moves_it() {
    let (_app, ada) = world().await;
    for number in 0..8 {
        ada.draft("p", &number.to_string()).await;
    }
    together(MANY, |number| {
        let client = ada.client();
        async move {
            let path = format!("/v1/prompts/p/versions/{}/tags", number % 8 + 1);
            client.post(&path, json!({ "tag": "prod" })).await.expect(200)
        }
    })
    .await;
    let tags = ada.get("/v1/prompts/p/tags").await.expect(200);
    assert_eq!(tags["tags"].as_array().unwrap().len(), 1);
    let versions = ada.get("/v1/prompts/p/versions").await.expect(200);
    let worn =
        versions["versions"].as_array().unwrap().iter().filter(|v| v["tags"] == json!(["prod"]));
    assert_eq!(worn.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_stays_in_charge_when_all_step_down_at_once() {
    let (app, ada) = world().await;
    let mut admins = vec![(ada.client(), ada.id().to_owned())];
    for _ in 0..7 {
        let admin = app.member(&ada, &ada.team, "admin").await;
        admins.push((admin.client(), admin.id().to_owned()));
    }
    let answers = together(admins.len(), |number| {
        let (client, id) = admins[number].clone();
        let path = format!("/v1/teams/{}/members/{id}/role", ada.team);
        async move { client.put(&path, json!({ "role": "viewer" })).await }
    })
    .await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].code(), "last_admin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_hundred_wrong_guesses_at_once_the_right_one_is_too_late() {
    let app = App::start_on_sled().await;
    let nobody = app.anonymous();
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    nobody.post("/v1/auth/register", credentials).await.expect(201);
    let code = app.mailed("ada@example.com", "verification").await;
    let right: usize = code.parse().unwrap();
    let guess = |code: usize| json!({ "email": "ada@example.com", "code": format!("{code:06}") });
    let answers = together(100, |number| {
        let nobody = nobody.clone();
        let wrong = guess((right + number + 1) % 1_000_000);
        async move { nobody.post("/v1/auth/verify-email", wrong).await }
    })
    .await;
    assert!(answers.iter().all(|answer| answer.code() == "invalid_verification_code"));
    // All tries are spent: the right one comes too late.
    nobody.post("/v1/auth/verify-email", guess(right)).await.expect(400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_code_and_a_reset_are_used_once() {
    let app = App::start_on_sled().await;
    let nobody = app.anonymous();
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    nobody.post("/v1/auth/register", credentials).await.expect(201);
    let code = app.mailed("ada@example.com", "verification").await;
    let answers = together(16, |_| {
        let (nobody, code) = (nobody.clone(), code.clone());
        let proof = json!({ "email": "ada@example.com", "code": code });
        async move { nobody.post("/v1/auth/verify-email", proof).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let address = json!({ "email": "ada@example.com" });
    nobody.post("/v1/auth/password-reset/trigger", address).await.expect(200);
    let code = app.mailed("ada@example.com", "password_reset").await;
    let answers = together(8, |_| {
        let (nobody, code) = (nobody.clone(), code.clone());
        let reset = json!({ "code": code, "new_password": "An0ther-horse" });
        async move { nobody.post("/v1/auth/password-reset/reset", reset).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_taken_once() {
    let (_app, ada) = world().await;
    let prompts = format!("/v1/teams/{}/prompts", ada.team);
    let teams = format!("/v1/orgs/{}/teams", ada.org);
    for (path, body) in [
        (prompts.as_str(), json!({ "name": "Same" })),
        (&teams, json!({ "name": "Same" })),
        ("/v1/orgs", json!({ "name": "Same" })),
    ] {
        let answers = together(16, |_| {
            let (client, path, body) = (ada.client(), path.to_owned(), body.clone());
            async move { client.post(&path, body).await }
        })
        .await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let refused = answers.iter().filter(|answer| answer.status == 409).count();
        assert_eq!((made, refused), (1, 15), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_an_organization_that_goes_while_it_is_written_to() {
    let (_app, ada) = world().await;
    let org = ada.post("/v1/orgs", json!({ "name": "Short-lived" })).await.expect(201);
    let org = org["org"]["id"].as_str().unwrap().to_owned();
    let teams = ada.get(&format!("/v1/orgs/{org}/teams")).await.expect(200);
    let team = teams["teams"][0]["id"].as_str().unwrap().to_owned();
    let answers = together(MANY, |number| {
        let client = ada.client();
        let (org, team) = (org.clone(), team.clone());
        let name = json!({ "name": format!("N{number}"), "org_id": org, "variables": {} });
        async move {
            match number % 4 {
                0 => client.post(&format!("/v1/orgs/{org}/teams"), name).await,
                1 => client.post(&format!("/v1/teams/{team}/prompts"), name).await,
                2 => client.post("/v1/api-keys", name).await,
                _ if number == MANY - 1 => {
                    client.delete(&format!("/v1/orgs/{org}")).await.expect(204)
                }
                _ => client.get(&format!("/v1/orgs/{org}/people")).await,
            }
        }
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status < 500));
    ada.get(&format!("/v1/orgs/{org}/teams")).await.expect(404);
    // That nothing is left is what the end of every test looks for.
}
