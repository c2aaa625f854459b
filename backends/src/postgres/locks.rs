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

use super::{Connection, PgResult, PgStore, Write, error::PgError, rows, rule};

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

/// Locks what prompts of these teams are called: nobody else gives, changes or moves a name or a slug there meanwhile. Answers the
/// organization of one of them.
///
/// A prompt is given its name only under this lock. Two prompts that each get what the other had would else wait for each other.
pub(super) async fn names(c: &mut Connection, teams: &[TeamId]) -> PgResult<Option<OrgId>> {
    let teams: Vec<Uuid> = teams.iter().map(|team| team.uuid()).collect();
    let found =
        sqlx::query("SELECT org_id FROM teams WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(teams)
            .fetch_all(c)
            .await?;
    let org = found.first().map(|row| row.try_get("org_id")).transpose()?;
    Ok(org.map(OrgId::from_uuid))
}

/// Locks a prompt, and before it the names of its team and of the one that it is moved to.
pub(super) async fn prompt_and_names(
    tx: &mut Write,
    id: PromptId,
    to: Option<TeamId>,
) -> PgResult<Prompt> {
    loop {
        // It may be moved while its team is waited for. Then all is let go, and locked anew: in the order of ids, so that nobody waits in
        // a circle.
        sqlx::query("SAVEPOINT names").execute(&mut **tx).await?;
        let row = sqlx::query("SELECT team_id FROM prompts WHERE id = $1")
            .bind(id.uuid())
            .fetch_optional(&mut **tx)
            .await?;
        let team = TeamId::from_uuid(row.ok_or(Thing::Prompt)?.try_get("team_id")?);
        let teams = Vec::from_iter([team].into_iter().chain(to));
        names(tx, &teams).await?;
        let locked = prompt(tx, id).await?;
        if teams.contains(&locked.team_id) {
            return Ok(locked);
        }
        sqlx::query("ROLLBACK TO SAVEPOINT names").execute(&mut **tx).await?;
    }
}

/// The same; an archived one is refused.
pub(super) async fn active_prompt(tx: &mut Write, id: PromptId) -> PgResult<Prompt> {
    let prompt = prompt(tx, id).await?;
    rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
    Ok(prompt)
}

impl PgStore {
    /// Begins by locking the prompt of a version.
    pub(super) async fn begin_at_prompt_of(&self, version: VersionId) -> PgResult<(Write, Prompt)> {
        // Versions stay in their prompt.
        let of = "SELECT prompt_id FROM versions WHERE id = $1";
        let id = self.owner(of, version.uuid(), Thing::Version).await?;
        let mut tx = self.begin_at(id).await?;
        let prompt = prompt(&mut tx, PromptId::from_uuid(id)).await;
        let prompt = prompt.map_err(|error| match error {
            PgError(StoreError::Missing(Thing::Prompt)) => Thing::Version.into(),
            other => other,
        });
        Ok((tx, prompt?))
    }

    /// The organization of a team, which it stays in.
    pub(super) async fn org_of(&self, team: TeamId) -> PgResult<Uuid> {
        self.owner("SELECT org_id FROM teams WHERE id = $1", team.uuid(), Thing::Team).await
    }

    /// The team of a prompt, at present.
    pub(super) async fn team_of(&self, prompt: PromptId) -> PgResult<Uuid> {
        self.owner("SELECT team_id FROM prompts WHERE id = $1", prompt.uuid(), Thing::Prompt).await
    }

    /// What a thing belongs to, by a query that answers it for an id.
    async fn owner(&self, of: &'static str, id: Uuid, thing: Thing) -> PgResult<Uuid> {
        let row = sqlx::query(of).bind(id).fetch_optional(&self.pool).await?;
        Ok(row.ok_or(thing)?.try_get(0)?)
    }
}
