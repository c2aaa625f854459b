//! File descriptors: every connection needs one, and so do the store, mail and telemetry.

/// Descriptors that connections leave to the rest of the process: files of the store, connections to a database, to a mail server and to
/// receivers of telemetry, scrapes, plugins.
const RESERVE: u64 = 256;

/// Raises this process's limit, if the system allows that, so that there can be `wanted` connections; answers how many there can be.
#[cfg(unix)]
pub(crate) fn for_connections(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limits = getrlimit(Resource::Nofile);
    let needed = wanted as u64 + RESERVE;
    // Without a number, there is no limit.
    let (soft, hard) = (limits.current.unwrap_or(u64::MAX), limits.maximum.unwrap_or(u64::MAX));
    let mut allowed = soft;
    if soft < needed && soft < hard {
        let raised = needed.min(hard);
        let limits = Rlimit { current: Some(raised), maximum: limits.maximum };
        match setrlimit(Resource::Nofile, limits) {
            Ok(()) => allowed = raised,
            Err(error) => tracing::warn!(%error, "the limit of open files stays at {soft}"),
        }
    }
    let possible = allowed.saturating_sub(RESERVE).max(allowed / 2);
    let possible = usize::try_from(possible).unwrap_or(usize::MAX);
    // Somewhat fewer are no news: many systems allow 20,000 open files in all.
    if possible < wanted / 2 {
        tracing::warn!(
            open_files = allowed,
            connections = possible,
            "this system allows fewer open files than http.max_connections needs: there can be fewer connections (see `ulimit -n`)"
        );
    }
    wanted.min(possible)
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn for_connections(wanted: usize) -> usize {
    wanted
}
