//! A px0 in a process of its own: started from a binary, looked at through /proc, ended with the test.

use std::{
    ffi::OsStr,
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use hyper::Method;
use procfs::process::Process as Proc;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::{Call, Client};

/// A binary under attack.
pub(crate) struct Binary {
    /// What the table calls it.
    pub(crate) name: String,
    path: PathBuf,
    /// The code that it compiled at its first start, for its next ones.
    compiled: TempDir,
}

/// How a process is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// Settings, as variables.
    pub(crate) env: Vec<(&'static str, String)>,
    /// The soft limit of open files.
    pub(crate) files: Option<u64>,
}

/// A px0 that runs.
pub(crate) struct Process {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// When it was started.
    pub(crate) started: Instant,
    child: Child,
    folder: TempDir,
}

/// Longest wait for a start or an end: what takes longer is broken.
const PATIENCE: Duration = Duration::from_secs(180);

impl Binary {
    /// The binary at `path`.
    ///
    /// # Panics
    /// When there is no room for its compiled code.
    pub(crate) fn at(path: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), path: path.to_owned(), compiled: TempDir::new().unwrap() }
    }

    /// Starts it on a fresh data folder, on the loopback, and waits until it answers. Compiled code is kept between starts.
    ///
    /// # Panics
    /// When it does not start.
    pub(crate) async fn start(&self, start: &Start) -> Process {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        copy(self.compiled.path(), &data.join("compiled"));
        let mut process = self.spawn(start, folder);
        process.answers().await;
        if std::fs::read_dir(self.compiled.path()).unwrap().next().is_none() {
            copy(&data.join("compiled"), self.compiled.path());
        }
        process
    }

    /// Starts it on the data folder `data` in `folder`, and waits for nothing.
    ///
    /// # Panics
    /// When it cannot be run.
    pub(crate) fn spawn(&self, start: &Start, folder: TempDir) -> Process {
        // Free at this moment; somebody who takes it meanwhile makes the start fail, not the figures wrong.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = match start.files {
            None => Command::new(&self.path),
            Some(files) => {
                let mut shell = Command::new("sh");
                // The shell becomes px0: the process stays the same.
                shell.args(["-c", &format!("ulimit -S -n {files}; exec \"$0\"")]).arg(&self.path);
                shell
            }
        };
        let log = File::create(folder.path().join("log")).unwrap();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").as_deref().unwrap_or(OsStr::new("")))
            .env("PX0_HTTP__ADDR", addr.to_string())
            .env("PX0_TELEMETRY__ADDR", "")
            .env("PX0_STORE__SLED__PATH", folder.path().join("data"))
            .env("PX0_EMAIL__MODE", "auto-verify")
            .env("PX0_LOG__FILTER", "warn")
            .envs(start.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let started = Instant::now();
        let child = command.spawn().unwrap();
        Process { addr, started, child, folder }
    }
}

impl Process {
    /// Waits until `/v1/health` is 200; answers how long after its start that was.
    ///
    /// # Panics
    /// When it ended, or does not answer within three minutes.
    pub(crate) async fn answers(&mut self) -> Duration {
        let health = Call {
            method: Method::GET,
            path: "/v1/health".to_owned(),
            token: None,
            body: bytes::Bytes::new(),
        };
        loop {
            let answer = Client::new(self.addr).call(&health).await;
            let took = self.started.elapsed();
            if answer.is_ok_and(|(status, _)| status == 200) {
                return took;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && took < PATIENCE, "px0 does not start: {}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn proc(&self) -> Option<Proc> {
        Proc::new(i32::try_from(self.child.id()).ok()?).ok()
    }

    /// Memory that it holds, in MiB; 0 once it has ended.
    pub(crate) fn rss_mib(&self) -> u64 {
        let stat = self.proc().and_then(|proc| proc.stat().ok());
        stat.map_or(0, |stat| stat.rss * procfs::page_size() / (1024 * 1024))
    }

    /// Processor time that it used, all threads together; to ten milliseconds.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc().and_then(|proc| proc.stat().ok());
        let ticks = stat.map_or(0, |stat| stat.utime + stat.stime);
        Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
    }

    /// How many files it has open.
    pub(crate) fn files(&self) -> usize {
        self.proc().and_then(|proc| proc.fd_count().ok()).unwrap_or(0)
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system does not tell.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The end of what it wrote to standard error.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Sends SIGTERM; answers how it ended, and after how long. What does not end within three minutes is killed.
    ///
    /// # Panics
    /// When the system does not tell.
    pub(crate) async fn terminate(&mut self) -> (Option<ExitStatus>, Duration) {
        let asked = Instant::now();
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        let _ = kill_process(pid, Signal::TERM);
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (Some(status), asked.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (None, asked.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies the files of a folder; one that is not there has none.
fn copy(from: &Path, to: &Path) {
    let Ok(files) = std::fs::read_dir(from) else {
        return;
    };
    std::fs::create_dir_all(to).unwrap();
    for file in files.flatten().filter(|file| file.path().is_file()) {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
