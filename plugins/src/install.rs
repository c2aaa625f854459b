//! `px0 plugin add`, `list` and `remove`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use px0_core::plugin::PluginId;
use px0_render_wasm::host::Machine;
use semver::Version;

use crate::{
    PluginSettings,
    load::{self, Code, Context, LoadError, Source},
    log::tidy,
    manifest::{COMPONENT, FILE, Manifest},
    shipped::{check_id, shipped},
};

/// Why a plugin was not installed or removed: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InstallError(pub(crate) String);

impl From<LoadError> for InstallError {
    fn from(error: LoadError) -> Self {
        Self(error.to_string())
    }
}

fn failed(what: &Path) -> impl Fn(io::Error) -> InstallError + '_ {
    move |error| InstallError(format!("{}: {error}", what.display()))
}

/// A plugin that was installed.
pub struct Added {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Where it is now.
    pub folder: PathBuf,
    /// The version that it took the place of, if there was one.
    pub replaced: Option<Version>,
}

/// A plugin, as it is installed.
pub struct Listed {
    /// Its id, or what its folder is called.
    pub name: String,
    /// What it says about itself, if that can be read.
    pub manifest: Option<Manifest>,
    /// Whether it comes with px0.
    pub shipped: bool,
    /// Why it cannot be loaded, if it cannot.
    pub problem: Option<String>,
}

/// Installs the plugin whose `plugin.toml` is in `from`: makes a component of what was built, looks at it as a start of px0 would,
/// and puts it into the folder of plugins, in place of an older one of the same name. A running px0 takes it when it gets SIGHUP.
///
/// # Errors
/// It is no plugin that px0 can run, or the folder cannot be written to.
pub fn add(from: &Path, settings: &PluginSettings) -> Result<Added, InstallError> {
    add_with(from, settings, None)
}

/// The same, with a folder for compiled code.
pub(crate) fn add_with(
    from: &Path,
    settings: &PluginSettings,
    cache_dir: Option<PathBuf>,
) -> Result<Added, InstallError> {
    let path = folder(settings)?;
    let source = built(from)?;
    let id = &source.manifest.id;
    check_id(id)?;
    let machine = Machine::get().map_err(|error| InstallError(format!("{error:#}")))?;
    let context = Context { machine, limits: settings.limits(0), kv: None, cache_dir };
    context.load(&source, &source.manifest.wants)?;
    let target = path.join(id.as_str());
    let replaced = Manifest::read(&target).ok().map(|manifest| manifest.version);
    put(&source, path, &target)?;
    Ok(Added { manifest: source.manifest, folder: target, replaced })
}

/// Writes a plugin beside its place, and then puts it there at once.
fn put(source: &Source, path: &Path, target: &Path) -> Result<(), InstallError> {
    let hidden = |what: &str| path.join(format!(".{}.{what}", source.manifest.id));
    let (new, old) = (hidden("new"), hidden("old"));
    for left_behind in [&new, &old] {
        match fs::remove_dir_all(left_behind) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(left_behind)(error));
            }
            _ => {}
        }
    }
    fs::create_dir_all(&new).map_err(failed(&new))?;
    let text =
        toml::to_string(&source.manifest).map_err(|error| InstallError(error.to_string()))?;
    let write = |name: &str, bytes: &[u8]| {
        let file = new.join(name);
        fs::write(&file, bytes).map_err(failed(&file))
    };
    write(COMPONENT, source.code.wasm())?;
    write(FILE, text.as_bytes())?;
    if target.exists() {
        fs::rename(target, &old).map_err(failed(target))?;
    }
    fs::rename(&new, target).map_err(failed(target))?;
    // What is left is hidden, and goes with the next one.
    let _ = fs::remove_dir_all(&old);
    Ok(())
}

/// What an author built: the component, with its checksum in the manifest.
pub(crate) fn built(from: &Path) -> Result<Source, InstallError> {
    let mut manifest = Manifest::read(from).map_err(|error| InstallError(error.to_string()))?;
    let library = manifest.id.as_str().replace('-', "_");
    let by_cargo = || format!("target/wasm32-unknown-unknown/release/{library}.wasm").into();
    let file = from.join(manifest.component.clone().unwrap_or_else(by_cargo));
    if !file.exists() {
        let file = file.display();
        return Err(InstallError(format!(
            "there is no {file}: build the plugin first (its README says how)"
        )));
    }
    let bytes = load::read(&file).map_err(InstallError)?;
    let found = load::checksum(&bytes);
    if manifest.sha256.as_ref().is_some_and(|expected| !expected.eq_ignore_ascii_case(&found)) {
        let file = file.display();
        return Err(InstallError(format!(
            "{file} has the sha256 {found}, which is not what plugin.toml says"
        )));
    }
    let bytes = px0_componentize::component(bytes)
        .map_err(|error| InstallError(format!("{} is no component: {error}", file.display())))?;
    manifest.sha256 = Some(load::checksum(&bytes));
    manifest.component = None;
    Ok(Source { manifest, code: Code::Installed(bytes) })
}

/// The plugins, sorted by id.
///
/// # Errors
/// The folder cannot be read.
pub fn list(settings: &PluginSettings) -> Result<Vec<Listed>, InstallError> {
    let named = |manifest: &Manifest| manifest.id.as_str().to_owned();
    let shipped = shipped()?.into_iter().map(|source| Listed {
        name: named(&source.manifest),
        manifest: Some(source.manifest),
        shipped: true,
        problem: None,
    });
    let mut all: Vec<_> = shipped.collect();
    if settings.path.is_some() {
        let path = folder(settings)?;
        for folder in load::folders(path).map_err(failed(path))? {
            let manifest = Manifest::read(&folder).ok();
            let called = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = tidy(&manifest.as_ref().map_or_else(called, named));
            let problem = Source::installed(&folder).err().map(|error| tidy(&error.why));
            all.push(Listed { name, manifest, shipped: false, problem });
        }
    }
    // Those that come with px0 are first.
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let mut last = None;
    for listed in &mut all {
        if last.as_ref() == Some(&listed.name) && listed.problem.is_none() {
            listed.problem = Some("its id is taken by another plugin".to_owned());
        }
        last = Some(listed.name.clone());
    }
    Ok(all)
}

/// Removes a plugin, whatever is wrong with it; answers with its version, if it says which. A running px0 goes on with it until it
/// gets SIGHUP.
///
/// # Errors
/// It is not there, or cannot be removed.
pub fn remove(id: &PluginId, settings: &PluginSettings) -> Result<Option<Version>, InstallError> {
    let path = folder(settings)?;
    let mut found = Vec::new();
    for folder in load::folders(path).map_err(failed(path))? {
        match Manifest::read(&folder) {
            Ok(manifest) if manifest.id == *id => found.push((folder, Some(manifest.version))),
            Ok(_) => {}
            // Whose plugin.toml is broken goes by the name of its folder. What has none is no plugin, and not ours to remove.
            Err(_) if folder == path.join(id.as_str()) && folder.join(FILE).exists() => {
                found.push((folder, None));
            }
            Err(_) => {}
        }
    }
    match found.as_slice() {
        [] => Err(InstallError(format!("{id} is not in {}", path.display()))),
        [(folder, version)] => {
            fs::remove_dir_all(folder).map_err(failed(folder))?;
            Ok(version.clone())
        }
        [(one, _), (other, _), ..] => Err(InstallError(format!(
            "{id} is in {} and in {}: remove one of them yourself",
            one.display(),
            other.display()
        ))),
    }
}

fn folder(settings: &PluginSettings) -> Result<&Path, InstallError> {
    let why = "there is no folder for plugins: name one by PX0_PLUGINS__PATH, or by plugins.path in the configuration file";
    settings.path.as_deref().ok_or_else(|| InstallError(why.to_owned()))
}
