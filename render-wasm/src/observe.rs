//! What the sandbox tells of its renders, for telemetry.

use std::time::Duration;

use px0_core::render::{RenderError, TemplateRef};

/// Who is told of each render when it has ended. Called where the render ran: it is to take no time.
pub trait Observer: Send + Sync + 'static {
    /// A render has ended.
    fn rendered(&self, rendering: &Rendering<'_>);
}

/// A render that has ended.
pub struct Rendering<'r> {
    /// What was rendered.
    pub template: &'r TemplateRef,
    /// How long it took, waiting for its turn included.
    pub took: Duration,
    /// What it used; `None` if it was stopped or did not begin.
    pub used: Option<Used>,
    /// Why it gave no text, if it gave none.
    pub error: Option<&'r RenderError>,
}

/// What a render used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// WebAssembly instructions.
    pub fuel: u64,
    /// Whether it found a warm instance.
    pub warm: bool,
}

impl Used {
    /// How it began: `warm` or `fresh`.
    pub fn start(self) -> &'static str {
        if self.warm { "warm" } else { "fresh" }
    }
}

/// What kind of error it is, in one word of few: `error.type` of the semantic conventions.
pub fn kind(error: &RenderError) -> &'static str {
    match error {
        RenderError::Execution(_) => "execution",
        RenderError::Missing(_) => "missing_variables",
        RenderError::Limit(_) => "limit",
        RenderError::Variables(_) => "variables",
        RenderError::Plugin(_) | RenderError::NoEngine(_) => "plugin",
        RenderError::Internal(_) => "internal",
    }
}
