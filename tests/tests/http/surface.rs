//! What everybody who comes by sees of px0: paths, headers, and where to read more.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use insta::assert_json_snapshot;
use px0_tests::{Answer, App, PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Digest;

/// Sends bytes as they stand, and reads to the end: status, headers, body.
async fn talk(base: &str, request: String) -> (u16, String, Value) {
    let address = base.trim_start_matches("http://").to_owned();
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let text = tokio::task::spawn_blocking(talk).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn a_request_has_one_host() {
    let app = App::start().await;
    let get = async |version: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("host:{host}\r\n")).collect();
        let request = format!("GET /v1/health {version}\r\n{hosts}connection: close\r\n\r\n");
        talk(app.base(), request).await
    };
    for hosts in [["a"], [" px0.example.com:8000 "], ["[::1]:8000"], [""]] {
        assert_eq!(get("HTTP/1.1", &hosts).await.0, 200, "{hosts:?}");
    }
    assert_eq!(get("HTTP/1.0", &[]).await.0, 200, "there were hosts before there was the header");
    let mut bodies = Vec::new();
    for (hosts, why) in [
        (&[][..], "the request has no host header"),
        (&["a", "b"], "the request has more than one host header"),
        (&["a", "a"], "the request has more than one host header"),
        (&["a/b"], "the host header must be a host, with a port if there is one"),
        (&["a b"], "the host header must be a host, with a port if there is one"),
        (&["a@b"], "the host header must be a host, with a port if there is one"),
    ] {
        let (status, head, body) = get("HTTP/1.1", hosts).await;
        assert_eq!(status, 400, "{hosts:?}");
        let expected =
            json!({ "error": why, "code": "invalid_header", "details": { "header": "host" } });
        assert_eq!(body, expected);
        bodies.push(body);
        assert!(head.contains("content-type: application/json"), "{head}");
        assert!(head.contains("x-request-id: "), "{head}");
    }
    assert_json_snapshot!(bodies);
    // Neither is there a way around it: by a path that is none, or by what a browser asks first.
    for request in ["GET /nothing", "OPTIONS /v1/health", "POST /v1/auth/login"] {
        let request = format!("{request} HTTP/1.1\r\nconnection: close\r\n\r\n");
        assert_eq!(talk(app.base(), request).await.2["code"], "invalid_header");
    }
}

#[tokio::test]
async fn answers_with_a_secret_are_kept_by_nobody() {
    let app = App::start().await;
    let ada = app.founder("ada").await;
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    let login = app.anonymous().post("/v1/auth/login", credentials).await.expect(200);
    assert!(login["token"].is_string());
    let key = json!({ "name": "k", "org_id": ada.org });
    let key = ada.post("/v1/api-keys", key).await.expect(201);
    assert!(key["key"].is_string());
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    for (answer, path, status) in [(login, "login", "200"), (key, "api-keys", "201")] {
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        let path = if path == "login" { "/v1/auth/login" } else { "/v1/api-keys" };
        let headers = &document["paths"][path]["post"]["responses"][status]["headers"];
        assert_eq!(headers["Cache-Control"]["schema"]["const"], "no-store", "{headers}");
    }
    let me = ada.get("/v1/auth/me").await.expect(200);
    assert_eq!(me.header("cache-control"), "");
}

#[tokio::test]
async fn the_page_for_people_runs_nothing() {
    let app = App::start().await;
    let page = app.anonymous().get("/docs").await.expect(200);
    let (_, style) = page.text.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = base64(&sha2::Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    assert_eq!(page.header("content-security-policy"), policy);
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    // All of it goes on to work under that policy.
    for forbidden in ["<script", "<link", "<img", "<form", "<base", " style=", " src=", " onclick="]
    {
        assert!(!page.text.contains(forbidden), "{forbidden}");
    }
    assert_eq!(page.text.matches("<style").count(), 1);
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    assert_eq!(document.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn whoever_tries_the_address_is_told_where_to_read() {
    let app = App::start().await;
    let nobody = app.anonymous();
    for path in ["/", "/v1"] {
        let index = nobody.get(path).await.expect(200);
        let expected =
            json!({ "docs": "/docs", "openapi": "/openapi.json", "version": "/v1/version" });
        assert_eq!(index.body, expected);
        for place in index.body.as_object().unwrap().values() {
            nobody.get(place.as_str().unwrap()).await.expect(200);
        }
        assert_eq!(nobody.delete(path).await.expect(405).code(), "method_not_allowed");
    }
    let version = nobody.get("/v1/version").await.expect(200);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["api"], "v1");
    let commit = &version["commit"];
    assert!(commit.is_null() || commit.as_str().unwrap().len() == 40, "{commit}");
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let app = App::start().await;
    let nobody = app.anonymous();
    let ada = app.founder("ada").await;
    let prompt = ada.prompt("P").await;
    ada.live(&prompt, "Hi {{ name }}").await;
    let key = ada.key("read_render", &[]).await;

    let name = json!({ "variables": { "name": "Ada" } });
    for path in [
        "/v1/prompts/p/render/",
        "/v1/prompts/p/versions/1/render/",
        "/v1/prompts/p/versions/live/render/?x=y",
    ] {
        assert_eq!(key.post(path, name.clone()).await.expect(200)["rendered"], "Hi Ada", "{path}");
    }
    for path in [
        "/v1/prompts/p",
        "/v1/prompts?limit=1",
        "/v1/health",
        "/v1",
        "/docs",
        "/openapi.json",
        "/v1/auth/me",
    ] {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let with = format!("{bare}/{}{query}", if query.is_empty() { "" } else { "?" });
        let (one, other) = (ada.get(path).await, ada.get(&with).await);
        assert_eq!((one.status, &one.text), (200, &other.text), "{with}");
    }
    // What is refused is refused alike.
    assert_eq!(nobody.get("/v1/auth/me/").await.expect(401).code(), "unauthorized");
    let patched = async |path: &str| Answer::to(nobody.request(Method::PATCH, path)).await;
    let (one, other) =
        (patched("/v1/prompts/p").await, patched("/v1/prompts/p/").await.expect(405));
    assert_eq!(
        (one.text.as_str(), one.header("allow")),
        (other.text.as_str(), other.header("allow"))
    );
    for nothing in ["/v1/nothing/", "/v1/health//", "//", "/v1//"] {
        let (status, _, body) = talk(
            app.base(),
            format!("GET {nothing} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        )
        .await;
        let is_index = nothing == "//";
        assert_eq!(status, if is_index { 200 } else { 404 }, "{nothing}");
        assert!(is_index || body["code"] == "route_not_found", "{nothing}: {body}");
    }
}

#[tokio::test]
async fn a_short_page_is_not_the_last_one() {
    let app = App::start().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    let mut lists = 0;
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            let cursor = &schema["properties"]["next_cursor"];
            if !cursor.is_null() {
                lists += 1;
                let said = cursor["description"].as_str().unwrap();
                assert!(said.contains("fewer than `limit`"), "{said}");
            }
        }
    }
    assert_eq!(lists, 5);
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { letter.into() });
        }
    }
    text
}
