//! What the documentation lists is what the code has.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop where it stands")]

use std::{fmt::Write, path::PathBuf};

use px0_core::{Code, error::Class};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn status(class: Class) -> u16 {
    px0_server::status_of(class)
}

/// `docs/errors.md`, as it should be. `PX0_UPDATE_DOCS=1 cargo test -p px0-tests --test docs` writes it.
#[test]
fn every_error_code_is_documented() {
    let mut page = String::from(
        "# Errors\n\n\
         Every error is `{\"error\": \"<a sentence for a person>\", \"code\": \"<snake_case>\", \"details\": {…}}`; `details` may be absent.\n\
         `code` never changes its meaning. A 500 and a 503 carry `details.request_id`, which finds the cause in the server's log.\n\n\
         | status | code | meaning |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        writeln!(page, "| {} | `{}` | {} |", status(code.class()), code.as_str(), code.meaning())
            .unwrap();
    }
    let file = root().join("docs/errors.md");
    if std::env::var_os("PX0_UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), page, "run with PX0_UPDATE_DOCS=1");
}

/// A client has seen every error there is: its body is in a snapshot.
#[test]
fn every_error_code_is_in_a_snapshot() {
    let folder = root().join("tests/tests/http/snapshots");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let seen: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let unseen: Vec<_> = Code::ALL
        .iter()
        // Nothing that a client can send makes px0 fail: the server's own tests look at that body.
        .filter(|code| **code != Code::Internal)
        // Nor is a client told that a hook may keep no more values: the hook is. The laws of the stores look at it.
        .filter(|code| **code != Code::PluginValuesFull)
        .map(|code| code.as_str())
        .filter(|code| !seen.contains(&format!("\"code\": \"{code}\"")))
        .collect();
    assert_eq!(unseen, [""; 0]);
}

/// The README's table of settings names keys that there are, with their defaults.
#[test]
fn the_readme_knows_the_settings() {
    let defaults: toml::Table = toml::from_str(px0_config::DEFAULTS).unwrap();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut rows = 0;
    for line in readme.lines().filter(|line| line.starts_with("| `PX0_")) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let mut keys = cells[1].trim_start_matches("PX0_").split("__").map(str::to_lowercase);
        let section = &defaults[&keys.next().unwrap()];
        let value = keys.fold(section, |table, key| {
            table.get(&key).unwrap_or_else(|| panic!("no {}", cells[1]))
        });
        let default = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(default, cells[2], "{}", cells[1]);
        rows += 1;
    }
    assert!(rows > 10, "the README has no table of settings");
}

/// The unit's bound of memory is beyond what the default settings allow: its comment says of what it is made.
#[test]
fn the_unit_has_memory_for_what_the_settings_allow() {
    const MIB: u64 = 1024 * 1024;
    /// px0 itself, and the pages of the embedded store.
    const ITSELF: u64 = (100 + 256) * MIB;
    const SHIPPED_HOOKS: u64 = 3;
    const GREEDY: u64 = 4;
    let settings = px0_config::Settings::from_parts(None, &[]).unwrap();
    let (render, plugins) = (&settings.render, &settings.plugins);
    let product = |calls: usize, bytes: usize| (calls * bytes) as u64;
    let kept = settings.store.cache_bytes
        + render.pool_memory as u64
        + SHIPPED_HOOKS * plugins.pool_memory as u64;
    let running = GREEDY * product(render.concurrent_per_tenant, render.memory)
        + product(plugins.concurrent_per_tenant, plugins.memory);
    let unit = std::fs::read_to_string(root().join("config/deploy/px0.service")).unwrap();
    let most = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")?.strip_suffix('M'));
    let most = most.expect("a bound in MiB").parse::<u64>().unwrap() * MIB;
    assert!(most >= ITSELF + kept + running, "{most}");
    assert!(most <= 2 * (ITSELF + kept + running), "{most} is no bound");
}

/// Files that pages link to are there.
#[test]
fn links_between_pages_lead_somewhere() {
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") && !link.starts_with('#') {
                let file = link.split('#').next().unwrap();
                assert!(root().join(file).exists(), "{page} links to {link}");
            }
        }
    }
}
