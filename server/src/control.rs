//! A socket in the data folder, for its owner: how `px0 export` and `px0 fsck` reach a store that a running px0 has open.
//!
//! A client sends one line, the name of what it wants, and reads what comes until the end. An archive ends with its
//! summary; a line that begins with `error: ` says why something could not be done.

use std::{
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use px0_core::store::{SharedStore, StoreError, archive::Writer};
use tokio::{net::UnixListener, runtime::Handle, task::JoinHandle};

/// What a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// An archive of the store.
    Export,
    /// What is wrong with the store, a line each.
    Fsck,
}

impl Request {
    const ALL: [Self; 2] = [Self::Export, Self::Fsck];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Fsck => "fsck",
        }
    }
}

/// What a line that tells of a failure begins with.
pub(crate) const FAILED: &str = "error: ";

/// The last line of a walk through the store: without it, it was not walked to the end.
pub(crate) const CHECKED: &str = "checked";

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
    let mut wanted = String::new();
    BufReader::new(stream).read_line(&mut wanted)?;
    let request = Request::ALL.into_iter().find(|request| request.as_str() == wanted.trim());
    let mut out = BufWriter::new(stream);
    let done = match request {
        Some(Request::Export) => runtime.block_on(export(store, &mut out)).map(drop),
        Some(Request::Fsck) => runtime.block_on(store.check()).and_then(|problems| {
            let told = problems.iter().try_for_each(|problem| writeln!(out, "{problem}"));
            told.and_then(|()| writeln!(out, "{CHECKED}")).map_err(gone)
        }),
        None => Err(StoreError::Unavailable("there is no such request".to_owned())),
    };
    if let Err(error) = done {
        writeln!(out, "{FAILED}{error}")?;
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
    request: Request,
) -> std::io::Result<Option<impl BufRead + use<>>> {
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
    writeln!(stream, "{}", request.as_str())?;
    Ok(Some(BufReader::new(stream)))
}
