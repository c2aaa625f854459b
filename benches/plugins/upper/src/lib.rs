//! One function: `upper_case`, which does what `upper` does.

use px0_plugin::{
    CallError, NoSettings, PluginError,
    filters::{Filters, Function, argument},
    px0_plugin,
    serde_json::Value,
};

struct Upper;

px0_plugin!(filters: Upper);

impl Filters for Upper {
    type Settings = NoSettings;

    fn configure(_: NoSettings) -> Result<Self, PluginError> {
        Ok(Upper)
    }

    fn declare() -> Vec<Function> {
        vec![Function::exactly("upper_case", 1)]
    }

    fn call(&self, _: &str, arguments: &[Value]) -> Result<Value, CallError> {
        let text: String = argument(arguments, 0)?;
        Ok(text.to_uppercase().into())
    }
}
