use std::ops::Deref;

use serde_json::{Value, json};

use crate::Client;

/// Somebody who is logged in, and where they belong.
pub struct Home {
    client: Client,
    /// Who: `User`.
    pub user: Value,
    /// Their first organization.
    pub org: String,
    /// Their first team.
    pub team: String,
}

impl Deref for Home {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Home {
    /// Somebody who registers at a px0 that mails no codes.
    pub async fn found(base: &str, name: &str) -> Self {
        Self::found_by(Client::at(base), name).await
    }

    /// The same, by way of `nobody`.
    pub async fn found_by(nobody: Client, name: &str) -> Self {
        let credentials =
            json!({ "email": format!("{name}@example.com"), "password": crate::PASSWORD });
        let user = nobody.post("/v1/auth/register", credentials.clone()).await.expect(201);
        let login = nobody.post("/v1/auth/login", credentials).await.expect(200);
        let client = nobody.with_token(login["token"].as_str().unwrap());
        Self::of(client, user["user"].clone()).await
    }

    pub(crate) async fn of(client: Client, user: Value) -> Self {
        let first = |answer: crate::Answer, list: &str| {
            answer.expect(200).body[list][0]["id"].as_str().unwrap_or_default().to_owned()
        };
        let org = first(client.get("/v1/me/orgs").await, "organizations");
        let team = first(client.get("/v1/me/teams").await, "teams");
        Self { client, user, org, team }
    }

    /// Them as a caller, for a task of its own.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Their id.
    pub fn id(&self) -> &str {
        self.user["id"].as_str().unwrap()
    }

    /// Makes a prompt in their team; answers its slug.
    pub async fn prompt(&self, name: &str) -> String {
        let path = format!("/v1/teams/{}/prompts", self.team);
        let answer = self.post(&path, json!({ "name": name })).await.expect(201);
        answer.body["prompt"]["slug"].as_str().unwrap().to_owned()
    }

    /// Adds a draft to a prompt; answers its number.
    pub async fn draft(&self, prompt: &str, template: &str) -> u64 {
        let path = format!("/v1/prompts/{prompt}/versions");
        let answer = self.post(&path, json!({ "template": template })).await.expect(201);
        answer.body["version"]["version"].as_u64().unwrap()
    }

    /// Adds a version to a prompt and makes it live; answers its number.
    pub async fn live(&self, prompt: &str, template: &str) -> u64 {
        let number = self.draft(prompt, template).await;
        for _ in 0..2 {
            let path = format!("/v1/prompts/{prompt}/versions/{number}/promote");
            self.post(&path, json!({})).await.expect(200);
        }
        number
    }

    /// Makes an API key for their organization, or for some of its teams.
    pub async fn key(&self, operation: &str, teams: &[&str]) -> Client {
        let new =
            json!({ "name": "key", "org_id": self.org, "team_ids": teams, "operation": operation });
        let answer = self.post("/v1/api-keys", new).await.expect(201);
        self.client.with_token(answer.body["key"].as_str().unwrap())
    }
}
