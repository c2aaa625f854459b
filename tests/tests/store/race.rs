//! Tasks that run at once, on several threads, and start together.

use std::{
    fmt::Debug,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use px0_core::store::{Result, StoreError};
use tokio::sync::Barrier;

/// Runs tasks that start together, each in its own; their answers in the order of their numbers.
pub(crate) async fn race<T, F>(tasks: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let gate = Arc::new(Barrier::new(tasks));
    let running: Vec<_> = (0..tasks)
        .map(|number| {
            let (gate, task) = (gate.clone(), task(number));
            tokio::spawn(async move {
                gate.wait().await;
                task.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(tasks);
    for task in running {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Runs `race`, and `look` over and over for as long as it lasts, and once after it.
pub(crate) async fn watch<T, F>(
    race: impl Future<Output = T>,
    look: impl Fn() -> F + Send + Sync + 'static,
) -> T
where
    F: Future<Output = ()> + Send,
{
    let over = Arc::new(AtomicBool::new(false));
    let watcher = tokio::spawn({
        let over = over.clone();
        async move {
            loop {
                let last = over.load(Ordering::Acquire);
                look().await;
                if last {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let answer = race.await;
    over.store(true, Ordering::Release);
    watcher.await.unwrap();
    answer
}

/// How many succeeded; the others were refused for this reason and no other.
pub(crate) fn winners<T: Debug>(answers: Vec<Result<T>>, losers: impl Into<StoreError>) -> usize {
    let losers = losers.into();
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    for answer in lost {
        assert_eq!(answer.unwrap_err(), losers);
    }
    won.len()
}
