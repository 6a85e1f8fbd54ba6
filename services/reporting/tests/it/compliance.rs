//! Compliance: provisional, on change, by schedule, around a deployment.

use crate::documents::Story;
use crate::rig::Rig;
use netpatch_inventory_api::{ComplianceCell, InventoryEventV1};
use netpatch_reporting_api::{ComplianceGet, ComplianceHistory, SnapshotTake};
use netpatch_scheduler_api::DeploymentStatus;
use netpatch_types::{Clock as _, DeploymentId, HostId, PageRequest, Severity, Sha256, SiteId};
use std::time::Duration;
use uuid::Uuid;

fn cell(rig: &Rig, compliant: u64) -> ComplianceCell {
    let site = SiteId::from(Uuid::from_u128(5));
    ComplianceCell {
        tenant: rig.tenant(),
        site,
        severity: Severity::High,
        hosts: 3,
        compliant,
        unknown: 0,
        findings: 3 - compliant,
    }
}

fn count(rig: &Rig, compliant: u64) {
    *rig.neighbours.cells.lock().unwrap() = vec![cell(rig, compliant)];
}

async fn history(rig: &Rig, deployment: Option<DeploymentId>) -> Vec<(String, u64)> {
    let request = ComplianceHistory {
        tenant: rig.tenant(),
        deployment,
        page: PageRequest::largest(),
    };
    let page = rig.api.compliance_history(&rig.ctx, request).await.unwrap();
    page.into_nodes()
        .into_iter()
        .map(|snapshot| (snapshot.label, snapshot.cells[0].compliant))
        .collect()
}

#[tokio::test]
async fn without_a_snapshot_the_answer_is_provisional() {
    let rig = Rig::new().await;
    count(&rig, 1);
    let request = ComplianceGet {
        tenant: rig.tenant(),
        as_of: None,
    };
    let now = rig.api.compliance_get(&rig.ctx, request).await.unwrap();
    assert!(now.provisional);
    let take = SnapshotTake {
        label: "manual".into(),
        deployment: None,
    };
    let taken = rig.api.compliance_snapshot(&rig.ctx, take).await.unwrap();
    assert!(!taken.provisional);
    count(&rig, 2);
    let kept = rig.api.compliance_get(&rig.ctx, request).await.unwrap();
    assert_eq!(kept, taken, "what was kept is answered, not counted again");

    let mut narrow = rig.ctx.clone();
    narrow.sites = Some(vec![SiteId::from(Uuid::from_u128(6))]);
    assert!(
        rig.api
            .compliance_get(&narrow, request)
            .await
            .unwrap()
            .cells
            .is_empty()
    );
    let wrong = SnapshotTake {
        label: "x".into(),
        deployment: None,
    };
    assert!(rig.api.compliance_snapshot(&rig.ctx, wrong).await.is_err());
}

#[tokio::test]
async fn a_change_is_counted_after_a_while_and_every_hour() {
    let rig = Rig::new().await;
    count(&rig, 1);
    let host = HostId::from(Uuid::from_u128(7));
    let reported = |opened| InventoryEventV1::HostReported {
        host,
        manifest: Sha256::of(b"m"),
        opened,
        closed: 0,
    };
    rig.neighbours
        .inventory_event(rig.tenant(), rig.clock.now(), reported(4));
    rig.service.run_once().await.unwrap();
    assert_eq!(
        history(&rig, None).await.len(),
        1,
        "the first is taken at once"
    );

    count(&rig, 2);
    rig.clock.advance(Duration::from_secs(10));
    rig.neighbours
        .inventory_event(rig.tenant(), rig.clock.now(), reported(1));
    rig.service.run_once().await.unwrap();
    assert_eq!(history(&rig, None).await.len(), 1, "not yet");
    rig.clock.advance(Duration::from_secs(61));
    rig.service.run_once().await.unwrap();
    assert_eq!(
        history(&rig, None).await,
        [("schedule".to_owned(), 2), ("schedule".to_owned(), 1)]
    );
    rig.clock.advance(Duration::from_secs(600));
    rig.service.run_once().await.unwrap();
    assert_eq!(history(&rig, None).await.len(), 2, "nothing changed");
    rig.clock.advance(Duration::from_secs(3600));
    rig.service.run_once().await.unwrap();
    assert_eq!(history(&rig, None).await.len(), 3, "an hour is over");
}

#[tokio::test]
async fn a_deployment_has_one_before_and_the_last_after() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    for (compliant, status) in [
        (0, DeploymentStatus::Scheduled),
        (1, DeploymentStatus::Running),
        (2, DeploymentStatus::Halted),
        (1, DeploymentStatus::Running),
        (3, DeploymentStatus::Completed),
    ] {
        count(&rig, compliant);
        rig.neighbours
            .scheduler_event(rig.tenant(), rig.clock.now(), story.changed(status));
        rig.service.run_once().await.unwrap();
        rig.clock.advance(Duration::from_secs(1));
    }
    let around = history(&rig, Some(story.deployment)).await;
    assert_eq!(around, [("after".to_owned(), 3), ("before".to_owned(), 0)]);
}
