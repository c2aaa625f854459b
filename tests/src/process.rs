//! The program itself, as a process.

use std::{
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use serde_json::Value;

use crate::postgres::Database;

/// The binary, beside the tests'.
pub fn px0() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.ancestors().find(|folder| folder.join("px0").is_file());
    folder.expect("`cargo test --workspace` builds px0 too").join("px0")
}

/// Settings, as variables.
pub type Variables<'a> = &'a [(&'static str, String)];

/// An embedded store.
pub fn sled(path: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("PX0_STORE__BACKEND", "sled".to_owned()),
        ("PX0_STORE__SLED__PATH", path.display().to_string()),
    ]
}

/// A database.
pub fn postgres(database: &Database) -> Vec<(&'static str, String)> {
    vec![
        ("PX0_STORE__BACKEND", "postgres".to_owned()),
        ("PX0_STORE__POSTGRES__URL", database.url()),
    ]
}

/// Runs it on a store.
pub async fn run(arguments: &[&str], store: Variables<'_>) -> Output {
    let mut command = Command::new(px0());
    command.args(arguments).envs(store.iter().map(|(name, value)| (*name, value)));
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// Runs it on a store, with this on its standard input.
pub async fn run_with_input(arguments: &[&str], store: Variables<'_>, input: &str) -> Output {
    let mut command = Command::new(px0());
    command
        .args(arguments)
        .envs(store.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // It may not want to read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// What it said.
#[track_caller]
pub fn said(output: &Output, success: bool) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), success, "{text}");
    text
}

/// A px0 of its own process.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub base: String,
    /// Where its metrics are, if they are served.
    pub metrics: Option<String>,
}

impl Server {
    /// Starts one that answers, and neither logs nor serves metrics.
    pub async fn start(store: Variables<'_>) -> Self {
        Self::start_with(store, |command| {
            command.env("PX0_TELEMETRY__ADDR", "").stderr(Stdio::null());
        })
        .await
    }

    /// Starts one that answers.
    pub async fn start_with(
        store: Variables<'_>,
        change: impl FnOnce(&mut Command) + Send + 'static,
    ) -> Self {
        Self::spawn(Command::new(px0()), store, change).await
    }

    /// Starts one by a line of shell, whose `$0` is px0.
    pub async fn start_by(line: &str, store: Variables<'_>) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).arg(px0());
        Self::spawn(shell, store, |command| {
            command.stderr(Stdio::null());
        })
        .await
    }

    async fn spawn(
        mut command: Command,
        store: Variables<'_>,
        change: impl FnOnce(&mut Command) + Send + 'static,
    ) -> Self {
        command
            .envs(store.iter().map(|(name, value)| (*name, value)))
            .env("PX0_HTTP__ADDR", "127.0.0.1:0")
            .env("PX0_TELEMETRY__ADDR", "127.0.0.1:0")
            .env("PX0_EMAIL__MODE", "auto-verify")
            .env("PX0_RATE_LIMIT__ENABLED", "false")
            .env("PX0_LOG__FORMAT", "json")
            .stdout(Stdio::piped());
        let start = move || {
            change(&mut command);
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let line = lines.next().expect("it starts").unwrap();
            let ready: Value = serde_json::from_str(&line).expect("its log is JSON");
            let text = |field: &str| ready[field].as_str().map(str::to_owned);
            Self { child, base: text("url").unwrap(), metrics: text("metrics") }
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still the process that was started.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Stops it for a while (`STOP`), or lets it go on (`CONT`).
    pub fn signal(&self, name: &str) {
        // The shell's own: not every machine has another.
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"kill -s "$0" "$1""#, name]).arg(self.pid().to_string());
        assert!(shell.status().unwrap().success());
    }

    /// Asks it to stop, and waits until it has; answers how it ended.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
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
