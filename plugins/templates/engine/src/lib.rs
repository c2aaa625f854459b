//! A template language with placeholders: `Hello {user.name}!`. A brace is written twice: `{{`, `}}`.

use px0_plugin::{
    engine::{Engine, RenderError, TemplateError},
    px0_plugin,
    serde_json::{self, Value},
};

/// A template, compiled.
pub struct Template(Vec<Part>);

enum Part {
    Text(String),
    /// The names that lead to a value.
    Placeholder(Vec<String>),
}

px0_plugin!(engine: Template);

impl Engine for Template {
    fn compile(source: &str) -> Result<Self, TemplateError> {
        let error = |at: usize, message: &str| Err(TemplateError::at(source, at, message));
        let (mut parts, mut at) = (Vec::new(), 0);
        while let Some(found) = source[at..].find(['{', '}']) {
            let brace = at + found;
            parts.push(Part::Text(source[at..brace].to_owned()));
            let rest = &source[brace..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                parts.push(Part::Text(rest[..1].to_owned()));
                at = brace + 2;
                continue;
            }
            if rest.starts_with('}') {
                return error(brace, "this brace closes nothing; write it twice");
            }
            let Some(length) = rest.find('}') else {
                return error(brace, "this placeholder is not closed");
            };
            let names: Vec<_> =
                rest[1..length].split('.').map(|name| name.trim().to_owned()).collect();
            if names.iter().any(String::is_empty) {
                return error(brace, "a placeholder is a name, or names with dots between them");
            }
            parts.push(Part::Placeholder(names));
            at = brace + length + 1;
        }
        parts.push(Part::Text(source[at..].to_owned()));
        Ok(Template(parts))
    }

    fn variables(&self) -> Vec<String> {
        let names = self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Placeholder(names) => names.first().cloned(),
        });
        names.collect()
    }

    fn render(&self, variables: &str, max_output: usize) -> Result<String, RenderError> {
        let variables: Value = serde_json::from_str(variables)
            .map_err(|error| TemplateError::new(error.to_string()))?;
        let (mut text, mut missing) = (String::new(), Vec::new());
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Placeholder(names) => match lookup(&variables, names) {
                    None | Some(Value::Null) => missing.push(names.join(".")),
                    Some(Value::String(value)) => text.push_str(value),
                    Some(value) => text.push_str(&value.to_string()),
                },
            }
            // All that is missing is to be told, so nothing else may stop the render before its end.
            if text.len() > max_output && missing.is_empty() {
                return Err(RenderError::Output);
            }
        }
        if missing.is_empty() { Ok(text) } else { Err(RenderError::Missing(missing)) }
    }
}

/// The value that the names lead to.
fn lookup<'v>(variables: &'v Value, names: &[String]) -> Option<&'v Value> {
    names.iter().try_fold(variables, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced() {
        let template = Template::compile("{{Hello}} {user.name}, {n}! {tags.0}").unwrap();
        assert_eq!(template.variables(), ["user", "n", "tags"]);
        let variables = r#"{"user": {"name": "Ada"}, "n": 3, "tags": ["new"]}"#;
        assert_eq!(template.render(variables, 100).unwrap(), "{Hello} Ada, 3! new");
        assert_eq!(template.render(variables, 10), Err(RenderError::Output));
    }

    #[test]
    fn all_that_is_missing_is_told() {
        let template = Template::compile("{a} {b.c} {d}").unwrap();
        let missing = template.render(r#"{"b": {}, "d": 1}"#, 100).unwrap_err();
        assert_eq!(missing, RenderError::Missing(vec!["a".into(), "b.c".into()]));
    }

    #[test]
    fn errors_have_a_place() {
        let error = Template::compile("one\ntwo {x").err().unwrap();
        assert_eq!((error.line, error.column), (Some(2), Some(5)));
        assert!(Template::compile("a } b").is_err());
        assert!(Template::compile("{a..b}").is_err());
    }
}
