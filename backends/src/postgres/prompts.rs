use async_trait::async_trait;
use px0_core::{
    Timestamp,
    ids::{PayloadId, PromptId, TeamId, VersionId},
    lifecycle::Step,
    page::{Page, Paged, Recent},
    prompt::{Payload, PayloadChange, Prompt, PromptChange, PromptFilter, PromptRef, PromptStatus},
    store::{Change, Found, Prompts, Reach, Refusal, Result, Stamp, Thing},
    tag::{Selector, TagName},
    version::{Body, BodyChange, Version, VersionFilter},
};
use sqlx::{Row as _, postgres::PgArguments};
use uuid::Uuid;

use super::{
    Connection, PgResult, PgStore, locks, most_bytes, one_more, rows, rows::At, rule, tenancy::all,
    versions::resolving,
};

/// The prompts `p` that $1 names, with their teams `t`, in the organizations $2 and the teams $3.
///
/// By its slug, a prompt is looked for in one team of the caller's after the other. The database may plan a statement once for all
/// callers; a plan that begins with the slug reads the prompts of every tenant who has it. `LIMIT` says that a team has no two, and keeps
/// the planner from turning the order around.
macro_rules! named {
    (id) => {
        "prompts p JOIN teams t ON t.id = p.team_id AND p.id = $1 AND (t.org_id = ANY($2) OR t.id = ANY($3)) "
    };
    (slug) => {
        "(SELECT id, org_id FROM teams WHERE org_id = ANY($2) UNION SELECT id, org_id FROM teams WHERE id = ANY($3)) t
         CROSS JOIN LATERAL (SELECT * FROM prompts q WHERE q.team_id = t.id AND q.slug = $1 LIMIT 1) p "
    };
}
pub(super) use named;

#[async_trait]
impl Prompts for PgStore {
    async fn create_prompt(&self, _: Stamp, prompt: Prompt) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin_at(prompt.team_id.uuid()).await?;
            let org = locks::names(&mut tx, &[prompt.team_id]).await?;
            insert(&mut tx, &prompt, 0).await?;
            tx.changed(Change::Prompts(org.ok_or(Thing::Team)?));
            tx.commit().await
        })
        .await
    }

    async fn find_prompts(&self, reach: &Reach, name: &PromptRef) -> Result<Vec<Found>> {
        self.pg(async {
            let query = match name {
                PromptRef::Id(_) => {
                    sqlx::query(concat!("SELECT p.*, t.org_id FROM ", named!(id), "ORDER BY t.id"))
                }
                PromptRef::Slug(_) => sqlx::query(concat!(
                    "SELECT p.*, t.org_id FROM ",
                    named!(slug),
                    "ORDER BY t.id"
                )),
            };
            all(&within(query, name, reach).fetch_all(&self.pool).await?, rows::found)
        })
        .await
    }

    async fn prompts(
        &self,
        team: TeamId,
        filter: &PromptFilter,
        page: Page<Recent>,
    ) -> Result<Paged<Prompt, Recent>> {
        self.pg(async {
            let found = sqlx::query(
                "SELECT * FROM prompts p WHERE team_id = $1
                 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
                 AND ($4::text IS NULL OR status = $4)
                 AND ($5::text IS NULL OR strpos(name_folded, $5) > 0 OR strpos(slug, $5) > 0
                      OR strpos(description_folded, $5) > 0)
                 AND ($6::text IS NULL OR EXISTS (SELECT 1 FROM tags g WHERE g.prompt_id = p.id AND g.tag = $6))
                 ORDER BY created_at DESC, id DESC LIMIT $7",
            )
            .bind(team.uuid())
            .bind(page.after.map(|after| At(after.at)))
            .bind(page.after.map(|after| after.id))
            .bind(filter.status.map(PromptStatus::as_str))
            .bind(filter.text.as_ref().map(|text| text.to_lowercase()))
            .bind(filter.tag.as_ref().map(TagName::as_str))
            .bind(one_more(page.limit))
            .fetch_all(&self.pool)
            .await?;
            let prompts = all(&found, rows::prompt)?.into_iter().map(Ok);
            let place = |prompt: &Prompt| Recent { at: prompt.created_at, id: prompt.id.uuid() };
            Paged::take(page.limit, prompts, place)
        })
        .await
    }

    async fn update_prompt(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        change: PromptChange,
    ) -> Result<Prompt> {
        self.pg(async {
            let (mut tx, mut changed) = if change.name.is_some() || change.slug.is_some() {
                let mut tx = self.begin_at(self.team_of(prompt).await?).await?;
                let locked = locks::prompt_and_names(&mut tx, prompt, None).await?;
                (tx, locked)
            } else {
                let mut tx = self.begin_at(prompt.uuid()).await?;
                let locked = locks::prompt(&mut tx, prompt).await?;
                (tx, locked)
            };
            if change.is_empty() {
                return Ok(changed);
            }
            rule(changed.status == PromptStatus::Active, Refusal::PromptArchived)?;
            changed.name = change.name.unwrap_or(changed.name);
            changed.slug = change.slug.unwrap_or(changed.slug);
            changed.description = change.description.unwrap_or(changed.description);
            changed.updated_at = stamp.at;
            write(&mut tx, &changed).await?;
            tx.commit().await?;
            Ok(changed)
        })
        .await
    }

    async fn set_prompt_status(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        status: PromptStatus,
    ) -> Result<Prompt> {
        self.pg(async {
            let mut tx = self.begin_at(prompt.uuid()).await?;
            let mut changed = locks::prompt(&mut tx, prompt).await?;
            if changed.status != status {
                (changed.status, changed.updated_at) = (status, stamp.at);
                write(&mut tx, &changed).await?;
            }
            tx.commit().await?;
            Ok(changed)
        })
        .await
    }

    async fn move_prompt(&self, stamp: Stamp, prompt: PromptId, team: TeamId) -> Result<Prompt> {
        self.pg(async {
            let mut tx = self.begin_at(team.uuid()).await?;
            // The destination's organization is held first, so that whoever deletes it is waited for, or waits.
            let row = sqlx::query(
                "SELECT id FROM orgs WHERE id = (SELECT org_id FROM teams WHERE id = $1) FOR KEY SHARE",
            )
            .bind(team.uuid())
            .fetch_optional(&mut *tx)
            .await?;
            let mut moved = locks::prompt_and_names(&mut tx, prompt, Some(team)).await?;
            let to: Uuid = row.ok_or(Thing::Team)?.try_get("id")?;
            if moved.team_id == team {
                return Ok(moved);
            }
            let row = sqlx::query("SELECT org_id FROM teams WHERE id = $1")
                .bind(moved.team_id.uuid())
                .fetch_one(&mut *tx)
                .await?;
            rule(row.try_get::<Uuid, _>("org_id")? == to, Refusal::OtherOrganization)?;
            (moved.team_id, moved.updated_at) = (team, stamp.at);
            write(&mut tx, &moved).await?;
            tx.commit().await?;
            Ok(moved)
        })
        .await
    }

    async fn create_version(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        id: VersionId,
        body: Body,
    ) -> Result<Version> {
        self.pg(self.add_version(stamp, prompt, id, body)).await
    }

    async fn version(&self, prompt: PromptId, selector: &Selector) -> Result<Option<Version>> {
        self.pg(self.select_version(prompt, selector)).await
    }

    async fn versions(
        &self,
        prompt: PromptId,
        filter: &VersionFilter,
        page: Page<u32>,
    ) -> Result<Paged<Version, u32>> {
        self.pg(self.list_versions(prompt, filter, page)).await
    }

    async fn update_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        change: BodyChange,
    ) -> Result<Version> {
        self.pg(self.change_version(stamp, version, change)).await
    }

    async fn delete_version(&self, _: Stamp, version: VersionId) -> Result<()> {
        self.pg(self.drop_version(version)).await
    }

    async fn step_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        step: Step,
        seen: Option<Timestamp>,
    ) -> Result<Version> {
        self.pg(self.move_version(stamp, version, step, seen)).await
    }

    async fn duplicate_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        id: VersionId,
    ) -> Result<Version> {
        self.pg(self.copy_version(stamp, version, id)).await
    }

    async fn set_tag(&self, _: Stamp, version: VersionId, tag: TagName) -> Result<Version> {
        self.pg(self.put_tag(version, &tag)).await
    }

    async fn tags(&self, prompt: PromptId) -> Result<Vec<(TagName, u32)>> {
        self.pg(async {
            let found = sqlx::query(
                "SELECT g.tag, g.number FROM prompts p LEFT JOIN tags g ON g.prompt_id = p.id
                 WHERE p.id = $1 ORDER BY g.tag",
            )
            .bind(prompt.uuid())
            .fetch_all(&self.pool)
            .await?;
            if found.is_empty() {
                return Err(Thing::Prompt.into());
            }
            let mut tags = Vec::new();
            for row in &found {
                if row.try_get::<Option<&str>, _>("tag")?.is_some() {
                    tags.push((
                        rows::parsed(row, "tag", TagName::parse)?,
                        rows::number(row, "number")?,
                    ));
                }
            }
            Ok(tags)
        })
        .await
    }

    async fn remove_tag(&self, _: Stamp, prompt: PromptId, tag: &TagName) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin_at(prompt.uuid()).await?;
            let found = locks::prompt(&mut tx, prompt).await?;
            let done = sqlx::query("DELETE FROM tags WHERE prompt_id = $1 AND tag = $2")
                .bind(prompt.uuid())
                .bind(tag.as_str())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(Thing::Tag.into());
            }
            rule(found.status == PromptStatus::Active, Refusal::PromptArchived)?;
            tx.commit().await
        })
        .await
    }

    async fn create_payload(&self, _: Stamp, payload: Payload) -> Result<()> {
        self.pg(async { insert_payload(&mut *self.pool.acquire().await?, &payload).await }).await
    }

    async fn payload(&self, prompt: PromptId, payload: PayloadId) -> Result<Option<Payload>> {
        self.pg(async {
            let row = sqlx::query("SELECT * FROM payloads WHERE prompt_id = $1 AND id = $2")
                .bind(prompt.uuid())
                .bind(payload.uuid())
                .fetch_optional(&self.pool)
                .await?;
            row.as_ref().map(rows::payload).transpose()
        })
        .await
    }

    async fn payloads(
        &self,
        prompt: PromptId,
        page: Page<Recent>,
    ) -> Result<Paged<Payload, Recent>> {
        self.pg(async {
            let mut tx = self.one_moment().await?;
            must_be_there(&mut tx, prompt).await?;
            let found = sqlx::query(
                "SELECT * FROM (SELECT *, octet_length(variables) AS bytes,
                     sum(octet_length(variables)) OVER (ORDER BY created_at DESC, id DESC) AS upto
                 FROM payloads WHERE prompt_id = $1
                 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
                 ORDER BY created_at DESC, id DESC LIMIT $4) p
                 WHERE upto - bytes <= $5 ORDER BY created_at DESC, id DESC",
            )
            .bind(prompt.uuid())
            .bind(page.after.map(|after| At(after.at)))
            .bind(page.after.map(|after| after.id))
            .bind(one_more(page.limit))
            .bind(most_bytes::<Payload>())
            .fetch_all(&mut *tx)
            .await?;
            let payloads = all(&found, rows::payload)?.into_iter().map(Ok);
            let place =
                |payload: &Payload| Recent { at: payload.created_at, id: payload.id.uuid() };
            Paged::take(page.limit, payloads, place)
        })
        .await
    }

    async fn update_payload(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        payload: PayloadId,
        change: PayloadChange,
    ) -> Result<Payload> {
        self.pg(async {
            let mut tx = self.begin().await?;
            must_be_there(&mut tx, prompt).await?;
            let row =
                sqlx::query("SELECT * FROM payloads WHERE prompt_id = $1 AND id = $2 FOR UPDATE")
                    .bind(prompt.uuid())
                    .bind(payload.uuid())
                    .fetch_optional(&mut *tx)
                    .await?;
            let mut changed = rows::payload(&row.ok_or(Thing::Payload)?)?;
            if change == PayloadChange::default() {
                return Ok(changed);
            }
            changed.name = change.name.unwrap_or(changed.name);
            changed.variables = change.variables.unwrap_or(changed.variables);
            changed.updated_at = stamp.at;
            sqlx::query(
                "UPDATE payloads SET name = $2, variables = $3, updated_at = $4 WHERE id = $1",
            )
            .bind(payload.uuid())
            .bind(changed.name.as_ref().map(|name| name.as_str()))
            .bind(changed.variables.as_str())
            .bind(At(stamp.at))
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(changed)
        })
        .await
    }

    async fn delete_payload(&self, _: Stamp, prompt: PromptId, payload: PayloadId) -> Result<()> {
        self.pg(async {
            let mut tx = self.begin().await?;
            must_be_there(&mut tx, prompt).await?;
            let done = sqlx::query("DELETE FROM payloads WHERE prompt_id = $1 AND id = $2")
                .bind(prompt.uuid())
                .bind(payload.uuid())
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(Thing::Payload.into());
            }
            tx.commit().await
        })
        .await
    }

    async fn resolve(
        &self,
        reach: &Reach,
        name: &PromptRef,
        selector: &Selector,
    ) -> Result<(Vec<Found>, Option<Version>)> {
        self.pg(async {
            let query = resolving(name, selector);
            let query = within(sqlx::query(query), name, reach);
            let query = match selector {
                Selector::Live | Selector::Latest => query,
                Selector::Number(number) => query.bind(i64::from(*number)),
                Selector::Tag(tag) => query.bind(tag.as_str()),
            };
            let found = query.fetch_all(&self.pool).await?;
            let version = match found.as_slice() {
                [one] => rows::version(one)?,
                _ => None,
            };
            Ok((all(&found, rows::found)?, version))
        })
        .await
    }
}

type Query = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// Binds what names a prompt, and where to look.
fn within(query: Query, name: &PromptRef, reach: &Reach) -> Query {
    let orgs: Vec<Uuid> = reach.orgs.iter().map(|org| org.uuid()).collect();
    let teams: Vec<Uuid> = reach.teams.iter().map(|team| team.uuid()).collect();
    let query = match name {
        PromptRef::Id(id) => query.bind(id.uuid()),
        PromptRef::Slug(slug) => query.bind(slug.as_str().to_owned()),
    };
    query.bind(orgs).bind(teams)
}

pub(super) async fn must_be_there(c: &mut Connection, prompt: PromptId) -> PgResult<()> {
    let query = sqlx::query("SELECT 1 FROM prompts WHERE id = $1").bind(prompt.uuid());
    query.fetch_optional(c).await?.map(drop).ok_or_else(|| Thing::Prompt.into())
}

/// Writes what can change of a prompt.
async fn write(c: &mut Connection, prompt: &Prompt) -> PgResult<()> {
    sqlx::query(
        "UPDATE prompts SET team_id = $2, slug = $3, name = $4, description = $5, name_folded = $6,
                            description_folded = $7, status = $8, updated_at = $9 WHERE id = $1",
    )
    .bind(prompt.id.uuid())
    .bind(prompt.team_id.uuid())
    .bind(prompt.slug.as_str())
    .bind(prompt.name.as_str())
    .bind(prompt.description.as_str())
    .bind(prompt.name.as_str().to_lowercase())
    .bind(prompt.description.as_str().to_lowercase())
    .bind(prompt.status.as_str())
    .bind(At(prompt.updated_at))
    .execute(c)
    .await?;
    Ok(())
}

/// Adds a prompt, of whose versions the last had this number.
pub(super) async fn insert(c: &mut Connection, prompt: &Prompt, last_number: u32) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO prompts (id, team_id, slug, name, description, name_folded, description_folded, status,
                              created_at, updated_at, last_number)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(prompt.id.uuid())
    .bind(prompt.team_id.uuid())
    .bind(prompt.slug.as_str())
    .bind(prompt.name.as_str())
    .bind(prompt.description.as_str())
    .bind(prompt.name.as_str().to_lowercase())
    .bind(prompt.description.as_str().to_lowercase())
    .bind(prompt.status.as_str())
    .bind(At(prompt.created_at))
    .bind(At(prompt.updated_at))
    .bind(i64::from(last_number))
    .execute(c)
    .await?;
    Ok(())
}

pub(super) async fn insert_payload(c: &mut Connection, payload: &Payload) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO payloads (id, prompt_id, name, variables, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(payload.id.uuid())
    .bind(payload.prompt_id.uuid())
    .bind(payload.name.as_ref().map(|name| name.as_str()))
    .bind(payload.variables.as_str())
    .bind(At(payload.created_at))
    .bind(At(payload.updated_at))
    .execute(c)
    .await?;
    Ok(())
}
