//! The threads that hash passwords.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{
    HashLimits,
    queue::{FairQueue, Full},
};
use crate::{
    error::{Error, Result},
    network::Network,
};

/// Seconds after which to come back when too much waits. What one address may have waiting is done by then.
const RETRY_AFTER: u64 = 2;

/// How much nicer than others these threads are: a render beside them gets nine tenths of a core.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Something to do with the tool; without it, the job has to make room for another.
type Job<T> = Box<dyn FnOnce(Option<&T>) + Send>;

struct Shared<T> {
    tool: T,
    state: Mutex<State<T>>,
    wake: Condvar,
}

struct State<T> {
    queue: FairQueue<Job<T>>,
    is_over: bool,
}

/// Threads that do jobs with a tool, those of one address after those of another. They end after this is dropped.
pub(super) struct Workers<T>(Arc<Shared<T>>);

impl<T: Send + Sync + 'static> Workers<T> {
    /// Half as many threads as there are cores.
    pub(super) fn start(tool: T, limits: HashLimits) -> io::Result<Self> {
        let state = Mutex::new(State { queue: FairQueue::new(limits), is_over: false });
        let workers = Self(Arc::new(Shared { tool, state, wake: Condvar::new() }));
        for _ in 0..count() {
            let shared = workers.0.clone();
            thread::Builder::new().name("px0-password".to_owned()).spawn(move || work(&shared))?;
        }
        Ok(workers)
    }

    /// Does a job once it is its turn. When the caller goes away before, the job is not done.
    ///
    /// # Errors
    /// [`Code::RateLimited`](crate::Code::RateLimited) when too much waits from this address, `Unavailable` when too much waits in all.
    pub(super) async fn run<A: Send + 'static>(
        &self,
        from: Network,
        job: impl FnOnce(&T) -> A + Send + 'static,
    ) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        let job: Job<T> = Box::new(move |tool| {
            // Whoever waited may have gone away.
            let _ = answer.send(tool.map(job).ok_or(Full::FromOne));
        });
        let pushed = self.0.state.lock().queue.push(from, job);
        let (number, made_room) = pushed.map_err(refused)?;
        if let Some(other) = made_room {
            other(None);
        }
        self.0.wake.notify_one();
        let _place = Place { shared: &self.0, from, number };
        answered.await.map_err(Error::internal)?.map_err(refused)
    }
}

/// A place in the queue; it is given up when nobody waits for it any more.
struct Place<'a, T> {
    shared: &'a Shared<T>,
    from: Network,
    number: u64,
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let job = self.shared.state.lock().queue.take_back(self.from, self.number);
        drop(job);
    }
}

impl<T> Drop for Workers<T> {
    fn drop(&mut self) {
        self.0.state.lock().is_over = true;
        self.0.wake.notify_all();
    }
}

/// Half of the cores.
fn count() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}

fn work<T>(shared: &Shared<T>) {
    step_back();
    loop {
        let job = {
            let mut state = shared.state.lock();
            loop {
                if state.is_over {
                    return;
                }
                match state.queue.pop() {
                    Some(job) => break job,
                    None => shared.wake.wait(&mut state),
                }
            }
        };
        // Whoever waits learns of a panic by the end of their channel; the thread has others to work for.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| job(Some(&shared.tool))));
    }
}

fn refused(full: Full) -> Error {
    match full {
        Full::FromOne => Error::rate_limited(RETRY_AFTER),
        Full::InAll => Error::busy("too many passwords are being checked", RETRY_AFTER),
    }
}

/// Gives other threads the right of way.
fn step_back() {
    // Only Linux has a priority for each thread; elsewhere it would be the whole process. Without it, logins compete with renders.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::error::Code;

    const LIMITS: HashLimits = HashLimits { from_one: 2, in_all: 3 };

    fn from(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    /// Workers that are all busy until the answer is dropped.
    fn busy() -> (Arc<Workers<()>>, std::sync::mpsc::Sender<()>) {
        let workers = Arc::new(Workers::start((), LIMITS).expect("threads"));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for at in 0..count() {
            let (workers, held) = (workers.clone(), held.clone());
            let (begun, begins) = std::sync::mpsc::channel();
            tokio::spawn(async move {
                let job = move |_: &()| {
                    let _ = begun.send(());
                    let _ = held.lock().recv();
                };
                workers.run(from(100 + u8::try_from(at).expect("few")), job).await
            });
            tokio::task::block_in_place(|| begins.recv()).expect("begun");
        }
        (workers, hold)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_wait_is_refused_at_once() {
        let (workers, hold) = busy();
        let wait = |last| {
            let workers = workers.clone();
            tokio::spawn(async move { workers.run(from(last), |()| ()).await })
        };
        let [first, second] = [wait(1), wait(1)];
        tokio::time::sleep(Duration::from_millis(50)).await;
        let error = workers.run(from(1), |()| ()).await.expect_err("two wait");
        assert_eq!(error.code, Code::RateLimited);
        let last = wait(2);
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Who has two makes room for who has none.
        let newcomer = wait(3);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let error = workers.run(from(4), |()| ()).await.expect_err("three wait, one of each");
        assert_eq!(error.code, Code::Unavailable);
        drop(hold);
        let mut refused = 0;
        for one in [first, second, last, newcomer] {
            match one.await.expect("no panic") {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.code, Code::RateLimited);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_goes_away_leaves_the_queue() {
        let (workers, hold) = busy();
        let done = Arc::new(AtomicUsize::new(0));
        let wait = || {
            let (workers, done) = (workers.clone(), done.clone());
            tokio::spawn(async move {
                workers.run(from(1), move |()| done.fetch_add(1, Ordering::Relaxed)).await
            })
        };
        for _ in 0..5 {
            let gone = wait();
            tokio::time::sleep(Duration::from_millis(20)).await;
            gone.abort();
            assert!(gone.await.expect_err("aborted").is_cancelled());
        }
        let stays = wait();
        drop(hold);
        stays.await.expect("no panic").expect("there was room");
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_job_that_panics_is_an_error_and_the_thread_goes_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let workers = Workers::start((), LIMITS).expect("threads");
        for _ in 0..8 {
            let error = runtime.block_on(workers.run(from(1), |()| panic!("on purpose")));
            assert_eq!(error.map(|(): ()| ()).expect_err("panicked").code, Code::Internal);
        }
        runtime.block_on(workers.run(from(1), |()| ())).expect("they work on");
    }
}
