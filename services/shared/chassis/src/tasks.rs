//! Structured concurrency: every task has an owner, and dropping the owner stops it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

/// Any error of a task.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a task failed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It returned an error.
    #[error("task {name}: {source}")]
    Failed {
        /// The task.
        name: String,
        /// Its error.
        source: BoxError,
    },
    /// It panicked; the panic is in the log.
    #[error("task {name} panicked")]
    Panicked {
        /// The task.
        name: String,
    },
    /// They did not end in time after they were told to.
    #[error("these tasks did not end within {grace_ms} ms: {names}")]
    Stuck {
        /// The tasks.
        names: String,
        /// How long was waited.
        grace_ms: u128,
    },
}

/// A group of tasks that end together.
pub struct Tasks {
    stop: CancellationToken,
    running: JoinSet<Result<(), BoxError>>,
    names: HashMap<Id, String>,
    _guard: DropGuard,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names.values()).finish()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::within(&CancellationToken::new())
    }

    /// An empty group that is also told to end when the outer token is cancelled.
    #[must_use]
    pub fn within(outer: &CancellationToken) -> Self {
        let stop = outer.child_token();
        Self {
            _guard: stop.clone().drop_guard(),
            stop,
            running: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Cancelled when the tasks shall end; hand it to what should end in an orderly way.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task. It should watch the group's token; it is cut when the group is dropped.
    pub fn spawn<F, E>(&mut self, name: impl Into<String>, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let name = name.into();
        let span = tracing::info_span!("task", name);
        let handle = self
            .running
            .spawn(async move { task.await.map_err(Into::into) }.instrument(span));
        self.names.insert(handle.id(), name);
    }

    /// Waits until a task fails (error or panic), or all have ended well. May be dropped and called again.
    pub async fn watch(&mut self) -> Result<(), TaskError> {
        while let Some(ended) = self.running.join_next_with_id().await {
            self.ended(ended)?;
        }
        Ok(())
    }

    /// Tells all tasks to end and waits for them; returns the first failure. What is still running after the grace is cut.
    pub async fn finish(mut self, grace: Duration) -> Result<(), TaskError> {
        self.stop.cancel();
        let mut first = Ok(());
        let all = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                let outcome = ended_of(&mut self.names, ended);
                if first.is_ok() {
                    first = outcome;
                }
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() && first.is_ok() {
            let mut names: Vec<_> = self.names.values().map(String::as_str).collect();
            names.sort_unstable();
            first = Err(TaskError::Stuck {
                names: names.join(", "),
                grace_ms: grace.as_millis(),
            });
        }
        self.running.shutdown().await;
        first
    }

    fn ended(
        &mut self,
        ended: Result<(Id, Result<(), BoxError>), JoinError>,
    ) -> Result<(), TaskError> {
        ended_of(&mut self.names, ended)
    }
}

fn ended_of(
    names: &mut HashMap<Id, String>,
    ended: Result<(Id, Result<(), BoxError>), JoinError>,
) -> Result<(), TaskError> {
    let mut name = |id| names.remove(&id).unwrap_or_default();
    match ended {
        Ok((id, Ok(()))) => {
            tracing::debug!(task = name(id), "a task has ended");
            Ok(())
        }
        Ok((id, Err(source))) => Err(TaskError::Failed {
            name: name(id),
            source,
        }),
        Err(error) if error.is_panic() => {
            let name = name(error.id());
            tracing::error!(task = name, %error, "a task panicked");
            Err(TaskError::Panicked { name })
        }
        Err(_) => Ok(()),
    }
}
