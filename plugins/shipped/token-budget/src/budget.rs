//! How many tokens a text may have, and whether it has more.

use px0_plugin::PluginError;
use serde::Deserialize;
use tiktoken::CoreBpe;

use crate::pieces::pieces;

/// An encoding of texts as tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Of GPT-4o and all later models of OpenAI.
    #[default]
    #[serde(rename = "o200k_base")]
    O200k,
    /// Of GPT-4 and GPT-3.5.
    #[serde(rename = "cl100k_base")]
    Cl100k,
}

impl Encoding {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::O200k => "o200k_base",
            Encoding::Cl100k => "cl100k_base",
        }
    }
}

/// A text that is counted once when there is time for it: the automaton that divides texts beyond ASCII
/// learns what it needs for the alphabets in it, which is most of the work for the first text of a kind.
const LESSON: &str =
    "Größe und Übung, l'été où ça señor. Zażółć gęślą! Съешь ещё этих мягких булок. Καλή 日本語テ";

/// How many tokens a text may have, and what counts them.
pub struct Budget {
    max: usize,
    tokens: &'static CoreBpe,
}

impl Budget {
    /// A budget. The vocabulary of the encoding is read here, which is some work.
    ///
    /// # Errors
    /// If the encoding was not built in.
    pub fn new(max: usize, encoding: Encoding) -> Result<Budget, PluginError> {
        let tokens = tiktoken::get_encoding(encoding.name())
            .ok_or_else(|| PluginError::failed(format!("there is no {}", encoding.name())))?;
        let _ = tokens.count(LESSON);
        Ok(Budget { max, tokens })
    }

    /// What `text` has if that is too much: `1,204 tokens of at most 1,000`.
    pub fn exceeded(&self, text: &str) -> Option<String> {
        // No token is shorter than a byte.
        if text.len() <= self.max {
            return None;
        }
        // Twice too much is enough to know.
        let enough = self.max.saturating_mul(2);
        let mut count = 0;
        for piece in pieces(text) {
            count += self.tokens.count(piece);
            if count > enough {
                break;
            }
        }
        let max = grouped(self.max);
        match count {
            count if count > enough => {
                Some(format!("more than {} tokens of at most {max}", grouped(enough)))
            }
            count if count > self.max => {
                Some(format!("{} tokens of at most {max}", grouped(count)))
            }
            _ => None,
        }
    }
}

/// A number as people read it: `1,204`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
