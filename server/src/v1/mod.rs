//! The handlers: one file a group, each handler a sentence: who, what, do, answer.

pub(crate) mod api_keys;
pub(crate) mod auth;
pub(crate) mod health;
pub(crate) mod inbox;
pub(crate) mod members;
pub(crate) mod orgs;
pub(crate) mod payloads;
pub(crate) mod plugins;
pub(crate) mod profile;
pub(crate) mod prompts;
pub(crate) mod renders;
mod shapes;
pub(crate) mod tags;
pub(crate) mod teams;
pub(crate) mod version;
pub(crate) mod versions;
