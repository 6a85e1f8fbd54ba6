//! Killed at any point, started again: the work comes out the same.

use crate::agent::SUCCESS;
use crate::world::World;
use netpatch_policy_api::Rollout;
use netpatch_scheduler_api::*;
use netpatch_testkit::poll_until;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use tokio_util::sync::CancellationToken;

/// Polls so often, then drops the future wherever it stands; whether it ended.
async fn killed_after<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Does the background work, killed a little later each time, until it once ends by itself; how often it was killed.
async fn killed_at_every_point(world: &World) -> usize {
    let mut kills = 0;
    while killed_after(kills + 1, world.service.run_once(&*world.reporting))
        .await
        .is_none()
    {
        kills += 1;
    }
    kills
}

#[tokio::test]
async fn killed_at_every_point_each_wave_gets_one_order_and_each_run_one_result() {
    let mut world = World::direct().await;
    let id = world.deploy().await.id;
    let mut kills = 0;
    for _ in 0..3 {
        kills += killed_at_every_point(&world).await;
        world.log_orders().await;
        kills += killed_at_every_point(&world).await;
        let host = world.ordered().await[0];
        let order = world.order(host).await;
        // The agent's report is killed, too, and sent again until it is stored.
        let mut report = crate::agent::report(&world, host, &order, &SUCCESS);
        report.result = Some(crate::agent::result(&world, &report, |_| {}));
        let mut polls = 1;
        while killed_after(polls, world.send(report.clone()))
            .await
            .is_none()
        {
            polls += 1;
        }
        world.patched(host);
        kills += killed_at_every_point(&world).await;
        world.restart().await;
    }
    world.settle().await;
    assert!(kills > 30, "only {kills} kills");
    assert_eq!(world.get(id).await.status, DeploymentStatus::Completed);
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for event in world.events().await {
        let key = match event {
            SchedulerEventV1::OrderSigned { wave, .. } => format!("order of {wave}"),
            SchedulerEventV1::RunEnded { run, .. } => format!("result of {run}"),
            SchedulerEventV1::WaveChanged { wave, status, .. } => format!("{wave} {status:?}"),
            SchedulerEventV1::DeploymentChanged { status, .. } => format!("{status:?}"),
            SchedulerEventV1::HaltSigned { .. } | SchedulerEventV1::RunChanged { .. } => continue,
        };
        *told.entry(key).or_default() += 1;
    }
    // Three waves: an order, a result, open, closing, passed; and three states of the deployment.
    assert_eq!(told.len(), 3 * 5 + 3, "{told:#?}");
    assert!(told.values().all(|times| *times == 1), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn done_by_several_at_once_nothing_is_done_twice() {
    let world = World::direct().await;
    world.one_wave(Rollout::default());
    world.deploy().await;
    let jobs: Vec<_> = (0..4)
        .map(|_| {
            let (service, reporting) = (world.service.clone(), world.reporting.clone());
            tokio::spawn(async move { service.run_once(&*reporting).await })
        })
        .collect();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    world.settle().await;
    let host = world.hosts[0];
    let order = world.order(host).await;
    assert_eq!(order.1.sequence, 1);
    // The same report over two carriers at once.
    let report = crate::agent::report(&world, host, &order, &SUCCESS);
    let sent: Vec<_> = (0..4)
        .map(|_| {
            let (api, ctx, report) = (world.api.clone(), world.agent(host), report.clone());
            tokio::spawn(async move { api.run_report(&ctx, report).await })
        })
        .collect();
    for answer in sent {
        assert_eq!(answer.await.unwrap().unwrap().step, 6);
    }
    assert_eq!(world.runs().await.len(), 1);
    assert_eq!(world.run_of(host).await.events.len(), 6);
}

#[tokio::test]
async fn the_jobs_follow_events_and_end_when_told() {
    let world = World::direct().await;
    let stop = CancellationToken::new();
    let (service, reporting, told) = (world.service.clone(), world.reporting.clone(), stop.clone());
    let running = tokio::spawn(async move { service.run(reporting, told).await });
    let id = world.deploy().await.id;
    let patience = std::time::Duration::from_secs(20);
    poll_until("the wave opens", patience, async || {
        (world.get(id).await.status == DeploymentStatus::Running).then_some(())
    })
    .await;
    world.log_orders().await;
    poll_until("the order is released", patience, async || {
        world.ordered().await.pop()
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}
