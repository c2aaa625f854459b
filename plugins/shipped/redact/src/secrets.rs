//! What has a form of its own: keys, tokens, addresses.

use px0_plugin::PluginError;
use regex_automata::meta::Regex;

use crate::{findings::Finding, settings::Settings};

/// What is looked for in one pass. Of those that begin at the same place the first one counts.
///
/// Word boundaries are ASCII's here: the fast automaton cannot see others. All of the patterns know
/// where they end without looking far, so that a text is read about once, whatever is in it.
#[derive(Debug)]
pub(crate) struct Secrets {
    kinds: Vec<&'static str>,
    regex: Regex,
}

/// How large the automaton may get while it is built, in bytes; it needs a tenth.
const SIZE: usize = 4 * 1024 * 1024;

impl Secrets {
    /// What the settings want; `None` if that is nothing.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Secrets>, PluginError> {
        let (kinds, patterns): (Vec<_>, Vec<_>) = wanted(settings).unzip();
        if kinds.is_empty() {
            return Ok(None);
        }
        // Looking for beginnings first would cost more than it saves: there are many, and short ones.
        let config = Regex::config().nfa_size_limit(Some(SIZE)).auto_prefilter(false);
        let regex = Regex::builder().configure(config).build_many(&patterns);
        let regex = regex.map_err(|error| PluginError::failed(error.to_string()))?;
        Ok(Some(Secrets { kinds, regex }))
    }

    /// Adds what is in `text`.
    pub(crate) fn find<'k>(&'k self, text: &str, found: &mut Vec<Finding<'k>>) {
        found.extend(self.regex.find_iter(text).filter_map(|found| {
            let kind = self.kinds.get(found.pattern().as_usize())?;
            Some(Finding { range: found.range(), kind })
        }));
    }
}

/// Kinds and their patterns, as far as they are wanted.
fn wanted(settings: &Settings) -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        // The body may be written with `\n`, and may lack its end: half a key is a secret, too.
        (
            settings.private_key,
            "private_key",
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,]|-[A-Za-z0-9])*(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?",
        ),
        // A header that begins with `{"`, a payload that does, and a signature, which may be empty.
        (
            settings.jwt,
            "jwt",
            r"(?-u:\b)eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*",
        ),
        (settings.openai_key, "openai_key", r"(?-u:\b)sk-[A-Za-z0-9_-]{20,}"),
        (
            settings.aws_key,
            "aws_key",
            r"(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?-u:\b)",
        ),
        (
            settings.github_token,
            "github_token",
            r"(?-u:\b)(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
        ),
        (settings.google_key, "google_key", r"(?-u:\b)AIza[A-Za-z0-9_-]{35}"),
        (
            settings.slack_token,
            "slack_token",
            r"(?-u:\b)(?:xox[a-z](?:\.xox[a-z])?|xapp)-[A-Za-z0-9-]{10,}",
        ),
        (
            settings.stripe_key,
            "stripe_key",
            r"(?-u:\b)(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
        ),
        (settings.px0_key, "px0_key", r"(?-u:\b)(?:ak|sess|rst)_[0-9a-f]{64}"),
        (
            settings.email,
            "email",
            r"[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.[\p{L}\p{N}-]{2,}",
        ),
    ]
    .into_iter()
    .filter_map(|(wanted, kind, pattern)| wanted.then_some((kind, pattern)))
}
