//! The program itself, as a process.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use px0_tests::postgres::Database;

/// The binary, beside the tests'.
pub(crate) fn px0() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().find(|folder| folder.join("px0").is_file());
    folder.expect("`cargo test --workspace` builds px0 too").join("px0")
}

/// Settings, as variables.
pub(crate) type Variables<'a> = &'a [(&'static str, String)];

/// An embedded store.
pub(crate) fn sled(path: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("PX0_STORE__BACKEND", "sled".to_owned()),
        ("PX0_STORE__SLED__PATH", path.display().to_string()),
    ]
}

/// A database.
pub(crate) fn postgres(database: &Database) -> Vec<(&'static str, String)> {
    vec![
        ("PX0_STORE__BACKEND", "postgres".to_owned()),
        ("PX0_STORE__POSTGRES__URL", database.url()),
    ]
}

/// Runs it on a store.
pub(crate) async fn run(arguments: &[&str], store: Variables<'_>) -> Output {
    let mut command = Command::new(px0());
    command.args(arguments).envs(store.iter().map(|(name, value)| (*name, value)));
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// What it said.
#[track_caller]
pub(crate) fn said(output: &Output, success: bool) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), success, "{text}");
    text
}

/// A px0 of its own process.
pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
}

impl Server {
    /// Starts one that answers.
    pub(crate) async fn start(store: Variables<'_>) -> Self {
        let mut command = Command::new(px0());
        command
            .envs(store.iter().map(|(name, value)| (*name, value)))
            .env("PX0_HTTP__ADDR", "127.0.0.1:0")
            .env("PX0_EMAIL__MODE", "auto-verify")
            .env("PX0_RATE_LIMIT__ENABLED", "false")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let start = move || {
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let (_, base) = line.trim().rsplit_once("listens on ").expect("it starts");
            Self { child, base: base.to_owned() }
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still the process that was started.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Stops it for a while (`STOP`), or lets it go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own: not every machine has another.
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"kill -s "$0" "$1""#, name]).arg(self.pid().to_string());
        assert!(shell.status().unwrap().success());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
