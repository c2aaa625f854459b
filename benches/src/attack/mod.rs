//! Attacks on a px0 in a process of its own, and what a neighbour in the same px0 feels of them.
//!
//! All of it stays on the loopback, is bounded in number and in time, and ends by itself. Two binaries can be compared: they
//! are attacked in turns.

use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

mod addresses;
mod fat_bodies;
mod hammer;
mod held;
mod idle_connections;
mod logins;
mod process;
mod scene;
mod slow_bodies;
mod slow_readers;
mod starts;

use process::Binary;
use scene::{Outcome, Watch};

/// An attack, and on what.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    attack: Attack,
    /// The px0 that is attacked; by default the one beside this program.
    #[arg(long, global = true, value_name = "PATH")]
    px0: Option<PathBuf>,
    /// Another px0 to compare it with.
    #[arg(long, global = true, value_name = "PATH")]
    against: Option<PathBuf>,
    /// How often each is attacked.
    #[arg(long, global = true, default_value_t = 1)]
    turns: usize,
}

#[derive(Debug, clap::Subcommand)]
enum Attack {
    /// More idle connections than px0 may have files open.
    IdleConnections {
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: idle_connections::Options,
    },
    /// Bodies of 2 MiB made of as many values as fit: anonymous logins, and payloads that are refused.
    FatBodies {
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: fat_bodies::Options,
    },
    /// Bodies that are sent but for the last bytes.
    SlowBodies {
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: slow_bodies::Options,
    },
    /// Answers that nobody reads.
    SlowReaders {
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: slow_readers::Options,
    },
    /// Guesses of the password of one account, and of many.
    Logins {
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: logins::Options,
    },
    /// Requests from ever new addresses.
    Addresses {
        #[command(flatten)]
        watch: Watch,
        #[command(flatten)]
        options: addresses::Options,
    },
    /// What a first start costs. Nobody attacks.
    Starts {
        #[command(flatten)]
        options: starts::Options,
    },
    /// All of them, one after the other.
    All {
        #[command(flatten)]
        watch: Watch,
    },
}

/// Runs an attack; `print` gets the rows of the table as they come, and then a line of JSON.
///
/// # Panics
/// When px0 does not start, or ends.
pub async fn run(options: Options, print: fn(String)) {
    open_many_files();
    let beside = || std::env::current_exe().unwrap().with_file_name("px0");
    let mut binaries = vec![Binary::at(&options.px0.unwrap_or_else(beside), "px0")];
    binaries.extend(options.against.as_deref().map(|path| Binary::at(path, "other")));
    match options.attack {
        Attack::All { watch } => {
            let attacks = [
                Attack::Starts { options: starts::Options::default() },
                Attack::IdleConnections { watch, options: idle_connections::Options::default() },
                Attack::FatBodies { watch, options: fat_bodies::Options::default() },
                Attack::SlowBodies { watch, options: slow_bodies::Options::default() },
                Attack::SlowReaders { watch, options: slow_readers::Options::default() },
                Attack::Logins { watch, options: logins::Options::default() },
                Attack::Addresses { watch, options: addresses::Options::default() },
            ];
            for attack in attacks {
                turns(&attack, &binaries, options.turns, print).await;
            }
        }
        attack => turns(&attack, &binaries, options.turns, print).await,
    }
}

async fn turns(attack: &Attack, binaries: &[Binary], turns: usize, print: fn(String)) {
    if let Attack::Starts { options } = attack {
        print(starts::head());
        let mut all = Vec::new();
        for _ in 0..turns {
            for binary in binaries {
                all.push(starts::run(binary, *options, print).await);
            }
        }
        print(json!({ "starts": all }).to_string());
        return;
    }
    print(Outcome::head());
    let mut all: Vec<Vec<Outcome>> = binaries.iter().map(|_| Vec::new()).collect();
    for _ in 0..turns {
        for (binary, all) in binaries.iter().zip(&mut all) {
            let outcomes = once(attack, binary).await;
            outcomes.iter().for_each(|outcome| print(outcome.row(&binary.name)));
            all.extend(outcomes);
        }
    }
    let all = binaries.iter().zip(&all);
    let all = all.flat_map(|(binary, all)| all.iter().map(|outcome| outcome.json(&binary.name)));
    print(json!({ "attacks": all.collect::<Vec<_>>() }).to_string());
}

async fn once(attack: &Attack, binary: &Binary) -> Vec<Outcome> {
    match attack {
        Attack::IdleConnections { watch, options } => {
            idle_connections::run(binary, *watch, *options).await
        }
        Attack::FatBodies { watch, options } => fat_bodies::run(binary, *watch, *options).await,
        Attack::SlowBodies { watch, options } => slow_bodies::run(binary, *watch, *options).await,
        Attack::SlowReaders { watch, options } => slow_readers::run(binary, *watch, *options).await,
        Attack::Logins { watch, options } => logins::run(binary, *watch, *options).await,
        Attack::Addresses { watch, options } => addresses::run(binary, *watch, *options).await,
        Attack::Starts { .. } | Attack::All { .. } => Vec::new(),
    }
}

/// Attackers have more connections than a program usually may have files open.
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
