//! The functions that other plugins lend, as the language calls them.

use std::cell::OnceCell;

use px0_gotemplate_core::{Arity, Functions};
use px0_plugin::{
    CallError,
    functions::{self, Function},
};
use serde_json::Value;

/// The functions that other plugins lend to templates.
///
/// px0 is asked for them when a template calls the first one: most call none.
#[derive(Debug, Default)]
pub struct Lent(OnceCell<Vec<Function>>);

impl Lent {
    fn find(&self, name: &str) -> Option<&Function> {
        let functions = self.0.get_or_init(functions::available);
        let at = functions.binary_search_by(|function| function.name.as_str().cmp(name)).ok()?;
        functions.get(at)
    }
}

impl Functions for Lent {
    fn arity(&self, name: &str) -> Option<Arity> {
        let function = self.find(name)?;
        let min = function.min_arguments as usize;
        Some(match function.max_arguments {
            Some(max) => Arity::between(min, max as usize),
            None => Arity::at_least(min),
        })
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        functions::call(name, arguments).map_err(|error| match error {
            CallError::Unknown => format!("there is no function named {name}"),
            CallError::Arguments(reason) | CallError::Failed(reason) => format!("{name}: {reason}"),
        })
    }
}
