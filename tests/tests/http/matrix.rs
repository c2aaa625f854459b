//! Every operation × every kind of caller × {own, foreign, absent}: what the access table says is what happens,
//! and what is foreign is answered byte for byte like what is absent.
//!
//! The expectation is made from the table and the contract's order of checks alone. Where an operation takes a body, a
//! broken one is sent: who may is told so (400), and nothing changes; where it takes none, it is done for real.

use std::time::Duration;

use px0_core::{
    Timestamp,
    access::{Callers, KeyNeeds, Needs, Operation as Op, Rule},
    key::KeyOperation,
    secret::TokenHash,
    tenancy::Role,
    user::Session,
};
use px0_tests::{Answer, App, Client, Home};
use reqwest::Method;
use serde_json::json;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Anonymous,
    ForeignAdmin,
    Viewer,
    Editor,
    TeamAdmin,
    OrgAdmin,
    ReadRenderKey,
    AllKey,
    AdminKey,
    /// An admin key that is limited to one team.
    TeamKey,
    ExpiredSession,
    RevokedKey,
}

const EVERYBODY: [Who; 12] = [
    Who::Anonymous,
    Who::ForeignAdmin,
    Who::Viewer,
    Who::Editor,
    Who::TeamAdmin,
    Who::OrgAdmin,
    Who::ReadRenderKey,
    Who::AllKey,
    Who::AdminKey,
    Who::TeamKey,
    Who::ExpiredSession,
    Who::RevokedKey,
];

/// What the path (or query) names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Own,
    Foreign,
    Absent,
    /// Another team's of the same organization.
    Neighbour,
}

const ABSENT: &str = "00000000-0000-7000-8000-000000000000";

/// The things of one tenant that paths name.
struct Things {
    org: String,
    team: String,
    user: String,
    key: String,
    prompt: String,
    payload: String,
    request: String,
}

impl Things {
    fn absent() -> Self {
        let absent = || ABSENT.to_owned();
        Self {
            org: absent(),
            team: absent(),
            user: absent(),
            key: absent(),
            prompt: absent(),
            payload: absent(),
            request: absent(),
        }
    }

    /// A team with a member, a key, a prompt with a draft that is tagged and a live version, a payload, and a join request.
    async fn of(app: &App, admin: &Home) -> Self {
        let teams = format!("/v1/orgs/{}/teams", admin.org);
        let name = json!({ "name": uuid::Uuid::new_v4() });
        let team = text(&admin.post(&teams, name.clone()).await.expect(201)["team"]["id"]);
        let member = app.member(admin, &team, "editor").await;
        let key = json!({ "name": "k", "org_id": admin.org, "team_ids": [team] });
        let key = text(&admin.post("/v1/api-keys", key).await.expect(201)["id"]);
        let prompt = admin.post(&format!("/v1/teams/{team}/prompts"), name).await.expect(201);
        let prompt = text(&prompt["prompt"]["id"]);
        let at = |tail: &str| format!("/v1/prompts/{prompt}/{tail}");
        admin.post(&at("versions"), json!({ "template": "x" })).await.expect(201);
        admin.post(&at("versions/1/tags"), json!({ "tag": "t" })).await.expect(200);
        admin.live(&prompt, "x").await;
        let payload = admin.post(&at("payloads"), json!({ "variables": {} })).await.expect(201);
        let asker = app.member(admin, &admin.team, "viewer").await;
        let request =
            asker.post(&format!("/v1/teams/{team}/join-requests"), json!({})).await.expect(201);
        Self {
            org: admin.org.clone(),
            user: member.id().to_owned(),
            payload: text(&payload["payload"]["id"]),
            request: text(&request["id"]),
            team,
            key,
            prompt,
        }
    }

    /// A request of an operation about these.
    fn request(&self, operation: Op) -> (Method, String) {
        let Self { org, team, user, key, prompt, payload, request } = self;
        let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
        let prompts = |method, tail: &str| (method, format!("/v1/prompts/{prompt}{tail}"));
        let teams = |method, tail: &str| (method, format!("/v1/teams/{team}{tail}"));
        let orgs = |method, tail: &str| (method, format!("/v1/orgs/{org}{tail}"));
        let plain = |method, path: &str| (method, path.to_owned());
        match operation {
            Op::HealthCheck => plain(get, "/v1/health"),
            Op::Readiness => plain(get, "/v1/health/ready"),
            Op::ServerVersion => plain(get, "/v1/version"),
            Op::Register => plain(post, "/v1/auth/register"),
            Op::Login => plain(post, "/v1/auth/login"),
            Op::Logout => plain(delete, "/v1/auth/session"),
            Op::TriggerVerificationEmail => plain(get, "/v1/auth/verify-email?email=x"),
            Op::VerifyEmail => plain(post, "/v1/auth/verify-email"),
            Op::TriggerPasswordReset => plain(post, "/v1/auth/password-reset/trigger"),
            Op::ResetPassword => plain(post, "/v1/auth/password-reset/reset"),
            Op::Me => plain(get, "/v1/auth/me"),
            Op::UpdateMe => plain(put, "/v1/auth/me"),
            Op::DeleteMe => plain(delete, "/v1/auth/me"),
            Op::ChangePassword => plain(post, "/v1/auth/me/change-password"),
            Op::ListUserOrgs => plain(get, "/v1/me/orgs"),
            Op::ListUserTeams => plain(get, "/v1/me/teams"),
            Op::LeaveTeam => (delete, format!("/v1/me/teams/{team}")),
            Op::CreateJoinRequest => teams(post, "/join-requests"),
            Op::GetAdminInbox => plain(get, "/v1/me/inbox"),
            Op::ResolveJoinRequest => (put, format!("/v1/join-requests/{request}")),
            Op::CreateOrg => plain(post, "/v1/orgs"),
            Op::UpdateOrg => orgs(put, ""),
            Op::DeleteOrg => orgs(delete, ""),
            Op::ListOrgPeople => orgs(get, "/people"),
            Op::ListPlugins => plain(get, "/v1/plugins"),
            Op::ListOrgPlugins => orgs(get, "/plugins"),
            Op::SetOrgPlugin => orgs(put, "/plugins/redact"),
            Op::RemoveOrgMember => orgs(delete, &format!("/members/{user}")),
            Op::CreateTeam => orgs(post, "/teams"),
            Op::ListOrgTeams => orgs(get, "/teams"),
            Op::UpdateTeam => teams(put, ""),
            Op::DeleteTeam => teams(delete, ""),
            Op::ListTeamMembers => teams(get, "/members"),
            Op::AddTeamMember => teams(post, "/members"),
            Op::RemoveTeamMember => teams(delete, &format!("/members/{user}")),
            Op::UpdateTeamMemberRole => teams(put, &format!("/members/{user}/role")),
            Op::CreateApiKey => plain(post, "/v1/api-keys"),
            Op::ListApiKeys => (get, format!("/v1/api-keys?org_id={org}")),
            Op::DeleteApiKey => (delete, format!("/v1/api-keys/{key}")),
            Op::CreatePrompt => teams(post, "/prompts"),
            Op::ListPrompts => teams(get, "/prompts"),
            Op::ListAllPrompts => (get, format!("/v1/prompts?team_id={team}")),
            Op::GetPrompt => prompts(get, ""),
            Op::UpdatePrompt => prompts(put, ""),
            Op::ArchivePrompt => prompts(post, "/archive"),
            Op::RestorePrompt => prompts(post, "/restore"),
            Op::MovePrompt => prompts(post, "/move"),
            Op::CreateVersion => prompts(post, "/versions"),
            Op::ListVersions => prompts(get, "/versions"),
            Op::DiffVersions => prompts(get, "/versions/diff?from=1&to=1"),
            Op::GetVersion => prompts(get, "/versions/1"),
            Op::UpdateVersion => prompts(put, "/versions/1"),
            Op::DeletePromptVersion => prompts(delete, "/versions/1"),
            Op::PromoteVersion => prompts(post, "/versions/1/promote"),
            Op::DemoteVersion => prompts(post, "/versions/1/demote"),
            Op::ArchiveVersion => prompts(post, "/versions/1/archive"),
            Op::DuplicateVersion => prompts(post, "/versions/1/duplicate"),
            Op::SetVersionTag => prompts(post, "/versions/1/tags"),
            Op::ListVersionTags => prompts(get, "/tags"),
            Op::RemoveVersionTag => prompts(delete, "/tags/t"),
            Op::CreatePromptPayload => prompts(post, "/payloads"),
            Op::ListPromptPayloads => prompts(get, "/payloads"),
            Op::GetPromptPayload => prompts(get, &format!("/payloads/{payload}")),
            Op::UpdatePromptPayload => prompts(put, &format!("/payloads/{payload}")),
            Op::DeletePromptPayload => prompts(delete, &format!("/payloads/{payload}")),
            Op::RenderLive => prompts(post, "/render"),
            Op::RenderVersion => prompts(post, "/versions/1/render"),
        }
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Whether the path names something, so that it can be somebody else's.
fn names_something(operation: Op) -> bool {
    let (_, path) = Things::absent().request(operation);
    path.contains(ABSENT)
}

/// Whether the path names something that belongs to a team.
fn names_something_of_a_team(operation: Op) -> bool {
    let things = Things { org: "org".to_owned(), ..Things::absent() };
    operation.tag() != "Organizations" && things.request(operation).1.contains(ABSENT)
}

/// Who is in one team only.
fn is_of_a_team(who: Who) -> bool {
    matches!(who, Who::Viewer | Who::Editor | Who::TeamAdmin | Who::TeamKey)
}

/// What the table and the order of checks say; `None` for any answer that is not 401, 403 or 404.
fn expected(operation: Op, who: Who, whose: Whose) -> Option<u16> {
    let Rule { callers, needs, key } = operation.rule();
    if callers == Callers::Anyone {
        return None;
    }
    match who {
        Who::ExpiredSession | Who::RevokedKey => return Some(401),
        Who::Anonymous if callers == Callers::AnyoneOrPerson => return None,
        Who::Anonymous => return Some(401),
        Who::ReadRenderKey | Who::AllKey | Who::AdminKey | Who::TeamKey
            if key == KeyNeeds::Never =>
        {
            return Some(403);
        }
        _ => {}
    }
    // Whoever is in the organization may ask to join any of its teams.
    if whose == Whose::Neighbour && operation == Op::CreateJoinRequest {
        return None;
    }
    if names_something(operation) && (whose != Whose::Own || who == Who::ForeignAdmin) {
        return Some(404);
    }
    may(operation, who, needs, key)
}

fn may(operation: Op, who: Who, needs: Needs, key: KeyNeeds) -> Option<u16> {
    let role = match who {
        Who::Viewer => Role::Viewer,
        Who::Editor => Role::Editor,
        _ => Role::Admin,
    };
    let held = match who {
        Who::ReadRenderKey => Some(KeyOperation::ReadRender),
        Who::AllKey => Some(KeyOperation::All),
        Who::AdminKey | Who::TeamKey => Some(KeyOperation::Admin),
        _ => None,
    };
    let runs_org = matches!(who, Who::OrgAdmin | Who::ForeignAdmin);
    let allowed = match (held, operation) {
        (Some(held), _) => match key {
            KeyNeeds::Never | KeyNeeds::Refused => false,
            KeyNeeds::Operation(least) => held >= least,
            KeyNeeds::OrgWide(least) => held >= least && who != Who::TeamKey,
        },
        // Rules of their own: an admin's inbox answers only admins, and keys are listed for admins.
        (None, Op::ResolveJoinRequest | Op::DeleteApiKey) if role < Role::Admin => {
            return Some(404);
        }
        (None, Op::Register) => runs_org,
        (None, Op::ListApiKeys) => role == Role::Admin,
        (None, _) => match needs {
            Needs::Nothing | Needs::OrgMember | Needs::TeamPeer => true,
            Needs::Founder | Needs::OrgAdmin => runs_org,
            Needs::Team(least) => role >= least,
        },
    };
    if allowed { None } else { Some(403) }
}

/// A tenant with somebody of every role in one team, and keys for it.
struct World {
    app: App,
    founder: Home,
    stranger: Home,
    foreign: Things,
}

impl World {
    async fn new() -> Self {
        let app = App::start().await;
        let founder = app.founder("ada").await;
        let stranger = app.founder("eve").await;
        let foreign = Things::of(&app, &stranger).await;
        Self { app, founder, stranger, foreign }
    }

    /// Somebody of this kind, in `team`.
    async fn caller(&self, who: Who, team: &str) -> Client {
        let member = async |role| (*self.app.member(&self.founder, team, role).await).clone();
        match who {
            Who::Anonymous => self.app.anonymous(),
            Who::ForeignAdmin => (*self.stranger).clone(),
            Who::Viewer => member("viewer").await,
            Who::Editor => member("editor").await,
            Who::TeamAdmin => member("admin").await,
            Who::OrgAdmin => (*self.founder).clone(),
            Who::ReadRenderKey => self.founder.key("read_render", &[]).await,
            Who::AllKey => self.founder.key("all", &[]).await,
            Who::AdminKey => self.founder.key("admin", &[]).await,
            Who::TeamKey => self.founder.key("admin", &[team]).await,
            Who::ExpiredSession => {
                let token = format!("sess_{}", "5".repeat(64));
                let long_ago = Timestamp::from_micros(1_700_000_000_000_000).unwrap();
                let session = Session {
                    hash: TokenHash::of(&token),
                    user: self.founder.id().parse().unwrap(),
                    created_at: long_ago,
                    expires_at: long_ago.plus(Duration::from_secs(1)),
                };
                let from = TokenHash::of("an address");
                self.app.store().open_session(session, from).await.unwrap();
                self.app.bearer(&token)
            }
            Who::RevokedKey => {
                let new = json!({ "name": "k", "org_id": self.founder.org });
                let key = self.founder.post("/v1/api-keys", new).await.expect(201);
                self.founder
                    .delete(&format!("/v1/api-keys/{}", text(&key["id"])))
                    .await
                    .expect(204);
                self.app.bearer(key["key"].as_str().unwrap())
            }
        }
    }
}

async fn call(client: &Client, (method, path): (Method, String)) -> Answer {
    let request = client.request(method.clone(), &path);
    let request = match method {
        Method::POST | Method::PUT => request.header("content-type", "application/json").body("[]"),
        _ => request,
    };
    Answer::to(request).await
}

/// Whether an allowed call changes something: then it gets things of its own, and somebody of its own.
fn spends(operation: Op) -> bool {
    let (method, _) = Things::absent().request(operation);
    method == Method::DELETE
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_what_happens() {
    let world = World::new().await;
    let own = Things::of(&world.app, &world.founder).await;
    let neighbour = Things::of(&world.app, &world.founder).await;
    let mut calls = 0;
    let mut wrong = Vec::new();
    for who in EVERYBODY {
        let kept = world.caller(who, &own.team).await;
        for operation in Op::ALL.iter().copied() {
            let mut unreachable: Option<String> = None;
            for whose in [Whose::Own, Whose::Foreign, Whose::Absent, Whose::Neighbour] {
                let asked = match whose {
                    Whose::Own => true,
                    Whose::Foreign | Whose::Absent => names_something(operation),
                    Whose::Neighbour => is_of_a_team(who) && names_something_of_a_team(operation),
                };
                if !asked {
                    continue;
                }
                let expected = expected(operation, who, whose);
                let answer = if whose == Whose::Own && spends(operation) && expected.is_none() {
                    spend(operation, who).await
                } else {
                    let absent = Things::absent();
                    let things = match whose {
                        Whose::Own => &own,
                        Whose::Foreign => &world.foreign,
                        Whose::Absent => &absent,
                        Whose::Neighbour => &neighbour,
                    };
                    // For the stranger, the founder's things are the foreign ones.
                    let things = if who == Who::ForeignAdmin && whose == Whose::Foreign {
                        &own
                    } else {
                        things
                    };
                    call(&kept, things.request(operation)).await
                };
                calls += 1;
                let refused = matches!(answer.status, 401 | 403 | 404);
                let right = match expected {
                    Some(status) => answer.status == status,
                    None => !refused && answer.status < 500,
                };
                if !right {
                    wrong.push(format!(
                        "{} by {who:?} on {whose:?}: expected {expected:?}, got {} {}",
                        operation.id(),
                        answer.status,
                        answer.text
                    ));
                }
                if whose != Whose::Own && expected.is_some() {
                    let body = answer.text.clone();
                    match &unreachable {
                        Some(first) => assert_eq!(*first, body, "{} by {who:?}", operation.id()),
                        None => unreachable = Some(body),
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {calls} calls:\n{}", wrong.len(), wrong.join("\n"));
    assert!(calls > 1900, "only {calls} calls");
}

/// An allowed call that changes something, in a world of its own.
async fn spend(operation: Op, who: Who) -> Answer {
    let world = World::new().await;
    let own = Things::of(&world.app, &world.founder).await;
    if operation == Op::DeleteTeam {
        // Only a team without prompts goes without force.
        let (_, path) = own.request(Op::MovePrompt);
        world.founder.post(&path, json!({ "team_id": world.founder.team })).await.expect(200);
    }
    let caller = world.caller(who, &own.team).await;
    call(&caller, own.request(operation)).await
}
