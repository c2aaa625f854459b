use axum::{Extension, Json, extract::State};
use px0_core::{
    Description, Error, Slug,
    access::Operation,
    caller::Caller,
    error::Result,
    ids::TeamId,
    name::Name,
    page::{Page, Recent},
    prompt::{Prompt, PromptChange, PromptFilter, PromptStatus},
    store::Found,
    tag::Selector,
    tenancy::Team,
    workflows::NewPrompt,
};
use serde::Serialize;

use super::shapes::{Created, List, Named, VersionShape};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, FromQuery, Granted, Params, Query, refuse},
};

impl FromFields for NewPrompt {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        let name = fields.required("name", |text| Name::parse("name", text))?;
        let slug = fields.parsed("slug", Slug::given)?;
        let description =
            fields.parsed("description", |text| Description::parse("description", text))?;
        if slug.is_none() {
            Slug::from_name(&name)?;
        }
        Ok(Self { name, slug, description: description.unwrap_or_default() })
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    Granted(team): Granted<Team>,
    Body(new): Body<NewPrompt>,
) -> ApiResult<Created<Named<Prompt>>> {
    Ok(Created(Named("prompt", app.px0.create_prompt(&team, new).await?)))
}

type Listing = (PromptFilter, Page<Recent>);

pub(crate) async fn list(
    State(app): State<App>,
    Query((filter, page)): Query<Listing>,
    Granted(team): Granted<Team>,
) -> ApiResult<List<Prompt>> {
    let prompts = app.px0.prompts(&team, &filter, page).await?;
    Ok(List::of("prompts", prompts, |prompt| prompt))
}

/// `?team_id=`, alias `team`.
pub(crate) struct OfTeam(Option<TeamId>);

impl FromQuery for OfTeam {
    fn from_query(params: &Params) -> Result<Self> {
        match (params.id("team_id")?, params.id("team")?) {
            (Some(a), Some(b)) if a != b => {
                Err(refuse("team", "team_id and team contradict each other".to_owned()))
            }
            (a, b) => Ok(Self(a.or(b))),
        }
    }
}

pub(crate) async fn list_all(
    State(app): State<App>,
    Query((OfTeam(team), (filter, page))): Query<(OfTeam, Listing)>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<List<Prompt>> {
    let Some(team) = team else {
        return Ok(List { name: "prompts", items: Vec::new(), next_cursor: None });
    };
    let team = app.px0.grant_team(caller, Operation::ListAllPrompts, team).await?;
    let prompts = app.px0.prompts(&team, &filter, page).await?;
    Ok(List::of("prompts", prompts, |prompt| prompt))
}

/// `?version=` or `?tag=`: a word that can name no version is not found, like any unknown one.
pub(crate) enum Wanted {
    Nothing,
    Version(Option<Selector>),
}

impl FromQuery for Wanted {
    fn from_query(params: &Params) -> Result<Self> {
        match (params.get("version"), params.get("tag")) {
            (None, None) => Ok(Self::Nothing),
            (Some(version), None) => Ok(Self::Version(Selector::parse(version))),
            (None, Some(tag)) => {
                let selector =
                    Selector::parse(tag).filter(|selector| matches!(selector, Selector::Tag(_)));
                Ok(Self::Version(selector))
            }
            (Some(_), Some(_)) => Err(refuse("tag", "give version or tag, not both".to_owned())),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct PromptAnd {
    prompt: Prompt,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<VersionShape>,
}

pub(crate) async fn get(
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
    Granted(found): Granted<Found>,
) -> ApiResult<Json<PromptAnd>> {
    let version = match wanted {
        Wanted::Nothing => None,
        Wanted::Version(selector) => {
            Some(app.px0.version_of(&found, selector.as_ref()).await?.into())
        }
    };
    Ok(Json(PromptAnd { prompt: found.into_inner().prompt, version }))
}

impl FromFields for PromptChange {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        for name in ["name", "slug", "description"] {
            fields.not_null(name)?;
        }
        Ok(Self {
            name: fields.parsed("name", |text| Name::parse("name", text))?,
            slug: fields.parsed("slug", Slug::given)?,
            description: fields
                .parsed("description", |text| Description::parse("description", text))?,
        })
    }
}

pub(crate) async fn update(
    State(app): State<App>,
    Granted(found): Granted<Found>,
    Body(change): Body<PromptChange>,
) -> ApiResult<Named<Prompt>> {
    Ok(Named("prompt", app.px0.update_prompt(&found, change).await?))
}

pub(crate) async fn archive(
    State(app): State<App>,
    Granted(found): Granted<Found>,
    Body(()): Body<()>,
) -> ApiResult<Named<Prompt>> {
    Ok(Named("prompt", app.px0.set_prompt_status(&found, PromptStatus::Archived).await?))
}

pub(crate) async fn restore(
    State(app): State<App>,
    Granted(found): Granted<Found>,
    Body(()): Body<()>,
) -> ApiResult<Named<Prompt>> {
    Ok(Named("prompt", app.px0.set_prompt_status(&found, PromptStatus::Active).await?))
}

pub(crate) struct Destination(TeamId);

impl FromFields for Destination {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.id("team_id")?.ok_or_else(|| Error::missing("team_id")).map(Self)
    }
}

pub(crate) async fn move_to(
    State(app): State<App>,
    Granted(found): Granted<Found>,
    Body(Destination(team)): Body<Destination>,
) -> ApiResult<Named<Prompt>> {
    Ok(Named("prompt", app.px0.move_prompt(&found, team).await?))
}
