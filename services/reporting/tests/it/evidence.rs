//! Reports: the evidence pack, checked as an auditor does, and CSV files.

use crate::documents::Story;
use crate::rig::Rig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netpatch_inventory_api::{
    Advisory, Applicability, ComplianceCell, Deadline, Evidence, Finding, Risk, Standard,
};
use netpatch_proof::pack::{Options, verify};
use netpatch_proof::{EvidencePack, PublicKey};
use netpatch_reporting_api::{
    LedgerKeyGet, Report, ReportCreate, ReportGet, ReportKind, ReportList, ReportStatus,
};
use netpatch_scheduler_api::{DeploymentStatus, RunStatus};
use netpatch_types::{
    AdvisoryId, Clock as _, ComponentKey, DeploymentId, Ecosystem, FindingId, HostId, PageRequest,
    Severity, Sha256, SiteId,
};
use std::time::Duration;
use uuid::Uuid;

async fn create(rig: &Rig, kind: ReportKind) -> Report {
    rig.api
        .report_create(&rig.ctx, ReportCreate { kind })
        .await
        .unwrap()
}

async fn bytes(rig: &Rig, report: &Report) -> Vec<u8> {
    let content = rig
        .api
        .report_content(&rig.ctx, ReportGet { id: report.id })
        .await
        .unwrap();
    let bytes = STANDARD.decode(content.base64).unwrap();
    assert_eq!(report.sha256, Some(Sha256::of(&bytes)));
    assert_eq!(report.size_bytes, bytes.len() as u64);
    bytes
}

async fn ledger_key(rig: &Rig) -> Options {
    let key = rig
        .api
        .ledger_key(&rig.ctx, LedgerKeyGet {})
        .await
        .unwrap()
        .public_key;
    Options {
        ledger_key: PublicKey::ed25519(&key).map(|key| key.id()),
    }
}

#[tokio::test]
async fn an_evidence_pack_holds_and_one_changed_byte_is_found() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    *rig.neighbours.cells.lock().unwrap() = vec![ComplianceCell {
        tenant: rig.tenant(),
        site: SiteId::from(Uuid::from_u128(5)),
        severity: Severity::High,
        hosts: 1,
        compliant: 1,
        unknown: 0,
        findings: 0,
    }];
    // Another deployment's and other entries stand between.
    let other = Story::new(&rig);
    rig.neighbours.scheduler_event(
        rig.tenant(),
        rig.clock.now(),
        other.changed(DeploymentStatus::Running),
    );
    story.tell(&rig);
    rig.neighbours
        .scheduler_event(rig.tenant(), rig.clock.now(), story.halted());
    rig.service.run_once().await.unwrap();

    let report = create(
        &rig,
        ReportKind::EvidencePack {
            deployment: story.deployment,
        },
    )
    .await;
    assert_eq!(
        (report.status, report.message.as_str()),
        (ReportStatus::Ready, "")
    );
    let pack = bytes(&rig, &report).await;
    let known = ledger_key(&rig).await;
    let checks = verify(&pack, &known);
    assert!(checks.ok(), "{}", checks.to_table());

    let read: EvidencePack = serde_json::from_slice(&pack).unwrap();
    assert_eq!(
        read.body.documents.len(),
        4,
        "approval, order, run result, halt"
    );
    assert_eq!(read.body.entries.len(), 7);
    assert_eq!(read.body.summary["runs_succeeded"], "1");
    assert_eq!(read.body.summary["risk_weights_version"], "3");
    assert_eq!(read.body.summary["risk_weights_sha256"].len(), 64);
    assert_eq!(
        read.body.summary["followed_baselines"],
        "federal (CISA BOD 26-04); servers (CISA BOD 26-04); cardholder data (CISA BOD 26-04)"
    );
    assert!(read.body.compliance_before.is_some() && read.body.compliance_after.is_some());
    for position in (0..pack.len()).step_by(pack.len() / 50) {
        let mut changed = pack.clone();
        changed[position] ^= 1;
        assert!(!verify(&changed, &known).ok(), "byte {position}");
    }
    let stranger = Options {
        ledger_key: Some(netpatch_proof::KeyId(Sha256::of(b"another"))),
    };
    assert!(!verify(&pack, &stranger).ok());

    let list = rig
        .api
        .report_list(
            &rig.ctx,
            ReportList {
                page: PageRequest::largest(),
            },
        )
        .await
        .unwrap();
    assert_eq!(list.into_nodes(), [report]);
}

#[tokio::test]
async fn a_result_for_an_order_that_was_never_logged_makes_no_pack() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    rig.neighbours.scheduler_event(
        rig.tenant(),
        rig.clock.now(),
        story.ended(RunStatus::Failed, "disk_full"),
    );
    rig.service.run_once().await.unwrap();
    let report = create(
        &rig,
        ReportKind::EvidencePack {
            deployment: story.deployment,
        },
    )
    .await;
    assert_eq!(report.status, ReportStatus::Failed);
    assert!(
        report.message.contains("documents.binding"),
        "{}",
        report.message
    );
    assert!(
        rig.api
            .report_content(&rig.ctx, ReportGet { id: report.id })
            .await
            .is_err()
    );

    let unknown = ReportKind::EvidencePack {
        deployment: DeploymentId::from(Uuid::from_u128(1)),
    };
    assert!(
        rig.api
            .report_create(&rig.ctx, ReportCreate { kind: unknown })
            .await
            .is_err()
    );
}

#[tokio::test]
async fn findings_become_a_csv_file_that_expires() {
    let rig = Rig::new().await;
    let now = rig.clock.now();
    let finding = |number: u128| Finding {
        id: FindingId::from(Uuid::from_u128(number)),
        tenant: rig.tenant(),
        host: HostId::from(Uuid::from_u128(3)),
        hostname: format!("=host{number}"),
        site: SiteId::from(Uuid::from_u128(5)),
        advisory: advisory(),
        component: ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: "openssl".into(),
            version: "1".into(),
            arch: "amd64".into(),
            source: "openssl".into(),
            source_version: "1".into(),
        },
        applicability: Applicability::Installable,
        patch: None,
        offer: None,
        risk: Risk {
            score: 61.25,
            ..Risk::default()
        },
        evidence: Evidence {
            feed: "debian".into(),
            record: "CVE-1".into(),
            record_digest: Sha256::of(b"r"),
            rule: "debian-source".into(),
            installed_version: "1".into(),
            fixed_version: "2".into(),
            comparator: "dpkg".into(),
            cleared_by: None,
        },
        deadline: Some(Deadline {
            due_at: "2026-12-01T23:59:59Z".parse().ok(),
            baseline: "ours".into(),
            standard: Standard::Own,
            reason: "own rules: 3 days".into(),
            forensic_triage: false,
            moved_by: None,
        }),
        first_seen_at: now,
        resolved_at: None,
    };
    *rig.neighbours.findings.lock().unwrap() = (0..5).map(finding).collect();
    for guard_formulas in [true, false] {
        let report = create(&rig, ReportKind::FindingsCsv { guard_formulas }).await;
        let text = String::from_utf8(bytes(&rig, &report).await).unwrap();
        assert_eq!(text.lines().count(), 6, "all pages: {text}");
        assert_eq!(text.contains("'=host4,"), guard_formulas);
        assert!(text.contains(",61.2,") || text.contains(",61.3,"));
        assert!(
            text.contains(",2026-12-01T23:59:59Z,own rules: 3 days,"),
            "{text}"
        );
    }
    rig.clock.advance(Duration::from_secs(31 * 86_400));
    rig.service.run_once().await.unwrap();
    let list = rig
        .api
        .report_list(
            &rig.ctx,
            ReportList {
                page: PageRequest::largest(),
            },
        )
        .await
        .unwrap();
    assert!(list.rows.is_empty());
}

fn advisory() -> Advisory {
    Advisory {
        id: AdvisoryId::of("debian", "DSA-1-1"),
        name: "DSA-1-1".into(),
        vendor_refs: Vec::new(),
        cves: Vec::new(),
        summary: String::new(),
        severity: Severity::High,
        cvss_score: None,
        cvss_vector: None,
        epss: None,
        kev: false,
        kev_added: None,
        ssvc: None,
        cve_facts: Default::default(),
        ransomware: false,
        published_at: None,
        feed: "debian".into(),
        url: None,
    }
}

#[tokio::test]
async fn a_report_whose_maker_died_is_made_later() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    story.tell(&rig);
    rig.service.run_once().await.unwrap();
    let owner = sea_orm::Database::connect(rig.database.admin_url())
        .await
        .unwrap();
    let report = create(
        &rig,
        ReportKind::EvidencePack {
            deployment: story.deployment,
        },
    )
    .await;
    use sea_orm::ConnectionTrait as _;
    owner
        .execute_unprepared(
            "update reporting.reports set status = 'running', sha256 = null, size_bytes = 0",
        )
        .await
        .unwrap();
    rig.service.run_once().await.unwrap();
    let waiting = rig
        .api
        .report_get(&rig.ctx, ReportGet { id: report.id })
        .await
        .unwrap();
    assert_eq!(
        waiting.status,
        ReportStatus::Running,
        "its maker may still live"
    );
    rig.clock.advance(Duration::from_secs(121));
    rig.service.run_once().await.unwrap();
    let made = rig
        .api
        .report_get(&rig.ctx, ReportGet { id: report.id })
        .await
        .unwrap();
    assert_eq!(made.status, ReportStatus::Ready, "{}", made.message);
    assert!(verify(&bytes(&rig, &made).await, &ledger_key(&rig).await).ok());
}
