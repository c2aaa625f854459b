//! What an admin may say.

use serde::Deserialize;

/// The settings; `plugin.toml` has their schema.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether what is found is replaced, or the render refused.
    pub mode: Mode,
    /// What takes its place; `{kind}` becomes what it is.
    pub replacement: String,
    /// E-mail addresses.
    pub email: bool,
    /// Payment card numbers.
    pub card: bool,
    /// Keys that begin with `sk-`.
    pub openai_key: bool,
    /// Access key ids of AWS.
    pub aws_key: bool,
    /// Tokens of GitHub.
    pub github_token: bool,
    /// API keys of Google.
    pub google_key: bool,
    /// Tokens of Slack.
    pub slack_token: bool,
    /// Secret and restricted keys of Stripe.
    pub stripe_key: bool,
    /// Keys, sessions and reset codes of px0.
    pub px0_key: bool,
    /// Private keys in PEM.
    pub private_key: bool,
    /// JSON Web Tokens.
    pub jwt: bool,
    /// The organization's own patterns.
    pub patterns: Vec<Pattern>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::Replace,
            replacement: "[redacted:{kind}]".to_owned(),
            email: true,
            card: true,
            openai_key: true,
            aws_key: true,
            github_token: true,
            google_key: true,
            slack_token: true,
            stripe_key: true,
            px0_key: true,
            private_key: true,
            jwt: true,
            patterns: Vec::new(),
        }
    }
}

/// What happens to what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is replaced.
    Replace,
    /// The render is refused.
    Refuse,
}

/// A pattern of the organization.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// What it finds.
    pub name: String,
    /// A regular expression.
    pub pattern: String,
}
