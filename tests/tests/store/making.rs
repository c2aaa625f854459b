//! Things to put into a world, each in one line.

use px0_core::{
    Description, Slug,
    ids::{JoinRequestId, KeyId, OrgId, PayloadId, PromptId, TeamId, UserId, VersionId},
    json::JsonText,
    key::{ApiKey, KeyOperation, KeyScope},
    lifecycle::Step,
    mailed::MailedCode,
    plugin::{Kind, OnFailure, OrgPlugin},
    prompt::{Payload, Prompt, PromptStatus},
    secret::TokenHash,
    store::{Result, Stamp},
    tenancy::{JoinRequest, Org, RequestStatus, Role, Team},
    user::{Account, Session, User},
    version::Version,
};

use crate::world::{World, address, body, email, name, plugin, secret, tag, value_key};

/// An organization as it begins: its Default Team and the admin of both.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) org: Org,
    pub(crate) team: Team,
    pub(crate) admin: User,
}

/// Somebody who is about to register.
pub(crate) struct Founding {
    pub(crate) account: Account,
    pub(crate) org: Org,
    pub(crate) team: Team,
}

/// Things that could be written.
impl World {
    /// An account that is not in the store yet: `name@px0.test`.
    pub(crate) fn new_account(&self, name: &str) -> Account {
        let user = User {
            id: UserId::new(),
            email: email(name),
            is_verified: false,
            is_admin: true,
            created_at: self.now(),
        };
        let mut seen = self.seen_mut();
        seen.users.push(user.id);
        seen.emails.push(user.email.clone());
        Account { user, password_hash: format!("password of {name}"), was_proved: false }
    }

    pub(crate) fn new_org(&self, called: &str) -> Org {
        let org = Org { id: OrgId::new(), name: name(called), created_at: self.now() };
        self.seen_mut().orgs.push(org.id);
        org
    }

    pub(crate) fn new_team(&self, org: &Org, called: &str) -> Team {
        let team = Team {
            id: TeamId::new(),
            org_id: org.id,
            name: name(called),
            is_default: false,
            created_at: self.now(),
        };
        self.seen_mut().teams.push(team.id);
        team
    }

    pub(crate) fn new_default_team(&self, org: &Org) -> Team {
        Team { is_default: true, ..self.new_team(org, Team::DEFAULT_NAME) }
    }

    /// Somebody (`name@px0.test`) with an organization (of the name `org`) that do not exist yet.
    pub(crate) fn founding(&self, name: &str, org: &str) -> Founding {
        let org = self.new_org(org);
        Founding { account: self.new_account(name), team: self.new_default_team(&org), org }
    }

    pub(crate) fn new_session(&self, user: &User, seconds: u64) -> Session {
        let session = Session {
            hash: secret(),
            user: user.id,
            created_at: self.now(),
            expires_at: self.in_seconds(seconds),
        };
        self.seen_mut().sessions.push(session.hash);
        session
    }

    /// A code that is good for 15 minutes, and that nobody has tried.
    pub(crate) fn code(&self, text: &str) -> MailedCode {
        MailedCode::new(TokenHash::of(text), self.in_seconds(900))
    }

    pub(crate) fn new_request(&self, team: &Team, user: &User) -> JoinRequest {
        let at = self.now();
        let request = JoinRequest {
            id: JoinRequestId::new(),
            team_id: team.id,
            user_id: user.id,
            status: RequestStatus::Pending,
            justification: Some("because".into()),
            created_at: at,
            updated_at: at,
        };
        self.seen_mut().requests.push(request.id);
        request
    }

    pub(crate) fn new_key(&self, home: &Home, scope: KeyScope) -> ApiKey {
        let key = ApiKey {
            id: KeyId::new(),
            name: name("key"),
            org_id: home.org.id,
            scope,
            operation: KeyOperation::All,
            hash: secret(),
            prefix: "ak_1234".into(),
            created_by: home.admin.id,
            created_at: self.now(),
            last_used_at: None,
        };
        let mut seen = self.seen_mut();
        seen.keys.push(key.id);
        seen.key_hashes.push(key.hash);
        drop(seen);
        key
    }

    /// A prompt that is not in the store yet; its slug is made from its name.
    pub(crate) fn new_prompt(&self, team: &Team, called: &str) -> Prompt {
        let at = self.now();
        let name = name(called);
        let prompt = Prompt {
            id: PromptId::new(),
            team_id: team.id,
            slug: Slug::from_name(&name).unwrap(),
            name,
            description: Description::default(),
            status: PromptStatus::Active,
            created_at: at,
            updated_at: at,
        };
        self.seen_mut().prompts.push(prompt.id);
        prompt
    }

    pub(crate) fn new_version_id(&self) -> VersionId {
        let id = VersionId::new();
        self.seen_mut().versions.push(id);
        id
    }

    pub(crate) fn new_decision(&self, org_id: OrgId, called: &str) -> OrgPlugin {
        OrgPlugin {
            org_id,
            plugin: plugin(called),
            kind: Kind::Hook,
            enabled: true,
            on_failure: OnFailure::Refuse,
            settings: None,
            updated_at: self.now(),
        }
    }

    pub(crate) fn new_payload(&self, prompt: &Prompt, variables: &str) -> Payload {
        let at = self.now();
        let payload = Payload {
            id: PayloadId::new(),
            prompt_id: prompt.id,
            name: Some(name("sample")),
            variables: JsonText::parse(variables).unwrap(),
            created_at: at,
            updated_at: at,
        };
        self.seen_mut().payloads.push(payload.id);
        payload
    }
}

/// Things that are written.
impl World {
    /// An organization of this name, founded by `admin-of-<name>@px0.test`.
    pub(crate) async fn home(&self, name: &str) -> Home {
        self.found(self.founding(&format!("admin-of-{name}"), name)).await
    }

    pub(crate) async fn found(&self, founding: Founding) -> Home {
        let Founding { account, org, team } = founding;
        let home = Home { org: org.clone(), team: team.clone(), admin: account.user.clone() };
        self.found_account(self.stamp(), account, org, team).await.unwrap();
        home
    }

    /// `name@px0.test`, registered into a team in this role.
    pub(crate) async fn user(&self, team: &Team, name: &str, role: Role) -> User {
        let account = self.new_account(name);
        let user = account.user.clone();
        self.add_account(self.stamp(), account, team.id, role).await.unwrap();
        user
    }

    pub(crate) async fn editor(&self, team: &Team, name: &str) -> User {
        self.user(team, name, Role::Editor).await
    }

    /// A further team of an organization, with the organization's admin as its own.
    pub(crate) async fn team_in(&self, home: &Home, name: &str) -> Team {
        let team = self.new_team(&home.org, name);
        self.create_team(self.stamp(), team.clone(), Some(home.admin.id)).await.unwrap();
        team
    }

    /// A further team of an organization, with nobody in it.
    pub(crate) async fn empty_team(&self, home: &Home, name: &str) -> Team {
        let team = self.new_team(&home.org, name);
        self.create_team(self.stamp(), team.clone(), None).await.unwrap();
        team
    }

    pub(crate) async fn join(&self, team: &Team, user: &User, role: Role) {
        let who = px0_core::store::NewMember::Id(user.id);
        self.add_member(self.stamp(), team.id, who, role).await.unwrap();
    }

    /// A session that lasts a day, opened from `home`.
    pub(crate) async fn login(&self, user: &User) -> Session {
        self.login_from(user, address("home")).await
    }

    pub(crate) async fn login_from(&self, user: &User, from: TokenHash) -> Session {
        let session = self.new_session(user, 86_400);
        self.open_session(session.clone(), from).await.unwrap();
        session
    }

    /// A verification code is mailed to somebody who has not too many.
    pub(crate) async fn mail_verification(&self, user: UserId, code: MailedCode) {
        assert!(self.put_verification(self.now(), user, code).await.unwrap(), "too many");
    }

    /// A reset code is mailed to somebody who has not too many.
    pub(crate) async fn mail_reset(&self, user: UserId, code: MailedCode) {
        assert!(self.put_reset(self.now(), user, code).await.unwrap(), "too many");
    }

    pub(crate) async fn ask(&self, team: &Team, user: &User) -> JoinRequest {
        let request = self.new_request(team, user);
        self.create_join_request(self.stamp(), request.clone()).await.unwrap();
        request
    }

    pub(crate) async fn key_for(&self, home: &Home, teams: &[&Team]) -> ApiKey {
        let scope = match teams {
            [] => KeyScope::Org,
            teams => KeyScope::Teams(teams.iter().map(|team| team.id).collect()),
        };
        let key = self.new_key(home, scope);
        self.create_key(self.stamp(), key.clone()).await.unwrap();
        key
    }

    pub(crate) async fn prompt(&self, team: &Team, name: &str) -> Prompt {
        let prompt = self.new_prompt(team, name);
        self.create_prompt(self.stamp(), prompt.clone()).await.unwrap();
        prompt
    }

    pub(crate) async fn archived_prompt(&self, team: &Team, name: &str) -> Prompt {
        let prompt = self.prompt(team, name).await;
        self.archive(&prompt).await
    }

    pub(crate) async fn archive(&self, prompt: &Prompt) -> Prompt {
        self.set_prompt_status(self.stamp(), prompt.id, PromptStatus::Archived).await.unwrap()
    }

    pub(crate) async fn draft(&self, prompt: &Prompt, template: &str) -> Version {
        self.create_version(self.stamp(), prompt.id, self.new_version_id(), body(template))
            .await
            .unwrap()
    }

    /// A draft that takes these steps.
    pub(crate) async fn version_after(&self, prompt: &Prompt, steps: &[Step]) -> Version {
        let mut version = self.draft(prompt, "Hello").await;
        for step in steps {
            version = self.step(&version, *step).await.unwrap();
        }
        version
    }

    pub(crate) async fn stable(&self, prompt: &Prompt) -> Version {
        self.version_after(prompt, &[Step::Promote]).await
    }

    pub(crate) async fn live(&self, prompt: &Prompt) -> Version {
        self.version_after(prompt, &[Step::Promote, Step::Promote]).await
    }

    pub(crate) async fn archived(&self, prompt: &Prompt) -> Version {
        self.version_after(prompt, &[Step::Archive]).await
    }

    pub(crate) async fn step(&self, version: &Version, step: Step) -> Result<Version> {
        self.step_version(self.stamp(), version.id, step, None).await
    }

    pub(crate) async fn tag(&self, version: &Version, name: &str) -> Version {
        self.set_tag(self.stamp(), version.id, tag(name)).await.unwrap()
    }

    pub(crate) async fn sample(&self, prompt: &Prompt, variables: &str) -> Payload {
        let payload = self.new_payload(prompt, variables);
        self.create_payload(self.stamp(), payload.clone()).await.unwrap();
        payload
    }

    /// A decision for a plugin, without settings.
    pub(crate) async fn decide(&self, org: OrgId, called: &str) -> OrgPlugin {
        let decision = self.new_decision(org, called);
        let stamp = Stamp { at: decision.updated_at, ..self.stamp() };
        self.set_org_plugin(stamp, decision.clone()).await.unwrap();
        decision
    }

    /// Keeps a value; where is known at once, so that a portrait before it looks there, too.
    pub(crate) fn keep(
        &self,
        org: OrgId,
        by: &str,
        key: &str,
        value: &[u8],
    ) -> impl Future<Output = Result<()>> {
        self.set_value(org, by, key, Some(value.to_vec()))
    }

    pub(crate) fn forget(
        &self,
        org: OrgId,
        by: &str,
        key: &str,
    ) -> impl Future<Output = Result<()>> {
        self.set_value(org, by, key, None)
    }

    fn set_value(
        &self,
        org: OrgId,
        by: &str,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<()>> {
        let at = (plugin(by), value_key(key));
        let mut seen = self.seen_mut();
        if !seen.values.contains(&at) {
            seen.values.push(at.clone());
        }
        drop(seen);
        async move { self.set_plugin_value(self.stamp(), org, &at.0, &at.1, value).await }
    }

    /// What a plugin keeps under a key.
    pub(crate) async fn kept(&self, org: OrgId, by: &str, key: &str) -> Option<Vec<u8>> {
        self.plugin_value(org, &plugin(by), &value_key(key)).await.unwrap()
    }
}
