//! minijinja as a px0 template engine.
//!
//! What it does is in `px0-minijinja`; here are the interface, the allocator ([`memory`]) and how bytes are compared ([`compare`]).

mod compare;
mod memory;

use std::{cell::RefCell, sync::Arc};

use exports::px0::engine::template_engine::{Document, Guest, RenderError, TemplateError};
use px0::engine::functions::{self, CallError};
use px0_document::Tape;
use px0_minijinja::{Failure, Function, Lender, RenderFailure, Template};

wit_bindgen::generate!({ path: "../wit", world: "template-guest" });

#[global_allocator]
static MEMORY: memory::Memory = memory::Memory::new();

thread_local! {
    /// The template of this instance.
    static TEMPLATE: RefCell<Option<Template>> = const { RefCell::new(None) };
}

struct Component;

export!(Component);

impl Guest for Component {
    fn compile(source: String) -> Result<(), TemplateError> {
        memory::watch_panics();
        let template = Template::compile_with(source, Arc::new(Plugins))?;
        TEMPLATE.set(Some(template));
        Ok(())
    }

    fn variables() -> Vec<String> {
        TEMPLATE
            .with_borrow(|template| template.as_ref().map(Template::variables).unwrap_or_default())
    }

    fn render(variables: Document, max_output: u32) -> Result<String, RenderError> {
        let Document { text, side, nodes, root } = variables;
        let tape = Tape { text, side, nodes, root };
        TEMPLATE.with_borrow_mut(|template| match template {
            Some(template) => Ok(template.render(tape, max_output as usize)?),
            None => Err(RenderError::Execution(TemplateError {
                message: "no template was compiled".into(),
                line: None,
                column: None,
                excerpt: None,
            })),
        })
    }
}

/// What plugins lend.
struct Plugins;

impl Lender for Plugins {
    fn functions(&self) -> Vec<Function> {
        let function = |function: functions::Function| Function {
            name: function.name,
            min: function.min_arguments,
            max: function.max_arguments,
        };
        functions::available().into_iter().map(function).collect()
    }

    fn call(&self, name: &str, arguments: &str) -> Result<String, String> {
        functions::call(name, arguments).map_err(|error| match error {
            CallError::Unknown => format!("there is no function `{name}`"),
            CallError::Arguments(why) | CallError::Failed(why) => format!("`{name}`: {why}"),
        })
    }
}

impl From<Failure> for TemplateError {
    fn from(failure: Failure) -> Self {
        let Failure { message, line, column, excerpt } = failure;
        TemplateError { message, line, column, excerpt }
    }
}

impl From<RenderFailure> for RenderError {
    fn from(failure: RenderFailure) -> Self {
        match failure {
            RenderFailure::Execution(failure) => RenderError::Execution(failure.into()),
            RenderFailure::Missing(names) => RenderError::Missing(names),
            RenderFailure::Output => RenderError::Output,
        }
    }
}
