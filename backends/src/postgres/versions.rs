//! Versions and their tags.

use px0_core::{
    Timestamp,
    ids::{PromptId, VersionId},
    lifecycle::{Status, Step},
    page::{Page, Paged},
    prompt::{PromptRef, PromptStatus},
    store::{Refusal, Stamp, Thing},
    tag::{Selector, TagName},
    version::{Body, BodyChange, Version, VersionFilter},
};

use super::{
    Connection, PgResult, PgStore, locks, most_bytes, one_more,
    rows::{self, At},
    rule,
};

/// The columns of a version `v`, as [`rows::version`] reads them.
macro_rules! columns {
    () => {
        "v.id AS v_id, v.prompt_id AS v_prompt_id, v.number AS v_number, v.status AS v_status,
         v.template AS v_template, v.engine AS v_engine, v.model AS v_model, v.model_params AS v_model_params,
         v.variables_schema AS v_variables_schema, v.created_at AS v_created_at, v.updated_at AS v_updated_at,
         v.published_at AS v_published_at,
         ARRAY(SELECT g.tag FROM tags g WHERE g.prompt_id = v.prompt_id AND g.number = v.number ORDER BY g.tag) AS v_tags "
    };
}

/// What a render needs, in one statement.
macro_rules! resolve {
    ($name:ident, $version:literal) => {
        concat!(
            "SELECT p.*, t.org_id, ",
            columns!(),
            "FROM ",
            $crate::postgres::prompts::named!($name),
            "LEFT JOIN LATERAL (SELECT * FROM versions w WHERE w.prompt_id = p.id AND ",
            $version,
            " ORDER BY w.number DESC LIMIT 1) v ON true ORDER BY t.id"
        )
    };
}

/// The statement that resolves such a name and selector: $1 the prompt, $2 organizations, $3 teams, $4 the number or tag.
pub(super) const fn resolving(name: &PromptRef, selector: &Selector) -> &'static str {
    match (name, selector) {
        (PromptRef::Id(_), Selector::Live) => resolve!(id, "w.status = 'live'"),
        (PromptRef::Id(_), Selector::Latest) => resolve!(id, "w.status <> 'archived'"),
        (PromptRef::Id(_), Selector::Number(_)) => resolve!(id, "w.number = $4"),
        (PromptRef::Id(_), Selector::Tag(_)) => resolve!(
            id,
            "w.number = (SELECT g.number FROM tags g WHERE g.prompt_id = p.id AND g.tag = $4)"
        ),
        (PromptRef::Slug(_), Selector::Live) => resolve!(slug, "w.status = 'live'"),
        (PromptRef::Slug(_), Selector::Latest) => resolve!(slug, "w.status <> 'archived'"),
        (PromptRef::Slug(_), Selector::Number(_)) => resolve!(slug, "w.number = $4"),
        (PromptRef::Slug(_), Selector::Tag(_)) => resolve!(
            slug,
            "w.number = (SELECT g.number FROM tags g WHERE g.prompt_id = p.id AND g.tag = $4)"
        ),
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), "FROM versions v WHERE ", $rest)
    };
}

/// Every version there is.
pub(super) const EVERY: &str = select!("true ORDER BY v.prompt_id, v.number DESC");

/// The version of a prompt that is locked.
async fn of(c: &mut Connection, version: VersionId) -> PgResult<Version> {
    let query = sqlx::query(select!("v.id = $1")).bind(version.uuid());
    let row = query.fetch_optional(c).await?.ok_or(Thing::Version)?;
    rows::version(&row)?.ok_or_else(|| Thing::Version.into())
}

/// Adds a draft to a prompt that is locked, with the next number.
async fn add(
    c: &mut Connection,
    stamp: Stamp,
    prompt: PromptId,
    id: VersionId,
    body: Body,
) -> PgResult<Version> {
    let row = sqlx::query(
        "UPDATE prompts SET last_number = last_number + 1 WHERE id = $1 RETURNING last_number",
    )
    .bind(prompt.uuid())
    .fetch_one(&mut *c)
    .await?;
    let number = rows::number(&row, "last_number")?;
    let version = Version {
        id,
        prompt_id: prompt,
        number,
        status: Status::Draft,
        body,
        created_at: stamp.at,
        updated_at: stamp.at,
        published_at: None,
        tags: Vec::new(),
    };
    insert(c, &version).await?;
    Ok(version)
}

pub(super) async fn insert(c: &mut Connection, version: &Version) -> PgResult<()> {
    let body = &version.body;
    sqlx::query(
        "INSERT INTO versions (id, prompt_id, number, status, template, engine, model, model_params, variables_schema,
                               created_at, updated_at, published_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(version.id.uuid())
    .bind(version.prompt_id.uuid())
    .bind(i64::from(version.number))
    .bind(version.status.as_str())
    .bind(&*body.template)
    .bind(body.engine.as_str())
    .bind(body.model.as_ref().map(|model| model.as_str()))
    .bind(body.model_params.as_ref().map(|json| json.as_str()))
    .bind(body.variables_schema.as_ref().map(|json| json.as_str()))
    .bind(At(version.created_at))
    .bind(At(version.updated_at))
    .bind(version.published_at.map(At))
    .execute(c)
    .await?;
    Ok(())
}

/// Gives a tag to the version of a number, taking it from another.
pub(super) async fn insert_tag(
    c: &mut Connection,
    prompt: PromptId,
    tag: &TagName,
    number: u32,
) -> PgResult<()> {
    sqlx::query(
        "INSERT INTO tags (prompt_id, tag, number) VALUES ($1, $2, $3)
         ON CONFLICT (prompt_id, tag) DO UPDATE SET number = excluded.number",
    )
    .bind(prompt.uuid())
    .bind(tag.as_str())
    .bind(i64::from(number))
    .execute(c)
    .await?;
    Ok(())
}

impl PgStore {
    pub(super) async fn add_version(
        &self,
        stamp: Stamp,
        prompt: PromptId,
        id: VersionId,
        body: Body,
    ) -> PgResult<Version> {
        let mut tx = self.begin_at(prompt.uuid()).await?;
        locks::active_prompt(&mut tx, prompt).await?;
        let version = add(&mut tx, stamp, prompt, id, body).await?;
        tx.commit().await?;
        Ok(version)
    }

    pub(super) async fn select_version(
        &self,
        prompt: PromptId,
        selector: &Selector,
    ) -> PgResult<Option<Version>> {
        let query = match selector {
            Selector::Live => sqlx::query(select!("v.prompt_id = $1 AND v.status = 'live'")),
            Selector::Latest => sqlx::query(select!(
                "v.prompt_id = $1 AND v.status <> 'archived' ORDER BY v.number DESC LIMIT 1"
            )),
            Selector::Number(_) => sqlx::query(select!("v.prompt_id = $1 AND v.number = $2")),
            Selector::Tag(_) => sqlx::query(select!(
                "v.prompt_id = $1
                 AND v.number = (SELECT g.number FROM tags g WHERE g.prompt_id = $1 AND g.tag = $2)"
            )),
        };
        let query = query.bind(prompt.uuid());
        let query = match selector {
            Selector::Live | Selector::Latest => query,
            Selector::Number(number) => query.bind(i64::from(*number)),
            Selector::Tag(tag) => query.bind(tag.as_str()),
        };
        match query.fetch_optional(&self.pool).await? {
            Some(row) => rows::version(&row),
            None => Ok(None),
        }
    }

    pub(super) async fn list_versions(
        &self,
        prompt: PromptId,
        filter: &VersionFilter,
        page: Page<u32>,
    ) -> PgResult<Paged<Version, u32>> {
        let mut tx = self.one_moment().await?;
        super::prompts::must_be_there(&mut tx, prompt).await?;
        let tags: Option<Vec<&str>> = match filter.tags.as_slice() {
            [] => None,
            tags => Some(tags.iter().map(TagName::as_str).collect()),
        };
        // A row whose predecessors fill a page already is not fetched: `Paged` would leave it out.
        let found = sqlx::query(concat!(
            "SELECT ", columns!(), "FROM (SELECT *, octet_length(template)
                + coalesce(octet_length(model_params), 0) + coalesce(octet_length(variables_schema), 0) AS bytes,
              sum(octet_length(template) + coalesce(octet_length(model_params), 0)
                + coalesce(octet_length(variables_schema), 0)) OVER (ORDER BY number DESC) AS upto
             FROM versions v WHERE v.prompt_id = $1 AND ($2::bigint IS NULL OR v.number < $2) AND ($3::text IS NULL OR v.status = $3)
             AND ($4::text[] IS NULL OR EXISTS (SELECT 1 FROM tags g
                  WHERE g.prompt_id = v.prompt_id AND g.number = v.number AND g.tag = ANY($4)))
             ORDER BY number DESC LIMIT $5) v WHERE upto - bytes <= $6 ORDER BY v.number DESC"
        ))
        .bind(prompt.uuid())
        .bind(page.after.map(i64::from))
        .bind(filter.status.map(Status::as_str))
        .bind(tags)
        .bind(one_more(page.limit))
        .bind(most_bytes::<Version>())
        .fetch_all(&mut *tx)
        .await?;
        let versions = found.iter().filter_map(|row| rows::version(row).transpose());
        Paged::take(page.limit, versions, |version| version.number)
    }

    pub(super) async fn change_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        change: BodyChange,
    ) -> PgResult<Version> {
        let (mut tx, prompt) = self.begin_at_prompt_of(version).await?;
        let mut changed = of(&mut tx, version).await?;
        if change.is_empty() {
            return Ok(changed);
        }
        rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
        rule(changed.status == Status::Draft, Refusal::NotDraftToChange)?;
        change.apply(&mut changed.body);
        changed.updated_at = stamp.at;
        let body = &changed.body;
        sqlx::query(
            "UPDATE versions SET template = $2, engine = $3, model = $4, model_params = $5, variables_schema = $6,
                                 updated_at = $7 WHERE id = $1",
        )
        .bind(version.uuid())
        .bind(&*body.template)
        .bind(body.engine.as_str())
        .bind(body.model.as_ref().map(|model| model.as_str()))
        .bind(body.model_params.as_ref().map(|json| json.as_str()))
        .bind(body.variables_schema.as_ref().map(|json| json.as_str()))
        .bind(At(stamp.at))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(changed)
    }

    pub(super) async fn drop_version(&self, version: VersionId) -> PgResult<()> {
        let (mut tx, prompt) = self.begin_at_prompt_of(version).await?;
        let found = of(&mut tx, version).await?;
        rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
        rule(found.status == Status::Draft, Refusal::NotDraftToDelete)?;
        sqlx::query("DELETE FROM versions WHERE id = $1")
            .bind(version.uuid())
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    pub(super) async fn move_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        step: Step,
        seen: Option<Timestamp>,
    ) -> PgResult<Version> {
        let (mut tx, prompt) = self.begin_at_prompt_of(version).await?;
        let mut moved = of(&mut tx, version).await?;
        rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
        moved.status = moved.status.after(step)?;
        rule(seen.is_none_or(|seen| seen == moved.updated_at), Refusal::VersionChanged)?;
        moved.updated_at = stamp.at;
        if moved.status == Status::Live {
            moved.published_at = Some(stamp.at);
            sqlx::query(
                "UPDATE versions SET status = 'stable', updated_at = $2 WHERE prompt_id = $1 AND status = 'live'",
            )
            .bind(prompt.id.uuid())
            .bind(At(stamp.at))
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "UPDATE versions SET status = $2, updated_at = $3, published_at = $4 WHERE id = $1",
        )
        .bind(version.uuid())
        .bind(moved.status.as_str())
        .bind(At(stamp.at))
        .bind(moved.published_at.map(At))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(moved)
    }

    pub(super) async fn copy_version(
        &self,
        stamp: Stamp,
        version: VersionId,
        id: VersionId,
    ) -> PgResult<Version> {
        let (mut tx, prompt) = self.begin_at_prompt_of(version).await?;
        let body = of(&mut tx, version).await?.body;
        rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
        let copy = add(&mut tx, stamp, prompt.id, id, body).await?;
        tx.commit().await?;
        Ok(copy)
    }

    pub(super) async fn put_tag(&self, version: VersionId, tag: &TagName) -> PgResult<Version> {
        let (mut tx, prompt) = self.begin_at_prompt_of(version).await?;
        let found = of(&mut tx, version).await?;
        rule(prompt.status == PromptStatus::Active, Refusal::PromptArchived)?;
        insert_tag(&mut tx, prompt.id, tag, found.number).await?;
        let tagged = of(&mut tx, version).await?;
        tx.commit().await?;
        Ok(tagged)
    }
}
