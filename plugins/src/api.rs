//! The versions of the interface, and which one a component was made for.

use px0_core::plugin::{Kind, Permission};
use semver::Version;
use wasmtime::{Engine, component::Component};

/// A version of the interface that this px0 speaks.
///
/// A new one becomes a variant, and what speaks with plugins (`hook`, `filters`, the sandbox for engines) learns it beside the
/// others: an old plugin goes on to be spoken with as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// `wit/px0-plugin-0.1.0`.
    V0_1_0,
}

/// What its packages begin with.
const PACKAGE: &str = "px0:plugin/";

impl Api {
    /// All of them, oldest first.
    const ALL: [Self; 1] = [Self::V0_1_0];

    /// The newest.
    pub(crate) const LATEST: Self = Self::V0_1_0;

    /// Its number.
    pub(crate) const fn version(self) -> Version {
        match self {
            Self::V0_1_0 => Version::new(0, 1, 0),
        }
    }

    /// The full name of one of its interfaces.
    pub(crate) fn interface(self, name: &str) -> String {
        format!("{PACKAGE}{name}@{}", self.version())
    }

    /// The one with this number.
    ///
    /// # Errors
    /// There is none; what to do about it.
    pub(crate) fn of(version: &Version) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|api| api.version() == *version);
        known.ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|api| api.version().to_string()).collect();
            let what_to_do = if *version > Self::LATEST.version() {
                "a newer px0 may know it"
            } else {
                "it must be built anew"
            };
            let all = all.join(", ");
            format!("it was made for px0:plugin {version}; this px0 knows {all}: {what_to_do}")
        })
    }
}

/// What the interface of a kind is called.
pub(crate) const fn export_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Engine => "template-engine",
        Kind::Filters => "filters",
        Kind::Hook => "hook",
    }
}

/// The version of the interface that `component`, a plugin of the kind `kind`, was made for, after a look at all that it exports and
/// imports. Nothing of it runs for this.
///
/// # Errors
/// It is no such plugin, of a version that is not known, or imports what it may not have: `granted` of what it `wants`.
pub(crate) fn look(
    engine: &Engine,
    component: &Component,
    kind: Kind,
    wants: &[Permission],
    granted: &[Permission],
) -> Result<Api, String> {
    let ty = component.component_type();
    let mut found = None;
    for (name, _) in ty.exports(engine) {
        let Some((interface, version)) = parts(name) else { continue };
        if interface == export_of(kind) {
            found = Some(Api::of(&version)?);
        }
    }
    let api = found.ok_or_else(|| {
        let expected = Api::LATEST.interface(export_of(kind));
        format!("it does not export {expected}, as a plugin of the kind {} does", kind.as_str())
    })?;
    for (name, _) in ty.imports(engine) {
        let interface = parts(name).filter(|(_, version)| *version == api.version());
        let permission = match (kind, interface.map(|(interface, _)| interface)) {
            // Types that exports use are imported in name only.
            (_, Some("types")) | (Kind::Engine, Some("functions")) => continue,
            (Kind::Filters | Kind::Hook, Some("log")) => Permission::Log,
            (Kind::Hook, Some("kv")) => Permission::Kv,
            _ => return Err(format!("it imports {name}, which no plugin of this kind can have")),
        };
        let what = permission.as_str();
        if !wants.contains(&permission) {
            return Err(format!(
                "it imports {name}, and its plugin.toml does not say so: wants = [\"{what}\"]"
            ));
        }
        if !granted.contains(&permission) {
            return Err(format!(
                "it wants {what}, which it was not granted: see plugins.grant in the configuration"
            ));
        }
    }
    Ok(api)
}

/// The interface and the version that a name is of, if it is one of ours.
fn parts(name: &str) -> Option<(&str, Version)> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    Some((interface, Version::parse(version).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_the_future_and_the_past_are_told_apart() {
        assert_eq!(Api::of(&Version::new(0, 1, 0)), Ok(Api::V0_1_0));
        let told = |version| Api::of(&version).expect_err("not known");
        assert!(told(Version::new(0, 2, 0)).contains("a newer px0"));
        assert!(told(Version::new(0, 0, 9)).contains("built anew"));
    }
}
