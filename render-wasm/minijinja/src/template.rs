//! The one template of this instance: compiling it and rendering it.

use std::{cell::OnceCell, collections::BTreeMap, error::Error as _, fmt::Write, sync::Arc};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
    machinery::{CodeGenerator, Instructions, ast::Stmt, eval, make_string_output, parse},
    syntax::SyntaxConfig,
    value::ValueKind,
};
use px0_document::Tape;

use crate::{
    callables::Raised,
    lent::{Lender, Lent, NoLender},
    methods,
    missing::{self, missing},
    place::place,
    plan::Plan,
    rewrite::{is_function, rewrite},
    variables,
};

/// How many characters of a message are kept.
const MAX_MESSAGE: usize = 1000;

/// What is wrong with a template, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// One sentence, without a position in it.
    pub message: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1, in characters.
    pub column: Option<u32>,
    /// The lines around the place, with a caret under it.
    pub excerpt: Option<String>,
}

/// Why a render gave no text.
#[derive(Debug, PartialEq, Eq)]
pub enum RenderFailure {
    /// The template stopped with an error of its own.
    Execution(Failure),
    /// These variables lack: dotted names, sorted, each once.
    Missing(Vec<String>),
    /// The text is longer than was allowed.
    Output,
}

/// Templates of up to this many bytes are made ready for the interpreter when it is first needed. That is paid for with the
/// render's own fuel, of which a dense template of this size takes less than half.
const LAZY: usize = 4096;

/// A template, ready to be rendered.
pub struct Template {
    source: &'static str,
    /// What the plan calls filters and methods in.
    env: &'static Environment<'static>,
    plan: Option<Plan>,
    interpreter: OnceCell<Interpreter>,
    lent: Lent,
    /// How long the text of the last render was: the next one is probably about as long.
    last_length: usize,
}

/// A template as minijinja's interpreter takes it.
struct Interpreter {
    env: &'static Environment<'static>,
    code: &'static Instructions<'static>,
}

impl Interpreter {
    /// Checks and compiles `tree`, which was read from `source`.
    fn of(source: &'static str, tree: &Stmt<'static>, lent: &Lent) -> Result<Interpreter, Failure> {
        let mut env = environment();
        let tree = rewrite(tree, &mut env, lent).map_err(|problem| {
            let range = problem.span.start_offset as usize..problem.span.end_offset as usize;
            at(source, problem.message, Some(range))
        })?;
        let mut generator = CodeGenerator::new("", source);
        generator.compile_stmt(&tree);
        let (code, _) = generator.finish();
        Ok(Interpreter { env: Box::leak(Box::new(env)), code: Box::leak(Box::new(code)) })
    }
}

/// What templates are rendered in; filters and tests that are looked up by name join it.
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_debug(false);
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_formatter(format);
    env.set_unknown_method_callback(methods::call);
    env
}

fn read(source: &'static str) -> Result<Stmt<'static>, Failure> {
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .build()
        .map_err(|error| failure(source, &error))?;
    parse(source, "", syntax).map_err(|error| syntax_failure(source, &error))
}

impl Template {
    /// As [`Template::compile_with`], without anything lent.
    ///
    /// # Errors
    /// It is not a template, or calls what there is not.
    pub fn compile(source: String) -> Result<Template, Failure> {
        Self::compile_with(source, Arc::new(NoLender))
    }

    /// Reads, checks and compiles `source`, which may call what `lender` lends.
    ///
    /// Source, code and environment are leaked on purpose: an instance is one template, and goes
    /// with its memory.
    ///
    /// # Errors
    /// It is not a template, or calls what there is not.
    pub fn compile_with(source: String, lender: Arc<dyn Lender>) -> Result<Template, Failure> {
        let lent = Lent::by(lender);
        let source: &'static str = source.leak();
        let tree = read(source)?;
        let plan = Plan::of(&tree, &lent);
        // A plan knows that all is there that it calls.
        let lazy = source.len() <= LAZY && plan.as_ref().is_some_and(|plan| !plan.calls_by_name());
        let interpreter = OnceCell::new();
        let env: &'static Environment<'static> = if lazy {
            Box::leak(Box::new(environment()))
        } else {
            let made = Interpreter::of(source, &tree, &lent)?;
            interpreter.get_or_init(|| made).env
        };
        Ok(Template { source, env, plan, interpreter, lent, last_length: source.len() })
    }

    /// The interpreter, made ready if it is not yet.
    fn interpreter(&self) -> Result<&Interpreter, Failure> {
        if let Some(interpreter) = self.interpreter.get() {
            return Ok(interpreter);
        }
        let interpreter = Interpreter::of(self.source, &read(self.source)?, &self.lent)?;
        Ok(self.interpreter.get_or_init(|| interpreter))
    }

    /// The variables that the template takes, sorted.
    pub fn variables(&self) -> Vec<String> {
        let Ok(template) = self.env.template_from_str(self.source) else {
            return Vec::new();
        };
        let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        names.retain(|name| !is_function(name) && self.lent.find(name).is_none());
        names.sort();
        names
    }

    /// Renders the template, into at most `max_output` bytes.
    ///
    /// # Errors
    /// What the template stopped with, what lacks, or that the text is too long.
    pub fn render(&mut self, variables: Tape, max_output: usize) -> Result<String, RenderFailure> {
        let variables = Arc::new(variables);
        self.lent.begin();
        let text = match self.planned(&variables) {
            Some(text) => text,
            None => self.interpreted(&variables)?,
        };
        if text.len() > max_output {
            return Err(RenderFailure::Output);
        }
        self.last_length = text.len();
        Ok(text)
    }

    /// The text by the plan; none if there is no plan, or if it leaves these variables to the interpreter.
    pub fn planned(&self, variables: &Arc<Tape>) -> Option<String> {
        self.plan.as_ref()?.render(self.env, variables, self.last_length).ok()
    }

    /// The text by minijinja's interpreter, which is what counts.
    ///
    /// # Errors
    /// What the template stopped with, or what lacks.
    pub fn interpreted(&self, variables: &Arc<Tape>) -> Result<String, RenderFailure> {
        let interpreter = self.interpreter().map_err(RenderFailure::Execution)?;
        let root = variables::root(variables);
        let mut text = String::with_capacity(self.last_length);
        let blocks = BTreeMap::new();
        let mut output = make_string_output(&mut text);
        let result =
            eval(interpreter.env, interpreter.code, root, &blocks, &mut output, AutoEscape::None)
                .map(drop);
        drop(output);
        let names = missing::take();
        if !names.is_empty() {
            return Err(RenderFailure::Missing(names));
        }
        match result {
            Ok(()) => Ok(text),
            Err(error) => Err(RenderFailure::Execution(failure(self.source, &error))),
        }
    }
}

/// Prints a value: as it is, without escaping, and not at all if it is missing.
fn format(output: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return Ok(output.write_str(text)?);
    }
    if let Some(gone) = missing(value) {
        gone.record();
        return Ok(());
    }
    if value.kind() == ValueKind::Undefined {
        // Not one of the variables, but something of the template's own making. When a variable
        // was missing before, this may well be its consequence, and the render fails anyway.
        return if missing::any() { Ok(()) } else { Err(Error::from(ErrorKind::UndefinedError)) };
    }
    Ok(write!(output, "{value}")?)
}

/// The error of the parser.
fn syntax_failure(source: &str, error: &Error) -> Failure {
    let mut failure = failure(source, error);
    let other_template = ["include", "import", "extends", "from", "block"]
        .iter()
        .any(|word| failure.message.ends_with(&format!("unknown statement {word}")));
    if other_template {
        failure.message = "a template cannot include, import or extend another one".into();
    }
    failure
}

/// The error of minijinja as ours.
fn failure(source: &str, error: &Error) -> Failure {
    let range = error.range().filter(|_| error.name().is_some());
    let mut message = if error.source().is_some_and(|source| source.is::<Raised>()) {
        error.detail().unwrap_or_default().to_string()
    } else {
        match (error.kind(), error.detail(), &range) {
            (ErrorKind::UndefinedError, None, Some(range)) => {
                let expression: String =
                    source.get(range.clone()).unwrap_or_default().chars().take(80).collect();
                format!("`{expression}` has no value")
            }
            (kind, Some(detail), _) => format!("{kind}: {detail}"),
            (kind, None, _) => kind.to_string(),
        }
    };
    if let Some(cause) = error.source().and_then(|source| source.downcast_ref::<Error>()) {
        let _ = write!(message, ": {}", cause.detail().unwrap_or("invalid operation"));
    }
    let mut failure = at(source, message, range);
    if failure.line.is_none() {
        failure.line = error.line().map(|line| line as u32);
    }
    failure
}

fn at(source: &str, message: String, range: Option<std::ops::Range<usize>>) -> Failure {
    let place = range.map(|range| place(source, range));
    Failure {
        message: bounded(message),
        line: place.as_ref().map(|place| place.line),
        column: place.as_ref().map(|place| place.column),
        excerpt: place.map(|place| place.excerpt),
    }
}

/// A message is one sentence. What it quotes may be as long as a tenant likes.
fn bounded(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}
