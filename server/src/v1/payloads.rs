use axum::{extract::State, http::StatusCode};
use px0_core::{
    Error,
    error::Result,
    json::JsonText,
    name::Name,
    page::{Page, Recent},
    prompt::{Payload, PayloadChange},
    store::Found,
    workflows::{Document, OnPayload},
};

use super::shapes::{Created, List, NO_CONTENT, Named};
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, Granted, Query},
};

pub(crate) struct NewPayload {
    name: Option<Name>,
    variables: JsonText,
}

fn name(fields: &Fields<'_>) -> Result<Option<Name>> {
    fields.parsed("name", |text| Name::parse("name", text))
}

impl FromFields for NewPayload {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.not_null("variables")?;
        let variables =
            fields.object(Document::Variables)?.ok_or_else(|| Error::missing("variables"))?;
        Ok(Self { name: name(fields)?, variables })
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    Granted(found): Granted<Found>,
    Body(new): Body<NewPayload>,
) -> ApiResult<Created<Named<Payload>>> {
    Ok(Created(Named("payload", app.px0.create_payload(&found, new.name, new.variables).await?)))
}

pub(crate) async fn list(
    State(app): State<App>,
    Query(page): Query<Page<Recent>>,
    Granted(found): Granted<Found>,
) -> ApiResult<List<Payload>> {
    let payloads = app.px0.payloads(&found, page).await?;
    Ok(List::of("payloads", payloads, |payload| payload))
}

pub(crate) async fn get(Granted(on): Granted<OnPayload>) -> ApiResult<Named<Payload>> {
    Ok(Named("payload", on.into_inner().payload))
}

impl FromFields for PayloadChange {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        fields.not_null("variables")?;
        Ok(Self {
            name: fields.change("name", name)?,
            variables: fields.object(Document::Variables)?,
        })
    }
}

pub(crate) async fn update(
    State(app): State<App>,
    Granted(on): Granted<OnPayload>,
    Body(change): Body<PayloadChange>,
) -> ApiResult<Named<Payload>> {
    Ok(Named("payload", app.px0.update_payload(&on, change).await?))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Granted(on): Granted<OnPayload>,
) -> ApiResult<StatusCode> {
    app.px0.delete_payload(&on).await?;
    Ok(NO_CONTENT)
}
