//! Prompts: lists and their pages, filters, changes, archives, moves.

use px0_tests::{Answer, App, Home};
use serde_json::{Value, json};

fn slugs(answer: &Answer) -> Vec<&str> {
    answer["prompts"].as_array().unwrap().iter().map(|p| p["slug"].as_str().unwrap()).collect()
}

/// Walks a list to its end; answers all items and how many pages there were.
async fn walk(client: &Home, path: &str, list: &str, limit: usize) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut cursor) = (Vec::new(), 0, None);
    let glue = if path.contains('?') { '&' } else { '?' };
    loop {
        let cursor_part =
            cursor.map_or_else(String::new, |cursor: String| format!("&cursor={cursor}"));
        let page = client.get(&format!("{path}{glue}limit={limit}{cursor_part}")).await.expect(200);
        let found = page[list].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (items, pages),
        }
    }
}

#[tokio::test]
async fn every_list_by_cursor_is_walked_without_loss_or_double() {
    let app = App::start_on_sled().await;
    let ada = app.founder("ada").await;
    let team = format!("/v1/teams/{}/prompts", ada.team);
    for number in 0..7 {
        ada.prompt(&format!("P{number}")).await;
        ada.draft("p0", &format!("{number}")).await;
        let payload = json!({ "variables": { "n": number } });
        ada.post("/v1/prompts/p0/payloads", payload).await.expect(201);
        ada.key("read_render", &[]).await;
    }
    let keys = format!("/v1/api-keys?org_id={}", ada.org);
    for (path, list) in [
        (team.as_str(), "prompts"),
        (&format!("/v1/prompts?team_id={}", ada.team), "prompts"),
        ("/v1/prompts/p0/versions", "versions"),
        ("/v1/prompts/p0/payloads", "payloads"),
        (&keys, "api_keys"),
    ] {
        let (whole, pages) = walk(&ada, path, list, 1000).await;
        assert_eq!((whole.len(), pages), (7, 1), "{path}");
        for limit in [1, 2, 3, 7] {
            let (items, pages) = walk(&ada, path, list, limit).await;
            assert_eq!(items, whole, "{path} by {limit}");
            assert_eq!(pages, 7_usize.div_ceil(limit), "{path} by {limit}");
        }
        let order: Vec<_> = if list == "versions" {
            whole.iter().map(|item| item["version"].as_u64().unwrap().to_string()).collect()
        } else {
            whole.iter().map(|item| item["created_at"].as_str().unwrap().to_owned()).collect()
        };
        assert!(order.is_sorted_by(|a, b| a >= b), "newest first: {order:?}");
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit=1.5"] {
            let glue = if path.contains('?') { '&' } else { '?' };
            let refused = ada.get(&format!("{path}{glue}{bad}")).await.expect(400);
            assert!(refused.text.contains("1000"), "it names the range: {}", refused.text);
        }
    }
    // A cursor of one list is none of another.
    let cursor =
        ada.get(&format!("{team}?limit=1")).await["next_cursor"].as_str().unwrap().to_owned();
    let refused = ada.get(&format!("/v1/prompts/p0/versions?cursor={cursor}")).await.expect(400);
    assert_eq!(refused.code(), "invalid_cursor");
}

#[tokio::test]
async fn prompts_are_filtered_by_state_text_and_tag() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let path = format!("/v1/teams/{}/prompts", ada.team);
    let new = |name: &str, about: &str| json!({ "name": name, "description": about });
    ada.post(&path, new("Alpha 100%", "greets CUSTOMERS")).await.expect(201);
    ada.post(&path, new("Beta_1", "")).await.expect(201);
    ada.post(&path, new("Betax1", "")).await.expect(201);
    ada.post("/v1/prompts/beta_1/archive", json!({})).await.expect(200);
    ada.draft("alpha_100", "x").await;
    ada.post("/v1/prompts/alpha_100/versions/1/tags", json!({ "tag": "prod" })).await.expect(200);
    for (query, expected) in [
        ("", vec!["betax1", "beta_1", "alpha_100"]),
        ("archived=true", vec!["beta_1"]),
        ("archived=false", vec!["betax1", "alpha_100"]),
        ("status=archived", vec!["beta_1"]),
        ("status=active&archived=false", vec!["betax1", "alpha_100"]),
        ("q=customers", vec!["alpha_100"]),
        ("q=BETA", vec!["betax1", "beta_1"]),
        ("q=100%25", vec!["alpha_100"]),
        ("q=%25", vec!["alpha_100"]),
        ("q=a_1", vec!["beta_1", "alpha_100"]),
        ("q=nothing", vec![]),
        ("tag=prod", vec!["alpha_100"]),
        ("tag=prod&archived=true", vec![]),
    ] {
        assert_eq!(
            slugs(&ada.get(&format!("{path}?{query}")).await.expect(200)),
            expected,
            "{query}"
        );
        let all = format!("/v1/prompts?team={}&{query}", ada.team);
        assert_eq!(slugs(&ada.get(&all).await.expect(200)), expected, "{all}");
    }
    assert_eq!(ada.get("/v1/prompts").await.expect(200)["prompts"], json!([]));
}

#[tokio::test]
async fn a_slug_is_given_or_made_from_the_name() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let path = format!("/v1/teams/{}/prompts", ada.team);
    for (new, slug) in [
        (json!({ "name": "Order  Status — v2!" }), "order_status_v2"),
        (json!({ "name": "x", "slug": " My-Slug " }), "my_slug"),
        (json!({ "name": "y", "slug": null }), "y"),
    ] {
        let made = ada.post(&path, new).await.expect(201);
        assert_eq!(made["prompt"]["slug"], slug);
        let found = ada.get(&format!("/v1/prompts/{slug}")).await.expect(200);
        assert_eq!(found["prompt"], made["prompt"]);
        let by_id = format!("/v1/prompts/{}", made["prompt"]["id"].as_str().unwrap());
        assert_eq!(ada.get(&by_id).await.expect(200)["prompt"], made["prompt"]);
    }
    for taken in [json!({ "name": "x" }), json!({ "name": "z", "slug": "y" })] {
        assert_eq!(ada.post(&path, taken).await.expect(409).code(), "prompt_taken");
    }
}

#[tokio::test]
async fn a_prompt_is_changed_field_by_field() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    ada.prompt("P").await;
    ada.prompt("Q").await;
    let path = "/v1/prompts/p";
    let before = ada.get(path).await.expect(200)["prompt"].clone();
    assert_eq!(ada.put(path, json!({})).await.expect(200)["prompt"], before);
    let changed = ada.put(path, json!({ "description": "new", "unknown": 1 })).await.expect(200);
    assert_eq!(changed["prompt"]["description"], "new");
    assert_eq!(changed["prompt"]["name"], before["name"]);
    assert!(changed["prompt"]["updated_at"].as_str() > before["updated_at"].as_str());
    let renamed = ada.put(path, json!({ "name": "New name" })).await.expect(200);
    assert_eq!(renamed["prompt"]["slug"], "p", "others rely on the slug");
    assert_eq!(ada.put(path, json!({ "slug": "q" })).await.expect(409).code(), "prompt_taken");
    assert_eq!(ada.put(path, json!({ "name": "Q" })).await.expect(409).code(), "prompt_taken");
    ada.put(path, json!({ "slug": "r" })).await.expect(200);
    ada.get(path).await.expect(404);
    ada.get("/v1/prompts/r").await.expect(200);
}

#[tokio::test]
async fn an_archived_prompt_renders_and_does_not_change() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    ada.prompt("P").await;
    ada.live("p", "hi").await;
    ada.draft("p", "draft").await;
    let at = |tail: &str| format!("/v1/prompts/p{tail}");
    ada.post(&at("/versions/1/tags"), json!({ "tag": "t" })).await.expect(200);
    let payload = ada.post(&at("/payloads"), json!({ "variables": {} })).await.expect(201);
    for _ in 0..2 {
        let archived = ada.post(&at("/archive"), json!({})).await.expect(200);
        assert_eq!(archived["prompt"]["status"], "archived");
    }
    assert_eq!(ada.post(&at("/render"), json!({})).await.expect(200)["rendered"], "hi");
    let empty = json!({});
    let refused = [
        ada.put(&at(""), json!({ "name": "N" })).await,
        ada.post(&at("/versions"), json!({ "template": "x" })).await,
        ada.put(&at("/versions/2"), json!({ "template": "x" })).await,
        ada.delete(&at("/versions/2")).await,
        ada.post(&at("/versions/2/promote"), empty.clone()).await,
        ada.post(&at("/versions/1/demote"), empty.clone()).await,
        ada.post(&at("/versions/2/archive"), empty.clone()).await,
        ada.post(&at("/versions/1/duplicate"), empty.clone()).await,
        ada.post(&at("/versions/1/tags"), json!({ "tag": "u" })).await,
        ada.delete(&at("/tags/t")).await,
    ];
    for answer in refused {
        assert_eq!(answer.expect(409).code(), "prompt_archived");
    }
    let payload = at(&format!("/payloads/{}", payload["payload"]["id"].as_str().unwrap()));
    ada.put(&payload, json!({ "name": "still mine" })).await.expect(200);
    for _ in 0..2 {
        let restored = ada.post(&at("/restore"), empty.clone()).await.expect(200);
        assert_eq!(restored["prompt"]["status"], "active");
    }
    ada.post(&at("/versions/2/promote"), empty).await.expect(200);
}

#[tokio::test]
async fn a_prompt_moves_within_its_organization_with_all_it_has() {
    let app = App::start_on_sled().await;
    let ada = app.founder("ada").await;
    let teams = format!("/v1/orgs/{}/teams", ada.org);
    let other = ada.post(&teams, json!({ "name": "Other" })).await.expect(201);
    let other = other["team"]["id"].as_str().unwrap().to_owned();
    let bob = app.member(&ada, &ada.team, "admin").await;
    let cyd = app.member(&ada, &other, "editor").await;
    ada.prompt("P").await;
    ada.live("p", "hi").await;
    let to = async |who: &Home, team: &str| {
        who.post("/v1/prompts/p/move", json!({ "team_id": team })).await
    };
    let same = to(&ada, &ada.team).await.expect(200);
    assert_eq!(same["prompt"]["team_id"], json!(ada.team));
    // Another organization of the caller's, and one that is not.
    let second = ada.post("/v1/orgs", json!({ "name": "Second" })).await.expect(201);
    let path = format!("/v1/orgs/{}/teams", second["org"]["id"].as_str().unwrap());
    let inside = ada.get(&path).await.expect(200)["teams"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(to(&ada, &inside).await.expect(400).code(), "other_organization");
    let eve = app.founder("eve").await;
    to(&ada, &eve.team).await.expect(404);
    ada.post(&format!("/v1/teams/{other}/prompts"), json!({ "name": "p" })).await.expect(201);
    let ambiguous = to(&ada, &other).await.expect(409);
    assert_eq!(ambiguous.code(), "ambiguous_slug");
    let id = same["prompt"]["id"].as_str().unwrap();
    let by_id = format!("/v1/prompts/{id}/move");
    let body = json!({ "team_id": other });
    assert_eq!(ada.post(&by_id, body.clone()).await.expect(409).code(), "prompt_taken");
    let rename = format!("/v1/prompts/p?team_id={other}");
    ada.put(&rename, json!({ "name": "q", "slug": "q" })).await.expect(200);
    let moved = bob.post(&by_id, body).await.expect(200);
    assert_eq!(moved["prompt"]["team_id"], json!(other));
    assert_eq!(cyd.post("/v1/prompts/p/render", json!({})).await.expect(200)["rendered"], "hi");
    let back = cyd.post("/v1/prompts/p/move", json!({ "team_id": other })).await.expect(403);
    assert_eq!(back.code(), "forbidden");
}
