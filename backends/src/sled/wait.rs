//! Waiting for something that nobody tells of.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often it is looked whether it is so.
const LOOK: Duration = Duration::from_millis(1);

/// Waits until it is so, for so long at most; answers whether it is. Blocks.
pub(super) fn until(limit: Duration, is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

/// How long to wait for a thread to end; it does at once when it is not stuck.
const GOODBYE: Duration = Duration::from_secs(2);

/// Waits for a thread that was told to end, and leaves it behind if it is stuck: on a disk that does not answer.
pub(super) fn goodbye(thread: thread::JoinHandle<()>) {
    if until(GOODBYE, || thread.is_finished()) {
        // What it had to say, it has said.
        let _ = thread.join();
    }
}
