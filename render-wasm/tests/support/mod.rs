//! One line to a sandbox, a tenant and a template.
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::sync::LazyLock;

use px0_core::{
    ids::OrgId,
    render::{EngineName, RenderError, Renderer, TemplateError, TemplateRef, Tenant},
};
use px0_render_wasm::{RenderSettings, Sandbox};

/// A sandbox with the default limits, shared by the tests of one file.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| sandbox_with(|_| {}));
    &SANDBOX
}

/// A sandbox with other limits.
pub(crate) fn sandbox_with(change: impl FnOnce(&mut RenderSettings)) -> Sandbox {
    let mut settings = RenderSettings {
        // The machine that runs the tests may be busy: time is only a limit where it is the subject.
        deadline_ms: 10_000,
        ..RenderSettings::default()
    };
    change(&mut settings);
    Sandbox::new(settings).expect("the sandbox can be made")
}

/// A new version of a new tenant with the template `source`.
pub(crate) fn template(source: &str) -> TemplateRef {
    TemplateRef::loose(Tenant::plain(OrgId::new()), EngineName::default(), source)
}

/// Renders `source` once.
pub(crate) async fn render(source: &str, variables: &str) -> Result<String, RenderError> {
    sandbox().render(&template(source), variables).await
}

/// Checks `source`.
pub(crate) async fn check(source: &str) -> Result<(), TemplateError> {
    sandbox()
        .check(
            &px0_core::render::Tenant::plain(px0_core::ids::OrgId::new()),
            &EngineName::default(),
            source,
        )
        .await
        .expect("the sandbox works")
}
