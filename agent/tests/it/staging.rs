//! Staging that fails: tried again when that may help, given up when it cannot.

use crate::crash::content;
use crate::order::{Agent, Nothing, order};
use netpatch_agent::provider::fake::Fake;
use netpatch_agent::run::Runs;
use netpatch_agent::run::engine::Advance;
use netpatch_agent_core::{Failure, FailureCause, RunState};
use netpatch_types::Clock as _;
use std::sync::Arc;

/// Advances to staging and once more, with this failure; the fake, the journal's state, what the engine said.
async fn staged_with(cause: FailureCause, tries: usize) -> (RunState, Vec<Advance>) {
    let folder = tempfile::tempdir().expect("folder");
    let fake = Fake::with_one_update();
    fake.world().stage_failure = Some(Failure::new(cause, ["on purpose"]));
    let agent = Agent::start(folder.path());
    agent.accept(&order(&content(), 1, agent.clock.now().timestamp_millis()));
    let engine = agent.engine(Arc::new(fake.clone()), Arc::new(Nothing));
    let mut journal = Runs::new(&agent.state).all(0).pop().expect("a run");
    engine.advance(&mut journal).await.expect("begins to stage");
    let mut said = Vec::new();
    for _ in 0..tries {
        said.push(engine.advance(&mut journal).await.expect("advances"));
    }
    assert_eq!(fake.world().installs, 0);
    (journal.run().state, said)
}

#[tokio::test]
async fn a_dead_line_is_tried_again_and_given_up_after_a_while() {
    let (state, said) = staged_with(FailureCause::NetworkUnreachable, 3).await;
    assert_eq!(state, RunState::Staging);
    assert!(
        said.iter()
            .all(|advance| matches!(advance, Advance::Wait { until: Some(_), .. })),
        "{said:?}"
    );
    let (state, _) = staged_with(FailureCause::NetworkUnreachable, 4).await;
    assert_eq!(
        state,
        RunState::Failed {
            cause: FailureCause::NetworkUnreachable,
            changed: false
        }
    );
}

#[tokio::test]
async fn a_full_disk_is_given_up_at_once() {
    let (state, _) = staged_with(FailureCause::DiskFull, 1).await;
    assert_eq!(
        state,
        RunState::Failed {
            cause: FailureCause::DiskFull,
            changed: false
        }
    );
}
