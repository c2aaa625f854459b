//! What holds the house up: who may know whom, and the few rules that every crate follows.
//!
//! Read from `cargo metadata` and the manifests themselves, so that a shortcut through a wall is a failing
//! test and no question of taste.
#![allow(clippy::unwrap_used, missing_docs, reason = "in a test, a panic is how a failure is told")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;
use toml::Table;

/// Every room with the rooms it may know; an arrow points down only.
const ARROWS: &[(&str, &[&str])] = &[
    ("px0-core", &[]),
    ("px0-backends", &["px0-core"]),
    ("px0-componentize", &[]),
    ("px0-document", &[]),
    ("px0-gotemplate-core", &[]),
    ("px0-precompile", &[]),
    ("px0-minijinja", &["px0-document"]),
    ("px0-render-wasm", &["px0-componentize", "px0-core", "px0-document", "px0-precompile"]),
    ("px0-plugins", &["px0-componentize", "px0-core", "px0-precompile", "px0-render-wasm"]),
    ("px0-config", &["px0-core", "px0-backends", "px0-render-wasm", "px0-plugins"]),
    ("px0-server", &["px0-core", "px0-backends", "px0-render-wasm", "px0-plugins", "px0-config"]),
];

/// The rooms that look in from outside: they may know everything, and nothing may know them.
const OUTSIDE: &[&str] = &["px0-tests", "px0-benches"];

/// What must not be anywhere below a room, however indirectly.
const STRANGERS: &[(&str, &[&str])] = &[
    // Rules and traits: no protocol, no driver, no sandbox.
    ("px0-core", &["axum", "http", "hyper", "reqwest", "sqlx", "sqlx-core", "sled", "wasmtime"]),
    ("px0-backends", &["axum", "hyper", "wasmtime"]),
    ("px0-render-wasm", &["axum", "hyper", "sqlx", "sqlx-core", "sled", "minijinja"]),
    // Nothing of a tenant's template is parsed outside the sandbox: its parser overflows a native stack.
    ("px0-server", &["minijinja"]),
];

/// What cargo knows of the workspace, as it is built for Linux.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
});

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no {key} in {value}")).iter()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// The packages of the workspace.
fn members() -> Vec<&'static Value> {
    let ids: BTreeSet<_> = list(&METADATA, "workspace_members").map(Value::to_string).collect();
    let members =
        list(&METADATA, "packages").filter(|package| ids.contains(&package["id"].to_string()));
    members.collect()
}

/// The manifests of the workspace's packages, by name.
fn manifests() -> Vec<(&'static str, Table)> {
    let read = |package: &'static Value| {
        let manifest = fs::read_to_string(text(package, "manifest_path")).unwrap();
        (text(package, "name"), manifest.parse().unwrap())
    };
    members().into_iter().map(read).collect()
}

/// The names of all packages that `package` is built with, however indirectly; not what builds or tests it.
fn tree(package: &str) -> BTreeSet<&'static str> {
    let names: BTreeMap<_, _> = list(&METADATA, "packages")
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect();
    let nodes: BTreeMap<_, _> =
        list(&METADATA["resolve"], "nodes").map(|node| (text(node, "id"), node)).collect();
    let root = members().into_iter().find(|member| text(member, "name") == package);
    let mut todo = vec![text(root.unwrap_or_else(|| panic!("no package {package}")), "id")];
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            let normal = |dep: &&Value| list(dep, "dep_kinds").any(|kind| kind["kind"].is_null());
            todo.extend(list(nodes[id], "deps").filter(normal).map(|dep| text(dep, "pkg")));
        }
    }
    seen.into_iter().map(|id| names[id]).collect()
}

#[test]
fn arrows_point_down_only() {
    let all: BTreeSet<_> = members().iter().map(|package| text(package, "name")).collect();
    for package in members() {
        let name = text(package, "name");
        if OUTSIDE.contains(&name) {
            continue;
        }
        let allowed = ARROWS.iter().find(|(room, _)| *room == name).map(|(_, below)| *below);
        let allowed = allowed.unwrap_or_else(|| panic!("{name} has no place in ARROWS yet"));
        // Dependencies of all kinds: what a room is tested or built with is not above it either.
        for dependency in list(package, "dependencies").map(|dependency| text(dependency, "name")) {
            let ours = all.contains(dependency);
            assert!(!ours || allowed.contains(&dependency), "{name} must not know {dependency}");
        }
    }
}

#[test]
fn the_table_of_arrows_has_no_circle() {
    for (at, (room, below)) in ARROWS.iter().enumerate() {
        let before: Vec<_> = ARROWS[..at].iter().map(|(room, _)| room).collect();
        for other in *below {
            assert!(
                before.contains(&other),
                "{room} stands above {other}, but below it in the table"
            );
        }
    }
}

#[test]
fn a_package_is_named_for_its_folder() {
    for package in members() {
        let manifest = Path::new(text(package, "manifest_path"));
        let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap();
        // A room within a room is called by its own name.
        let folder = folder.file_name().unwrap().display();
        assert_eq!(text(package, "name"), format!("px0-{folder}"));
    }
}

#[test]
fn no_room_is_built_with_a_stranger() {
    for (room, strangers) in STRANGERS {
        let tree = tree(room);
        assert!(tree.contains(room), "{tree:?}");
        for stranger in *strangers {
            assert!(!tree.contains(stranger), "{stranger} is in what {room} is built with");
        }
    }
}

#[test]
fn the_tree_is_seen_to_its_leaves() {
    // If this one fails, the test above has gone blind.
    let tree = tree("px0-server");
    for deep in ["px0-core", "px0-render-wasm", "wasmtime", "sled", "axum", "serde", "uuid"] {
        assert!(tree.contains(deep), "{deep} should be below px0-server: {tree:?}");
    }
    assert!(!tree.contains("libtest-mimic"), "what only tests use is not below it");
}

#[test]
fn every_crate_inherits_the_lints_of_the_workspace() {
    for (name, manifest) in manifests() {
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(inherits, Some(&toml::Value::Boolean(true)), "[lints] of {name}");
    }
}

#[test]
fn every_version_stands_in_the_one_table() {
    for (name, manifest) in manifests() {
        for (section, dependencies) in dependency_tables(&manifest) {
            for (dependency, value) in dependencies {
                let inherits = value.get("workspace") == Some(&toml::Value::Boolean(true));
                assert!(
                    inherits,
                    "{name} [{section}]: {dependency}.workspace = true, and no version"
                );
            }
        }
    }
}

/// The tables of dependencies in a manifest, those for one target only too.
fn dependency_tables(manifest: &Table) -> Vec<(String, &Table)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let targets = targets.filter_map(|(target, table)| Some((target.as_str(), table.as_table()?)));
    let mut found = Vec::new();
    for (of, table) in targets.chain([("every target", manifest)]) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            if let Some(table) = table.get(section).and_then(toml::Value::as_table) {
                found.push((format!("{section} of {of}"), table));
            }
        }
    }
    found
}

#[test]
fn every_crate_inherits_what_the_workspace_says_of_packages() {
    for (name, manifest) in manifests() {
        for field in ["version", "edition", "rust-version", "license", "publish"] {
            let inherits = manifest["package"].get(field).and_then(|field| field.get("workspace"));
            assert_eq!(inherits, Some(&toml::Value::Boolean(true)), "{field} of {name}");
        }
    }
}
