//! Variables that are not there.
//!
//! Looking up a variable that is absent or null gives a [`Missing`]: a value that is false, and that
//! writes its name down once it is *used*: printed, iterated, or passed on to a filter, a test, a
//! function or an operator. The render goes on, so that one answer names everything that lacks.

use std::{cell::RefCell, collections::BTreeSet, fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Enumerator, Object, ObjectRepr},
};

use px0_document::Tape;

/// How many names one answer holds: nobody reads more, and a template can make up names in a loop.
const MAX_NAMES: usize = 1000;

/// How many bytes of a name are kept, for the same reason.
const MAX_NAME: usize = 200;

thread_local! {
    /// What this render lacked so far.
    static NAMES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Where a missing value should have been.
#[derive(Clone)]
enum Place {
    /// At this node, which is null.
    Node(u32),
    /// Under this name in the container at this node; in the variables themselves if there is none.
    Child(Option<u32>, Arc<str>),
}

/// A variable that is absent or null.
#[derive(Clone)]
pub(crate) struct Missing {
    tape: Arc<Tape>,
    place: Place,
    null: bool,
}

impl Missing {
    /// The null at `node`.
    pub(crate) fn null(tape: &Arc<Tape>, node: u32) -> Value {
        Value::from_object(Missing { tape: tape.clone(), place: Place::Node(node), null: true })
    }

    /// What `parent` (the variables themselves if `None`) does not have under `name`.
    pub(crate) fn absent(tape: &Arc<Tape>, parent: Option<u32>, name: &str) -> Value {
        Value::from_object(Missing {
            tape: tape.clone(),
            place: Place::Child(parent, name.into()),
            null: false,
        })
    }

    /// Whether it is there, as null.
    pub(crate) fn is_null(&self) -> bool {
        self.null
    }

    /// Writes its name down: the template needed it.
    pub(crate) fn record(&self) {
        let mut name = match &self.place {
            Place::Node(node) => self.tape.path(*node),
            Place::Child(None, name) => name.to_string(),
            Place::Child(Some(parent), name) => format!("{}.{name}", self.tape.path(*parent)),
        };
        if name.len() > MAX_NAME {
            name.truncate(name.floor_char_boundary(MAX_NAME));
            name.push('…');
        }
        NAMES.with_borrow_mut(|names| {
            if names.len() < MAX_NAMES {
                names.insert(name);
            }
        });
    }

    /// What anything inside of it is: missing for the same reason, under the same name.
    fn inside(&self) -> Value {
        Value::from_object(Missing { null: false, ..self.clone() })
    }

    fn again(&self) -> Value {
        Value::from_object(self.clone())
    }
}

impl fmt::Debug for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("undefined")
    }
}

impl Object for Missing {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _key: &Value) -> Option<Value> {
        Some(self.inside())
    }

    fn get_value_by_str(self: &Arc<Self>, _key: &str) -> Option<Value> {
        Some(self.inside())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.record();
        Enumerator::Empty
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(0)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        // Methods are looked up as members last, so this is also `user.nosuchmethod()`.
        if let Place::Child(Some(_), name) = &self.place {
            return Err(Error::new(
                ErrorKind::UnknownMethod,
                format!("there is no method named {name}"),
            ));
        }
        self.record();
        Ok(self.again())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        _: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        self.record();
        Ok(self.again())
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record();
        Ok(())
    }
}

/// The missing variable that `value` is, if it is one.
pub(crate) fn missing(value: &Value) -> Option<&Missing> {
    value.downcast_object_ref::<Missing>()
}

/// Whether this render lacked anything so far.
pub(crate) fn any() -> bool {
    NAMES.with_borrow(|names| !names.is_empty())
}

/// Takes the names that this render lacked, sorted, each once.
pub(crate) fn take() -> Vec<String> {
    NAMES.take().into_iter().collect()
}
