//! Runs calls into guests in turns, so that long ones do not hold up a worker thread.
//!
//! A guest gives up control after every [`SLICE`] of fuel. Nearly always it is resumed at once; once
//! it has run for a [`TURN`] it goes to the end of the worker's queue, and from then on it needs one
//! of its tenant's few permits for long calls. Past its deadline it is not resumed at all.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use px0_core::render::Limit;
use tokio::sync::Semaphore;
use wasmtime::Error;

/// Fuel between two looks at the clock: about 25 µs, which costs less than one part in a hundred.
pub(crate) const SLICE: u64 = 100_000;

/// How long a call runs before others have their turn. Honest renders are done in less.
const TURN: Duration = Duration::from_micros(250);

/// Why a call was not finished.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was over its time.
    Limit(Limit),
    /// The guest stopped.
    Failed(Error),
}

/// Runs `call` to its end, or until it has run for `deadline`.
///
/// `long` are the permits for long calls. Time spent waiting for one does not count.
pub(crate) async fn run<T>(
    call: impl Future<Output = Result<T, Error>>,
    deadline: Duration,
    long: &Semaphore,
) -> Result<T, Ended> {
    let mut call = pin!(call);
    let mut spent = Duration::ZERO;
    let mut permit = None;
    loop {
        match turn(&mut call, deadline.saturating_sub(spent)) {
            Turn::Done(answer) => return answer.map_err(Ended::Failed),
            Turn::Unfinished(ran) => spent += ran,
        }
        if spent >= deadline {
            return Err(Ended::Limit(Limit::Time));
        }
        if permit.is_none() {
            // Nobody closes the semaphore; if somebody did, going on without a permit does no harm.
            permit = long.acquire().await.ok();
        }
        tokio::task::yield_now().await;
    }
}

enum Turn<T> {
    Done(Result<T, Error>),
    Unfinished(Duration),
}

/// Resumes `call` for one turn, or for what is `left` of its time.
fn turn<T>(
    call: &mut std::pin::Pin<&mut impl Future<Output = Result<T, Error>>>,
    left: Duration,
) -> Turn<T> {
    let start = Instant::now();
    // Guests import nothing, so a call is only ever pending because its slice is used up: there is
    // nothing that could wake it, and it can always go on.
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = call.as_mut().poll(&mut context) {
            return Turn::Done(answer);
        }
        let ran = start.elapsed();
        if ran >= TURN || ran >= left {
            return Turn::Unfinished(ran);
        }
    }
}
