//! Whole runs with the real apt: from a signed order to the final state.

use crate::host::{Host, PATIENCE};
use crate::order::{Agent, order};
use netpatch_agent::run::Runs;
use netpatch_agent::run::engine::Advance;
use netpatch_agent_core::journal::Run;
use netpatch_agent_core::{FailureCause, Refusal, RunState};
use netpatch_types::Clock as _;
use std::sync::Arc;

/// Approves what apt plans for these packages, changes the order's content, runs it.
async fn run(host: &Host, packages: &[&str], drop_from_content: Option<&str>) -> Run {
    let (_, mut content) = host.plan(packages).await;
    content.retain(|item| Some(item.name.as_str()) != drop_from_content);
    let agent = Agent::start(&host.root().join("var/lib/netpatch-agent"));
    agent.accept(&order(&content, 1, agent.clock.now().timestamp_millis()));
    let engine = agent.engine(Arc::new(host.apt.clone()), host.shelf.clone());
    let mut journal = Runs::new(&agent.state).all(0).pop().expect("a run");
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match engine.advance(&mut journal).await.expect("advances") {
            Advance::Moved => {}
            Advance::Finished => return journal.run().clone(),
            // apt works; it is asked again until the deadline.
            Advance::Wait { reason, .. } => {
                assert!(std::time::Instant::now() < deadline, "{reason}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    }
}

fn words(run: &Run) -> Vec<&'static str> {
    run.steps.iter().map(|step| step.state.word()).collect()
}

#[tokio::test]
async fn an_approved_update_succeeds() {
    let host = Host::with(&["np-good", "np-conffile"]).await;
    let run = run(&host, &["np-good", "np-conffile"], None).await;
    assert_eq!(
        words(&run),
        [
            "accepted",
            "staging",
            "staged",
            "snapshotting",
            "installing",
            "verifying",
            "succeeded"
        ]
    );
    assert!(run.bytes_from.0 > 0);
    assert_eq!(host.version("np-good"), "2.0-1 installed");
}

#[tokio::test]
async fn a_failing_update_is_rolled_back_with_its_cause() {
    let host = Host::with(&["np-failing-postinst", "np-good"]).await;
    let run = run(&host, &["np-failing-postinst", "np-good"], None).await;
    assert_eq!(run.state, RunState::RolledBack, "{:?}", run.steps.last());
    assert_eq!(run.cause, Some(FailureCause::MaintainerScriptFailed));
    let failed = run
        .steps
        .iter()
        .find(|step| step.state.word() == "failed")
        .expect("the failure");
    assert!(
        failed
            .evidence
            .iter()
            .any(|line| line.contains("cannot migrate the database")),
        "{failed:?}"
    );
    assert_eq!(host.version("np-good"), "1.0-1 installed");
    assert_eq!(host.version("np-failing-postinst"), "1.0-1 installed");
}

#[tokio::test]
async fn a_dependency_that_nobody_approved_is_refused() {
    let host = Host::with(&["np-new-dependency"]).await;
    let run = run(&host, &["np-new-dependency"], Some("np-dependency")).await;
    assert_eq!(
        run.state,
        RunState::Refused {
            refusal: Refusal::PlanDiffers
        }
    );
    assert_eq!(host.version("np-new-dependency"), "1.0-1 installed");
}
