//! Callers that do a piece of work together: who comes while others are at it waits, and is done with all who wait by then.
//!
//! Whoever's turn it is does the work for all, so nothing runs when nobody asks, a lone caller waits for nobody, and a caller that
//! goes away leaves its turn to the next.

use netpatch_types::{ServiceError, ServiceResult};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

/// What callers want, each with whom to answer.
type Waiting<T, R> = Vec<(T, oneshot::Sender<ServiceResult<R>>)>;

/// Callers that wait.
pub(crate) struct Together<T, R> {
    waiting: Mutex<Waiting<T, R>>,
    turn: tokio::sync::Mutex<()>,
}

impl<T, R> Default for Together<T, R> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl<T, R> Together<T, R> {
    /// Has `one` done by `work`, which answers each of what it is given, in order. `fits` says what goes along: it is given a
    /// candidate and those who go, and the first goes in any case.
    pub(crate) async fn join<W>(
        &self,
        one: T,
        fits: impl Fn(&T, &[T]) -> bool,
        work: impl Fn(Vec<T>) -> W,
    ) -> ServiceResult<R>
    where
        W: Future<Output = Vec<ServiceResult<R>>>,
    {
        let (answer, mut done) = oneshot::channel();
        self.lock().push((one, answer));
        let _turn = self.turn.lock().await;
        loop {
            match done.try_recv() {
                Ok(result) => return result,
                Err(TryRecvError::Empty) => {}
                // Whoever took it went away before it was done.
                Err(TryRecvError::Closed) => return Err(ServiceError::unavailable("database")),
            }
            let (batch, answers) = self.take(&fits);
            let results = work(batch).await;
            for (answer, result) in answers.into_iter().zip(results) {
                let _ = answer.send(result);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting<T, R>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next to be done, in the order in which they came.
    #[allow(
        clippy::type_complexity,
        reason = "two lists that are used once, each on its own"
    )]
    fn take(
        &self,
        fits: impl Fn(&T, &[T]) -> bool,
    ) -> (Vec<T>, Vec<oneshot::Sender<ServiceResult<R>>>) {
        let mut waiting = self.lock();
        let (mut batch, mut answers, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for (one, answer) in waiting.drain(..) {
            if batch.is_empty() || fits(&one, &batch) {
                batch.push(one);
                answers.push(answer);
            } else {
                later.push((one, answer));
            }
        }
        *waiting = later;
        (batch, answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn who_waits_is_done_together_and_each_gets_its_answer() {
        let together = Arc::new(Together::<u32, u32>::default());
        let rounds = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..100 {
            let (together, rounds) = (Arc::clone(&together), Arc::clone(&rounds));
            tasks.spawn(async move {
                let fits = |_: &u32, batch: &[u32]| batch.len() < 40;
                let work = |batch: Vec<u32>| {
                    rounds.fetch_add(1, Ordering::Relaxed);
                    async move {
                        tokio::task::yield_now().await;
                        batch.into_iter().map(|one| Ok(one * 2)).collect()
                    }
                };
                (number, together.join(number, fits, work).await)
            });
        }
        for (number, answer) in tasks.join_all().await {
            assert_eq!(answer, Ok(number * 2));
        }
        // The first alone, then forty at a time.
        assert_eq!(rounds.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_hold_up_the_others() {
        let together = Arc::new(Together::<u32, u32>::default());
        let stuck = Arc::clone(&together);
        let never = tokio::spawn(async move {
            let work = |_: Vec<u32>| std::future::pending();
            stuck.join(1, |_, _| true, work).await
        });
        tokio::task::yield_now().await;
        let next = Arc::clone(&together);
        let next = tokio::spawn(async move {
            let work = |batch: Vec<u32>| std::future::ready(batch.into_iter().map(Ok).collect());
            next.join(2, |_, _| true, work).await
        });
        tokio::task::yield_now().await;
        never.abort();
        assert_eq!(next.await.expect("no panic"), Ok(2));
    }
}
