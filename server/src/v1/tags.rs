use axum::{extract::State, http::StatusCode};
use px0_core::{TagName, error::Result, store::Found, workflows::OnVersion};
use serde::Serialize;

use super::shapes::{NO_CONTENT, Named, VersionShape};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, Granted},
};

pub(crate) struct NewTag(TagName);

impl FromFields for NewTag {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.required("tag", TagName::parse).map(Self)
    }
}

pub(crate) async fn set(
    State(app): State<App>,
    Granted(on): Granted<OnVersion>,
    Body(NewTag(tag)): Body<NewTag>,
) -> ApiResult<Named<VersionShape>> {
    Ok(Named("version", app.px0.set_tag(&on, tag).await?.into()))
}

#[derive(Serialize)]
pub(crate) struct TagShape {
    tag: TagName,
    version: u32,
}

pub(crate) async fn list(
    State(app): State<App>,
    Granted(found): Granted<Found>,
) -> ApiResult<Named<Vec<TagShape>>> {
    let tags = app.px0.tags(&found).await?;
    Ok(Named("tags", tags.into_iter().map(|(tag, version)| TagShape { tag, version }).collect()))
}

pub(crate) async fn remove(
    State(app): State<App>,
    Granted(on): Granted<(Found, TagName)>,
) -> ApiResult<StatusCode> {
    app.px0.remove_tag(&on).await?;
    Ok(NO_CONTENT)
}
