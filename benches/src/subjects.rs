//! The four ways of rendering that are compared: natively and in the sandbox, with the template read before and read each time.

use std::hint::black_box;

use minijinja::{Environment, Value};
use px0_core::{
    ids::OrgId,
    render::{EngineName, TemplateRef, Tenant},
};
use px0_render_wasm::{Isolation, RenderSettings, Sandbox};

/// The template.
pub const TEMPLATE: &str = include_str!("../prompts/chat.jinja");
/// Its variables.
pub const VARIABLES: &str = include_str!("../prompts/chat.json");

/// minijinja, with what px0 does otherwise done so here too.
///
/// # Panics
/// Never: the template is ours.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the syntax is minijinja's own"));
    // minijinja replaces only what is undefined; px0 replaces null too.
    environment.add_filter("default", |value: &Value, other: Value| {
        if value.is_undefined() || value.is_none() { other } else { value.clone() }
    });
    environment.add_template("chat", TEMPLATE).expect("the template compiles");
    environment
}

/// The variables, read.
///
/// # Panics
/// Never: they are JSON.
pub fn variables() -> Value {
    serde_json::from_str(black_box(VARIABLES)).expect("the variables are JSON")
}

/// A sandbox.
///
/// # Panics
/// When it cannot be made.
pub fn sandbox(isolation: Isolation) -> Sandbox {
    Sandbox::new(RenderSettings { isolation, ..RenderSettings::default() })
        .expect("the sandbox can be made")
}

/// The template as a version.
pub fn template() -> TemplateRef {
    TemplateRef::loose(Tenant::plain(OrgId::new()), EngineName::default(), TEMPLATE)
}
