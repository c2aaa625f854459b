//! What the product does, written against the traits.
//!
//! A workflow that acts on something wants a [`Grant`] of it, and only the functions in [`grants`] make
//! those, after asking the access table: what was not permitted cannot be called.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::{
    cache::Cache,
    clock::Timestamp,
    error::{Error, Result},
    ids::KeyId,
    password::{HashLimits, Hasher},
    plugin::Host,
    render::{EngineName, Renderer},
    secret::CodeKey,
    store::SharedStore,
};

mod accounts;
mod authenticate;
pub mod grants;
mod keys;
mod members;
pub mod operator;
mod orgs;
mod payloads;
mod plugins;
pub mod post;
mod profile;
mod prompts;
mod renders;
mod teams;
mod versions;

pub use accounts::{Login, Registration, Visitor};
pub use grants::{Grant, OnPayload, OnVersion};
pub use keys::NewKey;
pub use plugins::{Decided, Decision};
pub use post::{Mail, Mailer};
pub use profile::OrgRole;
pub use prompts::NewPrompt;
pub use renders::Rendered;
pub use versions::{NewVersion, VersionDiff};

/// What an operator decides about the workflows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a session lasts.
    pub session_ttl: Duration,
    /// How long a code that was mailed can be used.
    pub code_ttl: Duration,
    /// How many passwords may wait to be hashed or verified.
    pub hashing: HashLimits,
    /// Whether addresses need no proof: people can log in right after registering.
    pub auto_verify: bool,
    /// Largest template, in bytes: also of a version's parameters and of its schema.
    pub max_template: usize,
    /// Bytes of templates that may be kept in memory for renders.
    pub cache_bytes: u64,
    /// Largest variables, in bytes: of a render and of a payload.
    pub max_variables: usize,
    /// The engine of versions that name none.
    pub default_engine: EngineName,
}

/// A document that callers send, which has a largest size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The template of a version.
    Template,
    /// The parameters of a version's model.
    ModelParams,
    /// The JSON Schema of a version's variables.
    VariablesSchema,
    /// The settings of a plugin.
    Settings,
    /// The variables of a render or of a payload.
    Variables,
}

impl Document {
    /// The field that it is sent in.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::ModelParams => "model_params",
            Self::VariablesSchema => "variables_schema",
            Self::Settings => "settings",
            Self::Variables => "variables",
        }
    }
}

impl Policy {
    /// Whether a document may have so many bytes.
    ///
    /// # Errors
    /// [`Code::TooLarge`].
    pub fn check_size(&self, document: Document, bytes: usize) -> Result<()> {
        let most = match document {
            Document::Variables => self.max_variables,
            _ => self.max_template,
        };
        if bytes > most { Err(Error::too_large(document.field(), most)) } else { Ok(()) }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            session_ttl: Duration::from_secs(24 * 60 * 60),
            code_ttl: Duration::from_secs(15 * 60),
            hashing: HashLimits { from_one: 32, in_all: 512 },
            auto_verify: false,
            max_template: 64 * 1024,
            max_variables: 1024 * 1024,
            cache_bytes: 32 * 1024 * 1024,
            default_engine: EngineName::default(),
        }
    }
}

/// The product: everything a handler needs, in one place.
pub struct Px0 {
    pub(crate) store: SharedStore,
    pub(crate) cache: Arc<Cache>,
    /// Whether the store tells of changes at all: where it does not, nothing is copied.
    pub(crate) is_watched: bool,
    pub(crate) renderer: Arc<dyn Renderer>,
    pub(crate) plugins: Arc<dyn Host>,
    pub(crate) hasher: Hasher,
    pub(crate) code_key: CodeKey,
    pub(crate) post: post::Post,
    pub(crate) policy: Policy,
    pub(crate) touched: Mutex<HashMap<KeyId, Timestamp>>,
}

impl Px0 {
    /// Puts the product together. Mail goes to `mailer` from a task of its own.
    ///
    /// # Errors
    /// When the store cannot be read, or there is no randomness.
    pub async fn new(
        store: SharedStore,
        renderer: Arc<dyn Renderer>,
        plugins: Arc<dyn Host>,
        mailer: Arc<dyn Mailer>,
        policy: Policy,
    ) -> Result<Self> {
        let code_key = store.code_key(CodeKey::new()?).await?;
        let cache = Cache::new(policy.cache_bytes);
        let is_watched = store.watch(cache.clone());
        let post = post::Post::start(store.clone(), mailer, code_key, policy.code_ttl);
        Ok(Self {
            store,
            cache,
            is_watched,
            renderer,
            plugins,
            hasher: Hasher::new(policy.hashing)?,
            code_key,
            post,
            policy,
            touched: Mutex::default(),
        })
    }

    /// Whether addresses are to be proved by a code that is mailed there.
    pub fn wants_proof(&self) -> bool {
        !self.policy.auto_verify
    }

    /// The store, for health checks and for closing it.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// Whether what others change is heard of at present. Otherwise renders read the store each time.
    pub fn hears_changes(&self) -> bool {
        !self.is_watched || self.cache.is_told()
    }

    /// The copies of what renders read, for telemetry.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// What the operator decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The sandbox, for what the start-up log says of it.
    pub fn renderer(&self) -> &Arc<dyn Renderer> {
        &self.renderer
    }
}
