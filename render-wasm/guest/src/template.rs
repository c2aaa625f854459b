//! The one template of this instance: compiling it and rendering it.

use std::{collections::BTreeMap, error::Error as _, fmt::Write};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
    machinery::{CodeGenerator, Instructions, eval, make_string_output, parse},
    syntax::SyntaxConfig,
    value::ValueKind,
};
use px0_document::Tape;

use crate::{
    callables::Raised,
    methods,
    missing::{self, missing},
    place::place,
    rewrite::{is_function, rewrite},
    variables,
};

/// How many characters of a message are kept.
const MAX_MESSAGE: usize = 1000;

/// What is wrong with a template, and where.
pub struct Failure {
    pub message: String,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub excerpt: Option<String>,
}

/// Why a render gave no text.
pub enum RenderFailure {
    Execution(Failure),
    Missing(Vec<String>),
    Output,
}

/// A template, ready to be rendered.
pub struct Template {
    source: &'static str,
    env: &'static Environment<'static>,
    code: &'static Instructions<'static>,
    /// How long the text of the last render was: the next one is probably about as long.
    last_length: usize,
}

impl Template {
    /// Reads, checks and compiles `source`.
    ///
    /// Source, code and environment are leaked on purpose: an instance is one template, and goes
    /// with its memory.
    pub fn compile(source: String) -> Result<Template, Failure> {
        let source: &'static str = source.leak();
        let syntax = SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .build()
            .map_err(|error| failure(source, &error))?;
        let tree = parse(source, "", syntax).map_err(|error| syntax_failure(source, &error))?;
        let mut env = Environment::empty();
        env.set_debug(false);
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_formatter(format);
        env.set_unknown_method_callback(methods::call);
        let tree = rewrite(&tree, &mut env).map_err(|problem| {
            let range = problem.span.start_offset as usize..problem.span.end_offset as usize;
            at(source, problem.message, Some(range))
        })?;
        let mut generator = CodeGenerator::new("", source);
        generator.compile_stmt(&tree);
        let last_length = generator.buffer_size_hint();
        let (code, _) = generator.finish();
        Ok(Template {
            source,
            env: Box::leak(Box::new(env)),
            code: Box::leak(Box::new(code)),
            last_length,
        })
    }

    /// The variables that the template takes, sorted.
    pub fn variables(&self) -> Vec<String> {
        let Ok(template) = self.env.template_from_str(self.source) else {
            return Vec::new();
        };
        let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        names.retain(|name| !is_function(name));
        names.sort();
        names
    }

    /// Renders the template.
    pub fn render(&mut self, variables: Tape, max_output: usize) -> Result<String, RenderFailure> {
        let root = variables::root(variables);
        let mut text = String::with_capacity(self.last_length.min(max_output));
        let blocks = BTreeMap::new();
        let mut output = make_string_output(&mut text);
        let result =
            eval(self.env, self.code, root, &blocks, &mut output, AutoEscape::None).map(drop);
        drop(output);
        let names = missing::take();
        if !names.is_empty() {
            return Err(RenderFailure::Missing(names));
        }
        result.map_err(|error| RenderFailure::Execution(failure(self.source, &error)))?;
        if text.len() > max_output {
            return Err(RenderFailure::Output);
        }
        self.last_length = text.len();
        Ok(text)
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
