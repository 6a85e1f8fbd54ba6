//! The agent is killed at every point of its journal: the run converges and the host is changed exactly once.

use crate::order::{Agent, DEPLOYMENT, Nothing, halt, order};
use netpatch_agent::provider::fake::{Fake, payload};
use netpatch_agent::run::Runs;
use netpatch_agent::run::engine::Advance;
use netpatch_agent::state::journal::Journal;
use netpatch_agent_core::plan::ContentItem;
use netpatch_agent_core::{FailureCause, RunState};
use netpatch_types::Clock as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn content() -> Vec<ContentItem> {
    let (sha256, size_bytes) = payload("app", "2");
    vec![ContentItem {
        name: "app".into(),
        arch: "all".into(),
        version: "2".into(),
        fixed_version: "2".into(),
        sha256: Some(sha256),
        size_bytes,
        remove: false,
        dependency: false,
    }]
}

/// How a crash leaves the last line.
#[derive(Clone, Copy)]
enum Crash {
    /// It was written; memory is gone.
    After,
    /// The effect happened, the line was never written.
    Before,
    /// Half of the line is there.
    Torn,
}

/// Runs to the end with a crash after every `nth` entry; returns the final state, or `None` if the journal never had
/// so many entries.
async fn with_crash(prepare: impl Fn(&Fake), nth: usize, crash: Crash) -> Option<(RunState, Fake)> {
    let folder = tempfile::tempdir().expect("folder");
    let fake = Fake::with_one_update();
    prepare(&fake);
    let mut agent = Agent::start(folder.path());
    let accepted = agent.accept(&order(&content(), 1, agent.clock.now().timestamp_millis()));
    let run_folder = Runs::new(&agent.state).folder(DEPLOYMENT, accepted.sequence);
    let mut engine = agent.engine(Arc::new(fake.clone()), Arc::new(Nothing));
    let mut journal = Journal::open(&run_folder).expect("opens");
    let mut crashed = false;
    for _ in 0..100 {
        let path = run_folder.join("journal");
        if !crashed && lines(&path) >= nth {
            crashed = true;
            drop(journal);
            cut(&path, nth, crash);
            agent = Agent::start(folder.path());
            engine = agent.engine(Arc::new(fake.clone()), Arc::new(Nothing));
            journal = Runs::new(&agent.state)
                .all(0)
                .pop()
                .expect("the run is found again");
        }
        match engine.advance(&mut journal).await.expect("advances") {
            Advance::Moved => {}
            Advance::Finished => {
                assert!(journal.run().is_final());
                return crashed.then(|| (journal.run().state, fake.clone()));
            }
            Advance::Wait { reason, .. } => panic!("nothing to wait for: {reason}"),
        }
    }
    panic!("the run never ended: {}", journal.run().state);
}

fn lines(path: &Path) -> usize {
    fs::read(path)
        .expect("journal")
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

/// Keeps `nth` lines, the last of them as the crash leaves it. The order itself is never lost: it is written before
/// the edge is told.
fn cut(path: &Path, nth: usize, crash: Crash) {
    let bytes = fs::read(path).expect("journal");
    let ends: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    let (start, end) = (if nth >= 2 { ends[nth - 2] } else { 0 }, ends[nth - 1]);
    let keep = match crash {
        Crash::After => end,
        Crash::Before => start,
        Crash::Torn => (start + end) / 2,
    };
    fs::write(path, &bytes[..keep]).expect("cuts");
}

/// Crashes at every point in every way; the number of points that there were.
async fn everywhere(
    prepare: impl Fn(&Fake) + Copy,
    expected: fn(RunState) -> bool,
    patched: bool,
) -> usize {
    for nth in 2.. {
        for crash in [Crash::After, Crash::Before, Crash::Torn] {
            let Some((state, fake)) = with_crash(prepare, nth, crash).await else {
                return nth - 2;
            };
            let world = fake.world();
            assert!(expected(state), "entry {nth}: {state:?}");
            assert_eq!(
                world.installs, 1,
                "entry {nth}: the install was started exactly once"
            );
            assert_eq!(
                world.installed["app"],
                if patched { "2" } else { "1" },
                "entry {nth}"
            );
        }
    }
    unreachable!("the loop returns when there are no more entries")
}

#[tokio::test]
async fn a_good_run_survives_every_crash() {
    let points = everywhere(|_| {}, |state| state == RunState::Succeeded, true).await;
    assert!(points >= 11, "{points} points");
}

#[tokio::test]
async fn a_failing_run_is_rolled_back_whatever_crashes() {
    let points = everywhere(
        |fake| fake.world().install_code = 100,
        |state| state == RunState::RolledBack,
        false,
    )
    .await;
    assert!(points >= 13, "{points} points");
}

#[tokio::test]
async fn a_lost_package_manager_is_verified_not_started_again() {
    everywhere(
        |fake| fake.world().lose_next = true,
        |state| state == RunState::Succeeded,
        true,
    )
    .await;
}

#[tokio::test]
async fn without_a_way_back_a_failure_is_final() {
    let prepare = |fake: &Fake| {
        let mut world = fake.world();
        world.install_code = 100;
        world.without_way_back = true;
    };
    let expected = RunState::Failed {
        cause: FailureCause::MaintainerScriptFailed,
        changed: true,
    };
    let (state, fake) = with_crash(prepare, 5, Crash::After).await.expect("crashed");
    assert_eq!(state, expected);
    assert_eq!(fake.world().rollbacks, 0);
}

#[tokio::test]
async fn no_install_starts_after_a_halt_in_any_state() {
    for steps in 0..12 {
        let folder = tempfile::tempdir().expect("folder");
        let fake = Fake::with_one_update();
        let agent = Agent::start(folder.path());
        agent.accept(&order(&content(), 1, agent.clock.now().timestamp_millis()));
        let engine = agent.engine(Arc::new(fake.clone()), Arc::new(Nothing));
        let mut journal = Runs::new(&agent.state).all(0).pop().expect("a run");
        for _ in 0..steps {
            engine.advance(&mut journal).await.expect("advances");
        }
        let before = fake.world().installs;
        agent
            .documents
            .lock()
            .expect("lock")
            .take_halt(&halt(1))
            .expect("a halt");
        for _ in 0..20 {
            engine.advance(&mut journal).await.expect("advances");
        }
        assert!(journal.run().is_final());
        assert_eq!(fake.world().installs, before, "after {steps} steps");
        if before == 0 {
            assert_eq!(fake.world().installed["app"], "1");
        }
    }
}
