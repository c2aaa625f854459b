//! A rule: texts have at most `max_chars` characters.

use px0_plugin::{
    PluginError,
    hook::{Hook, Point, Subject, Verdict},
    px0_plugin,
};
use serde::Deserialize;

/// The rule, which is its settings.
#[derive(Deserialize)]
#[serde(default)]
pub struct Rule {
    max_chars: usize,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule { max_chars: 10_000 }
    }
}

px0_plugin!(hook: Rule);

impl Hook for Rule {
    type Settings = Rule;
    const POINTS: &[Point] = &[Point::AfterRender];

    fn configure(settings: Rule) -> Result<Self, PluginError> {
        Ok(settings)
    }

    fn after_render(&self, _: &Subject, text: &str) -> Result<Verdict, PluginError> {
        let (count, max) = (text.chars().count(), self.max_chars);
        if count <= max {
            return Ok(Verdict::Pass);
        }
        let reason = format!("the text has {count} characters; shorten it to {max}");
        Ok(Verdict::refuse("too_long", reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_refused() {
        let rule = Rule { max_chars: 5 };
        let verdict = |text| rule.after_render(&Subject::default(), text).unwrap();
        assert_eq!(verdict("größe"), Verdict::Pass);
        let refusal = Verdict::refuse("too_long", "the text has 6 characters; shorten it to 5");
        assert_eq!(verdict("larger"), refusal);
    }
}
