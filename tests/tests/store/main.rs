//! Every law of the storage traits, held against every backend.
//!
//! A law is an `async fn` whose name is what it demands; it gets a [`World`] with an empty store in it.
//! To hold another backend to all of them, implement [`backends::Backend`] and add it to
//! [`backends::all`]; to add a law, write it and name it in its chapter's `LAWS`.
//!
//! After each law the world is audited and the backend checks itself; a backend that keeps its data is
//! then closed, opened again, and must show the same. The `model` runs random operations on a
//! backend and on the in-memory store, and compares every answer.
#![allow(clippy::unwrap_used, missing_docs, reason = "in a test, a panic is how a failure is told")]

mod accounts;
mod administration;
mod archives;
mod audit;
mod backends;
mod cascades;
mod codes;
mod finding;
mod keys;
mod lifecycle;
mod making;
mod members;
mod model;
mod moments;
mod nature;
mod organizations;
mod payloads;
mod plugins;
mod portrait;
mod prompts;
mod race;
mod races;
mod requests;
mod sessions;
mod sizes;
mod tags;
mod teams;
mod versions;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::{
    backends::Backend,
    world::{Law, World},
};

/// The laws, chapter by chapter.
const CHAPTERS: &[&[Law]] = &[
    accounts::LAWS,
    administration::LAWS,
    sessions::LAWS,
    codes::LAWS,
    organizations::LAWS,
    teams::LAWS,
    members::LAWS,
    requests::LAWS,
    keys::LAWS,
    prompts::LAWS,
    finding::LAWS,
    versions::LAWS,
    lifecycle::LAWS,
    tags::LAWS,
    payloads::LAWS,
    plugins::LAWS,
    cascades::LAWS,
    nature::LAWS,
    sizes::LAWS,
    races::LAWS,
    moments::LAWS,
    archives::LAWS,
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let mut trials = Vec::new();
    for backend in backends::all() {
        let laws = CHAPTERS.iter().copied().flatten();
        trials.extend(laws.map(|law| trial(backend, law)));
        trials.extend(model::trials(backend));
    }
    libtest_mimic::run(&args, trials).exit_code()
}

/// The test `sled::accounts::an_address_that_is_taken_is_refused`.
fn trial(backend: &'static dyn Backend, law: &'static Law) -> Trial {
    Trial::test(format!("{}::{}", backend.name(), law.name()), move || {
        backends::runtime().block_on(async {
            let world = World::new(backend).await;
            (law.hold)(world.clone()).await;
            world.end().await;
        });
        Ok(())
    })
}
