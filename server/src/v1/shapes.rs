//! What answers look like, where core's own types are not already that.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use px0_core::{
    Timestamp,
    ids::{KeyId, OrgId, PromptId, TeamId, VersionId},
    json::JsonText,
    key::{ApiKey, KeyOperation, KeyScope},
    lifecycle::Status,
    name::Name,
    page::Paged,
    render::EngineName,
    tag::TagName,
    version::{ModelName, Version},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// `{"<name>": value}`.
pub(crate) struct Named<T>(pub &'static str, pub T);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}

impl<T: Serialize> IntoResponse for Named<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// 201.
pub(crate) struct Created<T>(pub T);

impl<T: IntoResponse> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, self.0).into_response()
    }
}

/// An answer with a secret in it: nobody on the way keeps it.
pub(crate) struct NoStore<T>(pub T);

impl<T: IntoResponse> IntoResponse for NoStore<T> {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}

/// 204.
pub(crate) const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;

/// `{"message": "…"}`.
pub(crate) fn message(text: &'static str) -> Named<&'static str> {
    Named("message", text)
}

/// `{"<name>": […], "next_cursor": …}`.
pub(crate) struct List<T> {
    pub name: &'static str,
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page as clients see it.
    pub(crate) fn of<U, K: ToString>(
        name: &'static str,
        page: Paged<U, K>,
        show: impl Fn(U) -> T,
    ) -> Self {
        Self {
            name,
            items: page.items.into_iter().map(show).collect(),
            next_cursor: page.next.map(|place| place.to_string()),
        }
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.name, &self.items)?;
        map.serialize_entry("next_cursor", &self.next_cursor)?;
        map.end()
    }
}

/// `PromptVersion`.
#[derive(Serialize)]
pub(crate) struct VersionShape {
    id: VersionId,
    prompt_id: PromptId,
    version: u32,
    template: std::sync::Arc<str>,
    engine: EngineName,
    status: Status,
    model: Option<ModelName>,
    model_params: Option<JsonText>,
    variables_schema: Option<JsonText>,
    created_at: Timestamp,
    updated_at: Timestamp,
    published_at: Option<Timestamp>,
    tags: Vec<TagName>,
}

impl From<Version> for VersionShape {
    fn from(version: Version) -> Self {
        Self {
            id: version.id,
            prompt_id: version.prompt_id,
            version: version.number,
            template: version.body.template,
            engine: version.body.engine,
            status: version.status,
            model: version.body.model,
            model_params: version.body.model_params,
            variables_schema: version.body.variables_schema,
            created_at: version.created_at,
            updated_at: version.updated_at,
            published_at: version.published_at,
            tags: version.tags,
        }
    }
}

/// An API key in a list.
#[derive(Serialize)]
pub(crate) struct KeyShape {
    id: KeyId,
    name: Name,
    org_id: OrgId,
    team_id: Option<TeamId>,
    team_ids: Vec<TeamId>,
    operation: KeyOperation,
    key_prefix: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// The teams of a key, as clients see them: none for an organization-wide one.
pub(crate) fn team_ids(scope: &KeyScope) -> Vec<TeamId> {
    match scope {
        KeyScope::Org => Vec::new(),
        KeyScope::Teams(teams) => teams.iter().copied().collect(),
    }
}

impl From<ApiKey> for KeyShape {
    fn from(key: ApiKey) -> Self {
        let team_ids = team_ids(&key.scope);
        let team_id = match team_ids.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        Self {
            id: key.id,
            name: key.name,
            org_id: key.org_id,
            team_id,
            team_ids,
            operation: key.operation,
            key_prefix: key.prefix,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        }
    }
}
