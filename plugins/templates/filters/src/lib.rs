//! Functions for templates: `{{ name | shout }}`, `{{ title | slugify }}`.

use px0_plugin::{
    CallError, PluginError,
    filters::{Filters, Function, argument},
    px0_plugin,
    serde_json::Value,
};
use serde::Deserialize;

/// The functions, which need nothing but their settings.
#[derive(Deserialize)]
pub struct Functions {
    #[serde(default = "exclamation_mark")]
    mark: String,
}

fn exclamation_mark() -> String {
    "!".to_owned()
}

px0_plugin!(filters: Functions);

impl Filters for Functions {
    type Settings = Functions;

    fn configure(settings: Functions) -> Result<Self, PluginError> {
        Ok(settings)
    }

    fn declare() -> Vec<Function> {
        vec![Function::exactly("shout", 1), Function::exactly("slugify", 1)]
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, CallError> {
        let text: String = argument(arguments, 0)?;
        match name {
            "shout" => Ok(format!("{}{}", text.to_uppercase(), self.mark).into()),
            "slugify" => Ok(slugify(&text).into()),
            _ => Err(CallError::Unknown),
        }
    }
}

/// Letters and digits in lower case, with a dash for whatever is between them.
fn slugify(text: &str) -> String {
    let words = text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use px0_plugin::serde_json::json;

    use super::*;

    #[test]
    fn functions_answer() {
        let functions = Functions { mark: "!!".into() };
        assert_eq!(functions.call("shout", &[json!("hello")]), Ok(json!("HELLO!!")));
        assert_eq!(
            functions.call("slugify", &[json!("  Hello, World 2 ")]),
            Ok(json!("hello-world-2"))
        );
        assert!(matches!(functions.call("shout", &[json!(1)]), Err(CallError::Arguments(_))));
    }

    #[test]
    fn there_is_a_mark_without_settings() {
        assert_eq!(px0_plugin::serde_json::from_str::<Functions>("{}").unwrap().mark, "!");
    }
}
