//! The `px0` binary.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks on its terminal")]

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use px0_config::Settings;
use px0_server::Telemetry;

use signal::{Signal, Signals};

mod logging;
mod people;
mod plugin;
mod signal;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Has memory given back to the system soon: compiling the guests at the first start takes a few hundred megabytes for a
/// moment, and mimalloc would wait a second with it, and longer if nothing is allocated any more.
fn give_back_memory() {
    /// `mi_option_purge_delay` of mimalloc.h, in milliseconds.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: there is no other thread yet, which is all that it asks for.
    #[expect(unsafe_code, reason = "an option of the allocator, set before anything else happens")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 10);
    }
}

/// Prompt infrastructure in one binary.
#[derive(Parser)]
#[command(name = "px0", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// A configuration file (TOML); what it does not name keeps its default.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API (this is what px0 does when it is not told what to do).
    Serve,
    /// Writes all data into a file (JSON Lines), also while px0 is running.
    Export {
        /// The file; standard output without one.
        file: Option<PathBuf>,
    },
    /// Fills an empty store from a file that `px0 export` wrote, of whatever backend.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Looks for what is wrong with the store, also while px0 is running.
    Fsck,
    /// Makes and lists accounts, and gives new passwords, also while px0 is running.
    User {
        /// What to do.
        #[command(subcommand)]
        command: people::UserCommand,
    },
    /// Makes organizations, also while px0 is running.
    Org {
        /// What to do.
        #[command(subcommand)]
        command: people::OrgCommand,
    },
    /// Makes, checks, installs and removes plugins.
    Plugin {
        /// What to do.
        #[command(subcommand)]
        command: plugin::PluginCommand,
    },
    /// Prints every setting with its default and what it means.
    Defaults,
}

fn main() -> ExitCode {
    give_back_memory();
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(cli.config),
        Command::Export { file } => maintain(cli.config, async |settings| {
            let summary = px0_server::maintain::export(settings, file.as_deref()).await?;
            eprintln!("{} records, sha256 {}", summary.records, summary.sha256);
            Ok(())
        }),
        Command::Import { file } => maintain(cli.config, async |settings| {
            let summary = px0_server::maintain::import(settings, &file).await?;
            eprintln!("{} records, sha256 {}", summary.records, summary.sha256);
            Ok(())
        }),
        Command::Fsck => maintain(cli.config, async |settings| {
            let problems = px0_server::maintain::fsck(settings).await?;
            problems.iter().for_each(|problem| println!("{problem}"));
            match problems.len() {
                0 => {
                    eprintln!("the store is in order");
                    Ok(())
                }
                count => Err(format!("{count} problems")),
            }
        }),
        Command::User { command } => people::user(command, cli.config),
        Command::Org { command } => people::org(command, cli.config),
        Command::Plugin { command } => plugin::run(command, cli.config.as_deref()),
        Command::Defaults => {
            print!("{}", px0_config::DEFAULTS);
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("px0: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command on the store that the settings name.
fn maintain(
    config: Option<PathBuf>,
    command: impl AsyncFnOnce(&Settings) -> Result<(), String>,
) -> Result<(), String> {
    let settings = Settings::load(config.as_deref()).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(command(&settings))
}

fn serve(config: Option<PathBuf>) -> Result<(), String> {
    let settings = Settings::load(config.as_deref()).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let telemetry = {
        let _within = runtime.enter();
        Telemetry::from_env().map_err(|error| error.to_string())?
    };
    // Until the very end: what is still to be written is written when it goes.
    let _log = logging::start(&settings.log, &telemetry)?;
    let served = runtime.block_on(serving(settings, telemetry.clone()));
    telemetry.stop();
    // A name that is being looked up for an exporter would be waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn serving(settings: Settings, telemetry: Telemetry) -> Result<(), String> {
    let mut signals = Signals::listen().map_err(|error| error.to_string())?;
    let running = px0_server::start_with(settings, telemetry).await;
    let running = running.map_err(|error| error.to_string())?;
    // Whoever started px0 may have stopped reading; that is no reason to stop serving.
    let _ = writeln!(std::io::stdout(), "{}", running.summary());
    loop {
        match signals.next().await {
            Signal::Stop => break,
            Signal::Reload => match running.reload().await {
                Ok(()) => tracing::info!("plugins were looked at again"),
                Err(error) => {
                    tracing::error!(%error, "plugins stay as they are");
                }
            },
        }
    }
    tracing::info!("stopping: no new connections, running requests may finish");
    running.stop().await.map_err(|error| error.to_string())
}
