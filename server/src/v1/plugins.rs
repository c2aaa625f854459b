use std::sync::Arc;

use axum::{Json, extract::State};
use px0_core::{
    Timestamp,
    error::{Code, Error, Result},
    json::JsonText,
    plugin::{Installed, OnFailure, PluginId},
    tenancy::Org,
    workflows::{Decided, Decision, Document},
};
use serde::Serialize;

use super::shapes::Named;
use crate::{
    App,
    error::ApiResult,
    extract::{Body, Fields, FromFields, Granted},
};

#[derive(Serialize)]
pub(crate) struct Plugins<T> {
    plugins: Vec<T>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Granted(_): Granted<()>,
) -> ApiResult<Json<Plugins<Installed>>> {
    let installed = app.px0.plugins().installed().into_iter().map(Arc::unwrap_or_clone);
    Ok(Json(Plugins { plugins: installed.collect() }))
}

/// A plugin, as an organization has it.
#[derive(Serialize)]
pub(crate) struct OrgPlugin {
    #[serde(flatten)]
    installed: Installed,
    enabled: bool,
    on_failure: OnFailure,
    settings: Option<JsonText>,
    updated_at: Option<Timestamp>,
    benched: bool,
}

impl From<Decided> for OrgPlugin {
    fn from(decided: Decided) -> Self {
        let Decided { installed, enabled, decision, benched } = decided;
        Self {
            installed: Arc::unwrap_or_clone(installed),
            enabled,
            on_failure: decision.as_ref().map(|decision| decision.on_failure).unwrap_or_default(),
            updated_at: decision.as_ref().map(|decision| decision.updated_at),
            settings: decision.and_then(|decision| decision.settings),
            benched,
        }
    }
}

pub(crate) async fn list_of_org(
    State(app): State<App>,
    Granted(org): Granted<Org>,
) -> ApiResult<Json<Plugins<OrgPlugin>>> {
    let plugins = app.px0.plugins_of(&org).await?;
    Ok(Json(Plugins { plugins: plugins.into_iter().map(OrgPlugin::from).collect() }))
}

impl FromFields for Decision {
    fn from_fields(fields: &Fields<'_>) -> Result<Self> {
        let words = [("refuse", OnFailure::Refuse), ("pass", OnFailure::Pass)];
        Ok(Self {
            enabled: fields.flag("enabled")?.ok_or_else(|| {
                Error::field(Code::MissingField, "enabled", "enabled is required")
            })?,
            on_failure: fields.word("on_failure", &words)?.unwrap_or_default(),
            settings: fields.object(Document::Settings)?,
        })
    }
}

pub(crate) async fn decide(
    State(app): State<App>,
    Granted(on): Granted<(Org, PluginId)>,
    Body(decision): Body<Decision>,
) -> ApiResult<Named<OrgPlugin>> {
    Ok(Named("plugin", app.px0.decide_plugin(&on, decision).await?.into()))
}
