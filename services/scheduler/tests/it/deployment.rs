//! Making deployments: what is planned, what may not go.

use crate::world::World;
use chrono::Duration;
use netpatch_policy_api::Rollout;
use netpatch_scheduler_api::*;
use netpatch_types::*;
use uuid::Uuid;

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_leaves_nothing() {
    let world = World::direct().await;
    let request = DeploymentCreate {
        dry_run: true,
        ..world.request()
    };
    let plan = world
        .api
        .deployment_create(&world.person(), request)
        .await
        .unwrap();
    assert!(plan.deployment.is_none() && plan.missing.is_empty());
    assert_eq!((plan.hosts, plan.payload_bytes), (3, 1000));
    let sizes: Vec<u64> = plan.waves.iter().map(|wave| wave.hosts).collect();
    assert_eq!(sizes, [1, 1, 1]);
    // 22:00 in Berlin.
    let start = plan.windows[0].next_start.unwrap();
    assert_eq!(start.to_rfc3339(), "2026-01-15T21:00:00+00:00");
    let list = world
        .api
        .deployment_list(&world.person(), DeploymentList::default())
        .await
        .unwrap();
    assert!(list.rows.is_empty());
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn without_approvals_nothing_is_created() {
    let world = World::direct().await;
    let other = world.offer("nginx");
    let request = DeploymentCreate {
        patches: vec![other, world.patch, other],
        ..world.request()
    };
    let plan = world
        .api
        .deployment_create(&world.person(), request.clone())
        .await
        .unwrap();
    assert!(plan.deployment.is_none());
    assert_eq!(plan.missing.len(), 1);
    assert_eq!(plan.missing[0].patch, other);

    // What would be installed has changed since the approval.
    world.approve(other);
    let mut changed = world.facts.lock().unwrap().items[&other].clone();
    changed[0].version = "3".into();
    let approved = world
        .facts
        .lock()
        .unwrap()
        .items
        .insert(other, changed)
        .unwrap();
    let plan = world
        .api
        .deployment_create(&world.person(), request.clone())
        .await
        .unwrap();
    assert!(
        plan.missing[0]
            .reason
            .contains("changed since the approval")
    );

    world.facts.lock().unwrap().items.insert(other, approved);
    let disagreement = "host-1 and host-2 disagree on nginx".to_owned();
    world
        .facts
        .lock()
        .unwrap()
        .disagreement
        .insert(other, disagreement);
    let plan = world
        .api
        .deployment_create(&world.person(), request.clone())
        .await
        .unwrap();
    assert!(plan.missing[0].reason.contains("hosts disagree"));

    world.facts.lock().unwrap().disagreement.clear();
    let plan = world
        .api
        .deployment_create(&world.person(), request)
        .await
        .unwrap();
    let created = plan.deployment.unwrap();
    assert_eq!(created.patches.len(), 2, "each patch once");
    assert_eq!(created.status, DeploymentStatus::Scheduled);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_where_they_do_not() {
    let world = World::direct().await;
    let now = world.clock.now();
    let refused = async |request: DeploymentCreate| {
        let error = world
            .api
            .deployment_create(&world.person(), request)
            .await
            .unwrap_err();
        (error.code, error.path.join("."))
    };
    let bad = |field: &str| (ErrorCode::BadUserInput, field.to_owned());
    let with = |change: &dyn Fn(&mut DeploymentCreate)| {
        let mut request = world.request();
        change(&mut request);
        request
    };
    assert_eq!(
        refused(with(&|request| request.patches.clear())).await,
        bad("patchIds")
    );
    assert_eq!(
        refused(with(&|request| request.not_after = Some(now))).await,
        bad("notAfter")
    );
    assert_eq!(
        refused(with(
            &|request| request.not_after = Some(now + Duration::days(91))
        ))
        .await,
        bad("notAfter")
    );
    assert_eq!(
        refused(with(&|request| request.name = "a\nb".into())).await,
        bad("name")
    );
    let unknown = refused(with(&|request| {
        request.policy = PolicyId(Uuid::from_u128(1))
    }))
    .await;
    assert_eq!(unknown.0, ErrorCode::NotFound);
    world.set_policy(Rollout::default(), |spec| spec.windows.clear());
    assert_eq!(refused(world.request()).await, bad("policyId"));
    world.set_policy(Rollout::default(), |spec| spec.enabled = false);
    assert_eq!(refused(world.request()).await, bad("policyId"));
    world.set_policy(Rollout::default(), |_| {});
    for host in &world.hosts {
        world.patched(*host);
    }
    assert_eq!(refused(world.request()).await, bad("patchIds"));

    let mut reader = world.person();
    reader.permissions = [Permission::Read].into();
    let error = world
        .api
        .deployment_create(&reader, world.request())
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_person_of_one_site_may_stop_and_not_start() {
    let world = World::direct().await;
    let id = world.deploy().await.id;
    world.settle().await;
    let mut narrow = world.person();
    narrow.sites = Some(vec![SiteId(Uuid::from_u128(5))]);
    let create = world.api.deployment_create(&narrow, world.request()).await;
    assert_eq!(create.unwrap_err().code, ErrorCode::Forbidden);
    let asked = crate::world::change(id, "wrong day");
    let cancel = world.api.deployment_cancel(&narrow, asked.clone()).await;
    assert_eq!(cancel.unwrap_err().code, ErrorCode::Forbidden);
    let first = world.ordered().await[0];
    world.ran(first, &[RunStatus::Accepted]).await;
    // Runs of other sites' hosts are not there for this person.
    let run = world.run_of(first).await.id;
    let list = world
        .api
        .run_list(&narrow, RunList::default())
        .await
        .unwrap();
    assert!(list.rows.is_empty());
    let get = world.api.run_get(&narrow, RunGet { id: run }).await;
    assert_eq!(get.unwrap_err().code, ErrorCode::NotFound);
    let documents = world
        .api
        .deployment_documents(&narrow, DeploymentGet { id });
    assert_eq!(documents.await.unwrap_err().code, ErrorCode::Forbidden);
    narrow.sites = Some(vec![crate::world::SITE]);
    let list = world
        .api
        .run_list(
            &narrow,
            RunList {
                page: PageRequest::largest(),
                ..RunList::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(list.rows.len(), 1);
    world
        .api
        .deployment_pause(&narrow, asked.clone())
        .await
        .unwrap();
    let resume = world.api.deployment_resume(&narrow, asked.clone()).await;
    assert_eq!(resume.unwrap_err().code, ErrorCode::Forbidden);
    let halted = world.api.deployment_halt(&narrow, asked).await.unwrap();
    assert_eq!(halted.status, DeploymentStatus::Halted);
}
