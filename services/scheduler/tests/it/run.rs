//! Reports of agents: once each, in order, about their own run only.

use crate::agent::{SUCCESS, event, report, result};
use crate::world::World;
use netpatch_policy_api::Rollout;
use netpatch_scheduler_api::*;
use netpatch_types::*;

async fn started() -> World {
    let world = World::direct().await;
    world.one_wave(Rollout::default());
    world.deploy().await;
    world.settle().await;
    world
}

#[tokio::test]
async fn reports_may_come_twice_with_gaps_and_in_any_order() {
    let world = started().await;
    let host = world.hosts[0];
    let order = world.order(host).await;
    let whole = report(&world, host, &order, &SUCCESS);
    let part = |from: usize, to: usize| RunReport {
        events: whole.events[from..to].to_vec(),
        ..whole.clone()
    };
    let send = async |part: RunReport| world.send(part).await.unwrap().step;
    assert_eq!(send(part(3, 5)).await, 0, "a gap: go on from the beginning");
    assert_eq!(send(part(0, 2)).await, 2);
    assert_eq!(send(part(0, 2)).await, 2, "again");
    assert_eq!(send(part(4, 6)).await, 2, "a gap");
    assert_eq!(send(part(1, 4)).await, 4, "overlapping");
    assert_eq!(world.run_of(host).await.status, RunStatus::Installing);
    assert_eq!(send(part(4, 6)).await, 6);
    // The result may come alone, and again.
    let with_result = RunReport {
        result: Some(result(&world, &whole, |_| {})),
        bytes_from_relay: 700,
        ..part(5, 6)
    };
    send(with_result.clone()).await;
    send(with_result).await;
    let run = world.run_of(host).await;
    assert_eq!(
        (run.status, run.bytes_from_relay),
        (RunStatus::Succeeded, 700)
    );
    let steps: Vec<u64> = run.events.iter().map(|event| event.step).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    assert_eq!(world.runs().await.len(), 1);
    let ended = world.events().await;
    let ended = ended
        .iter()
        .filter(|event| matches!(event, SchedulerEventV1::RunEnded { .. }));
    assert_eq!(ended.count(), 1);
}

#[tokio::test]
async fn a_rollback_keeps_the_cause_of_the_failure() {
    let world = started().await;
    let words = [
        RunStatus::Accepted,
        RunStatus::Installing,
        RunStatus::Failed,
        RunStatus::RollingBack,
        RunStatus::RolledBack,
    ];
    world.ran(world.hosts[0], &words).await;
    let run = world.run_of(world.hosts[0]).await;
    assert_eq!(run.status, RunStatus::RolledBack);
    assert_eq!(run.error.unwrap().code, "maintainer_script_failed");
}

#[tokio::test]
async fn reports_about_others_are_refused() {
    let world = started().await;
    let (host, other) = (world.hosts[0], world.hosts[1]);
    let order = world.order(host).await;
    let honest = report(&world, host, &order, &SUCCESS);
    // Another host's agent.
    let answer = world
        .api
        .run_report(&world.agent(other), honest.clone())
        .await;
    assert_eq!(answer.unwrap_err().code, ErrorCode::Forbidden);
    // An order that nobody signed, another deployment, another sequence, another organization.
    let lies = [
        RunReport {
            order: Sha256::of(b"forged"),
            ..honest.clone()
        },
        RunReport {
            deployment: DeploymentId::new(world.clock.now()),
            ..honest.clone()
        },
        RunReport {
            sequence: 2,
            ..honest.clone()
        },
    ];
    for lie in lies {
        assert_eq!(world.send(lie).await.unwrap_err().code, ErrorCode::NotFound);
    }
    let mut foreign = world.agent(host);
    let stranger = TenantId::new(world.clock.now());
    (foreign.read, foreign.write) = (vec![stranger], Some(stranger));
    let answer = world.api.run_report(&foreign, honest.clone()).await;
    assert_eq!(answer.unwrap_err().code, ErrorCode::NotFound);
    // A run that exists takes no other order's report.
    world.send(honest.clone()).await.unwrap();
    let lie = RunReport {
        order: Sha256::of(b"forged"),
        ..honest.clone()
    };
    assert_eq!(world.send(lie).await.unwrap_err().code, ErrorCode::NotFound);
    for attempt in [0, u32::MAX] {
        let lie = RunReport {
            attempt,
            ..honest.clone()
        };
        assert_eq!(world.send(lie).await.unwrap_err().path, ["attempt"]);
    }
}

#[tokio::test]
async fn a_host_outside_the_waves_range_has_no_run() {
    let world = World::direct().await;
    world.deploy().await;
    world.settle().await;
    let first = world.ordered().await[0];
    let outside = world
        .hosts
        .iter()
        .copied()
        .find(|host| *host != first)
        .unwrap();
    let order = world.order(first).await;
    let lie = report(&world, outside, &order, &SUCCESS);
    assert_eq!(world.send(lie).await.unwrap_err().code, ErrorCode::NotFound);
    assert!(world.runs().await.is_empty());
}

#[tokio::test]
async fn a_result_is_about_this_run_and_signed_by_its_key() {
    let world = started().await;
    let host = world.hosts[0];
    let order = world.order(host).await;
    let honest = report(&world, host, &order, &SUCCESS);
    let stranger = TenantId::new(world.clock.now()).to_string();
    let other = world.hosts[1].to_string();
    let lies = [
        result(&world, &honest, |result| result.organization_id = stranger),
        result(&world, &honest, |result| result.host_id = other),
        result(&world, &honest, |result| result.order = vec![0; 32]),
        result(&world, &honest, |result| result.sequence = 9),
        result(&world, &honest, |result| result.attempt = 2),
        result(&world, &honest, |result| result.public_key.clear()),
        b"no envelope".to_vec(),
    ];
    for lie in lies {
        let lie = RunReport {
            result: Some(lie),
            ..honest.clone()
        };
        assert_eq!(world.send(lie).await.unwrap_err().path, ["result"]);
    }
    assert!(
        world.runs().await.is_empty(),
        "nothing of a refused report is kept"
    );
    let good = RunReport {
        result: Some(result(&world, &honest, |_| {})),
        ..honest
    };
    world.send(good).await.unwrap();
}

#[tokio::test]
async fn nothing_from_outside_grows_without_limit() {
    let world = started().await;
    let host = world.hosts[0];
    let order = world.order(host).await;
    let mut long = report(&world, host, &order, &SUCCESS[..1]);
    long.events[0].message = "x\0".repeat(10_000);
    long.events[0].evidence = vec!["y\0".repeat(10_000); 500];
    world.send(long.clone()).await.unwrap();
    let run = world.run_of(host).await;
    assert_eq!(run.events[0].message, "x".repeat(500));
    assert_eq!(run.events[0].evidence.len(), 50);
    long.events = (2..=1002)
        .map(|step| event(&world, step, RunStatus::Staging))
        .collect();
    assert_eq!(world.send(long).await.unwrap_err().path, ["events"]);
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let world = started().await;
    for host in &world.hosts {
        world.pass(1);
        world.ran(*host, &SUCCESS[..3]).await;
    }
    world.ran(world.hosts[0], &SUCCESS).await;
    let list = async |list: RunList| {
        let page = world.api.run_list(&world.person(), list).await.unwrap();
        let cursor = page.rows.last().map(|row| row.cursor.clone());
        let hosts: Vec<HostId> = page.rows.iter().map(|row| row.node.host).collect();
        (hosts, page.has_next, cursor)
    };
    let page = PageRequest {
        first: 2,
        after: None,
    };
    let (hosts, more, cursor) = list(RunList {
        page,
        ..RunList::default()
    })
    .await;
    assert_eq!(
        (hosts.as_slice(), more),
        (&[world.hosts[2], world.hosts[1]][..], true)
    );
    let page = PageRequest {
        first: 2,
        after: cursor,
    };
    let (hosts, more, _) = list(RunList {
        page,
        ..RunList::default()
    })
    .await;
    assert_eq!((hosts.as_slice(), more), (&world.hosts[..1], false));
    let page = PageRequest::largest();
    let only = RunList {
        page: page.clone(),
        statuses: vec![RunStatus::Succeeded],
        ..RunList::default()
    };
    assert_eq!(list(only).await.0, world.hosts[..1]);
    let only = RunList {
        page: page.clone(),
        host: Some(world.hosts[1]),
        ..RunList::default()
    };
    assert_eq!(list(only).await.0, world.hosts[1..2]);
    let only = RunList {
        page,
        deployment: Some(DeploymentId::new(world.clock.now())),
        ..RunList::default()
    };
    assert!(list(only).await.0.is_empty());
}
