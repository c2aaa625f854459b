//! px0 over HTTP, as its users see it.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop where it stands")]

mod bad_input;
mod crash;
#[cfg(target_os = "linux")]
mod disk;
mod entry;
mod enumeration;
mod full_disk;
mod guide;
mod hostile;
mod life;
mod limits;
mod mail;
mod maintain;
mod matrix;
mod openapi;
mod operator;
mod path;
mod people;
mod plugins;
mod profile;
mod prompts;
mod races;
mod replicas;
mod strangers;
mod surface;
mod tenancy;
mod versions;
