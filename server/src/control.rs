//! A socket in the data folder, for its owner: how commands on the same machine reach a store that a running px0 has open.
//!
//! A client sends one line and reads what comes until the end. The line is the name of what it wants, or, where that takes
//! values, a JSON object of the name and the values. An archive ends with its summary, every other answer with a line
//! [`DONE`]: without it, it is not whole. A line that begins with `error: ` says why something could not be done.

use std::{
    io::{BufRead, BufReader, BufWriter, Read, Write},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use px0_core::{
    Email, Name,
    store::{SharedStore, StoreError, archive::Writer},
    workflows::operator::{NewUser, PasswordHash},
};
use serde::{Deserialize, Serialize};
use tokio::{net::UnixListener, runtime::Handle, task::JoinHandle};

use crate::operator;

/// What a client can ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// An archive of the store.
    Export,
    /// What is wrong with the store, a line each.
    Fsck,
    /// What `px0 user` and `px0 org` do; each line of the answer is a JSON object.
    #[serde(untagged)]
    Operator(OperatorRequest),
}

/// What an operator can ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperatorRequest {
    /// An account.
    CreateUser(NewUser),
    /// Everybody.
    ListUsers,
    /// A new password for somebody.
    ResetPassword {
        /// Whose.
        email: Email,
        /// What is kept of it: the password itself stays with the client.
        password_hash: PasswordHash,
    },
    /// An organization.
    CreateOrg {
        /// Its name.
        name: Name,
        /// Who will run it.
        owner: Email,
    },
}

/// Longest line of a client, in bytes, its end included.
const LONGEST: u64 = 16 * 1024;

impl Request {
    /// As a client sends it, without the end of the line.
    fn line(&self) -> serde_json::Result<String> {
        let line = serde_json::to_string(self)?;
        Ok(line.trim_matches('"').to_owned())
    }

    /// Reads the line of a client; `None` when it is no request.
    fn read(from: impl Read) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        BufReader::new(from.take(LONGEST)).read_line(&mut line)?;
        Ok(line.strip_suffix('\n').and_then(|line| {
            if line.starts_with('{') {
                serde_json::from_str(line).ok()
            } else {
                serde_json::from_value(line.into()).ok()
            }
        }))
    }
}

/// What a line that tells of a failure begins with.
pub(crate) const FAILED: &str = "error: ";

/// The last line of an answer that is no archive: without it, the answer is not whole.
pub(crate) const DONE: &str = "checked";

/// A client that does not say what it wants is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

fn socket(folder: &Path) -> PathBuf {
    folder.join("control")
}

/// The open socket; it is closed when this is dropped.
pub(crate) struct Control {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl Control {
    /// Opens the socket in the data folder, which this process has locked, so a former socket is nobody's.
    pub(crate) fn open(folder: &Path, store: SharedStore) -> std::io::Result<Self> {
        let path = socket(folder);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        // The folder is its owner's only where px0 has made it.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Too many open files, most likely: it passes.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                // Before the line above, the socket may have been anybody's for a moment.
                if !stream.peer_cred().is_ok_and(|peer| may_ask(peer.uid())) {
                    continue;
                }
                let store = store.clone();
                let runtime = Handle::current();
                tokio::task::spawn_blocking(move || {
                    let served = stream.into_std().and_then(|stream| {
                        stream.set_nonblocking(false)?;
                        serve(&stream, &store, &runtime)
                    });
                    if let Err(error) = served {
                        tracing::warn!(%error, "a client of the control socket went away");
                    }
                });
            }
        });
        Ok(Self { path, accepting })
    }
}

/// Whether a user may ask: the one that px0 runs as, and root.
fn may_ask(user: u32) -> bool {
    user == rustix::process::geteuid().as_raw() || user == 0
}

impl Drop for Control {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(stream: &UnixStream, store: &SharedStore, runtime: &Handle) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    // Who stops reading would hold up the end of the server, and have the past remembered for nothing.
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = Request::read(stream)?;
    let mut out = BufWriter::new(stream);
    let done = match request {
        Some(Request::Export) => {
            runtime.block_on(export(store, &mut out)).map(drop).map_err(|error| error.to_string())
        }
        Some(Request::Fsck) => runtime
            .block_on(store.check())
            .and_then(|problems| {
                let told = problems.iter().try_for_each(|problem| writeln!(out, "{problem}"));
                told.and_then(|()| writeln!(out, "{DONE}")).map_err(gone)
            })
            .map_err(|error| error.to_string()),
        Some(Request::Operator(request)) => {
            let mut each = |line: &str| writeln!(out, "{line}");
            let done = runtime.block_on(operator::perform(store.clone(), request, &mut each));
            done.and_then(|()| writeln!(out, "{DONE}").map_err(|error| error.to_string()))
        }
        None => Err("the running px0 knows no such request; is it of another version?".to_owned()),
    };
    if let Err(why) = done {
        // One line: what came from a driver may have several.
        writeln!(out, "{FAILED}{}", why.replace('\n', " "))?;
    }
    out.flush()
}

/// The reader of what is written is not there any more, or its disk is full.
pub(crate) fn gone(error: std::io::Error) -> StoreError {
    StoreError::broken("writing the archive", error)
}

/// Writes an archive of a store; answers how many records it has.
pub(crate) async fn export(
    store: &SharedStore,
    out: &mut (dyn Write + Send),
) -> Result<px0_core::store::archive::Summary, StoreError> {
    let mut writer = Writer::new(out, store.summary()).map_err(gone)?;
    store.export(&mut |record| writer.write(&record).map_err(gone)).await?;
    writer.finish().map(|(_, summary)| summary).map_err(gone)
}

/// Asks the px0 that has this data folder open; `None` when none has.
///
/// # Errors
/// When it cannot be asked.
pub(crate) fn ask(
    folder: &Path,
    request: &Request,
) -> std::io::Result<Option<impl BufRead + Send + use<>>> {
    let mut stream = match UnixStream::connect(socket(folder)) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound
                    | std::io::ErrorKind::ConnectionRefused
                    // A path that is too long for a socket: then there is none.
                    | std::io::ErrorKind::InvalidInput
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    writeln!(stream, "{}", request.line()?)?;
    Ok(Some(BufReader::new(stream)))
}
