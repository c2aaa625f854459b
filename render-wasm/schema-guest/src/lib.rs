//! JSON Schema 2020-12 for px0.
//!
//! A schema is as hostile as a template: it may recurse through `$ref` or bring a regular
//! expression that takes forever. So it is read and applied in the sandbox like everything else.
//! References to other documents are refused: there is nothing to fetch them with.

use exports::px0::engine::json_schema::{Guest, SchemaError, Violation};
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::Value;

wit_bindgen::generate!({ path: "../wit", world: "schema-guest" });

/// How many violations one answer names.
const MAX_VIOLATIONS: usize = 100;

/// How many characters of a message are kept: messages quote the document, which may be long.
const MAX_MESSAGE: usize = 300;

struct Component;

export!(Component);

impl Guest for Component {
    fn check(schema: String) -> Result<(), SchemaError> {
        validator(&schema).map(drop)
    }

    fn validate(schema: String, document: String) -> Result<(), SchemaError> {
        apply(&validator(&schema)?, &document)
    }
}

fn validator(schema: &str) -> Result<Validator, SchemaError> {
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| SchemaError::Schema(error.to_string()))?;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .build(&schema)
        .map_err(|error| SchemaError::Schema(described(&error, error.instance_path().as_str())))
}

fn apply(validator: &Validator, document: &str) -> Result<(), SchemaError> {
    let document: Value =
        serde_json::from_str(document).map_err(|error| SchemaError::Document(error.to_string()))?;
    let mut violations: Vec<Violation> = validator
        .iter_errors(&document)
        .take(MAX_VIOLATIONS)
        .map(|error| Violation {
            path: error.instance_path().to_string(),
            message: message(&error),
        })
        .collect();
    if violations.is_empty() {
        return Ok(());
    }
    // Stable: what is wrong with one value stays in the order of the schema.
    violations.sort_by(|left, right| left.path.cmp(&right.path));
    Err(SchemaError::Violations(violations))
}

fn described(error: &ValidationError<'_>, path: &str) -> String {
    if path.is_empty() { message(error) } else { format!("{} (at {path})", message(error)) }
}

fn message(error: &ValidationError<'_>) -> String {
    let message = error.to_string();
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

/// Hash tables ask for a random seed. Renders and checks are reproducible, so it is always the same;
/// a table that is flooded with colliding keys costs its own tenant's fuel and nothing else.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    dest: *mut u8,
    len: usize,
) -> Result<(), getrandom::Error> {
    // SAFETY: the caller hands over `len` writable bytes.
    unsafe { dest.write_bytes(0x5a, len) };
    Ok(())
}
