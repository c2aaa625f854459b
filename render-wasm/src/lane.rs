//! The two lanes that calls into guests run in.
//!
//! Nearly every render is over within microseconds, and runs where it was asked for. What is not goes to a lane of its own:
//! threads of lower priority, half as many as there are cores, where long calls take turns. So however many long ones there
//! are, they hold up each other and not the short ones.
//!
//! A call that turns out to be long is dropped and made again over there: a render depends on nothing but its inputs, and the
//! little that was done is less than what moving it would take.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

/// Where a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// In the task that asked for it, if it is short.
    Short,
    /// Among long ones.
    Long,
}

/// How much nicer than others the threads of the long lane are: beside a thread that never rests they get a thirtieth.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// The threads of long calls.
pub struct LongLane(Runtime);

impl LongLane {
    /// Half as many threads as there are cores.
    pub(crate) fn new() -> std::io::Result<Self> {
        Builder::new_multi_thread()
            .worker_threads(threads())
            .thread_name("px0-long")
            .on_thread_start(step_back)
            .build()
            .map(Self)
    }

    /// Runs `call` to its end, even when nobody waits for it any more.
    ///
    /// # Errors
    /// It panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, String> {
        self.0.spawn(call).await.map_err(|error| error.to_string())
    }
}

/// How many long calls run at the same time: half of the cores.
pub(crate) fn threads() -> usize {
    (crate::settings::cores() / 2).max(1)
}

/// Gives other threads the right of way.
fn step_back() {
    // Only Linux has a priority for each thread; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "long renders run with the priority of all others");
    }
}
