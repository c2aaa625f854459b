//! What is locked before it is changed: see the order in the module's documentation.

use px0_core::{
    ids::{OrgId, PromptId, TeamId, UserId, VersionId},
    prompt::{Prompt, PromptStatus},
    store::{Refusal, Thing},
    tenancy::{Org, Team},
    user::Account,
};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Connection, PgResult, rows, rule};

/// Locks an organization: nobody else changes its people, teams or keys meanwhile.
pub(super) async fn org(c: &mut Connection, org: OrgId) -> PgResult<Org> {
    let row = sqlx::query("SELECT * FROM orgs WHERE id = $1 FOR UPDATE")
        .bind(org.uuid())
        .fetch_optional(c)
        .await?;
    rows::org(&row.ok_or(Thing::Org)?)
}

/// Locks the organization of a team, and answers the team.
pub(super) async fn team(c: &mut Connection, team: TeamId) -> PgResult<Team> {
    // Teams stay in their organization, so what is found here is still true once the lock is had.
    sqlx::query(
        "SELECT 1 FROM orgs WHERE id = (SELECT org_id FROM teams WHERE id = $1) FOR UPDATE",
    )
    .bind(team.uuid())
    .fetch_optional(&mut *c)
    .await?
    .ok_or(Thing::Team)?;
    let row = sqlx::query("SELECT * FROM teams WHERE id = $1")
        .bind(team.uuid())
        .fetch_optional(c)
        .await?;
    rows::team(&row.ok_or(Thing::Team)?)
}

/// Locks somebody: nobody else opens a session for them or changes their account meanwhile.
pub(super) async fn user(c: &mut Connection, user: UserId) -> PgResult<Account> {
    let row = sqlx::query("SELECT * FROM users WHERE id = $1 FOR UPDATE")
        .bind(user.uuid())
        .fetch_optional(c)
        .await?;
    rows::account(&row.ok_or(Thing::User)?)
}

/// Locks a prompt with its versions and tags.
pub(super) async fn prompt(c: &mut Connection, prompt: PromptId) -> PgResult<Prompt> {
    let row = sqlx::query("SELECT * FROM prompts WHERE id = $1 FOR UPDATE")
        .bind(prompt.uuid())
        .fetch_optional(c)
        .await?;
    rows::prompt(&row.ok_or(Thing::Prompt)?)
}

/// The same; an archived one is refused.
pub(super) async fn active_prompt(c: &mut Connection, id: PromptId) -> PgResult<Prompt> {
    let prompt = prompt(c, id).await?;
    rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
    Ok(prompt)
}

/// Locks the prompt of a version.
pub(super) async fn prompt_of(c: &mut Connection, version: VersionId) -> PgResult<Prompt> {
    // Versions stay in their prompt.
    let row = sqlx::query("SELECT prompt_id FROM versions WHERE id = $1")
        .bind(version.uuid())
        .fetch_optional(&mut *c)
        .await?;
    let id: Uuid = row.ok_or(Thing::Version)?.try_get("prompt_id")?;
    let row = sqlx::query("SELECT * FROM prompts WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_optional(c)
        .await?;
    rows::prompt(&row.ok_or(Thing::Version)?)
}
