//! The settings, as the rest of px0 takes them.

use std::{net::IpAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use px0_backends::{postgres::PostgresSettings, sled::SledSettings};
use px0_core::{password::HashLimits, workflows::Policy};
use px0_plugins::PluginSettings;
use px0_render_wasm::RenderSettings;
use serde::Deserialize;

use crate::{ConfigError, ListenAddr, TrustedProxies, filter, origin};

/// All settings. What each means and its default stand in `default.toml`.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The server.
    pub http: HttpSettings,
    /// Where data is kept.
    pub store: StoreSettings,
    /// Sessions and codes.
    pub auth: AuthSettings,
    /// Mail.
    pub email: EmailSettings,
    /// Sizes.
    pub limits: LimitSettings,
    /// How often is too often.
    pub rate_limit: RateLimitSettings,
    /// The sandbox.
    pub render: RenderSettings,
    /// Plugins.
    pub plugins: PluginSettings,
    /// The log.
    pub log: LogSettings,
    /// Metrics.
    pub telemetry: TelemetrySettings,
}

/// The server.
#[derive(Clone, Debug, Deserialize)]
pub struct HttpSettings {
    /// Where it listens.
    pub addr: ListenAddr,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections from one address.
    pub max_connections_per_address: usize,
    /// Memory for large bodies, in bytes.
    pub body_memory: usize,
    /// Longest request, in milliseconds.
    pub timeout_ms: u64,
    /// Longest wait for running requests at the end, in milliseconds.
    pub drain_ms: u64,
    /// Origins that may call from a browser.
    pub cors_origins: Vec<String>,
    /// The proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: TrustedProxies,
}

impl HttpSettings {
    /// Whether a connection from this address is a trusted proxy's: it brings the requests of many.
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.contains(address)
    }
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Embedded, in a folder.
    Sled,
    /// A database, for several px0 at once.
    Postgres,
    /// None that lasts.
    Memory,
}

/// Where data is kept.
#[derive(Clone, Debug, Deserialize)]
pub struct StoreSettings {
    /// Which store.
    pub backend: Backend,
    /// Most bytes of templates kept in memory for renders.
    pub cache_bytes: u64,
    /// For sled.
    pub sled: SledSettings,
    /// For Postgres.
    pub postgres: PostgresSettings,
}

/// Sessions and codes.
#[derive(Clone, Debug, Deserialize)]
pub struct AuthSettings {
    /// How long a login lasts, in seconds.
    pub session_seconds: u64,
    /// How long a mailed code lasts, in seconds.
    pub code_seconds: u64,
    /// Passwords from one address that may wait to be checked.
    pub waiting_per_address: usize,
    /// Passwords that may wait to be checked.
    pub waiting: usize,
}

/// How mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmailMode {
    /// Into the log.
    Log,
    /// Into a folder.
    File,
    /// By a mail server.
    Smtp,
    /// Not at all: addresses need no proof.
    AutoVerify,
}

/// Mail.
#[derive(Clone, Debug, Deserialize)]
pub struct EmailSettings {
    /// How it leaves.
    pub mode: EmailMode,
    /// The folder for [`EmailMode::File`].
    pub outbox: PathBuf,
    /// The sender.
    pub from: String,
    /// For [`EmailMode::Smtp`].
    pub smtp: SmtpSettings,
}

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// Upgraded, or not used.
    Starttls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

/// The mail server.
#[derive(Clone, Deserialize)]
pub struct SmtpSettings {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: SmtpSecurity,
    /// The account; empty for none.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Sizes.
#[derive(Clone, Debug, Deserialize)]
pub struct LimitSettings {
    /// Largest template, in bytes.
    pub template: usize,
    /// Largest variables, in bytes.
    pub variables: usize,
}

/// How often is too often.
#[derive(Clone, Debug, Deserialize)]
pub struct RateLimitSettings {
    /// Whether tries are counted at all.
    pub enabled: bool,
    /// Logins to an account from one address in a minute.
    pub logins_per_minute: NonZeroU32,
    /// Logins from one address in a minute, to whatever accounts; and as many tries of mailed codes.
    pub logins_per_minute_from_address: NonZeroU32,
    /// Logins to an account in a minute, from all addresses together that it is not known to log in from.
    pub logins_per_minute_to_account: NonZeroU32,
    /// Logins to an account in a minute, from all addresses together that it logged in from within 30 days.
    pub logins_per_minute_from_known_addresses: NonZeroU32,
    /// Changes of their password that a user may try in a minute.
    pub password_changes_per_minute: NonZeroU32,
    /// Codes for an account that may be asked for from one address in an hour.
    pub codes_per_hour: NonZeroU32,
    /// Codes that may be asked for from one address in an hour, for whatever accounts.
    pub codes_per_hour_from_address: NonZeroU32,
    /// Registrations from one address in an hour.
    pub registrations_per_hour: NonZeroU32,
}

/// How the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

/// The log.
#[derive(Clone, Debug, Deserialize)]
pub struct LogSettings {
    /// How it looks.
    pub format: LogFormat,
    /// What is in it, in the form of tracing's `EnvFilter`.
    pub filter: String,
}

/// Metrics. Where traces, metrics and logs are sent to is for the standard `OTEL_*` variables to say.
#[derive(Clone, Debug, Deserialize)]
pub struct TelemetrySettings {
    /// Where `/metrics` is served; none if it is not.
    #[serde(deserialize_with = "address")]
    pub addr: Option<ListenAddr>,
    /// How many prompts are named in metrics.
    pub prompt_labels: usize,
}

/// An address; empty is none.
fn address<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<ListenAddr>, D::Error> {
    let text = String::deserialize(from)?;
    let parsed = (!text.is_empty()).then(|| text.parse());
    parsed.transpose().map_err(serde::de::Error::custom)
}

/// Most prompts that can be named: each has up to five series in a metric, and a metric has 2,000 (the SDK's limit).
const MAX_PROMPT_LABELS: usize = 400;

impl Settings {
    /// What the workflows need.
    pub fn policy(&self) -> Policy {
        Policy {
            session_ttl: Duration::from_secs(self.auth.session_seconds),
            code_ttl: Duration::from_secs(self.auth.code_seconds),
            hashing: HashLimits {
                from_one: self.auth.waiting_per_address,
                in_all: self.auth.waiting,
            },
            auto_verify: self.email.mode == EmailMode::AutoVerify,
            max_template: self.limits.template,
            max_variables: self.limits.variables,
            cache_bytes: self.store.cache_bytes,
            default_engine: self.render.default_engine.clone(),
        }
    }

    /// What no type can say.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            ("http.max_body", self.http.max_body > 0, "must be more than 0"),
            ("http.max_connections", self.http.max_connections > 0, "must be more than 0"),
            (
                "http.max_connections_per_address",
                self.http.max_connections_per_address > 0,
                "must be more than 0",
            ),
            (
                "http.body_memory",
                self.http.body_memory >= self.http.max_body,
                "must be at least http.max_body",
            ),
            ("http.timeout_ms", self.http.timeout_ms > 0, "must be more than 0"),
            ("auth.session_seconds", self.auth.session_seconds > 0, "must be more than 0"),
            ("auth.code_seconds", self.auth.code_seconds > 0, "must be more than 0"),
            ("auth.waiting", self.auth.waiting > 0, "must be more than 0"),
            ("auth.waiting_per_address", self.auth.waiting_per_address > 0, "must be more than 0"),
            (
                "telemetry.prompt_labels",
                self.telemetry.prompt_labels <= MAX_PROMPT_LABELS,
                "must be at most 400",
            ),
            ("limits.template", self.limits.template > 0, "must be more than 0"),
            (
                "limits.variables",
                self.limits.variables >= 2,
                "must be at least 2: `{}` has two bytes",
            ),
        ];
        let refuse =
            |key: &str, why: &str| ConfigError::Value(format!("invalid value for `{key}`: {why}"));
        if let Some((key, _, rule)) = rules.into_iter().find(|(_, holds, _)| !holds) {
            return Err(refuse(key, rule));
        }
        if let Some((key, rule)) = self.render.problem() {
            return Err(refuse(&format!("render.{key}"), &rule));
        }
        if let Some((key, rule)) = self.plugins.problem() {
            return Err(refuse(&format!("plugins.{key}"), &rule));
        }
        for text in &self.http.cors_origins {
            origin::check(text).map_err(|why| refuse("http.cors_origins", &why))?;
        }
        filter::check(&self.log.filter).map_err(|why| refuse("log.filter", &why))
    }
}
