//! Gates: what passes, what fails and halts, silence, expiry, hosts that vanish.

use crate::agent::SUCCESS;
use crate::world::World;
use netpatch_policy_api::Rollout;
use netpatch_scheduler_api::*;
use netpatch_types::*;

#[tokio::test]
async fn a_failure_beyond_the_gate_halts_everything() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let host = world.ordered().await[0];
    world
        .ran(
            host,
            &[
                RunStatus::Accepted,
                RunStatus::Installing,
                RunStatus::Failed,
            ],
        )
        .await;
    world.settle().await;
    let halted = world.get(id).await;
    assert_eq!(halted.status, DeploymentStatus::Halted);
    assert_eq!(
        halted.reason,
        "wave 1: 1 of 1 hosts failed, the gate allows 0"
    );
    let run = world.run_of(host).await;
    let error = run.error.unwrap();
    assert_eq!(error.code, "maintainer_script_failed");
    assert_eq!(error.evidence, ["postinst: exit 1"]);
    assert!(world.ordered().await.is_empty());
    let halts = world.events().await;
    let halts = halts
        .iter()
        .filter(|event| matches!(event, SchedulerEventV1::HaltSigned { .. }));
    assert_eq!(halts.count(), 1);
}

#[tokio::test]
async fn success_counts_when_a_scan_confirms_it() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let host = world.ordered().await[0];
    world.ran(host, &SUCCESS).await;
    world.settle().await;
    assert_eq!(
        world.wave_words(id).await[0],
        WaveStatus::Open,
        "no scan yet"
    );
    // A scan that still shows the finding, soon after: perhaps it was under way.
    world.change_host(host, |host| host.last_scan_at = Some(host.registered_at));
    world.settle().await;
    assert_eq!(world.run_of(host).await.confirmed, None);
    // The same, later: the last word.
    world.pass(121);
    let now = world.clock.now();
    world.change_host(host, |host| host.last_scan_at = Some(now));
    world.settle().await;
    let run = world.run_of(host).await;
    assert_eq!(run.confirmed, Some(false));
    assert_eq!(run.error.unwrap().code, "not_confirmed");
    assert_eq!(world.get(id).await.status, DeploymentStatus::Halted);
}

#[tokio::test]
async fn a_host_that_vanishes_or_is_never_scanned_holds_nobody_up() {
    let world = World::direct().await;
    world.one_wave(Rollout {
        max_failed: 2,
        min_success_percent: 30,
        ..Rollout::default()
    });
    let id = world.deploy().await.id;
    world.settle().await;
    for host in &world.hosts {
        world.ran(*host, &SUCCESS).await;
    }
    world.patched(world.hosts[0]);
    world.facts.lock().unwrap().hosts.remove(&world.hosts[1]);
    world.settle().await;
    let confirmed: Vec<_> = [
        world.run_of(world.hosts[0]).await,
        world.run_of(world.hosts[1]).await,
    ]
    .into_iter()
    .map(|run| run.confirmed)
    .collect();
    assert_eq!(confirmed, [Some(true), Some(false)]);
    assert_eq!(world.wave_words(id).await, [WaveStatus::Open]);
    world.pass(3600);
    world.settle().await;
    assert_eq!(world.run_of(world.hosts[2]).await.confirmed, Some(false));
    assert_eq!(world.get(id).await.status, DeploymentStatus::Completed);
}

#[tokio::test]
async fn a_neighbour_that_is_down_holds_up_and_loses_nothing() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let host = world.ordered().await[0];
    world.succeeds(host).await;
    world.facts.lock().unwrap().inventory_down = true;
    world.settle().await;
    assert_eq!(world.wave_words(id).await[0], WaveStatus::Open);
    world.facts.lock().unwrap().inventory_down = false;
    world.settle().await;
    assert_eq!(world.wave_words(id).await[0], WaveStatus::Passed);
}

#[tokio::test]
async fn soak_delays_the_gate() {
    let world = World::direct().await;
    world.one_wave(Rollout {
        soak_seconds: 600,
        ..Rollout::default()
    });
    let id = world.deploy().await.id;
    world.settle().await;
    for host in &world.hosts {
        world.succeeds(*host).await;
    }
    world.settle().await;
    assert_eq!(world.wave_words(id).await, [WaveStatus::Closing]);
    world.pass(599);
    world.settle().await;
    assert_eq!(world.wave_words(id).await, [WaveStatus::Closing]);
    world.pass(1);
    world.settle().await;
    assert_eq!(world.get(id).await.status, DeploymentStatus::Completed);
}

#[tokio::test]
async fn silence_is_shown_then_counts_as_failure_and_the_journal_overrides() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let host = world.ordered().await[0];
    let order = world.order(host).await;
    world.ran(host, &SUCCESS[..4]).await;
    assert!(!world.run_of(host).await.silent);
    world.pass(181);
    assert!(world.run_of(host).await.silent);
    let counts = world.waves(id).await[0].counts;
    assert_eq!((counts.silent, counts.running), (1, 0));
    // A heartbeat is a sign of life, too.
    world.heartbeat();
    assert!(!world.run_of(host).await.silent);
    world.settle().await;
    assert_eq!(world.get(id).await.status, DeploymentStatus::Running);
    world.pass(3601);
    world.settle().await;
    let halted = world.get(id).await;
    assert_eq!(halted.status, DeploymentStatus::Halted);
    assert!(halted.reason.contains("1 fell silent"), "{}", halted.reason);
    // The journal comes back with the truth.
    let mut report = crate::agent::report(&world, host, &order, &SUCCESS);
    report.result = Some(crate::agent::result(&world, &report, |_| {}));
    world.send(report).await.unwrap();
    world.patched(host);
    world.settle().await;
    let run = world.run_of(host).await;
    assert_eq!(
        (run.status, run.confirmed, run.silent),
        (RunStatus::Succeeded, Some(true), false)
    );
}

#[tokio::test]
async fn runs_that_never_began_to_install_expire_and_a_lost_reboot_fails() {
    let world = World::direct().await;
    world.one_wave(Rollout {
        max_failed: 9,
        ..Rollout::default()
    });
    let id = world.deploy().await.id;
    world.settle().await;
    let orders: Vec<_> = [
        world.order(world.hosts[0]).await,
        world.order(world.hosts[1]).await,
    ]
    .into();
    world
        .ran(
            world.hosts[0],
            &[RunStatus::Accepted, RunStatus::WaitingForWindow],
        )
        .await;
    world
        .ran(
            world.hosts[1],
            &[
                RunStatus::Accepted,
                RunStatus::Installing,
                RunStatus::RebootPending,
                RunStatus::Rebooting,
            ],
        )
        .await;
    world.ran(world.hosts[2], &SUCCESS[..4]).await;
    world.pass(3599);
    world.settle().await;
    assert_eq!(
        world.run_of(world.hosts[1]).await.status,
        RunStatus::Rebooting
    );
    world.pass(2);
    world.settle().await;
    let lost = world.run_of(world.hosts[1]).await;
    assert_eq!(lost.status, RunStatus::Failed);
    assert_eq!(lost.error.unwrap().code, "reboot_did_not_return");
    let told = world.events().await;
    let told = told.iter().filter(|event| {
        matches!(event, SchedulerEventV1::RunEnded { host, cause, envelope: None, .. }
            if *host == world.hosts[1] && cause == "reboot_did_not_return")
    });
    assert_eq!(told.count(), 1);
    world.pass(14 * 86_400);
    world.settle().await;
    let words = |run: Run| (run.status, run.error.map(|error| error.code));
    assert_eq!(
        words(world.run_of(world.hosts[0]).await),
        (RunStatus::Expired, Some("order_expired".into()))
    );
    assert_eq!(
        world.run_of(world.hosts[2]).await.status,
        RunStatus::Installing,
        "what began to install never expires"
    );
    assert_eq!(world.get(id).await.status, DeploymentStatus::Halted);
    // Both come back; their journals say more.
    for (host, order) in world.hosts.iter().zip(&orders) {
        let words = [
            RunStatus::Accepted,
            RunStatus::WaitingForWindow,
            RunStatus::Installing,
            RunStatus::Rebooting,
            RunStatus::Verifying,
            RunStatus::Succeeded,
        ];
        let mut report = crate::agent::report(&world, *host, order, &words);
        report.result = Some(crate::agent::result(&world, &report, |_| {}));
        world.send(report).await.unwrap();
        let run = world.run_of(*host).await;
        assert_eq!((run.status, run.error), (RunStatus::Succeeded, None));
    }
}
