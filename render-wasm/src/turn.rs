//! Runs calls into guests in slices, so that none holds up a thread for long.
//!
//! A guest gives up control after every [`SLICE`] of fuel. In the short lane it is resumed at once, a few times; what is not
//! over then is a long call. In the long lane it is resumed until its [`TURN`] is over and goes to the end of the queue then.
//! Past its deadline it is not resumed at all.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use px0_core::render::Limit;
use wasmtime::Error;

use crate::lane::Lane;

/// Fuel between two looks at the clock: about 25 µs, which costs less than one part in a hundred.
pub const SLICE: u64 = 100_000;

/// Slices of a short call. They are counted, not timed: a thread that the system held up in between ran no longer for it.
const SHORT: u32 = 8;

/// Fuel of a short call.
pub const SHORT_FUEL: u64 = SHORT as u64 * SLICE;

/// How long a long call runs before others have their turn.
const TURN: Duration = Duration::from_micros(250);

/// Why a call was not finished.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is not a short one.
    Long,
    /// It was over its time.
    Limit(Limit),
    /// The guest stopped.
    Failed(Error),
}

/// Runs `call` to its end, or until it has run for `deadline`, or is too long for its `lane`.
pub(crate) async fn run<T>(
    call: impl Future<Output = Result<T, Error>>,
    deadline: Duration,
    lane: Lane,
) -> Result<T, Ended> {
    let mut call = pin!(call);
    if lane == Lane::Short {
        for _ in 0..SHORT {
            if let Poll::Ready(answer) = resume(&mut call) {
                return answer.map_err(Ended::Failed);
            }
        }
        return Err(Ended::Long);
    }
    let mut spent = Duration::ZERO;
    loop {
        match turn(&mut call, deadline.saturating_sub(spent)) {
            Turn::Done(answer) => return answer.map_err(Ended::Failed),
            Turn::Unfinished(ran) => spent += ran,
        }
        if spent >= deadline {
            return Err(Ended::Limit(Limit::Time));
        }
        tokio::task::yield_now().await;
    }
}

enum Turn<T> {
    Done(Result<T, Error>),
    Unfinished(Duration),
}

/// Resumes `call` for one turn, or for what is `left` of its time.
fn turn<T>(call: &mut Pin<&mut impl Future<Output = Result<T, Error>>>, left: Duration) -> Turn<T> {
    let start = ran();
    loop {
        if let Poll::Ready(answer) = resume(call) {
            return Turn::Done(answer);
        }
        let ran = ran().saturating_sub(start);
        if ran >= TURN || ran >= left {
            return Turn::Unfinished(ran);
        }
    }
}

/// Resumes `call` for a slice.
///
/// What guests import waits for nothing either, so a call is only ever pending because its slice is used up: there is nothing
/// that could wake it, and it can always go on.
fn resume<F: Future>(call: &mut Pin<&mut F>) -> Poll<F::Output> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// For how long this thread has run, which is less than the time that has passed: others may have been given the core.
#[cfg(target_os = "linux")]
pub fn ran() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// For how long this process has run.
#[cfg(not(target_os = "linux"))]
pub fn ran() -> Duration {
    use std::{sync::LazyLock, time::Instant};
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
