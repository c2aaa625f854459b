//! Deleting what there may be much of, in steps that each end well within the time that a statement has. All of them are one transaction.

use sqlx::Row as _;
use uuid::Uuid;

use super::{Connection, PgResult};

/// Versions that one statement removes, about.
const STEP: i64 = 5_000;

/// Deletes all prompts of these teams, with what belongs to them.
pub(super) async fn prompts_of(c: &mut Connection, teams: &[Uuid]) -> PgResult<()> {
    let prompts = sqlx::query("SELECT id, last_number FROM prompts WHERE team_id = ANY($1)")
        .bind(teams)
        .fetch_all(&mut *c)
        .await?;
    let (mut group, mut versions) = (Vec::new(), 0);
    for row in &prompts {
        let (id, last): (Uuid, i64) = (row.try_get("id")?, row.try_get("last_number")?);
        if last > STEP {
            versions_of(c, id, last).await?;
        }
        group.push(id);
        versions += last.clamp(1, STEP);
        if versions >= STEP {
            delete(c, &group).await?;
            (group, versions) = (Vec::new(), 0);
        }
    }
    delete(c, &group).await
}

/// Deletes the versions of one prompt, up to its last number.
async fn versions_of(c: &mut Connection, prompt: Uuid, last: i64) -> PgResult<()> {
    let mut from = 0;
    while from < last {
        sqlx::query("DELETE FROM versions WHERE prompt_id = $1 AND number > $2 AND number <= $3")
            .bind(prompt)
            .bind(from)
            .bind(from + STEP)
            .execute(&mut *c)
            .await?;
        from += STEP;
    }
    Ok(())
}

/// Deletes prompts; what belongs to them follows by its foreign keys.
async fn delete(c: &mut Connection, prompts: &[Uuid]) -> PgResult<()> {
    if !prompts.is_empty() {
        sqlx::query("DELETE FROM prompts WHERE id = ANY($1)").bind(prompts).execute(c).await?;
    }
    Ok(())
}
