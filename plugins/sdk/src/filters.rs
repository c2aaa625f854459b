//! Functions that templates may call.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::functions::Function;
use crate::{CallError, PluginError, error, instance};

/// Functions that templates may call.
pub trait Filters: Sized + 'static {
    /// What an admin may set; read from what fits the schema in `plugin.toml`. Without settings,
    /// [`NoSettings`](crate::NoSettings).
    type Settings: DeserializeOwned;

    /// Called once, before anything else.
    ///
    /// # Errors
    /// [`PluginError::Settings`] if the settings cannot be used.
    fn configure(settings: Self::Settings) -> Result<Self, PluginError>;

    /// The functions that this plugin has, whatever the settings.
    fn declare() -> Vec<Function>;

    /// Calls the function `name` with as many arguments as it was declared with; [`argument`] and
    /// [`optional`] read them. The same arguments should always give the same answer: renders are
    /// reproducible.
    ///
    /// # Errors
    /// See [`CallError`].
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, CallError>;
}

/// The argument at `index`, from 0.
///
/// # Errors
/// [`CallError::Arguments`] if it is not there, or not such a value.
///
/// ```
/// use px0_plugin::{CallError, filters::argument, serde_json::json};
///
/// let arguments = [json!("text"), json!(3)];
/// assert_eq!(argument(&arguments, 0), Ok("text".to_owned()));
/// assert_eq!(
///     argument::<String>(&arguments, 1),
///     Err(CallError::arguments("argument 2: invalid type: integer `3`, expected a string")),
/// );
/// ```
pub fn argument<T: DeserializeOwned>(arguments: &[Value], index: usize) -> Result<T, CallError> {
    optional(arguments, index)?
        .ok_or_else(|| CallError::arguments(format!("argument {} is missing", index + 1)))
}

/// The argument at `index`, from 0, if there is one and it is not null.
///
/// # Errors
/// [`CallError::Arguments`] if it is not such a value.
pub fn optional<T: DeserializeOwned>(
    arguments: &[Value],
    index: usize,
) -> Result<Option<T>, CallError> {
    match arguments.get(index) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::deserialize(value)
            .map(Some)
            .map_err(|error| CallError::arguments(format!("argument {}: {error}", index + 1))),
    }
}

#[doc(hidden)]
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit/px0-plugin-0.1.0",
        world: "filters-plugin",
        pub_export_macro: true,
        export_macro_name: "export_filters",
        default_bindings_module: "px0_plugin::filters::bindings",
    });
}

use bindings::{exports::px0::plugin::filters as wit, px0::plugin::types};

/// Functions as px0 calls them.
#[doc(hidden)]
pub struct Exported<T>(PhantomData<T>);

/// Compiles for what [`px0_plugin!`](crate::px0_plugin) can export.
#[doc(hidden)]
pub fn exportable<T: wit::Guest>() {}

impl<T: Filters> wit::Guest for Exported<T> {
    fn configure(settings: String) -> Result<(), types::PluginError> {
        instance::keep(Some(T::configure(error::settings(&settings)?)?));
        Ok(())
    }

    fn declare() -> Vec<types::Function> {
        T::declare().into_iter().map(types::Function::from).collect()
    }

    fn call(name: String, arguments: String) -> Result<String, types::CallError> {
        let arguments: Vec<Value> = serde_json::from_str(&arguments)
            .map_err(|error| CallError::arguments(error.to_string()))?;
        instance::with(|plugin: Option<&T>| {
            let plugin = plugin.ok_or_else(|| CallError::failed("it was not configured"))?;
            let answer = plugin.call(&name, &arguments)?;
            // Not by `to_string`: that goes through `fmt`, and takes several times as many instructions.
            let json = serde_json::to_string(&answer);
            Ok(json.map_err(|error| CallError::failed(error.to_string()))?)
        })
    }
}

impl From<Function> for types::Function {
    fn from(function: Function) -> types::Function {
        let Function { name, min_arguments, max_arguments } = function;
        types::Function { name, min_arguments, max_arguments }
    }
}

impl From<CallError> for types::CallError {
    fn from(error: CallError) -> types::CallError {
        match error {
            CallError::Unknown => types::CallError::Unknown,
            CallError::Arguments(reason) => types::CallError::Arguments(reason),
            CallError::Failed(reason) => types::CallError::Failed(reason),
        }
    }
}

impl From<PluginError> for types::PluginError {
    fn from(error: PluginError) -> types::PluginError {
        match error {
            PluginError::Settings(reason) => types::PluginError::Settings(reason),
            PluginError::Failed(reason) => types::PluginError::Failed(reason),
        }
    }
}

/// Exports functions.
#[doc(hidden)]
#[macro_export]
macro_rules! __px0_plugin_filters {
    ($plugin:ty) => {
        $crate::__px0_plugin_export!(filters, export_filters, $plugin);
    };
}

#[cfg(test)]
mod tests {
    use wit::Guest;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Repeat {
        times: usize,
    }

    impl Filters for Repeat {
        type Settings = Repeat;

        fn configure(settings: Repeat) -> Result<Self, PluginError> {
            match settings.times {
                0 => Err(PluginError::settings("`times` is at least 1")),
                _ => Ok(settings),
            }
        }

        fn declare() -> Vec<Function> {
            vec![Function::between("repeat", 1, 2)]
        }

        fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, CallError> {
            match name {
                "repeat" => {
                    let text: String = argument(arguments, 0)?;
                    Ok(text.repeat(optional(arguments, 1)?.unwrap_or(self.times)).into())
                }
                _ => Err(CallError::Unknown),
            }
        }
    }

    type Exported = super::Exported<Repeat>;

    crate::px0_plugin!(filters: Repeat);

    fn call(name: &str, arguments: &[&str]) -> Result<String, types::CallError> {
        Exported::call(name.into(), format!("[{}]", arguments.join(",")))
    }

    #[test]
    fn functions_are_called_with_json() {
        Exported::configure(r#"{"times": 2}"#.into()).unwrap();
        assert_eq!(Exported::declare()[0].max_arguments, Some(2));
        assert_eq!(call("repeat", &[r#""ab""#]).unwrap(), r#""abab""#);
        assert_eq!(call("repeat", &[r#""ab""#, "null"]).unwrap(), r#""abab""#);
        assert_eq!(call("repeat", &[r#""ab""#, "1"]).unwrap(), r#""ab""#);
        assert!(matches!(call("other", &[]), Err(types::CallError::Unknown)));
        assert!(matches!(call("repeat", &["1"]), Err(types::CallError::Arguments(_))));
        assert!(matches!(call("repeat", &[]), Err(types::CallError::Arguments(_))));
        assert!(matches!(call("repeat", &["{"]), Err(types::CallError::Arguments(_))));
    }

    #[test]
    fn nothing_works_without_settings_that_fit() {
        instance::keep::<Repeat>(None);
        assert!(matches!(
            Exported::configure(r#"{"times": 0}"#.into()),
            Err(types::PluginError::Settings(_))
        ));
        assert!(matches!(Exported::configure("{}".into()), Err(types::PluginError::Settings(_))));
        assert!(matches!(call("repeat", &[r#""a""#]), Err(types::CallError::Failed(_))));
    }
}
