use axum::{Json, extract::State, http::StatusCode};
use px0_core::{
    Code, Error,
    error::Result,
    lifecycle::Step,
    page::Page,
    render::EngineName,
    store::Found,
    tag::Selector,
    version::{BodyChange, ModelName, VersionFilter},
    workflows::{Document, NewVersion, OnVersion},
};
use serde::Serialize;

use super::shapes::{Created, List, NO_CONTENT, Named, VersionShape};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, FromQuery, Granted, Params, Query},
};

type Answer = Named<VersionShape>;

fn engine(fields: &Fields<'_>) -> Result<Option<EngineName>> {
    Ok(fields.text("engine")?.map(EngineName::new))
}

fn template_required() -> Error {
    Error::field(Code::MissingField, "template", "template is required")
}

impl FromFields for NewVersion {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            template: fields.text("template")?.ok_or_else(template_required)?,
            engine: engine(fields)?,
            model: fields.parsed("model", ModelName::parse)?,
            model_params: fields.object(Document::ModelParams)?,
            variables_schema: fields.object(Document::VariablesSchema)?,
        })
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    Granted(found): Granted<Found>,
    Body(new): Body<NewVersion>,
) -> ApiResult<Created<Answer>> {
    let version = app.px0.create_version(&found, new).await?;
    Ok(Created(Named("version", version.into())))
}

pub(crate) async fn list(
    State(app): State<App>,
    Query((filter, page)): Query<(VersionFilter, Page<u32>)>,
    Granted(found): Granted<Found>,
) -> ApiResult<List<VersionShape>> {
    let versions = app.px0.versions(&found, &filter, page).await?;
    Ok(List::of("versions", versions, VersionShape::from))
}

/// `?from=&to=`.
pub(crate) struct Between {
    from: Option<Selector>,
    to: Option<Selector>,
}

impl FromQuery for Between {
    fn from_query(params: &Params) -> Result<Self> {
        let selector = |name| params.required(name).map(Selector::parse);
        Ok(Self { from: selector("from")?, to: selector("to")? })
    }
}

#[derive(Serialize)]
pub(crate) struct Diff {
    from_version: u32,
    to_version: u32,
    from_template: std::sync::Arc<str>,
    to_template: std::sync::Arc<str>,
    diff: String,
}

pub(crate) async fn diff(
    State(app): State<App>,
    Query(Between { from, to }): Query<Between>,
    Granted(found): Granted<Found>,
) -> ApiResult<Json<Diff>> {
    let diff = app.px0.diff(&found, from.as_ref(), to.as_ref()).await?;
    Ok(Json(Diff {
        from_version: diff.from.number,
        to_version: diff.to.number,
        from_template: diff.from.body.template,
        to_template: diff.to.body.template,
        diff: diff.diff,
    }))
}

pub(crate) async fn get(Granted(on): Granted<OnVersion>) -> ApiResult<Answer> {
    Ok(Named("version", on.into_inner().version.into()))
}

/// A change of a draft.
pub(crate) struct Change {
    body: BodyChange,
    /// Whether its engine is to be the default one again.
    default_engine: bool,
}

impl FromFields for Change {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.not_null("template")?;
        let template = fields.text("template")?;
        if template.as_deref() == Some("") {
            return Err(template_required());
        }
        let engine = fields.change("engine", engine)?;
        let default_engine = engine == Some(None);
        let body = BodyChange {
            template: template.map(Into::into),
            engine: engine.flatten(),
            model: fields.change("model", |fields| fields.parsed("model", ModelName::parse))?,
            model_params: fields
                .change("model_params", |fields| fields.object(Document::ModelParams))?,
            variables_schema: fields
                .change("variables_schema", |fields| fields.object(Document::VariablesSchema))?,
        };
        Ok(Self { body, default_engine })
    }
}

pub(crate) async fn update(
    State(app): State<App>,
    Granted(on): Granted<OnVersion>,
    Body(Change { body: mut change, default_engine }): Body<Change>,
) -> ApiResult<Answer> {
    if default_engine {
        change.engine = Some(app.px0.default_engine().clone());
    }
    Ok(Named("version", app.px0.update_version(&on, change).await?.into()))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Granted(on): Granted<OnVersion>,
) -> ApiResult<StatusCode> {
    app.px0.delete_version(&on).await?;
    Ok(NO_CONTENT)
}

pub(crate) async fn promote(
    State(app): State<App>,
    Granted(on): Granted<OnVersion>,
    Body(()): Body<()>,
) -> ApiResult<Answer> {
    Ok(Named("version", app.px0.step_version(&on, Step::Promote).await?.into()))
}

pub(crate) async fn demote(
    State(app): State<App>,
    Granted(on): Granted<OnVersion>,
    Body(()): Body<()>,
) -> ApiResult<Answer> {
    Ok(Named("version", app.px0.step_version(&on, Step::Demote).await?.into()))
}

pub(crate) async fn archive(
    State(app): State<App>,
    Granted(on): Granted<OnVersion>,
    Body(()): Body<()>,
) -> ApiResult<Answer> {
    Ok(Named("version", app.px0.step_version(&on, Step::Archive).await?.into()))
}

pub(crate) async fn duplicate(
    State(app): State<App>,
    Granted(on): Granted<OnVersion>,
    Body(()): Body<()>,
) -> ApiResult<Created<Answer>> {
    Ok(Created(Named("version", app.px0.duplicate_version(&on).await?.into())))
}
