//! What is locked before it is changed: see the order in the module's documentation.

use px0_core::{
    ids::{OrgId, PromptId, TeamId, UserId, VersionId},
    prompt::{Prompt, PromptStatus},
    store::{Change, Refusal, StoreError, Thing},
    tenancy::{Org, Team},
    user::Account,
};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Connection, PgResult, Write, error::PgError, rows, rule};

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

/// Locks somebody who logs in: nobody else does it meanwhile, and their other rows can be written.
pub(super) async fn user_to_log_in(c: &mut Connection, user: UserId) -> PgResult<()> {
    let row = sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE")
        .bind(user.uuid())
        .fetch_optional(c)
        .await?;
    row.map(drop).ok_or_else(|| Thing::User.into())
}

/// Locks a prompt with its versions and tags, to change something of it.
pub(super) async fn prompt(tx: &mut Write, prompt: PromptId) -> PgResult<Prompt> {
    // Not a join: one that is moved while it is waited for would be joined with the team that it was in, and not be found.
    let row = sqlx::query(
        "SELECT p.*, (SELECT org_id FROM teams WHERE id = p.team_id) AS org_id FROM prompts p
         WHERE id = $1 FOR UPDATE",
    )
    .bind(prompt.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    let row = row.ok_or(Thing::Prompt)?;
    let found = rows::prompt(&row)?;
    let org = match row.try_get("org_id")? {
        Some(org) => org,
        // Moved meanwhile to a team that is younger than this statement.
        None => {
            let query = sqlx::query("SELECT org_id FROM teams WHERE id = $1");
            let row = query.bind(found.team_id.uuid()).fetch_one(&mut **tx).await?;
            row.try_get("org_id")?
        }
    };
    tx.changed(Change::Prompts(OrgId::from_uuid(org)));
    Ok(found)
}

/// The same; an archived one is refused.
pub(super) async fn active_prompt(tx: &mut Write, id: PromptId) -> PgResult<Prompt> {
    let prompt = prompt(tx, id).await?;
    rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
    Ok(prompt)
}

/// Locks the prompt of a version.
pub(super) async fn prompt_of(tx: &mut Write, version: VersionId) -> PgResult<Prompt> {
    // Versions stay in their prompt.
    let row = sqlx::query("SELECT prompt_id FROM versions WHERE id = $1")
        .bind(version.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    let id: Uuid = row.ok_or(Thing::Version)?.try_get("prompt_id")?;
    prompt(tx, PromptId::from_uuid(id)).await.map_err(|error| match error {
        PgError(StoreError::Missing(Thing::Prompt)) => Thing::Version.into(),
        other => other,
    })
}
