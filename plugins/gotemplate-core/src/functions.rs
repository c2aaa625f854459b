//! Functions that the host offers.

/// Functions beyond the built-in ones, offered to templates by the host: the filters of plugins, say.
///
/// # Behavior
/// - A built-in function cannot be replaced: its name is never asked for.
/// - What `arity` says of a name does not change between the compilation of a template and its renders.
/// - `call` is only called with names that have an arity, and with as many arguments as it allows.
/// - No argument is a variable that is absent or null: that is seen before.
pub trait Functions {
    /// How many arguments the function of this name takes; `None` if there is no such function.
    fn arity(&self, name: &str) -> Option<Arity>;

    /// Calls the function. A value that is piped into it is the last argument.
    ///
    /// # Errors
    /// The template's own error, one sentence, lower case: the render stops with it.
    fn call(
        &self,
        name: &str,
        arguments: &[serde_json::Value],
    ) -> Result<serde_json::Value, String>;
}

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    min: usize,
    max: Option<usize>,
}

impl Arity {
    /// Exactly so many.
    pub const fn exactly(count: usize) -> Arity {
        Arity { min: count, max: Some(count) }
    }

    /// So many or more.
    pub const fn at_least(min: usize) -> Arity {
        Arity { min, max: None }
    }

    /// From `min` to `max`, both included.
    pub const fn between(min: usize, max: usize) -> Arity {
        Arity { min, max: Some(max) }
    }

    /// Whether a call may have `count` arguments; if not, how many it should have.
    pub(crate) fn check(self, count: usize) -> Result<(), String> {
        match (self.min, self.max) {
            (min, Some(max)) if min == max && count != min => Err(min.to_string()),
            (min, None) if count < min => Err(format!("at least {min}")),
            (min, Some(max)) if count < min || count > max => Err(format!("{min} to {max}")),
            _ => Ok(()),
        }
    }
}

/// No functions beyond the built-in ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn arity(&self, _: &str) -> Option<Arity> {
        None
    }

    fn call(&self, name: &str, _: &[serde_json::Value]) -> Result<serde_json::Value, String> {
        Err(format!("there is no function named {name}"))
    }
}
