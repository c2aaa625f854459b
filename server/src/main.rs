//! The `px0` binary.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks on its terminal")]

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use px0_config::Settings;

mod logging;
mod signal;

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
    /// Prints every setting with its default and what it means.
    Defaults,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(cli.config),
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

fn serve(config: Option<PathBuf>) -> Result<(), String> {
    let settings = Settings::load(config.as_deref()).map_err(|error| error.to_string())?;
    logging::start(&settings.log)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let running = px0_server::start(settings).await.map_err(|error| error.to_string())?;
        println!("{}", running.summary());
        signal::stop().await;
        tracing::info!("stopping: no new connections, running requests may finish");
        running.stop().await.map_err(|error| error.to_string())
    })
}
