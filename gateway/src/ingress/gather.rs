//! Questions that many sessions ask at the same time, put to a service together.
//!
//! A session asks for one host; a statement for a thousand hosts costs the database little more than one for a single host. The first
//! question goes at once; what comes until `pause` has passed since then goes together, by organization. Nothing is
//! remembered: every answer was read after its question was asked.

use netpatch_types::{OrganizationId, ServiceError, ServiceResult};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Questions that go together at most; services refuse more than a thousand.
const MOST: usize = 500;
/// Questions that wait; whoever asks more waits before the door.
const WAITING: usize = 10_000;
/// Batches of one kind that are answered at the same time: the pool of connections is there for others too.
const AT_ONCE: usize = 4;

struct Question<Q, A> {
    organization: OrganizationId,
    asked: Q,
    answer: oneshot::Sender<ServiceResult<A>>,
}

/// Questions of one kind. Dropping it ends what is under way.
pub(super) struct Gather<Q, A> {
    questions: mpsc::Sender<Question<Q, A>>,
    _task: AbortOnDropHandle<()>,
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// `answer` gives one answer for each question, in order.
    pub(super) fn new<F>(
        pause: Duration,
        answer: impl Fn(OrganizationId, Vec<Q>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ServiceResult<Vec<A>>> + Send + 'static,
    {
        let (questions, asked) = mpsc::channel(WAITING);
        let task = AbortOnDropHandle::new(tokio::spawn(run(asked, pause, answer)));
        Self {
            questions,
            _task: task,
        }
    }

    /// Asks, together with whoever asks now.
    pub(super) async fn ask(&self, organization: OrganizationId, asked: Q) -> ServiceResult<A> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            organization,
            asked,
            answer,
        };
        // Neither fails while this value lives, unless answering panicked.
        if self.questions.send(question).await.is_err() {
            return Err(ServiceError::internal());
        }
        answered
            .await
            .unwrap_or_else(|_| Err(ServiceError::internal()))
    }
}

async fn run<Q: Send + 'static, A: Send + 'static, F>(
    mut asked: mpsc::Receiver<Question<Q, A>>,
    pause: Duration,
    answer: impl Fn(OrganizationId, Vec<Q>) -> F + Send + Sync + 'static,
) where
    F: Future<Output = ServiceResult<Vec<A>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut batches = JoinSet::new();
    let mut together = Vec::new();
    while asked.recv_many(&mut together, MOST).await > 0 {
        let mut by_organization: HashMap<OrganizationId, Vec<Question<Q, A>>> = HashMap::new();
        // Sessions that ended meanwhile need no answer.
        for question in together.drain(..).filter(|one| !one.answer.is_closed()) {
            by_organization
                .entry(question.organization)
                .or_default()
                .push(question);
        }
        for (organization, questions) in by_organization {
            let place = Arc::clone(&places).acquire_owned().await;
            let (asked, waiting): (Vec<Q>, Vec<_>) = questions
                .into_iter()
                .map(|one| (one.asked, one.answer))
                .unzip();
            let answering = answer(organization, asked);
            batches.spawn(async move {
                settle(waiting, answering.await);
                drop(place);
            });
        }
        while batches.try_join_next().is_some() {}
        tokio::time::sleep(pause).await;
    }
}

/// Tells everybody who waits.
fn settle<A>(waiting: Vec<oneshot::Sender<ServiceResult<A>>>, answers: ServiceResult<Vec<A>>) {
    match answers {
        Ok(answers) if answers.len() == waiting.len() => {
            for (waits, answer) in waiting.into_iter().zip(answers) {
                let _ = waits.send(Ok(answer));
            }
        }
        Ok(answers) => {
            tracing::error!(
                asked = waiting.len(),
                answered = answers.len(),
                "questions and answers do not fit together"
            );
            for waits in waiting {
                let _ = waits.send(Err(ServiceError::internal()));
            }
        }
        Err(error) => {
            for waits in waiting {
                let _ = waits.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use netpatch_types::{Clock as _, ErrorCode, SystemClock};
    use std::sync::Mutex;

    fn organization() -> OrganizationId {
        OrganizationId::new(SystemClock::default().now())
    }

    #[tokio::test]
    async fn what_is_asked_together_is_answered_together_and_to_each_his_own() {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&batches);
        let gather = Gather::new(Duration::from_millis(20), move |of, asked: Vec<u32>| {
            seen.lock().expect("no panic").push((of, asked.len()));
            async move { Ok(asked.into_iter().map(|one| (of, one * 2)).collect()) }
        });
        let (one, other) = (organization(), organization());
        assert_eq!(gather.ask(one, 1).await, Ok((one, 2)));
        let asking = (0..800).map(|n| gather.ask(if n % 2 == 0 { one } else { other }, n));
        for (n, answer) in join_all(asking).await.into_iter().enumerate() {
            let n = u32::try_from(n).expect("small");
            let of = if n % 2 == 0 { one } else { other };
            assert_eq!(answer, Ok((of, n * 2)));
        }
        let batches = batches.lock().expect("no panic");
        // One, and then few: 500 and 300, each of two organizations, unless the machine was busy.
        assert_eq!(batches[0], (one, 1));
        assert!(batches.len() < 50, "{batches:?}");
        assert!(batches.iter().all(|(_, count)| *count <= MOST));
    }

    #[tokio::test]
    async fn an_error_is_everybodys_and_a_wrong_number_of_answers_is_one() {
        let gather = Gather::new(Duration::from_millis(1), |_, asked: Vec<u32>| async move {
            match asked.as_slice() {
                [0, ..] => Err(ServiceError::unavailable("the service")),
                _ => Ok(vec![1, 2, 3]),
            }
        });
        let of = organization();
        gather.ask(of, 9).await.expect_err("three answers to one");
        let (one, two) = tokio::join!(gather.ask(of, 0), gather.ask(of, 1));
        for failed in [one, two] {
            assert_eq!(
                failed.expect_err("down").code,
                ErrorCode::UpstreamUnavailable
            );
        }
    }

    #[tokio::test]
    async fn who_gives_up_keeps_nobody_waiting() {
        let gather = Gather::new(Duration::from_millis(20), |_, asked: Vec<u32>| async move {
            if asked.contains(&0) {
                std::future::pending::<()>().await;
            }
            Ok(asked)
        });
        let of = organization();
        for _ in 0..AT_ONCE - 1 {
            let given_up = tokio::time::timeout(Duration::from_millis(50), gather.ask(of, 0));
            given_up.await.expect_err("never answered");
        }
        assert_eq!(gather.ask(of, 7).await, Ok(7));
    }
}
