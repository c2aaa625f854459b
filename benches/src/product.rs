//! A px0 to put under load: the product itself, over a real socket, on a data folder that goes when it is dropped.

use std::net::SocketAddr;

use bytes::Bytes;
use px0_config::{Backend, EmailMode, Settings};
use px0_server::Running;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::{Call, Client};

/// A px0 with threads of its own.
pub struct Product {
    api: Api,
    running: Option<Running>,
    runtime: Runtime,
    folder: TempDir,
}

/// Somebody's organization and what they render with.
pub struct Tenant {
    /// Of its founder.
    pub session: String,
    /// Of a service.
    pub key: String,
    /// Its first team.
    pub team: String,
}

impl Product {
    /// Starts one with the default settings, but for limits of requests that no load would get through.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::from_parts(None, &[]).unwrap();
        settings.http.addr = "127.0.0.1:0".parse().unwrap();
        settings.telemetry.addr = None;
        settings.store.backend = Backend::Sled;
        settings.store.sled.path = folder.path().join("data");
        settings.email.mode = EmailMode::AutoVerify;
        settings.rate_limit.enabled = false;
        change(&mut settings);
        let runtime = Runtime::new().unwrap();
        let running = runtime.block_on(px0_server::start(settings)).unwrap();
        Self { api: Api { addr: running.addr }, running: Some(running), runtime, folder }
    }

    /// Where it keeps its data.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The store it runs on.
    pub fn store(&self) -> &px0_core::store::SharedStore {
        self.running.as_ref().unwrap().store()
    }

    /// Runs something on its threads.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The call that a service makes.
    pub fn render(key: &str, slug: &str, variables: &str) -> Call {
        Call {
            method: hyper::Method::POST,
            path: format!("/v1/prompts/{slug}/render"),
            token: Some(key.to_owned()),
            body: Bytes::from(format!(r#"{{"variables":{variables}}}"#)),
        }
    }
}

/// What people do with a px0, wherever it runs.
#[derive(Clone, Copy)]
pub struct Api {
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Api {
    /// Registers somebody; answers what they have.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let person = json!({ "email": format!("{name}@example.com"), "password": "Corr3ct-horse" });
        self.post(None, "/v1/auth/register", &person).await;
        let login = self.post(None, "/v1/auth/login", &person).await;
        let session = login["token"].as_str().unwrap().to_owned();
        let teams = self.call(Some(&session), "GET", "/v1/me/teams", &Value::Null).await;
        let team = teams["teams"][0]["id"].as_str().unwrap().to_owned();
        let orgs = self.call(Some(&session), "GET", "/v1/me/orgs", &Value::Null).await;
        let org = &orgs["organizations"][0]["id"];
        let key =
            json!({ "name": "load", "org_id": org, "team_ids": [], "operation": "read_render" });
        let key = self.post(Some(&session), "/v1/api-keys", &key).await;
        Tenant { session, key: key["key"].as_str().unwrap().to_owned(), team }
    }

    /// Makes a prompt with a live version.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn live(&self, tenant: &Tenant, name: &str, template: &str) {
        let path = format!("/v1/teams/{}/prompts", tenant.team);
        let session = Some(tenant.session.as_str());
        let made = self.post(session, &path, &json!({ "name": name })).await;
        let slug = made["prompt"]["slug"].as_str().unwrap();
        let versions = format!("/v1/prompts/{slug}/versions");
        self.post(session, &versions, &json!({ "template": template })).await;
        for _ in 0..2 {
            self.post(session, &format!("{versions}/1/promote"), &json!({})).await;
        }
    }

    async fn post(&self, token: Option<&str>, path: &str, body: &Value) -> Value {
        self.call(token, "POST", path, body).await
    }

    async fn call(&self, token: Option<&str>, method: &str, path: &str, body: &Value) -> Value {
        let call = Call {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            token: token.map(str::to_owned),
            body: if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) },
        };
        let (status, body) = Client::new(self.addr).call(&call).await.unwrap();
        let text = String::from_utf8_lossy(&body);
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    }
}

impl std::ops::Deref for Product {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = self.runtime.block_on(running.stop());
        }
    }
}
