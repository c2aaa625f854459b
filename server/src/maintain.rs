//! `px0 export`, `px0 import` and `px0 fsck`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use px0_backends::sled::SledStore;
use px0_config::{Backend, Settings};
use px0_core::store::{
    SharedStore,
    archive::{Reader, Summary},
};

use crate::{
    control::{self, DONE, FAILED, Request},
    start::{blocking, open},
};

/// Why a command could not be done: a sentence for the operator.
pub type Failure = String;

pub(crate) fn said(error: impl std::fmt::Display) -> Failure {
    error.to_string()
}

/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Tells how far a command is: a bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    plain: bool,
    told: std::time::Instant,
}

impl Progress {
    /// `records` is how many there are, if that is known.
    fn start(records: Option<u64>) -> Self {
        let plain = !io::stderr().is_terminal();
        let bar = match (plain, records) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(records)) => ProgressBar::new(records)
                .with_style(style("{bar:40} {pos}/{len} records, {eta} to go {msg}")),
            (false, None) => ProgressBar::no_length().with_style(style("{spinner} {pos} records")),
        };
        Self { bar, plain, told: std::time::Instant::now() }
    }

    fn say(&self, what: &'static str) {
        self.bar.set_message(what);
        if self.plain {
            let _ = writeln!(io::stderr(), "{what}");
        }
    }

    fn at(&mut self, records: u64) {
        self.bar.set_position(records);
        if self.plain && self.told.elapsed() >= LINE_EVERY {
            self.told = std::time::Instant::now();
            let _ = writeln!(io::stderr(), "{records} records so far");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The store, or the answer of a running px0 that has it open.
pub(crate) enum Found {
    Here(SharedStore),
    There(Box<dyn BufRead + Send>),
}

/// What a command does to a store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use<'a> {
    /// Reads it, from a copy where it is embedded; `scratch` says where that is.
    Read {
        /// A folder; by default one that does well enough.
        scratch: Option<&'a Path>,
    },
    /// Writes to one that is there.
    Change,
    /// Writes to it, and makes one if there is none.
    Make,
}

/// Finds the store of the settings.
pub(crate) async fn find(
    settings: &Settings,
    request: &Request,
    used: Use<'_>,
) -> Result<Found, Failure> {
    let make = used == Use::Make;
    let folder = &settings.store.sled.path;
    if settings.store.backend == Backend::Memory {
        return Err(
            "store.backend is \"memory\": it keeps nothing, and no other process reaches it"
                .to_owned(),
        );
    }
    if settings.store.backend == Backend::Sled {
        let is_there = folder.join("db").try_exists().map_err(|error| {
            let folder = folder.display();
            format!("{folder} cannot be read ({error}): run this as the user that px0 runs as, or as root")
        })?;
        if !is_there && !make {
            return Err(format!("there is no store at {} (store.sled.path)", folder.display()));
        }
        if !is_there {
            let _ = writeln!(
                io::stderr(),
                "there was no store at {}, so one is made; if px0 has its store elsewhere, give its --config or PX0_STORE__SLED__PATH",
                folder.display()
            );
        }
        let unreachable =
            |error| format!("cannot ask the px0 that has {} open: {error}", folder.display());
        if let Some(answer) = control::ask(folder, request).map_err(unreachable)? {
            return Ok(Found::There(Box::new(answer)));
        }
    }
    let scratch = match used {
        Use::Read { scratch } if settings.store.backend == Backend::Sled => scratch,
        _ => return Ok(Found::Here(open(settings).await.map_err(said)?)),
    };
    let (sled, scratch) = (settings.store.sled.clone(), scratch.map(Path::to_owned));
    let copy = blocking(move || SledStore::open_copy(sled, scratch.as_deref())).await;
    let copy = copy.map_err(said)?.map_err(|error| format!("cannot open the store: {error}"))?;
    Ok(Found::Here(Arc::new(copy)))
}

/// Writes an archive of the store into a file, or to standard output (no file, or `-`). The file appears when it is whole.
///
/// # Errors
/// Why it could not be written.
pub async fn export(
    settings: &Settings,
    file: Option<&Path>,
    scratch: Option<&Path>,
) -> Result<Summary, Failure> {
    let found = find(settings, &Request::Export, Use::Read { scratch }).await?;
    let Some(file) = file.filter(|file| *file != Path::new("-")) else {
        return write(found, &mut io::stdout()).await;
    };
    let unwritable = |error: io::Error| {
        // The words of a temporary file name a path that nobody knows.
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such folder".to_owned(),
            kind => io::Error::from(kind).to_string(),
        };
        format!("cannot write {}: {why}", file.display())
    };
    if file.exists() && !file.is_file() {
        // A device or a pipe: it is written to, not replaced.
        let mut open = File::options().write(true).open(file).map_err(unwritable)?;
        return write(found, &mut open).await;
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    let summary = write(found, draft.as_file_mut()).await?;
    draft.as_file().sync_all().map_err(unwritable)?;
    draft.persist(file).map_err(|failed| unwritable(failed.error))?;
    // The name too is to outlive a crash of the machine, where the folder lets itself be synced.
    if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!(%error, "the folder of the archive was not synced");
    }
    Ok(summary)
}

async fn write(found: Found, out: &mut (dyn Write + Send)) -> Result<Summary, Failure> {
    let mut progress = Progress::start(None);
    let mut counted = Counted { out: BufWriter::new(out), progress: &mut progress, lines: 0 };
    match found {
        Found::Here(store) => {
            let summary = control::export(&store, &mut counted).await.map_err(said)?;
            store.close().await.map_err(said)?;
            Ok(summary)
        }
        Found::There(answer) => copy(answer, &mut counted),
    }
}

/// Copies an archive that another process makes, as it comes, and sees that it is whole.
fn copy(answer: Box<dyn BufRead + Send>, out: &mut impl Write) -> Result<Summary, Failure> {
    let mut last = String::new();
    for line in answer.lines() {
        let line = line.map_err(said)?;
        if let Some(why) = line.strip_prefix(FAILED) {
            return Err(why.to_owned());
        }
        writeln!(out, "{line}").map_err(said)?;
        last = line;
    }
    out.flush().map_err(said)?;
    Summary::of(&last)
        .ok_or_else(|| "the running px0 stopped before the archive was whole".to_owned())
}

/// Counts lines on their way.
struct Counted<'a, W> {
    out: W,
    progress: &'a mut Progress,
    lines: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.lines += bytes[..written].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.progress.at(self.lines);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Fills an empty store from an archive. The archive is read twice: first to see that it is whole and unchanged.
///
/// # Errors
/// Why it could not be taken in; nothing was, then.
pub async fn import(settings: &Settings, file: &Path) -> Result<Summary, Failure> {
    let name = file.display();
    let unreadable = |error| format!("cannot read {name}: {error}");
    let opened = || File::open(file).map_err(unreadable);
    let is_file = file != Path::new("-") && file.metadata().map_err(unreadable)?.is_file();
    if !is_file {
        return Err(format!("cannot read {name}: an archive is read twice, so it must be a file"));
    }
    let mut whole = Reader::new(BufReader::new(opened()?)).map_err(said)?;
    for record in whole.by_ref() {
        record.map_err(said)?;
    }
    let summary = whole.summary.ok_or("the archive has no end")?;

    let store = open(settings).await.map_err(said)?;
    let mut progress = Progress::start(Some(summary.records));
    let mut records = 0;
    let reader = Reader::new(BufReader::new(opened()?)).map_err(said)?;
    let mut source = reader.inspect(|_| {
        records += 1;
        progress.at(records);
        if records == summary.records {
            progress.say("all are read; checking that they fit together");
        }
    });
    let taken = store.import(&mut source).await;
    drop(source);
    taken.map_err(said)?;
    store.close().await.map_err(said)?;
    Ok(summary)
}

/// Walks the store and answers what is wrong with it.
///
/// # Errors
/// When it cannot be walked.
pub async fn fsck(settings: &Settings, scratch: Option<&Path>) -> Result<Vec<String>, Failure> {
    match find(settings, &Request::Fsck, Use::Read { scratch }).await? {
        Found::Here(store) => {
            let problems = store.check().await.map_err(said)?;
            store.close().await.map_err(said)?;
            Ok(problems)
        }
        Found::There(answer) => {
            let mut problems = Vec::new();
            each_line(answer, &mut |line| {
                problems.push(line.to_owned());
                Ok(())
            })?;
            Ok(problems)
        }
    }
}

/// Reads the lines that a running px0 answers, and sees that they are all.
pub(crate) fn each_line(
    answer: Box<dyn BufRead + Send>,
    each: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), Failure> {
    for line in answer.lines() {
        let line = line.map_err(said)?;
        if line == DONE {
            return Ok(());
        }
        if let Some(why) = line.strip_prefix(FAILED) {
            return Err(why.to_owned());
        }
        each(&line).map_err(said)?;
    }
    Err("the running px0 stopped before it had answered".to_owned())
}
