//! Functions that others lend to templates: they join the filters and functions that there are anyway.
//!
//! What goes over is JSON both ways. A lent function is called with positional arguments only, the value in front of `|` first,
//! and never with a missing variable.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use minijinja::{Environment, Error, ErrorKind, Value, value::Rest};
use px0_document::Tape;

use crate::{
    strict::{Strict, WhenMissing},
    tojson, variables,
};

/// A function that is lent, and how many arguments it takes.
#[derive(Clone, Debug)]
pub struct Function {
    /// What templates call it.
    pub name: String,
    /// At least so many arguments.
    pub min: u32,
    /// At most so many; `None` is any number.
    pub max: Option<u32>,
}

/// Who lends functions.
pub trait Lender: Send + Sync + 'static {
    /// The functions. A name that the language has already is not lent.
    fn functions(&self) -> Vec<Function>;

    /// Calls one with arguments, a JSON array; the answer is JSON, too.
    ///
    /// # Errors
    /// One sentence for the author of the template.
    fn call(&self, name: &str, arguments: &str) -> Result<String, String>;
}

/// Nobody lends anything.
pub(crate) struct NoLender;

impl Lender for NoLender {
    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    fn call(&self, name: &str, _: &str) -> Result<String, String> {
        Err(format!("there is no function `{name}`"))
    }
}

/// What is lent to one template; nothing, unless somebody lends.
#[derive(Clone)]
pub(crate) struct Lent {
    lender: Arc<dyn Lender>,
    functions: Arc<[(&'static str, Function)]>,
    /// The last call of this render that failed. What a plan leaves to the interpreter is rendered from the start: the same call
    /// fails the same way then, and is not made twice.
    failed: Arc<Mutex<Option<Call>>>,
}

/// A call that failed: of what, with what, and why.
struct Call {
    name: &'static str,
    arguments: String,
    why: String,
}

impl Lent {
    /// What `lender` lends. Names are leaked, as the template is that they are for.
    pub(crate) fn by(lender: Arc<dyn Lender>) -> Self {
        let functions = lender.functions().into_iter();
        let functions = functions.map(|function| (&*function.name.clone().leak(), function));
        Self { lender, functions: functions.collect(), failed: Arc::default() }
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.functions.iter().map(|(name, _)| *name)
    }

    /// The callable called `name`, as a constant that looks at its arguments first.
    pub(crate) fn find(&self, name: &str) -> Option<Value> {
        let (name, lent) = (self.known(name)?, self.clone());
        let callable = Value::from_function(move |args: Rest<Value>| lent.call(name, &args));
        Some(Strict::wrap(name, callable, WhenMissing::Pass))
    }

    /// Makes the filter called `name` known to `env` by that name.
    pub(crate) fn register(&self, env: &mut Environment<'static>, name: &str) {
        if let Some(name) = self.known(name) {
            let lent = self.clone();
            env.add_filter(name, move |args: Rest<Value>| lent.call(name, &args));
        }
    }

    fn known(&self, name: &str) -> Option<&'static str> {
        self.names().find(|known| *known == name)
    }

    /// Forgets what failed: a render begins.
    pub(crate) fn begin(&self) {
        if let Ok(mut failed) = self.failed.lock() {
            *failed = None;
        }
    }

    fn ask(&self, name: &'static str, arguments: String) -> Result<String, String> {
        let Ok(mut failed) = self.failed.lock() else { return Err("it failed before".to_owned()) };
        if let Some(call) = failed.take_if(|call| call.name == name && call.arguments == arguments)
        {
            return Err(call.why);
        }
        let asked = self.lender.call(name, &arguments);
        if let Err(why) = &asked {
            *failed = Some(Call { name, arguments, why: why.clone() });
        }
        asked
    }

    fn call(&self, name: &'static str, args: &[Value]) -> Result<Value, Error> {
        let invalid = |why: String| Error::new(ErrorKind::InvalidOperation, why);
        let Some((_, function)) = self.functions.iter().find(|(known, _)| *known == name) else {
            return Err(Error::from(ErrorKind::UnknownFunction));
        };
        let count = u32::try_from(args.len()).unwrap_or(u32::MAX);
        if count < function.min {
            return Err(Error::new(
                ErrorKind::MissingArgument,
                format!("`{name}` takes at least {} arguments and got {count}", function.min),
            ));
        }
        if let Some(max) = function.max.filter(|max| count > *max) {
            return Err(Error::new(
                ErrorKind::TooManyArguments,
                format!("`{name}` takes at most {max} arguments and got {count}"),
            ));
        }
        let answer = self.ask(name, tojson::array(args)?).map_err(invalid)?;
        if let Some(text) = plain(&answer) {
            return Ok(Value::from(text));
        }
        let tape = Tape::read(&answer)
            .map_err(|why| invalid(format!("`{name}` did not answer with JSON: {why}")))?;
        Ok(variables::own(&tape, tape.root()))
    }
}

/// The text that `json` is, if it is one without escapes: most answers are, and need not be read twice.
fn plain(json: &str) -> Option<&str> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    text.bytes().all(is_plain).then_some(text)
}

impl Default for Lent {
    fn default() -> Self {
        Self::by(Arc::new(NoLender))
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
