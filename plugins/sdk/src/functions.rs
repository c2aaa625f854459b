//! Functions that templates may call: how they are declared, and how an engine calls those that
//! other plugins lend.

/// A function that templates may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name: a letter or `_`, then letters, digits and `_`, at most 64 bytes of ASCII.
    pub name: String,
    /// With fewer arguments than so many it is not called; the value in front of a `|` is an
    /// argument, too.
    pub min_arguments: u32,
    /// With more than so many neither; `None` is any number.
    pub max_arguments: Option<u32>,
}

impl Function {
    /// A function of exactly `count` arguments.
    pub fn exactly(name: impl Into<String>, count: u32) -> Function {
        Function::between(name, count, count)
    }

    /// A function of `min` or more arguments.
    pub fn at_least(name: impl Into<String>, min: u32) -> Function {
        Function { name: name.into(), min_arguments: min, max_arguments: None }
    }

    /// A function of `min` to `max` arguments, both included.
    pub fn between(name: impl Into<String>, min: u32, max: u32) -> Function {
        Function { name: name.into(), min_arguments: min, max_arguments: Some(max) }
    }

    /// Whether it may be called with `count` arguments.
    pub fn allows(&self, count: usize) -> bool {
        count >= self.min_arguments as usize
            && self.max_arguments.is_none_or(|max| count <= max as usize)
    }
}

#[cfg(feature = "engine")]
pub use lent::{available, call};

#[cfg(all(feature = "engine", not(target_family = "wasm")))]
pub use lent::lend;

#[cfg(all(feature = "engine", target_family = "wasm"))]
mod lent {
    use serde_json::Value;

    use super::Function;
    use crate::{
        CallError,
        engine::bindings::px0::plugin::{functions, types},
    };

    /// The functions that other plugins lend to templates, sorted by name. The same for as long as
    /// the instance lives.
    pub fn available() -> Vec<Function> {
        functions::available().into_iter().map(Function::from).collect()
    }

    /// Calls one of them.
    ///
    /// # Errors
    /// [`CallError::Unknown`] if it is not [`available`]; the others are the function's own.
    pub fn call(name: &str, arguments: &[Value]) -> Result<Value, CallError> {
        let arguments = serde_json::to_string(arguments)
            .map_err(|error| CallError::arguments(error.to_string()))?;
        let answer = functions::call(name, &arguments)?;
        serde_json::from_str(&answer).map_err(|error| {
            CallError::failed(format!("the answer of {name} is not JSON: {error}"))
        })
    }

    impl From<types::Function> for Function {
        fn from(function: types::Function) -> Function {
            let types::Function { name, min_arguments, max_arguments } = function;
            Function { name, min_arguments, max_arguments }
        }
    }

    impl From<types::CallError> for CallError {
        fn from(error: types::CallError) -> CallError {
            match error {
                types::CallError::Unknown => CallError::Unknown,
                types::CallError::Arguments(reason) => CallError::Arguments(reason),
                types::CallError::Failed(reason) => CallError::Failed(reason),
            }
        }
    }
}

/// Where there is no px0: functions that a unit test lends.
#[cfg(all(feature = "engine", not(target_family = "wasm")))]
mod lent {
    use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

    use serde_json::Value;

    use super::Function;
    use crate::CallError;

    type Work = Rc<dyn Fn(&[Value]) -> Result<Value, CallError>>;

    thread_local! {
        static LENT: RefCell<BTreeMap<String, (Function, Work)>> = const { RefCell::new(BTreeMap::new()) };
    }

    /// Lends a function to the engine under test, on this thread. Not in WebAssembly, where px0 lends.
    pub fn lend(function: Function, work: impl Fn(&[Value]) -> Result<Value, CallError> + 'static) {
        LENT.with_borrow_mut(|lent| {
            lent.insert(function.name.clone(), (function, Rc::new(work)));
        });
    }

    /// The functions that other plugins lend to templates, sorted by name. The same for as long as
    /// the instance lives.
    pub fn available() -> Vec<Function> {
        LENT.with_borrow(|lent| lent.values().map(|(function, _)| function.clone()).collect())
    }

    /// Calls one of them.
    ///
    /// # Errors
    /// [`CallError::Unknown`] if it is not [`available`]; the others are the function's own.
    pub fn call(name: &str, arguments: &[Value]) -> Result<Value, CallError> {
        let work = LENT.with_borrow(|lent| {
            let (function, work) = lent.get(name).ok_or(CallError::Unknown)?;
            if !function.allows(arguments.len()) {
                let count = arguments.len();
                return Err(CallError::arguments(format!(
                    "{name} does not take {count} arguments"
                )));
            }
            Ok(Rc::clone(work))
        })?;
        work(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_arguments_a_function_takes() {
        let two = Function::exactly("two", 2);
        assert!(!two.allows(1) && two.allows(2) && !two.allows(3));
        let some = Function::between("some", 1, 2);
        assert!(!some.allows(0) && some.allows(1) && some.allows(2) && !some.allows(3));
        let any = Function::at_least("any", 0);
        assert!(any.allows(0) && any.allows(1_000));
    }

    #[cfg(feature = "engine")]
    #[test]
    fn a_test_lends_functions() {
        use crate::CallError;

        lend(Function::exactly("twice", 1), |arguments| {
            let number =
                arguments[0].as_i64().ok_or(CallError::arguments("twice takes a number"))?;
            Ok((number * 2).into())
        });
        assert_eq!(available(), [Function::exactly("twice", 1)]);
        assert_eq!(call("twice", &[21.into()]), Ok(42.into()));
        assert_eq!(call("thrice", &[14.into()]), Err(CallError::Unknown));
        assert!(matches!(call("twice", &[]), Err(CallError::Arguments(_))));
        assert!(matches!(call("twice", &["x".into()]), Err(CallError::Arguments(_))));
    }
}
