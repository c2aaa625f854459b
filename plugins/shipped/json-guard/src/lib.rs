//! Refuses texts that should be JSON, by a parameter of their version, and are not.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop where it stands"))]

use px0_plugin::{
    PluginError,
    hook::{Hook, Point, Subject, Verdict},
    px0_plugin,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

/// The rule, which is its settings; `plugin.toml` has their schema.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JsonGuard {
    /// The model parameter that says that a text should be JSON; dots lead into objects.
    pub param: String,
    /// What it is when a text should be JSON.
    pub value: String,
}

impl Default for JsonGuard {
    fn default() -> JsonGuard {
        JsonGuard { param: "output".to_owned(), value: "json".to_owned() }
    }
}

px0_plugin!(hook: JsonGuard);

impl Hook for JsonGuard {
    type Settings = JsonGuard;
    const POINTS: &[Point] = &[Point::AfterRender];

    fn configure(settings: JsonGuard) -> Result<Self, PluginError> {
        Ok(settings)
    }

    fn after_render(&self, on: &Subject, text: &str) -> Result<Verdict, PluginError> {
        if !self.is_about(&on.params()?) {
            return Ok(Verdict::Pass);
        }
        Ok(match problem(text) {
            None => Verdict::Pass,
            Some(problem) => {
                Verdict::refuse("not_json", format!("the text is not JSON: {problem}"))
            }
        })
    }
}

impl JsonGuard {
    /// Whether the parameters say that the text should be JSON.
    fn is_about(&self, params: &Map<String, Value>) -> bool {
        let mut names = self.param.split('.');
        let first = names.next().and_then(|name| params.get(name));
        let value = names.fold(first, |value, name| value?.get(name));
        value.and_then(Value::as_str) == Some(&self.value)
    }
}

/// What keeps `text` from being one JSON value, and where.
fn problem(text: &str) -> Option<String> {
    if text.trim_ascii().is_empty() {
        return Some("it is empty".to_owned());
    }
    let error = serde_json::from_str::<IgnoredAny>(text).err()?;
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = error.to_string();
    let what = what.strip_suffix(&place).unwrap_or(&what);
    let (line, column) = position(text, error.line(), error.column());
    Some(format!("{what} (line {line}, column {column})"))
}

/// The line and the column in characters, from 1, of what `bytes` of a line lead to.
fn position(text: &str, line: usize, bytes: usize) -> (usize, usize) {
    let nth = |line: usize| text.split('\n').nth(line - 1).unwrap_or_default();
    match (line, bytes) {
        // It was the line feed before that did not fit.
        (2.., 0) => (line - 1, nth(line - 1).chars().count() + 1),
        (1.., _) => {
            let before = nth(line).char_indices().take_while(|(at, _)| *at < bytes).count();
            (line, before.max(1))
        }
        (0, _) => (1, 1),
    }
}

#[cfg(test)]
mod tests;
