//! The contract as OpenAPI 3.1, made from the routes and the access table that the server runs on.

use axum::{
    Json, Router,
    http::{HeaderName, Method, StatusCode, header},
    response::Html,
    routing::get,
};
use bytes::Bytes;
use px0_core::{
    access::{Callers, KeyNeeds, Needs, Operation, Rule},
    key::KeyOperation,
};
use serde_json::{Map, Value, json};

use crate::{App, extract::Route};

mod operations;
mod schemas;

mod page;

use operations::Doc;

/// Adds the document at `/openapi.json`, and as a page for people at `/docs`; whoever tries the addresses above is told of them.
pub(crate) fn serve(router: Router<App>, routes: &[(Method, Route)]) -> Router<App> {
    let document = document(routes);
    let page = Bytes::from(page::page(&document));
    let page = ([(header::CONTENT_SECURITY_POLICY, page::POLICY), NO_SNIFF], Html(page));
    let json = Bytes::from(document.to_string());
    let json = ([(header::CONTENT_TYPE, "application/json"), NO_SNIFF], json);
    router
        .route("/openapi.json", get(async move || json))
        .route("/docs", get(async move || page))
        .route("/", get(index))
        .route("/v1", get(index))
}

/// What it is said to be is what it is.
const NO_SNIFF: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

async fn index() -> Json<Value> {
    Json(json!({ "docs": "/docs", "openapi": "/openapi.json", "version": "/v1/version" }))
}

/// The document.
fn document(routes: &[(Method, Route)]) -> Value {
    let mut paths = Map::new();
    for (method, route) in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[method.as_str().to_lowercase()] = operation(*route);
    }
    let mut tags: Vec<&str> = Vec::new();
    for (_, route) in routes {
        if !tags.contains(&route.operation.tag()) {
            tags.push(route.operation.tag());
        }
    }
    let tags: Vec<_> = tags.into_iter().map(|tag| json!({ "name": tag })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "px0 API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Prompt infrastructure: versioned prompt templates, rendered safely for many tenants.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas::components(),
            "securitySchemes": {
                "SessionAuth": {
                    "type": "http", "scheme": "bearer",
                    "description": "The token of a login: `Bearer sess_…`.",
                },
                "BearerAuth": {
                    "type": "http", "scheme": "bearer",
                    "description": "The token of a login (`Bearer sess_…`) or an API key (`Bearer ak_…`).",
                },
            },
        },
    })
}

fn operation(route: Route) -> Value {
    let Doc { summary, note, query, body, success, errors } = operations::of(route.operation);
    let rule = route.operation.rule();
    let mut parameters = path_parameters(route.path);
    parameters.extend(query.into_iter().map(|(name, required, schema)| {
        json!({ "name": name, "in": "query", "required": required, "schema": schema })
    }));
    let on_prompt = route.path.starts_with("/v1/prompts/");
    if on_prompt {
        parameters.push(json!({
            "name": "team_id", "in": "query", "required": false, "schema": schemas::id(),
            "description": "Which team's prompt, where several have one of this slug.",
        }));
    }
    let mut responses = Map::new();
    responses.insert(success.0.to_string(), answer(success.0, success.1));
    if route.operation.tag() == "Prompt Renders" {
        responses["200"]["headers"]["Server-Timing"] = json!({
            "schema": schemas::text(), "required": true,
            "description": "`render;dur=` and the milliseconds that the render took.",
        });
    }
    if matches!(route.operation, Operation::Login | Operation::CreateApiKey) {
        responses[&success.0.to_string()]["headers"]["Cache-Control"] = json!({
            "schema": { "const": "no-store" }, "required": true,
            "description": "There is a secret in the answer.",
        });
    }
    for status in statuses(route, rule, body.is_some(), errors) {
        responses.insert(status.to_string(), answer(status, Some(schemas::named("Error"))));
    }
    let mut operation = json!({
        "operationId": route.operation.id(),
        "tags": [route.operation.tag()],
        "summary": summary,
        "description": (format!("{} {note}", who(rule)).trim()),
        "security": security(rule.callers),
        "responses": responses,
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(schema) = body {
        let required = schema.get("required").is_some();
        operation["requestBody"] = json!({ "required": required, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameters = names.map(|name| {
        let prompt = path.starts_with("/v1/prompts/") && path.contains(&format!("/v1/prompts/{{{name}}}"));
        let (schema, what) = match name {
            _ if prompt => (schemas::text(), "The prompt: its id or its slug."),
            "version" => (schemas::text(), "The version: a number, a tag, `live` or `latest`."),
            "tag" => (schemas::text(), "The tag."),
            _ => (schemas::id(), "The id."),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema, "description": what })
    });
    parameters.collect()
}

/// Every status that an operation may answer beside its success.
fn statuses(
    route: Route,
    rule: Rule,
    takes_body: bool,
    own: &[u16],
) -> std::collections::BTreeSet<u16> {
    let mut statuses: std::collections::BTreeSet<u16> = own.iter().copied().collect();
    let on_prompt = route.path.starts_with("/v1/prompts/");
    let in_path = route.path.contains('{');
    statuses.extend([400, 408, 500, 503]);
    if !matches!(rule.callers, Callers::Anyone) {
        statuses.extend([401, 403]);
    }
    if in_path
        || !matches!(rule.needs, Needs::Nothing)
        || takes_body
        || rule.callers == Callers::Person
    {
        statuses.insert(404);
    }
    // A slug that several teams have; a prompt that is archived or a name that is taken.
    if on_prompt {
        statuses.insert(409);
    }
    statuses.extend([413, 415]);
    statuses
}

fn answer(status: u16, schema: Option<Value>) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut answer = json!({ "description": reason.unwrap_or("Answer") });
    if let Some(schema) = schema {
        answer["content"] = json!({ "application/json": { "schema": schema } });
    }
    answer["headers"] = json!({ "X-Request-Id": {
        "schema": schemas::text(), "required": true,
        "description": "What finds the request in the server's log: the caller's own, if it sent one.",
    } });
    if matches!(status, 429 | 503) {
        answer["headers"]["Retry-After"] = json!({
            "schema": schemas::count(), "required": status == 429, "description": "Seconds.",
        });
    }
    answer
}

fn security(callers: Callers) -> Value {
    match callers {
        Callers::Anyone => json!([]),
        Callers::AnyoneOrPerson => json!([{}, { "SessionAuth": [] }]),
        Callers::Person => json!([{ "SessionAuth": [] }]),
        Callers::PersonOrKey => json!([{ "BearerAuth": [] }]),
    }
}

/// The row of the access table, in words.
fn who(rule: Rule) -> String {
    let person = match rule.needs {
        Needs::Nothing => "",
        Needs::Founder => "Needs a user who registered by themselves.",
        Needs::OrgMember => "Needs a member of the organization.",
        Needs::OrgAdmin => "Needs an admin of the organization.",
        Needs::TeamPeer => "Needs a member of the team's organization.",
        Needs::Team(role) => match role {
            px0_core::tenancy::Role::Viewer => "Needs at least viewer of the team.",
            px0_core::tenancy::Role::Editor => "Needs at least editor of the team.",
            px0_core::tenancy::Role::Admin => "Needs admin of the team.",
        },
    };
    let callers = match rule.callers {
        Callers::Anyone => "Anybody may call this.",
        Callers::AnyoneOrPerson => {
            "Anybody may call this; a token that is given must be a session's."
        }
        Callers::Person => "Only a person may call this: an API key is refused.",
        Callers::PersonOrKey => "",
    };
    let word = |operation: KeyOperation| operation.as_str();
    let key = match rule.key {
        KeyNeeds::Never => String::new(),
        KeyNeeds::Refused => "API keys are refused.".to_owned(),
        KeyNeeds::Operation(least) => format!("An API key needs at least `{}`.", word(least)),
        KeyNeeds::OrgWide(least) => {
            format!("An API key needs at least `{}`, and to be organization-wide.", word(least))
        }
    };
    let parts: Vec<&str> =
        [callers, person, key.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}
