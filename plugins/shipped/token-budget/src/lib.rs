//! Refuses texts that have more tokens than a budget allows: when they are rendered, and, for the
//! samples of a prompt, when a version is promoted.
//!
//! Tokens are counted by the [`tiktoken`] crate, in pieces that [`pieces`] cuts.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop where it stands"))]

mod budget;
mod pieces;

use px0_plugin::{
    PluginError,
    hook::{Hook, Point, Promotion, Subject, Verdict},
    px0_plugin,
};
use serde::Deserialize;

pub use budget::{Budget, Encoding};

/// The settings; `plugin.toml` has their schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many tokens a text may have; without it, any text passes.
    pub max_tokens: Option<usize>,
    /// How they are counted.
    pub encoding: Encoding,
}

/// The rule: a budget, if one was set.
pub struct TokenBudget(Option<Budget>);

px0_plugin!(hook: TokenBudget);

impl Hook for TokenBudget {
    type Settings = Settings;
    const POINTS: &[Point] = &[Point::AfterRender, Point::BeforePromote];

    fn configure(settings: Settings) -> Result<Self, PluginError> {
        // The vocabulary is read now, because later calls have fewer instructions to spend.
        let budget = settings.max_tokens.map(|max| Budget::new(max, settings.encoding));
        budget.transpose().map(TokenBudget)
    }

    fn after_render(&self, _: &Subject, text: &str) -> Result<Verdict, PluginError> {
        let exceeded = self.0.as_ref().and_then(|budget| budget.exceeded(text));
        Ok(exceeded.map_or(Verdict::Pass, |by| refused("the text", &by)))
    }

    /// Samples that could not be rendered are another rule's business.
    fn before_promote(&self, promotion: &Promotion) -> Result<Verdict, PluginError> {
        let Some(budget) = &self.0 else {
            return Ok(Verdict::Pass);
        };
        for (at, sample) in promotion.samples.iter().enumerate() {
            if let Some(by) = sample.rendered.as_ref().ok().and_then(|text| budget.exceeded(text)) {
                let what = match &sample.name {
                    Some(name) => format!("sample `{name}`"),
                    None => format!("sample {} (from the newest, without a name)", at + 1),
                };
                return Ok(refused(&what, &by));
            }
        }
        Ok(Verdict::Pass)
    }
}

/// The refusal of something that has too many tokens.
fn refused(what: &str, exceeded: &str) -> Verdict {
    Verdict::refuse("token_budget_exceeded", format!("{what} has {exceeded}"))
}

#[cfg(test)]
mod tests;
