//! The shapes of requests and answers, as JSON Schema.

use serde_json::{Map, Value, json};

/// A reference to a named schema.
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object with these fields, all of them always there.
pub(super) fn object(fields: &[(&str, Value)]) -> Value {
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    with_optional(fields, &[], &required)
}

/// An object with fields that are always there, and others that need not be.
pub(super) fn request(required: &[(&str, Value)], optional: &[(&str, Value)]) -> Value {
    let names: Vec<_> = required.iter().map(|(name, _)| *name).collect();
    with_optional(required, optional, &names)
}

fn with_optional(a: &[(&str, Value)], b: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        a.iter().chain(b).map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

pub(super) fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn number() -> Value {
    json!({ "type": "integer", "minimum": 1 })
}

pub(super) fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

pub(super) fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// An object with any fields. Generated clients take an object without a word on others for one that has none.
pub(super) fn any_object() -> Value {
    json!({ "type": "object", "additionalProperties": true })
}

/// The same, or null.
pub(super) fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// A name that somebody gives: 1 to 100 characters, no control characters, not only space.
pub(super) fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 100, "pattern": r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$" })
}

pub(super) fn email() -> Value {
    json!({ "type": "string", "format": "email", "maxLength": 254 })
}

pub(super) fn password() -> Value {
    json!({
        "type": "string", "format": "password", "minLength": 8, "maxLength": 1024,
        "description": "With an upper-case and a lower-case letter, a digit and a character that is neither letter, digit nor space.",
    })
}

pub(super) fn description() -> Value {
    json!({ "type": "string", "maxLength": 2000 })
}

/// A slug that somebody gives: what it is made into must not be empty.
pub(super) fn slug() -> Value {
    json!({ "type": "string", "pattern": "[A-Za-z0-9]", "description": "Made into `[a-z0-9_]{1,100}`." })
}

pub(super) fn role() -> Value {
    words(&["viewer", "editor", "admin"])
}

pub(super) fn key_operation() -> Value {
    words(&["read_render", "all", "admin"])
}

pub(super) fn version_status() -> Value {
    words(&["draft", "stable", "live", "archived"])
}

pub(super) fn prompt_status() -> Value {
    words(&["active", "archived"])
}

/// A tag: no number, and none of the words that mean something else.
macro_rules! tag_pattern {
    () => {
        "(?![0-9]+([,\\s]|$))(?!([Ll][Ii][Vv][Ee]|[Ll][Aa][Tt][Ee][Ss][Tt]|[Dd][Ii][Ff][Ff])([,\\s]|$))[A-Za-z0-9][A-Za-z0-9._-]{0,49}"
    };
}

pub(super) fn tag() -> Value {
    json!({ "type": "string", "pattern": concat!("^", tag_pattern!(), "$") })
}

/// Tags with commas between them.
pub(super) fn tags() -> Value {
    let pattern = concat!("^\\s*(", tag_pattern!(), ")?\\s*(,\\s*(", tag_pattern!(), ")?\\s*)*$");
    json!({ "type": "string", "pattern": pattern })
}

/// A text that is not empty.
pub(super) fn some_text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// Where a list of the newest first goes on.
pub(super) fn place() -> Value {
    json!({ "type": "string", "pattern": r"^(0|[1-9][0-9]{0,16})\.[0-9a-f]{32}$" })
}

/// Where a list of versions goes on.
pub(super) fn place_by_number() -> Value {
    json!({ "type": "string", "pattern": "^(0|[1-9][0-9]{0,8})$" })
}

/// The fields of a version that a client writes, apart from its template.
pub(super) fn version_fields() -> [(&'static str, Value); 4] {
    [
        (
            "engine",
            or_null(
                json!({ "type": "string", "description": "Default: minijinja, unless the server is set up otherwise." }),
            ),
        ),
        ("model", or_null(json!({ "type": "string", "minLength": 1, "maxLength": 200 }))),
        ("model_params", or_null(any_object())),
        (
            "variables_schema",
            or_null(json!({
                "type": "object", "additionalProperties": true, "description": "JSON Schema 2020-12.",
            })),
        ),
    ]
}

/// A plugin that is installed.
fn plugin() -> [(&'static str, Value); 8] {
    [
        ("id", text()),
        ("version", text()),
        ("api", text()),
        ("kind", words(&["engine", "filters", "hook"])),
        ("description", text()),
        ("granted", list(words(&["log", "kv"]))),
        ("settings_schema", or_null(any_object())),
        ("enabled_by_default", flag()),
    ]
}

/// The schemas that have a name.
pub(super) fn components() -> Value {
    json!({
        "Error": request(
            &[("error", text()), ("code", json!({ "type": "string", "pattern": "^[a-z_]+$" }))],
            &[("details", any_object())],
        ),
        "Plugin": object(&plugin()),
        "OrgPlugin": object(&[
            &plugin()[..],
            &[
                ("enabled", flag()), ("on_failure", words(&["refuse", "pass"])), ("settings", or_null(any_object())),
                ("updated_at", or_null(time())), ("benched", flag()),
            ],
        ].concat()),
        "Message": object(&[("message", text())]),
        "User": object(&[
            ("id", id()), ("email", text()), ("is_verified", flag()), ("is_admin", flag()), ("created_at", time()),
        ]),
        "Org": object(&[("id", id()), ("name", text()), ("created_at", time())]),
        "UserOrg": object(&[
            ("id", id()), ("name", text()), ("role", words(&["ADMIN", "MEMBER"])), ("created_at", time()),
        ]),
        "Team": object(&[
            ("id", id()), ("org_id", id()), ("name", text()), ("is_default", flag()), ("created_at", time()),
        ]),
        "UserTeam": object(&[
            ("id", id()), ("org_id", id()), ("name", text()), ("role", role()), ("is_default", flag()),
            ("created_at", time()),
        ]),
        "TeamMember": object(&[("user_id", id()), ("email", text()), ("role", role()), ("created_at", time())]),
        "JoinRequest": object(&[
            ("id", id()), ("team_id", id()), ("user_id", id()), ("status", words(&["pending", "approved", "rejected"])),
            ("justification", or_null(text())), ("created_at", time()), ("updated_at", time()),
        ]),
        "InboxItem": object(&[
            ("id", id()), ("type", words(&["join_request"])), ("status", words(&["pending"])),
            ("created_at", time()), ("updated_at", time()),
            ("payload", object(&[
                ("user_id", id()), ("user_email", text()), ("team_id", id()), ("team", named("Team")),
            ])),
        ]),
        "APIKey": object(&[
            ("id", id()), ("name", text()), ("org_id", id()), ("team_id", or_null(id())), ("team_ids", list(id())),
            ("operation", key_operation()), ("key_prefix", text()), ("created_at", time()),
            ("last_used_at", or_null(time())),
        ]),
        "NewAPIKey": object(&[
            ("id", id()), ("name", text()), ("key", text()), ("operation", key_operation()), ("org_id", id()),
            ("team_ids", list(id())), ("created_at", time()),
        ]),
        "Prompt": object(&[
            ("id", id()), ("team_id", id()), ("slug", json!({ "type": "string", "pattern": "^[a-z0-9_]{1,100}$" })),
            ("name", text()), ("description", text()), ("status", prompt_status()), ("created_at", time()),
            ("updated_at", time()),
        ]),
        "PromptVersion": object(&[
            ("id", id()), ("prompt_id", id()), ("version", number()), ("template", text()), ("engine", text()),
            ("status", version_status()), ("model", or_null(text())), ("model_params", or_null(any_object())),
            ("variables_schema", or_null(any_object())), ("created_at", time()), ("updated_at", time()),
            ("published_at", or_null(time())), ("tags", list(tag())),
        ]),
        "PromptPayload": object(&[
            ("id", id()), ("prompt_id", id()), ("name", or_null(text())), ("variables", any_object()),
            ("created_at", time()), ("updated_at", time()),
        ]),
        "VersionTag": object(&[("tag", tag()), ("version", number())]),
        "Rendered": object(&[
            ("rendered", text()), ("version", number()), ("slug", text()), ("tags", list(tag())),
            ("model", or_null(text())), ("model_params", or_null(any_object())), ("engine", text()),
        ]),
    })
}
