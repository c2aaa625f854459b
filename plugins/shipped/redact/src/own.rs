//! The organization's own patterns.

use px0_plugin::PluginError;
use regex_automata::meta::Regex;
use regex_syntax::hir::Hir;

use crate::{findings::Finding, settings::Pattern};

/// How large the automaton of one pattern may get while it is built, in bytes.
const SIZE: usize = 1024 * 1024;

/// How much memory the fast automaton may fill with what it learned about texts, in bytes.
const CACHE: usize = 512 * 1024;

/// A pattern of the organization, ready to search with.
///
/// Each searches for itself: a finding of one must not hide a longer one of another.
#[derive(Debug)]
pub(crate) struct Own {
    name: String,
    regex: Regex,
}

impl Own {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PluginError::Settings`] if it is not a regular expression, would find the empty text, or is
    /// too large.
    pub(crate) fn new(pattern: &Pattern) -> Result<Own, PluginError> {
        let Pattern { name, pattern } = pattern;
        let refused = |why: String| PluginError::settings(format!("the pattern `{name}` {why}"));

        let hir = parse(pattern).map_err(&refused)?;
        if hir.properties().minimum_len().is_none_or(|min| min == 0) {
            return Err(refused("finds the empty text, which is everywhere, or nothing".into()));
        }
        let config = Regex::config().nfa_size_limit(Some(SIZE)).hybrid_cache_capacity(CACHE);
        match Regex::builder().configure(config).build_from_hir(&hir) {
            Ok(regex) => Ok(Own { name: name.clone(), regex }),
            Err(error) if error.size_limit().is_some() => Err(refused("is too large".into())),
            Err(error) => Err(refused(format!("cannot be used: {error}"))),
        }
    }

    /// Adds what is in `text`.
    pub(crate) fn find<'k>(&'k self, text: &str, found: &mut Vec<Finding<'k>>) {
        let findings = self.regex.find_iter(text);
        found.extend(findings.map(|found| Finding { range: found.range(), kind: &self.name }));
    }
}

/// Reads a regular expression; if it is none, what is wrong with it in one line.
fn parse(pattern: &str) -> Result<Hir, String> {
    use regex_syntax::Error;

    regex_syntax::parse(pattern).map_err(|error| {
        let (what, at) = match &error {
            Error::Parse(error) => (error.kind().to_string(), error.span().start.column),
            Error::Translate(error) => (error.kind().to_string(), error.span().start.column),
            _ => return format!("cannot be read: {error}"),
        };
        format!("cannot be read at character {at}: {what}")
    })
}
