//! `px0 plugin`.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use px0_config::Settings;
use px0_core::plugin::{Kind, PluginId};
use px0_plugins::{check, install, scaffold};

/// What can be done with plugins.
#[derive(Subcommand)]
pub(crate) enum PluginCommand {
    /// Writes a new plugin that works, into a folder of its name.
    New {
        /// What it is.
        kind: KindName,
        /// Its id: letters a-z, digits and dashes.
        name: String,
        /// Where the folder is made.
        #[arg(long, default_value = ".")]
        into: PathBuf,
    },
    /// Runs a plugin that was built, as px0 would, with the samples in its plugin.toml.
    Check {
        /// The folder with its plugin.toml.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Installs a plugin that was built, or replaces an older one; a running px0 takes it when it gets SIGHUP.
    Add {
        /// The folder with its plugin.toml.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Lists the plugins, those that come with px0 among them.
    List,
    /// Removes a plugin; a running px0 goes on with it until it gets SIGHUP.
    Remove {
        /// Its id.
        id: String,
    },
}

/// A kind of plugin.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum KindName {
    /// A template language.
    Engine,
    /// Functions for templates.
    Filters,
    /// A rule that is asked before or after a render, or at a promotion.
    Hook,
}

impl From<KindName> for Kind {
    fn from(kind: KindName) -> Self {
        match kind {
            KindName::Engine => Self::Engine,
            KindName::Filters => Self::Filters,
            KindName::Hook => Self::Hook,
        }
    }
}

/// Does it.
///
/// # Errors
/// A sentence for the operator.
pub(crate) fn run(command: PluginCommand, config: Option<&Path>) -> Result<(), String> {
    let settings = || Settings::load(config).map_err(|error| error.to_string());
    match command {
        PluginCommand::New { kind, name, into } => new(kind, &name, &into),
        PluginCommand::Check { folder } => checked(&folder),
        PluginCommand::Add { folder } => {
            let added = install::add(&folder, &settings()?.plugins).map_err(told)?;
            let install::Added { manifest, folder, replaced } = added;
            let instead = replaced.map(|old| format!(" instead of {old}")).unwrap_or_default();
            println!("{} {} is in {}{instead}", manifest.id, manifest.version, folder.display());
            if !manifest.wants.is_empty() {
                let grants = manifest.wants.iter();
                let grants: Vec<_> =
                    grants.map(|want| format!("\"{}:{}\"", manifest.id, want.as_str())).collect();
                println!(
                    "it has nothing that it wants until plugins.grant has {}",
                    grants.join(", ")
                );
            }
            Ok(())
        }
        PluginCommand::List => {
            for listed in install::list(&settings()?.plugins).map_err(told)? {
                let install::Listed { name, manifest, shipped, problem } = listed;
                let whence = if shipped { "comes with px0" } else { "installed" };
                let state = problem.map(|why| format!("cannot be loaded: {why}"));
                let state = state.as_deref().unwrap_or(whence);
                let told = manifest.map(|said| (said.version.to_string(), said.kind.as_str()));
                let (version, kind) = told.unwrap_or_else(|| ("?".to_owned(), "?"));
                println!("{name:<20} {version:<10} {kind:<8} {state}");
            }
            Ok(())
        }
        PluginCommand::Remove { id } => {
            let id = parse(&id)?;
            let version = install::remove(&id, &settings()?.plugins).map_err(told)?;
            let version = version.map(|version| format!(" {version}")).unwrap_or_default();
            println!("{id}{version} is removed");
            Ok(())
        }
    }
}

fn new(kind: KindName, name: &str, into: &Path) -> Result<(), String> {
    let folder = scaffold::create(kind.into(), &parse(name)?, into).map_err(told)?;
    let folder = folder.display();
    println!("{folder} is a plugin. What next:");
    println!("  cd {folder}");
    println!("  cargo test");
    println!("  cargo build --release --target wasm32-unknown-unknown");
    println!("  px0 plugin check");
    Ok(())
}

fn checked(folder: &Path) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let report = runtime.block_on(check::check(folder)).map_err(told)?;
    let manifest = &report.manifest;
    println!(
        "{} {}, {}, for px0:plugin {}",
        manifest.id,
        manifest.version,
        manifest.kind.as_str(),
        manifest.api
    );
    if !report.functions.is_empty() {
        println!("functions: {}", report.functions.join(", "));
    }
    for (what, came) in &report.tried {
        match came {
            Ok(came) => println!("ok    {what}: {came}"),
            Err(why) => println!("WRONG {what}: {why}"),
        }
    }
    if report.is_good() {
        Ok(())
    } else {
        Err("the plugin does not do what its samples say".to_owned())
    }
}

fn parse(id: &str) -> Result<PluginId, String> {
    PluginId::parse(id).map_err(|error| error.message.into_owned())
}

fn told(error: install::InstallError) -> String {
    error.to_string()
}
