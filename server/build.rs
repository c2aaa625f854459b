//! Which commit is built: what `PX0_COMMIT` says, or what git says when a release is built.

use std::{path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PX0_COMMIT");
    let given = std::env::var("PX0_COMMIT").ok().filter(|commit| !commit.is_empty());
    // Who develops does not wait for the server to be built anew after each commit.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let Some(commit) = given.or_else(|| is_release.then(of_git)?) {
        println!("cargo::rustc-env=PX0_BUILT_FROM={commit}");
    }
}

/// The commit that is checked out, if px0's sources are in a repository of their own.
fn of_git() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    // Sources that were unpacked somewhere below another project are not of that project's commit.
    if !root.join(".git").exists() {
        return None;
    }
    // The first changes with every commit and checkout, and is not everywhere.
    for name in ["logs/HEAD", "HEAD"] {
        let file = root.join(git(root, &["rev-parse", "--git-path", name])?);
        if file.exists() {
            println!("cargo::rerun-if-changed={}", file.display());
            break;
        }
    }
    git(root, &["rev-parse", "HEAD"])
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
