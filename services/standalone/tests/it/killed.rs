//! The platform killed in the middle of a wave: what it had said stands, and the wave goes on.

use crate::program::Served;
use crate::sandbox::Sandbox;
use crate::the_loop::Setting;
use netpatch_reporting_api::LedgerList;
use netpatch_scheduler_api::*;
use netpatch_testkit::poll_until;
use netpatch_types::PageRequest;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);

/// Everything of a deployment that must not move by a restart.
async fn state(setting: &Setting, deployment: &Deployment) -> (Deployment, Vec<Wave>, Vec<Run>) {
    let (scheduler, ctx) = (&setting.sandbox.roles.scheduler, setting.system());
    let now = scheduler
        .deployment_get(&ctx, DeploymentGet { id: deployment.id })
        .await
        .unwrap();
    let waves = WaveList {
        deployment: deployment.id,
    };
    let waves = scheduler.wave_list(&ctx, waves).await.unwrap();
    let list = RunList {
        page: PageRequest::largest(),
        deployment: Some(deployment.id),
        wave: None,
        host: None,
        statuses: Vec::new(),
    };
    let mut runs = scheduler.run_list(&ctx, list).await.unwrap().into_nodes();
    runs.sort_by_key(|run| run.id);
    (now, waves, runs)
}

/// How many entries of an action the ledger has.
async fn entries(setting: &Setting, action: &str) -> usize {
    let ctx = setting.system();
    let list = LedgerList {
        page: PageRequest::largest(),
        tenant: ctx.write,
        actions: vec![action.into()],
        subject: None,
    };
    let page = setting
        .sandbox
        .roles
        .reporting
        .ledger_list(&ctx, list)
        .await;
    page.unwrap().into_nodes().len()
}

/// SIGKILL, and a new process on what the old one left.
async fn kill_and_start(served: Served, setting: &mut Setting, data: &Path) -> Served {
    served.kill();
    let served = Served::start(data);
    println!("ready {:?} after a kill", served.ready_after);
    assert!(
        !served.log().contains("bootstrap administrator"),
        "{}",
        served.log()
    );
    let ready = reqwest::get(format!("http://{}/readyz", served.http))
        .await
        .unwrap();
    assert!(ready.status().is_success());
    setting.sandbox = Sandbox::beside(data).await;
    served
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_killed_during_a_wave_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let served = Served::start(&data);
    let root = std::fs::read(data.join("platform-root.sha256")).unwrap();
    let mut setting = Setting::within(Sandbox::beside(&data).await).await;
    let deployment = setting.deploy().await;
    let (canary, order) = setting.wave_order(&deployment, 1).await;
    let ctx = setting.system();

    // Killed while the canary installs.
    setting.hosts[canary]
        .begin(&setting.sandbox, &ctx, &order, RunStatus::Installing)
        .await;
    let before = state(&setting, &deployment).await;
    assert_eq!(
        (before.0.status, before.2.len()),
        (DeploymentStatus::Running, 1)
    );
    assert_eq!(before.2[0].status, RunStatus::Installing);
    let served = kill_and_start(served, &mut setting, &data).await;
    assert_eq!(
        std::fs::read(data.join("platform-root.sha256")).unwrap(),
        root
    );
    assert_eq!(state(&setting, &deployment).await, before);
    for (index, host) in setting.hosts.iter().enumerate() {
        let orders = host.orders(&setting.sandbox, &ctx).await;
        let digests: Vec<_> = orders.iter().map(|order| order.0).collect();
        let expected = if index == canary {
            vec![order.0]
        } else {
            Vec::new()
        };
        assert_eq!(digests, expected, "the same order for the same host");
    }

    // The agent never noticed; its whole journal comes again. Killed as soon as that is acknowledged.
    setting.hosts[canary]
        .obey(&setting.sandbox, &ctx, &order, true)
        .await;
    let served = kill_and_start(served, &mut setting, &data).await;
    let runs = state(&setting, &deployment).await.2;
    assert_eq!(
        (runs.len(), runs[0].id),
        (1, before.2[0].id),
        "the run did not start again"
    );
    assert_eq!(
        runs[0].status,
        RunStatus::Succeeded,
        "what was acknowledged is kept"
    );

    for index in (0..3).filter(|index| *index != canary) {
        let host = &setting.hosts[index];
        let orders = poll_until("the next wave's order", SOON, async || {
            Some(host.orders(&setting.sandbox, &ctx).await).filter(|orders| !orders.is_empty())
        })
        .await;
        assert_eq!(orders.len(), 1);
        host.obey(&setting.sandbox, &ctx, &orders[0], true).await;
    }
    setting
        .reaches(&deployment, DeploymentStatus::Completed)
        .await;
    let (_, waves, runs) = state(&setting, &deployment).await;
    let confirmed: Vec<_> = waves.iter().map(|wave| wave.counts.succeeded).collect();
    assert_eq!((confirmed, runs.len()), (vec![1, 2], 3));
    poll_until("the ledger has every run", SOON, async || {
        (entries(&setting, "run.ended").await == 3).then_some(())
    })
    .await;
    assert_eq!(
        entries(&setting, "order.signed").await,
        2,
        "one order a wave, none twice"
    );
    assert_eq!(served.stop(), Some(0));
}
