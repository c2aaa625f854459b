//! Takes e-mail addresses, card numbers and secrets out of rendered texts, or refuses such texts.
//!
//! - [`Settings`] are what an admin may say;
//! - `secrets` finds what has a form of its own in one pass over the text, `cards` card numbers, and
//!   `own` what the organization's patterns match;
//! - `findings` joins what they found and replaces it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop where it stands"))]

mod cards;
mod findings;
mod own;
mod secrets;
mod settings;

use px0_plugin::{
    PluginError,
    hook::{Hook, Point, Subject, Verdict},
    px0_plugin,
};

pub use findings::Finding;
pub use settings::{Mode, Pattern, Settings};

use crate::{own::Own, secrets::Secrets};

/// What is looked for, and what happens to it.
#[derive(Debug)]
pub struct Redact {
    secrets: Option<Secrets>,
    cards: bool,
    own: Vec<Own>,
    mode: Mode,
    replacement: String,
}

px0_plugin!(hook: Redact);

impl Redact {
    /// Everything that is found in `text`, in the order of the text and without overlaps.
    pub fn findings(&self, text: &str) -> Vec<Finding<'_>> {
        let mut found = Vec::new();
        if let Some(secrets) = &self.secrets {
            secrets.find(text, &mut found);
        }
        if self.cards {
            cards::find(text, &mut found);
        }
        for own in &self.own {
            own.find(text, &mut found);
        }
        findings::joined(found)
    }
}

impl Hook for Redact {
    type Settings = Settings;
    const POINTS: &[Point] = &[Point::AfterRender];

    fn configure(settings: Settings) -> Result<Self, PluginError> {
        Ok(Redact {
            secrets: Secrets::new(&settings)?,
            cards: settings.card,
            own: settings.patterns.iter().map(Own::new).collect::<Result<_, _>>()?,
            mode: settings.mode,
            replacement: settings.replacement,
        })
    }

    fn after_render(&self, _: &Subject, text: &str) -> Result<Verdict, PluginError> {
        let findings = self.findings(text);
        Ok(match self.mode {
            _ if findings.is_empty() => Verdict::Pass,
            Mode::Replace => {
                Verdict::Replace(findings::replaced(text, &findings, &self.replacement))
            }
            Mode::Refuse => {
                let kinds = findings::counted(&findings);
                Verdict::refuse(
                    "sensitive_text",
                    format!("the text contains {kinds}; leave it out"),
                )
            }
        })
    }
}

#[cfg(test)]
mod tests;
