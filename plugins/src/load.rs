//! From a folder, or from what comes with px0, to a plugin that can be asked.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use px0_core::{
    json::JsonText,
    plugin::{Installed, Kind, Permission, PluginFailure},
};
use px0_render_wasm::{
    EngineSource, PluginName, TemplateEngine,
    host::{Background, Embedded, Machine, component},
};
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};

use crate::{
    Grant, PluginSettings,
    api::look,
    cell::{Limits, State},
    file,
    filters::Filters,
    hook::Hook,
    kv::{self, Kv},
    log,
    manifest::{COMPONENT, Manifest},
    shipped::{BUILT_IN, is_built_in},
};

/// Largest component, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why a plugin was not loaded: a sentence that names it.
#[derive(Debug, thiserror::Error)]
#[error("plugin {plugin}: {why}")]
pub struct LoadError {
    pub(crate) plugin: String,
    pub(crate) why: String,
}

/// What a plugin is made of.
pub(crate) struct Source {
    pub(crate) manifest: Manifest,
    pub(crate) code: Code,
}

/// Where the component of a plugin is.
pub(crate) enum Code {
    /// In the binary.
    Shipped(Embedded),
    /// Read from a file.
    Installed(Vec<u8>),
}

impl Code {
    /// The component as WebAssembly.
    pub(crate) fn wasm(&self) -> &[u8] {
        match self {
            Self::Shipped(embedded) => embedded.component(),
            Self::Installed(bytes) => bytes,
        }
    }
}

impl Source {
    /// Reads an installed plugin: its `plugin.toml`, and the component that has the checksum in there.
    ///
    /// # Errors
    /// One of them is not as it should be.
    pub(crate) fn installed(folder: &Path) -> Result<Self, LoadError> {
        let told = |why: String| LoadError { plugin: folder.display().to_string(), why };
        let manifest = Manifest::read(folder).map_err(|error| told(error.to_string()))?;
        let wrong = |why: String| LoadError { plugin: manifest.label(), why };
        let component = manifest.component.as_deref().unwrap_or(Path::new(COMPONENT));
        let file = folder.join(component);
        let bytes = read(&file).map_err(wrong)?;
        let expected = manifest.sha256.as_deref().ok_or_else(|| {
            wrong("its plugin.toml has no sha256; install it by `px0 plugin add`".to_owned())
        })?;
        let found = checksum(&bytes);
        if !expected.eq_ignore_ascii_case(&found) {
            let why = format!(
                "{} has the sha256 {found}, not {expected} as plugin.toml says",
                file.display()
            );
            return Err(wrong(why));
        }
        Ok(Self { manifest, code: Code::Installed(bytes) })
    }

    fn mark(&self, granted: &[Permission]) -> u64 {
        let mut hasher = DefaultHasher::new();
        // What comes with px0 does not change while it runs.
        if let Code::Installed(bytes) = &self.code {
            checksum(bytes).hash(&mut hasher);
        }
        self.manifest.label().hash(&mut hasher);
        self.manifest
            .settings_schema()
            .ok()
            .flatten()
            .as_ref()
            .map(JsonText::as_str)
            .hash(&mut hasher);
        granted.hash(&mut hasher);
        hasher.finish()
    }
}

/// The folders of plugins in `path`, sorted. Hidden ones are none: they are of plugins that are being put there or taken away.
///
/// # Errors
/// It cannot be read.
pub(crate) fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// Reads a component.
///
/// # Errors
/// It cannot be read, or is machine code.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let bytes = file::read(file, LARGEST)?;
    if bytes.starts_with(b"\x7fELF") {
        let file = file.display();
        return Err(format!(
            "{file} is machine code (.cwasm), which px0 never takes from others; give it the .wasm"
        ));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(format!("{} is no WebAssembly", file.display()));
    }
    Ok(bytes)
}

/// The SHA-256 of `bytes` in hex.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What plugins are loaded with.
pub(crate) struct Context {
    pub(crate) machine: &'static Machine,
    pub(crate) limits: Limits,
    pub(crate) kv: Option<Kv>,
    /// Where compiled code is kept between starts.
    pub(crate) cache_dir: Option<PathBuf>,
}

/// A plugin that can be asked.
pub(crate) enum Loaded {
    Engine(Arc<TemplateEngine>),
    Filters(Arc<Filters>),
    Hook(Arc<Hook>),
}

impl Context {
    /// The component of a plugin: as the build compiled it, else from the cache or compiled here.
    fn component(&self, source: &Source) -> Result<Component, String> {
        let engine = &self.machine.engine;
        if let Code::Shipped(embedded) = &source.code
            && let Some(component) = embedded.load(engine)
        {
            return Ok(component);
        }
        let bytes = px0_componentize::component(source.code.wasm().to_vec())
            .map_err(|error| format!("it is no component: {error}"))?;
        let name = format!("plugin_{}_", source.manifest.id);
        component(engine, &name, &bytes, self.cache_dir.as_deref())
            .map(|(component, _)| component)
            .map_err(|error| format!("it is no component that px0 can run: {error:#}"))
    }

    /// Loads a plugin and looks at it.
    pub(crate) fn load(
        &self,
        source: &Source,
        granted: &[Permission],
    ) -> Result<Loaded, LoadError> {
        let manifest = &source.manifest;
        let wrong = |why: String| LoadError { plugin: manifest.label(), why };
        let machine = self.machine;
        let component = self.component(source).map_err(wrong)?;
        let (kind, wants) = (manifest.kind, &*manifest.wants);
        let api = look(&machine.engine, &component, kind, wants, granted).map_err(wrong)?;
        if api.version() != manifest.api {
            let why = format!(
                "it was made for px0:plugin {}, and its plugin.toml says {}",
                api.version(),
                manifest.api
            );
            return Err(wrong(why));
        }
        let mut linker = Linker::<State>::new(&machine.engine);
        let linked = |granted: Permission| -> Result<(), wasmtime::Error> {
            match granted {
                Permission::Log => log::link(&mut linker, api),
                Permission::Kv => kv::link(&mut linker, api),
            }
        };
        granted
            .iter()
            .copied()
            .try_for_each(linked)
            .map_err(|error| wrong(format!("{error:#}")))?;
        let (id, limits) = (&manifest.id, self.limits.clone());
        let kv = self.kv.clone().filter(|_| granted.contains(&Permission::Kv));
        Ok(match kind {
            Kind::Engine => {
                let name = PluginName { id: id.clone(), version: manifest.version.to_string() };
                let engine = TemplateEngine::plugin(&machine.engine, &component, name);
                Loaded::Engine(Arc::new(engine.map_err(|error| wrong(format!("{error:#}")))?))
            }
            Kind::Filters => {
                let filters = Filters::new(id, api, &component, &linker, limits, machine);
                Loaded::Filters(Arc::new(filters.map_err(wrong)?))
            }
            Kind::Hook => {
                let hook = Hook::new(id, api, &component, &linker, (limits, kv), machine);
                Loaded::Hook(Arc::new(hook.map_err(wrong)?))
            }
        })
    }
}

/// An installed plugin, which is loaded at once or when it is first needed.
pub(crate) struct Slot {
    pub(crate) installed: Arc<Installed>,
    /// What tells it from any other: its code, its version, its schema, what it may use.
    pub(crate) mark: u64,
    source: Source,
    context: Arc<Context>,
    loaded: OnceLock<Arc<Loaded>>,
    loading: Mutex<Option<Background<Loaded>>>,
}

impl Slot {
    /// A place for a plugin.
    ///
    /// # Errors
    /// Its settings have no schema that can be used.
    pub(crate) fn new(
        source: Source,
        settings: &PluginSettings,
        context: &Arc<Context>,
    ) -> Result<Arc<Self>, LoadError> {
        let manifest = &source.manifest;
        let wrong = |why: String| LoadError { plugin: manifest.label(), why };
        if is_built_in(&manifest.id) {
            return Err(wrong(format!("its id is {BUILT_IN}")));
        }
        let is_granted = |want: &Permission| {
            let grant = Grant { plugin: manifest.id.clone(), permission: *want };
            settings.grant.contains(&grant)
        };
        let granted: Vec<_> = manifest.wants.iter().copied().filter(is_granted).collect();
        let installed = Arc::new(Installed {
            id: manifest.id.clone(),
            version: manifest.version.to_string(),
            api: manifest.api.to_string(),
            kind: manifest.kind,
            description: manifest.description.clone(),
            granted,
            settings_schema: manifest.settings_schema().map_err(wrong)?,
            enabled_by_default: settings.enabled.contains(&manifest.id),
        });
        Ok(Arc::new(Self {
            mark: source.mark(&installed.granted),
            installed,
            source,
            context: context.clone(),
            loaded: OnceLock::new(),
            loading: Mutex::default(),
        }))
    }

    /// Loads it here and now.
    pub(crate) fn load(&self) -> Result<&Arc<Loaded>, LoadError> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = self.context.load(&self.source, &self.installed.granted)?;
        Ok(self.loaded.get_or_init(|| Arc::new(loaded)))
    }

    /// It, if it is loaded.
    pub(crate) fn ready(&self) -> Option<&Arc<Loaded>> {
        self.loaded.get()
    }

    /// It, loaded in a thread of its own when it is first asked for.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Arc<Loaded>, PluginFailure> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded.clone());
        }
        let failed = |why: String| self.failure(why);
        let loading = {
            let mut loading = self.loading.lock();
            match &*loading {
                Some(loading) => loading.clone(),
                None => {
                    let slot = self.clone();
                    let load = move || {
                        let loaded = slot.context.load(&slot.source, &slot.installed.granted);
                        loaded.map_err(|error| error.why)
                    };
                    let begun = Background::new("px0-plugin", load);
                    let begun = begun.map_err(|error| failed(error.to_string()))?;
                    loading.insert(begun).clone()
                }
            }
        };
        let loaded = loading.get().await.map_err(|why| {
            // Who asks next may have better luck: the disk may have room again.
            *self.loading.lock() = None;
            failed(why)
        })?;
        Ok(self.loaded.get_or_init(|| loaded).clone())
    }

    /// It failed.
    pub(crate) fn failure(&self, why: impl Into<String>) -> PluginFailure {
        let (plugin, version) = (self.installed.id.clone(), self.installed.version.clone());
        PluginFailure { plugin, version, why: why.into() }
    }
}

/// An engine, for the sandbox.
pub(crate) struct Engine(pub(crate) Arc<Slot>);

#[async_trait]
impl EngineSource for Engine {
    fn ready(&self) -> Option<Arc<TemplateEngine>> {
        match self.0.ready().map(|loaded| &**loaded) {
            Some(Loaded::Engine(engine)) => Some(engine.clone()),
            _ => None,
        }
    }

    async fn get(&self) -> Result<Arc<TemplateEngine>, PluginFailure> {
        match &*self.0.get().await? {
            Loaded::Engine(engine) => Ok(engine.clone()),
            _ => Err(self.0.failure("it is no engine")),
        }
    }
}
