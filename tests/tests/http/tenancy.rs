//! Organizations, teams, their people, and the inbox.

use px0_tests::{Answer, App, Home, PASSWORD};
use serde_json::{Value, json};

/// The values of a field, in the order of a list.
fn column(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

async fn team(admin: &Home, name: &str) -> String {
    let path = format!("/v1/orgs/{}/teams", admin.org);
    let team = admin.post(&path, json!({ "name": name })).await.expect(201);
    team["team"]["id"].as_str().unwrap().to_owned()
}

async fn add(admin: &Home, team: &str, who: &Home, role: &str) -> Answer {
    let member = json!({ "user_id": who.id(), "role": role });
    admin.post(&format!("/v1/teams/{team}/members"), member).await
}

#[tokio::test]
async fn an_organization_is_made_renamed_and_deleted_with_all_that_is_in_it() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let org = ada.post("/v1/orgs", json!({ "name": "  Acme  " })).await.expect(201)["org"].clone();
    assert_eq!(org["name"], "Acme");
    let again = ada.post("/v1/orgs", json!({ "name": "Acme" })).await.expect(409);
    assert_eq!(again.code(), "name_taken");
    let path = format!("/v1/orgs/{}", org["id"].as_str().unwrap());
    let renamed = ada.put(&path, json!({ "name": "Beta" })).await.expect(200);
    assert_eq!((&renamed["org"]["name"], &renamed["org"]["id"]), (&json!("Beta"), &org["id"]));
    ada.put(&path, json!({ "name": "Beta" })).await.expect(200);
    let own = ada.get("/v1/me/orgs").await.expect(200);
    let first = own["organizations"][1]["name"].clone();
    ada.put(&path, json!({ "name": first })).await.expect(409);
    assert_eq!(column(&own["organizations"], "name")[0], "Beta", "by name, in byte order");

    let teams = ada.get(&format!("{path}/teams")).await.expect(200);
    let inside = teams["teams"][0]["id"].as_str().unwrap().to_owned();
    let prompts = format!("/v1/teams/{inside}/prompts");
    let prompt = ada.post(&prompts, json!({ "name": "Gone soon" })).await.expect(201);
    let key = json!({ "name": "k", "org_id": org["id"], "operation": "all" });
    let key = ada.post("/v1/api-keys", key).await.expect(201);
    ada.delete(&path).await.expect(204);
    ada.delete(&path).await.expect(404);
    ada.get(&prompts).await.expect(404);
    let prompt = format!("/v1/prompts/{}", prompt["prompt"]["id"].as_str().unwrap());
    ada.get(&prompt).await.expect(404);
    app.bearer(key["key"].as_str().unwrap()).get(&prompt).await.expect(401);
}

#[tokio::test]
async fn who_was_registered_by_an_admin_founds_nothing() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let bob = app.member(&ada, &ada.team, "admin").await;
    assert_eq!(bob.user["is_admin"], false);
    let refused = bob.post("/v1/orgs", json!({ "name": "Mine" })).await.expect(403);
    assert_eq!(refused.code(), "forbidden");
    // As an admin of the Default Team he registers people, into the oldest organization when none is named.
    let new = json!({ "email": "eve@example.com", "password": PASSWORD });
    let eve = bob.post("/v1/auth/register", new).await.expect(201);
    let people = bob.get(&format!("/v1/teams/{}/members", bob.team)).await.expect(200);
    let eve =
        people["members"].as_array().unwrap().iter().find(|m| m["user_id"] == eve["user"]["id"]);
    assert_eq!(eve.unwrap()["role"], "editor");
}

#[tokio::test]
async fn people_and_members_are_numbered_by_address() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    for _ in 0..12 {
        app.member(&ada, &ada.team, "viewer").await;
    }
    for (path, list) in [
        (format!("/v1/orgs/{}/people", ada.org), "people"),
        (format!("/v1/teams/{}/members", ada.team), "members"),
    ] {
        let first = ada.get(&path).await.expect(200);
        assert_eq!(
            (&first["page"], &first["limit"], &first["total"]),
            (&json!(1), &json!(10), &json!(13))
        );
        let rest = ada.get(&format!("{path}?page=2")).await.expect(200);
        let mut emails = column(&first[list], "email");
        emails.extend(column(&rest[list], "email"));
        assert_eq!(emails.len(), 13);
        assert!(emails.is_sorted(), "{emails:?}");
        let beyond = ada.get(&format!("{path}?page=9&limit=100")).await.expect(200);
        assert_eq!((&beyond[list], &beyond["total"]), (&json!([]), &json!(13)));
        for bad in ["page=0", "limit=0", "limit=101", "page=x", "limit="] {
            let refused = ada.get(&format!("{path}?{bad}")).await.expect(400);
            assert_eq!(refused.code(), "invalid_query", "{bad}");
        }
    }
}

#[tokio::test]
async fn somebody_is_always_in_charge() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let bob = app.member(&ada, &ada.team, "editor").await;
    let role = |who: &Home| format!("/v1/teams/{}/members/{}/role", ada.team, who.id());
    let seat = |who: &Home| format!("/v1/teams/{}/members/{}", ada.team, who.id());
    let last = [
        ada.put(&role(&ada), json!({ "role": "viewer" })).await,
        ada.delete(&seat(&ada)).await,
        ada.delete(&format!("/v1/me/teams/{}", ada.team)).await,
        ada.delete(&format!("/v1/orgs/{}/members/{}", ada.org, ada.id())).await,
        ada.delete("/v1/auth/me").await,
    ];
    for answer in last {
        assert_eq!(answer.expect(409).code(), "last_admin");
    }
    ada.put(&role(&bob), json!({ "role": "admin" })).await.expect(200);
    ada.put(&role(&ada), json!({ "role": "viewer" })).await.expect(200);
    let refused = ada.put(&role(&bob), json!({ "role": "viewer" })).await.expect(403);
    assert_eq!(refused.code(), "forbidden", "a viewer now");
    ada.delete(&format!("/v1/me/teams/{}", ada.team)).await.expect(204);
    ada.get(&format!("/v1/orgs/{}/teams", ada.org)).await.expect(404);
    bob.delete(&seat(&ada)).await.expect(400);
}

#[tokio::test]
async fn who_joins_an_empty_team_runs_it() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let bob = app.member(&ada, &ada.team, "editor").await;
    let other = team(&ada, "Other").await;
    ada.delete(&format!("/v1/me/teams/{other}")).await.expect(204);
    add(&ada, &other, &bob, "viewer").await.expect(204);
    let members = bob.get(&format!("/v1/teams/{other}/members")).await.expect(200);
    assert_eq!(members["members"][0]["role"], "admin");
    assert_eq!(members["total"], 1);
}

#[tokio::test]
async fn members_are_added_by_id_or_by_an_address_of_the_organization() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let eve = app.founder("eve").await;
    let bob = app.member(&ada, &ada.team, "viewer").await;
    let other = team(&ada, "Other").await;
    let members = format!("/v1/teams/{other}/members");
    let by_address = ada.post(&members, json!({ "email": eve.user["email"] })).await.expect(404);
    assert_eq!(by_address.body["error"], "user to add not found", "of another organization");
    let unknown = ada.post(&members, json!({ "email": "nobody@example.com" })).await.expect(404);
    assert_eq!(unknown.text, by_address.text);
    ada.post(&members, json!({ "email": bob.user["email"] })).await.expect(204);
    assert_eq!(add(&ada, &other, &bob, "viewer").await.expect(409).code(), "member_exists");
    add(&ada, &other, &eve, "viewer").await.expect(204);
    let listed = ada.get(&members).await.expect(200);
    let roles: Vec<_> = column(&listed["members"], "email")
        .into_iter()
        .zip(column(&listed["members"], "role"))
        .collect();
    let is = |who: &Home, role: &str| {
        roles.contains(&(who.user["email"].as_str().unwrap().into(), role.into()))
    };
    assert!(is(&ada, "admin") && is(&bob, "editor") && is(&eve, "viewer"), "{roles:?}");
    // Who is in the organization, but not in the team, is not found there; who is not in it is named so.
    let gone = |who: &Home| format!("{members}/{}", who.id());
    ada.delete(&gone(&bob)).await.expect(204);
    assert_eq!(ada.delete(&gone(&bob)).await.expect(404).code(), "not_found");
    ada.delete(&gone(&eve)).await.expect(204);
    assert_eq!(ada.delete(&gone(&eve)).await.expect(400).code(), "not_in_organization");
    let role = format!("{}/role", gone(&bob));
    ada.put(&role, json!({ "role": "admin" })).await.expect(404);
    ada.put(&role, json!({ "role": "owner" })).await.expect(404);
}

#[tokio::test]
async fn a_team_goes_when_it_owns_nothing_or_by_force() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let other = team(&ada, "Other").await;
    let bob = app.member(&ada, &other, "editor").await;
    let path = format!("/v1/teams/{other}");
    let name = |name: &str| json!({ "name": name });
    assert_eq!(ada.put(&path, name("Default Team")).await.expect(409).code(), "name_taken");
    assert_eq!(bob.put(&path, name("Writers")).await.expect(200)["team"]["name"], "Writers");
    let key = ada.key("all", &[&other]).await;
    let prompts = format!("{path}/prompts");
    key.post(&prompts, name("P")).await.expect(201);
    assert_eq!(ada.delete(&path).await.expect(409).code(), "team_owns_prompts");
    let force = format!("{path}?force=true");
    assert_eq!(bob.delete(&force).await.expect(403).code(), "forbidden");
    assert_eq!(ada.delete(&format!("{path}?force=yes")).await.expect(400).code(), "invalid_query");
    let default = format!("/v1/teams/{}?force=true", ada.team);
    assert_eq!(ada.delete(&default).await.expect(409).code(), "default_team");
    ada.delete(&force).await.expect(204);
    key.get(&prompts).await.expect(401);
    // His only team is gone: he belongs to nothing, and still is somebody.
    assert_eq!(bob.get("/v1/me/orgs").await.expect(200)["organizations"], json!([]));
    let empty = team(&ada, "Empty").await;
    ada.delete(&format!("/v1/teams/{empty}")).await.expect(204);
}

#[tokio::test]
async fn keys_lose_teams_and_go_with_their_last() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let (one, two) = (team(&ada, "One").await, team(&ada, "Two").await);
    let key = ada.key("all", &[&one, &two]).await;
    let listed = async || {
        let keys = ada.get(&format!("/v1/api-keys?org_id={}", ada.org)).await.expect(200);
        keys["api_keys"].as_array().unwrap().clone()
    };
    assert_eq!(listed().await[0]["team_id"], Value::Null);
    ada.delete(&format!("/v1/teams/{one}")).await.expect(204);
    assert_eq!(listed().await[0]["team_id"], json!(two));
    key.get(&format!("/v1/teams/{}/prompts", ada.team)).await.expect(404);
    key.get(&format!("/v1/teams/{two}/prompts")).await.expect(200);
    ada.delete(&format!("/v1/teams/{two}")).await.expect(204);
    key.get(&format!("/v1/teams/{two}/prompts")).await.expect(401);
    assert!(listed().await.is_empty());
}

#[tokio::test]
async fn who_asks_to_join_is_answered_once() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let other = team(&ada, "Other").await;
    let lead = app.member(&ada, &other, "admin").await;
    let bob = app.member(&ada, &ada.team, "viewer").await;
    let cyd = app.member(&ada, &ada.team, "viewer").await;
    let eve = app.founder("eve").await;
    let ask = format!("/v1/teams/{other}/join-requests");
    let request = bob.post(&ask, json!({ "justification": "I write" })).await.expect(201);
    assert_eq!(
        (&request["status"], &request["justification"]),
        (&json!("pending"), &json!("I write"))
    );
    assert_eq!((&request["team_id"], &request["user_id"]), (&json!(other), &bob.user["id"]));
    assert_eq!(bob.post(&ask, json!({})).await.expect(409).code(), "request_pending");
    assert_eq!(lead.post(&ask, json!({})).await.expect(400).code(), "already_member");
    eve.post(&ask, json!({})).await.expect(404);
    let second = cyd.post(&ask, json!({})).await.expect(201);
    assert_eq!(second["justification"], Value::Null);

    let teams = ada.get(&format!("/v1/orgs/{}/teams", ada.org)).await.expect(200);
    let mut teams = teams["teams"].as_array().unwrap().iter();
    let team = teams.find(|team| team["id"] == other).unwrap();
    let fields: Vec<_> = team.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id", "org_id", "name", "is_default", "created_at"]);
    for who in [&ada, &lead] {
        let inbox = who.get("/v1/me/inbox").await.expect(200);
        let item = &inbox["inbox"][0];
        assert_eq!((&item["id"], &item["type"]), (&request["id"], &json!("join_request")));
        let about = json!({
            "user_id": bob.user["id"], "user_email": bob.user["email"], "team_id": other, "team": team,
        });
        assert_eq!(item["payload"], about);
        assert_eq!(inbox["inbox"][1]["id"], second["id"], "oldest first");
    }
    for who in [&bob, &eve] {
        assert_eq!(who.get("/v1/me/inbox").await.expect(200)["inbox"], json!([]));
    }
    let path = |request: &Answer| format!("/v1/join-requests/{}", request["id"].as_str().unwrap());
    bob.put(&path(&request), json!({ "status": "approved" })).await.expect(404);
    lead.put(&path(&request), json!({ "status": "pending" })).await.expect(400);
    let approved = lead.put(&path(&request), json!({ "status": "approved" })).await.expect(200);
    assert_eq!(approved["status"], "approved");
    let twice = ada.put(&path(&request), json!({ "status": "rejected" })).await.expect(400);
    assert_eq!(twice.code(), "already_resolved");
    let teams = bob.get("/v1/me/teams").await.expect(200);
    let joined =
        teams["teams"].as_array().unwrap().iter().find(|team| team["id"] == other.as_str());
    assert_eq!(joined.unwrap()["role"], "viewer");
    ada.put(&path(&second), json!({ "status": "rejected" })).await.expect(200);
    assert_eq!(ada.get("/v1/me/inbox").await.expect(200)["inbox"], json!([]));
    cyd.post(&ask, json!({})).await.expect(201);
}

#[tokio::test]
async fn who_leaves_an_organization_loses_every_team_of_it() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let other = team(&ada, "Other").await;
    let bob = app.member(&ada, &ada.team, "editor").await;
    add(&ada, &other, &bob, "editor").await.expect(204);
    let third = team(&ada, "Third").await;
    bob.post(&format!("/v1/teams/{third}/join-requests"), json!({})).await.expect(201);
    let key = ada.key("read_render", &[]).await;
    let path = format!("/v1/orgs/{}/members/{}", ada.org, bob.id());
    ada.delete(&path).await.expect(204);
    ada.delete(&path).await.expect(404);
    assert_eq!(bob.get("/v1/me/teams").await.expect(200)["teams"], json!([]));
    bob.get(&format!("/v1/teams/{other}/prompts")).await.expect(404);
    assert_eq!(ada.get("/v1/me/inbox").await.expect(200)["inbox"], json!([]));
    key.get(&format!("/v1/teams/{other}/prompts")).await.expect(200);
}

#[tokio::test]
async fn is_admin_gives_no_reach_into_others_organizations() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let eve = app.founder("eve").await;
    assert_eq!(eve.user["is_admin"], true);
    for path in [
        format!("/v1/orgs/{}/people", ada.org),
        format!("/v1/orgs/{}/teams", ada.org),
        format!("/v1/teams/{}/members", ada.team),
        format!("/v1/teams/{}/prompts", ada.team),
        format!("/v1/api-keys?org_id={}", ada.org),
    ] {
        eve.get(&path).await.expect(404);
    }
}

#[tokio::test]
async fn an_admin_key_makes_teams_when_it_is_of_the_whole_organization() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let teams = format!("/v1/orgs/{}/teams", ada.org);
    let narrow = ada.key("admin", &[&ada.team]).await;
    narrow.post(&teams, json!({ "name": "x" })).await.expect(403);
    let wide = ada.key("admin", &[]).await;
    let made = wide.post(&teams, json!({ "name": "Made" })).await.expect(201);
    let inside = format!("/v1/teams/{}/prompts", made["team"]["id"].as_str().unwrap());
    wide.post(&inside, json!({ "name": "p" })).await.expect(201);
    assert_eq!(
        column(&wide.get(&teams).await.expect(200)["teams"], "name"),
        ["Default Team", "Made"]
    );
    wide.get(&format!("/v1/orgs/{}/people", ada.org)).await.expect(200);
    ada.key("all", &[]).await.post(&teams, json!({ "name": "y" })).await.expect(403);
}
