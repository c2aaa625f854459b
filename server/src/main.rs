//! The `px0` binary.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks on its terminal")]

use std::{io::Write as _, path::PathBuf, pin::pin, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use px0_config::Settings;
use px0_server::Telemetry;

use signal::{Signal, Signals};

mod logging;
mod panics;
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

/// Gives memory back that only the start used: in an idle px0 nothing is allocated, and the allocator would keep it.
fn give_back_what_the_start_took() {
    // SAFETY: it may be called at any time.
    #[expect(unsafe_code, reason = "a call of the allocator")]
    unsafe {
        libmimalloc_sys::mi_collect(true);
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
        /// The file; standard output for `-`, or without one.
        file: Option<PathBuf>,
        #[command(flatten)]
        scratch: Scratch,
    },
    /// Fills an empty store from a file that `px0 export` wrote, of whatever backend; on the embedded store px0 must be stopped.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Looks for what is wrong with the store, also while px0 is running.
    Fsck {
        #[command(flatten)]
        scratch: Scratch,
    },
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

#[derive(clap::Args)]
struct Scratch {
    /// Where the embedded store is copied to while px0 does not run: its data folder is only read. By default beside it where the file
    /// system can share the blocks of files, else where the system keeps temporary files.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

fn main() -> ExitCode {
    give_back_memory();
    panics::say_in_a_line();
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => return serve(cli.config),
        Command::Export { file, scratch } => maintain(cli.config, async |settings| {
            let (file, scratch) = (file.as_deref(), scratch.scratch.as_deref());
            let summary = px0_server::maintain::export(settings, file, scratch).await?;
            eprintln!("{} records, sha256 {}", summary.records, summary.sha256);
            Ok(())
        }),
        Command::Import { file } => maintain(cli.config, async |settings| {
            let summary = px0_server::maintain::import(settings, &file).await?;
            eprintln!("{} records, sha256 {}", summary.records, summary.sha256);
            Ok(())
        }),
        Command::Fsck { scratch } => maintain(cli.config, async |settings| {
            let scratch = scratch.scratch.as_deref();
            let problems = px0_server::maintain::fsck(settings, scratch).await?;
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
        Err(why) => failed(&why),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("px0: {why}");
    ExitCode::FAILURE
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

/// How long the end of the process waits for threads that are busy.
const LINGER: Duration = Duration::from_millis(300);

fn serve(config: Option<PathBuf>) -> ExitCode {
    let settings = match Settings::load(config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => return failed(&error.to_string()),
    };
    let is_json = logging::is_json(settings.log.format);
    match served(settings) {
        Ok(()) => ExitCode::SUCCESS,
        // The most important line of all is for whoever reads the others, too.
        Err(why) if is_json => {
            let why = format!("px0 stops: {why}");
            eprintln!("{}", logging::json_line("ERROR", &why, None));
            ExitCode::FAILURE
        }
        Err(why) => failed(&why),
    }
}

fn served(settings: Settings) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let telemetry = {
        let _within = runtime.enter();
        Telemetry::from_env().map_err(|error| error.to_string())?
    };
    // Until the very end: what is still to be written is written when it goes.
    let _log = logging::start(&settings.log, &telemetry)?;
    let served = runtime.block_on(serving(settings, telemetry.clone()));
    if served != Ok(Ended::BeforeItStarted) {
        telemetry.stop();
    }
    // Neither a name that is being looked up for an exporter nor a start that was given up is waited for.
    runtime.shutdown_timeout(LINGER);
    served.map(drop)
}

/// How a server ended that was told to.
#[derive(PartialEq)]
enum Ended {
    BeforeItStarted,
    Well,
}

async fn serving(settings: Settings, telemetry: Telemetry) -> Result<Ended, String> {
    let is_json = logging::is_json(settings.log.format);
    let mut signals = Signals::listen().map_err(|error| error.to_string())?;
    let mut starting = pin!(px0_server::start_with(settings, telemetry));
    let running = loop {
        tokio::select! {
            running = &mut starting => break running.map_err(|error| error.to_string())?,
            signal = signals.next() => match signal {
                // What was begun is given up, as if px0 had been killed: every store can take that.
                Signal::Stop => {
                    tracing::info!("stopping: px0 was told to stop before it had started");
                    return Ok(Ended::BeforeItStarted);
                }
                // It has yet to look at its plugins for the first time.
                Signal::Reload => {}
            },
        }
    };
    let summary = running.summary();
    let told = match is_json {
        true => {
            let message = format!("px0 {} listens on {}", summary.version, summary.url);
            logging::json_line("INFO", &message, Some(&summary))
        }
        false => summary.to_string(),
    };
    // Whoever started px0 may have stopped reading; that is no reason to stop serving.
    let _ = writeln!(std::io::stdout(), "{told}");
    give_back_what_the_start_took();
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
    running.stop().await.map_err(|error| error.to_string())?;
    Ok(Ended::Well)
}
