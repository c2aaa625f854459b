//! Versions, their lifecycle, diffs, tags; payloads; renders.

use px0_tests::{App, Home};
use serde_json::{Value, json};

async fn world() -> (App, Home) {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    ada.prompt("P").await;
    (app, ada)
}

fn at(tail: &str) -> String {
    format!("/v1/prompts/p/versions{tail}")
}

async fn status(ada: &Home, number: u64) -> Value {
    ada.get(&at(&format!("/{number}"))).await.expect(200)["version"]["status"].clone()
}

#[tokio::test]
async fn the_lifecycle_as_the_contract_has_it() {
    let (_app, ada) = world().await;
    let step = async |number: u64, step: &str| {
        ada.post(&at(&format!("/{number}/{step}")), json!({})).await
    };
    ada.live("p", "one").await;
    assert_eq!(step(1, "demote").await.expect(200)["version"]["status"], "stable");
    assert_eq!(
        step(1, "demote").await.expect(422).body["error"],
        "only live versions can be demoted"
    );
    step(1, "promote").await.expect(200);
    ada.live("p", "two").await;
    assert_eq!((status(&ada, 1).await, status(&ada, 2).await), (json!("stable"), json!("live")));
    assert_eq!(step(1, "archive").await.expect(200)["version"]["status"], "archived");
    assert_eq!(step(1, "archive").await.expect(422).body["error"], "version is already archived");
    assert_eq!(step(1, "promote").await.expect(422).body["error"], "cannot promote version");
    let change = ada.put(&at("/2"), json!({ "template": "x" })).await.expect(422);
    assert_eq!(change.body["error"], "only draft versions can be modified");
    let gone = ada.delete(&at("/2")).await.expect(422);
    assert_eq!(gone.body["error"], "only draft versions can be deleted");
    step(2, "archive").await.expect(200);
    assert_eq!(
        ada.post("/v1/prompts/p/render", json!({})).await.expect(404).code(),
        "no_live_version"
    );
    ada.get(&at("/latest")).await.expect(404);
    let any = ada.post(&at("/1/render"), json!({})).await.expect(200);
    assert_eq!((&any["rendered"], &any["version"]), (&json!("one"), &json!(1)));
}

#[tokio::test]
async fn numbers_are_never_used_again() {
    let (_app, ada) = world().await;
    assert_eq!(ada.draft("p", "one").await, 1);
    ada.delete(&at("/1")).await.expect(204);
    ada.get(&at("/1")).await.expect(404);
    assert_eq!(ada.draft("p", "two").await, 2);
    assert_eq!(ada.get(&at("/latest")).await.expect(200)["version"]["version"], 2);
}

#[tokio::test]
async fn a_draft_is_changed_and_null_clears() {
    let (_app, ada) = world().await;
    let body = json!({
        "template": "{{ a }}", "model": "m", "model_params": { "t": 0.10, "n": 12345678901234567890_u64 },
        "variables_schema": { "type": "object" }, "engine": "minijinja",
    });
    let made = ada.post(&at(""), body).await.expect(201)["version"].clone();
    assert_eq!(made["model_params"]["n"], json!(12345678901234567890_u64));
    assert_eq!(ada.put(&at("/1"), json!({})).await.expect(200)["version"], made);
    let one =
        ada.put(&at("/1"), json!({ "template": "{{ b }}" })).await.expect(200)["version"].clone();
    assert_eq!((&one["template"], &one["model"]), (&json!("{{ b }}"), &json!("m")));
    let clear =
        json!({ "model": null, "model_params": null, "variables_schema": null, "engine": null });
    let cleared = ada.put(&at("/1"), clear).await.expect(200)["version"].clone();
    for field in ["model", "model_params", "variables_schema"] {
        assert_eq!(cleared[field], Value::Null, "{field}");
    }
    assert_eq!(cleared["engine"], "minijinja");
    for (change, code) in [
        (json!({ "template": null }), "invalid_field"),
        (json!({ "template": "" }), "missing_field"),
        (json!({ "template": "{{" }), "invalid_template"),
        (json!({ "engine": "jinja9" }), "unknown_engine"),
        (json!({ "variables_schema": { "type": 1 } }), "invalid_schema"),
        (json!({ "model_params": "x" }), "invalid_field"),
    ] {
        assert_eq!(ada.put(&at("/1"), change.clone()).await.expect(400).code(), code, "{change}");
    }
    assert_eq!(ada.get(&at("/1")).await.expect(200)["version"], cleared, "nothing was lost");
}

#[tokio::test]
async fn a_version_is_duplicated_without_tags() {
    let (_app, ada) = world().await;
    let body = json!({ "template": "x", "model": "m", "model_params": { "a": 1 } });
    ada.post(&at(""), body).await.expect(201);
    ada.post(&at("/1/tags"), json!({ "tag": "t" })).await.expect(200);
    let copy = ada.post(&at("/t/duplicate"), json!({})).await.expect(201)["version"].clone();
    assert_eq!(
        (&copy["version"], &copy["status"], &copy["tags"]),
        (&json!(2), &json!("draft"), &json!([]))
    );
    assert_eq!((&copy["model"], &copy["model_params"]), (&json!("m"), &json!({ "a": 1 })));
}

#[tokio::test]
async fn a_tag_is_on_one_version_and_moves() {
    let (_app, ada) = world().await;
    for _ in 0..3 {
        ada.draft("p", "x").await;
    }
    let tag = async |version: &str, tag: &str| {
        ada.post(&at(&format!("/{version}/tags")), json!({ "tag": tag })).await
    };
    let tagged = tag("1", "prod").await.expect(200);
    assert_eq!(tagged["version"]["tags"], json!(["prod"]));
    tag("1", "beta-1.0_x").await.expect(200);
    tag("3", "prod").await.expect(200);
    let tags = ada.get("/v1/prompts/p/tags").await.expect(200);
    let expected = json!([{ "tag": "beta-1.0_x", "version": 1 }, { "tag": "prod", "version": 3 }]);
    assert_eq!(tags["tags"], expected);
    assert_eq!(ada.get(&at("/prod")).await.expect(200)["version"]["version"], 3);
    assert_eq!(ada.get("/v1/prompts/p?tag=prod").await.expect(200)["version"]["version"], 3);
    let listed = ada.get(&at("?tags=prod,nothing")).await.expect(200);
    assert_eq!(listed["versions"].as_array().unwrap().len(), 1);
    let listed = ada.get(&at("?tags=prod,beta-1.0_x&status=draft")).await.expect(200);
    assert_eq!(listed["versions"].as_array().unwrap().len(), 2);
    for bad in ["12", "live", "Latest", "DIFF", "-x", "a b", "", &"a".repeat(51), "é"] {
        assert_eq!(tag("1", bad).await.expect(400).code(), "invalid_field", "{bad}");
    }
    tag("9", "prod").await.expect(404);
    ada.delete("/v1/prompts/p/tags/prod").await.expect(204);
    ada.delete("/v1/prompts/p/tags/prod").await.expect(404);
    // The draft takes its tag along.
    ada.delete(&at("/1")).await.expect(204);
    assert_eq!(ada.get("/v1/prompts/p/tags").await.expect(200)["tags"], json!([]));
}

#[tokio::test]
async fn versions_are_listed_by_number_and_state() {
    let (_app, ada) = world().await;
    ada.live("p", "one").await;
    ada.draft("p", "two").await;
    ada.draft("p", "three").await;
    let numbers = async |query: &str| {
        let page = ada.get(&at(query)).await.expect(200);
        page["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["version"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers("").await, [3, 2, 1]);
    assert_eq!(numbers("?status=draft").await, [3, 2]);
    assert_eq!(numbers("?status=live").await, [1]);
    assert_eq!(numbers("?status=archived").await, [0_u64; 0]);
    assert_eq!(ada.get("/v1/prompts/p?version=latest").await.expect(200)["version"]["version"], 3);
    assert_eq!(ada.get("/v1/prompts/p?version=live").await.expect(200)["version"]["version"], 1);
}

#[tokio::test]
async fn two_versions_are_compared() {
    let (_app, ada) = world().await;
    ada.live("p", "Hello {{ name }}!\nHow are you?\nBye").await;
    ada.draft("p", "Hello {{ name }}!\nHow is it?\nBye").await;
    ada.post(&at("/2/tags"), json!({ "tag": "next" })).await.expect(200);
    let diff = async |query: &str| ada.get(&at(&format!("/diff?{query}"))).await;
    let expected = "--- v1\n+++ v2\n@@ -1,3 +1,3 @@\n Hello {{ name }}!\n-How are you?\n+How is it?\n Bye\n\\ No newline at end of file\n";
    for query in ["from=1&to=2", "from=live&to=latest", "from=1&to=next"] {
        let answer = diff(query).await.expect(200);
        assert_eq!(answer["diff"], expected, "{query}");
        assert_eq!((&answer["from_version"], &answer["to_version"]), (&json!(1), &json!(2)));
        assert_eq!(answer["to_template"], "Hello {{ name }}!\nHow is it?\nBye");
    }
    assert!(
        diff("from=2&to=1").await.expect(200)["diff"]
            .as_str()
            .unwrap()
            .starts_with("--- v2\n+++ v1\n")
    );
    assert_eq!(diff("from=live&to=1").await.expect(200)["diff"], "");
    for missing in ["", "from=1", "to=1"] {
        assert_eq!(diff(missing).await.expect(400).code(), "missing_field", "{missing}");
    }
    diff("from=1&to=9").await.expect(404);
    diff("from=1&to=nothing").await.expect(404);
}

#[tokio::test]
async fn payloads_are_kept_as_they_were_given() {
    let (app, ada) = world().await;
    let path = "/v1/prompts/p/payloads";
    let variables =
        json!({ "b": [1, 2.50, { "deep": null }], "a": "ü", "n": 12345678901234567890_u64 });
    let made =
        ada.post(path, json!({ "name": " First ", "variables": variables })).await.expect(201);
    let payload = &made["payload"];
    assert_eq!((&payload["name"], &payload["variables"]), (&json!("First"), &variables));
    let one = format!("{path}/{}", payload["id"].as_str().unwrap());
    assert_eq!(ada.get(&one).await.expect(200)["payload"], *payload);
    assert_eq!(ada.put(&one, json!({})).await.expect(200)["payload"], *payload);
    let unnamed = ada.put(&one, json!({ "name": null })).await.expect(200);
    assert_eq!(
        (&unnamed["payload"]["name"], &unnamed["payload"]["variables"]),
        (&Value::Null, &variables)
    );
    let changed = ada.put(&one, json!({ "variables": { "x": 1 } })).await.expect(200);
    assert_eq!(changed["payload"]["variables"], json!({ "x": 1 }));
    for bad in [
        json!({}),
        json!({ "variables": null }),
        json!({ "variables": [] }),
        json!({ "variables": "x" }),
    ] {
        ada.post(path, bad.clone()).await.expect(400);
        if bad != json!({}) {
            ada.put(&one, bad).await.expect(400);
        }
    }
    let second = ada.post(path, json!({ "variables": {} })).await.expect(201);
    let listed = ada.get(path).await.expect(200);
    assert_eq!(listed["payloads"][0]["id"], second["payload"]["id"], "newest first");
    let eve = app.founder("eve").await;
    eve.get(&one).await.expect(404);
    ada.delete(&one).await.expect(204);
    ada.delete(&one).await.expect(404);
    ada.get(&format!("{path}/x")).await.expect(400);
    // A payload of one prompt is none of another.
    ada.prompt("Q").await;
    let elsewhere = format!("/v1/prompts/q/payloads/{}", second["payload"]["id"].as_str().unwrap());
    ada.get(&elsewhere).await.expect(404);
}

#[tokio::test]
async fn what_a_render_lacks_is_named_all_at_once() {
    let (_app, ada) = world().await;
    ada.live("p", "{{ a }}{{ user.name }}{% for m in messages %}{{ m }}{% endfor %}{{ d | default('d') }}{% if f %}{{ never }}{% endif %}").await;
    let render = async |variables: Value| {
        ada.post("/v1/prompts/p/render", json!({ "variables": variables })).await
    };
    let missing = render(json!({ "user": {} })).await.expect(422);
    assert_eq!(missing.code(), "missing_variables");
    assert_eq!(missing["details"]["missing"], json!(["a", "messages", "user.name"]));
    let whole = json!({ "a": 1, "user": { "name": "x" }, "messages": ["y", "z"], "d": null });
    assert_eq!(render(whole).await.expect(200)["rendered"], "1xyzd");
}

#[tokio::test]
async fn a_schema_is_enforced_before_the_template_runs() {
    let (_app, ada) = world().await;
    let schema = json!({
        "type": "object", "required": ["n"], "properties": { "n": { "type": "integer", "minimum": 1 } },
    });
    ada.post(&at(""), json!({ "template": "{{ n }}{{ absent }}", "variables_schema": schema }))
        .await
        .expect(201);
    let render = async |variables: Value| {
        ada.post(&at("/1/render"), json!({ "variables": variables })).await
    };
    let broken = render(json!({ "n": 0 })).await.expect(422);
    assert_eq!(broken.code(), "invalid_variables");
    assert_eq!(broken["details"]["errors"].as_array().unwrap().len(), 1);
    assert_eq!(render(json!({ "n": 1 })).await.expect(422).code(), "missing_variables");
    assert_eq!(render(json!({ "n": 1, "absent": "" })).await.expect(200)["rendered"], "1");
}
