//! Exposed → approved → ordered → installed → confirmed → proven, across every service.

use crate::host::{FIXED, FakeHost, OLD};
use crate::sandbox::{Sandbox, Topology};
use base64::Engine as _;
use netpatch_auth::{OrganizationKind, SiteCreate};
use netpatch_inventory_api::{FeedImport, FindingList, QueueList};
use netpatch_policy_api::*;
use netpatch_reporting_api::{LedgerList, ReportCreate, ReportGet, ReportKind, ReportStatus};
use netpatch_scheduler_api::*;
use netpatch_testkit::poll_until;
use netpatch_types::{Classification, ErrorCode, PageRequest, PatchId, RequestContext, SiteId};
use netpatch_window::WindowRule;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loop_closes_when_the_roles_share_a_process() {
    the_loop(Topology::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loop_closes_when_the_roles_are_apart() {
    the_loop(Topology::Rpc).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_canary_halts_before_the_second_wave() {
    let setting = Setting::new(Topology::Direct).await;
    let deployment = setting.deploy().await;
    let canary = setting.wave_order(&deployment, 1).await;
    setting.hosts[canary.0]
        .obey(&setting.sandbox, &setting.system(), &canary.1, false)
        .await;
    let halted = setting.reaches(&deployment, DeploymentStatus::Halted).await;
    assert!(
        halted.reason.contains("1 of 1 hosts failed"),
        "{}",
        halted.reason
    );
    for host in &setting.hosts {
        assert!(
            host.orders(&setting.sandbox, &setting.system())
                .await
                .is_empty(),
            "no order is delivered after the halt"
        );
    }
    // Going on needs a new approval, by somebody else than the one who asks.
    let scheduler = &setting.sandbox.roles.scheduler;
    let asker = setting
        .sandbox
        .person(setting.system().write.unwrap(), "asker");
    let change = DeploymentChange {
        id: deployment.id,
        reason: "fixed by the vendor".into(),
        if_match: None,
    };
    let refused = scheduler
        .deployment_resume(&asker, change.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::ApprovalRequired);
    let approval = scheduler
        .deployment_get(&asker, DeploymentGet { id: deployment.id })
        .await
        .unwrap()
        .approval
        .unwrap();
    let policy = &setting.sandbox.roles.policy;
    let decide = ApprovalDecide {
        id: approval,
        verdict: Verdict::Approve,
        reason: "understood".into(),
    };
    assert_eq!(
        policy
            .approval_decide(&asker, decide.clone())
            .await
            .unwrap_err()
            .code,
        ErrorCode::SelfApproval
    );
    let approver = setting
        .sandbox
        .person(setting.system().write.unwrap(), "approver");
    policy.approval_decide(&approver, decide).await.unwrap();
    poll_until("the approval was used for a resume", SOON, async || {
        scheduler
            .deployment_resume(&asker, change.clone())
            .await
            .ok()
    })
    .await;
    setting
        .reaches(&deployment, DeploymentStatus::Running)
        .await;
    let again = setting.wave_order(&deployment, 1).await;
    assert!(again.1.2.sequence > canary.1.2.sequence, "a new sequence");
}

async fn the_loop(topology: Topology) {
    let setting = Setting::new(topology).await;
    let (sandbox, ctx) = (&setting.sandbox, setting.system());
    let tenant = ctx.write.unwrap();
    let open = FindingList {
        page: PageRequest::largest(),
        ..FindingList::default()
    };
    let before = sandbox
        .roles
        .inventory
        .finding_list(&ctx, open.clone())
        .await
        .unwrap()
        .into_nodes();
    assert!(!before.is_empty(), "openssl {OLD} is exposed");
    assert!(
        before
            .windows(2)
            .all(|pair| pair[0].risk.score >= pair[1].risk.score),
        "worst first"
    );
    let queue = QueueList {
        page: PageRequest::largest(),
        ..QueueList::default()
    };
    assert_eq!(
        sandbox
            .roles
            .inventory
            .queue_list(&ctx, queue)
            .await
            .unwrap()
            .into_nodes()[0]
            .hosts,
        3
    );

    let deployment = setting.deploy().await;
    let canary = setting.wave_order(&deployment, 1).await;
    let others = (0..3).filter(|index| *index != canary.0);
    for index in others.clone() {
        assert!(
            setting.hosts[index].orders(sandbox, &ctx).await.is_empty(),
            "the second wave waits for the first one's gate"
        );
    }
    setting.hosts[canary.0]
        .obey(sandbox, &ctx, &canary.1, true)
        .await;
    for index in others {
        let host = &setting.hosts[index];
        let orders = poll_until("the next wave's order", SOON, async || {
            Some(host.orders(sandbox, &ctx).await).filter(|orders| !orders.is_empty())
        })
        .await;
        host.obey(sandbox, &ctx, &orders[0], true).await;
    }
    setting
        .reaches(&deployment, DeploymentStatus::Completed)
        .await;
    let waves = sandbox
        .roles
        .scheduler
        .wave_list(
            &ctx,
            WaveList {
                deployment: deployment.id,
            },
        )
        .await
        .unwrap();
    assert_eq!(
        waves
            .iter()
            .map(|wave| wave.counts.succeeded)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    let after = sandbox
        .roles
        .inventory
        .finding_list(&ctx, open)
        .await
        .unwrap()
        .into_nodes();
    assert!(after.is_empty(), "every finding closed");

    let runs = poll_until("the ledger has every run", SOON, async || {
        let list = LedgerList {
            page: PageRequest::largest(),
            tenant: Some(tenant),
            actions: vec!["run.ended".into()],
            subject: None,
        };
        let entries = sandbox
            .roles
            .reporting
            .ledger_list(&ctx, list)
            .await
            .unwrap()
            .into_nodes();
        (entries.len() == 3).then_some(entries)
    })
    .await;
    assert!(
        runs.iter().all(|entry| entry.document.is_some()),
        "each with its signed result"
    );
    setting.evidence_holds(&deployment).await;
}

/// An organization with three outdated hosts and a policy that approves security patches.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
    tenant: netpatch_types::TenantId,
    pub(crate) site: SiteId,
    pub(crate) hosts: Vec<FakeHost>,
    policy: Policy,
    patch: PatchId,
}

impl Setting {
    async fn new(topology: Topology) -> Self {
        let sandbox = Sandbox::new(topology).await;
        sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
        Self::within(sandbox).await
    }

    /// Where the platform has its administrator already.
    pub(crate) async fn within(sandbox: Sandbox) -> Self {
        Self::with_repository(sandbox, crate::host::REPOSITORY).await
    }

    /// The same, with a repository of the test's own.
    pub(crate) async fn with_repository(sandbox: Sandbox, repository: &str) -> Self {
        let platform = sandbox.system(netpatch_types::OrganizationId(uuid::Uuid::now_v7()));
        let organization = sandbox
            .roles
            .auth
            .organization_create(&platform, "Acme", OrganizationKind::Customer, None)
            .await
            .unwrap();
        let ctx = sandbox.system(organization.id);
        let pack_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../inventory/data/pack").to_owned();
        sandbox
            .roles
            .inventory
            .feed_import(&ctx, FeedImport { pack_dir })
            .await
            .unwrap();
        let site = Self::site(&sandbox, &ctx, repository).await;
        let window = sandbox
            .roles
            .policy
            .window_create(
                &ctx,
                WindowCreate {
                    spec: always(&sandbox),
                },
            )
            .await
            .unwrap();
        let spec = PolicySpec {
            name: "Security at once".into(),
            enabled: true,
            group: None,
            rules: vec![Rule {
                name: "security".into(),
                classifications: vec![Classification::Critical, Classification::Security],
                then: Decision::Approve,
                ..Rule::default()
            }],
            rollout: Rollout {
                waves: vec![
                    WaveSize::Count { hosts: 1 },
                    WaveSize::Percent { percent: 100 },
                ],
                ..Rollout::default()
            },
            windows: vec![window.id],
            automatic: false,
        };
        let policy = sandbox
            .roles
            .policy
            .policy_create(&ctx, PolicyCreate { spec })
            .await
            .unwrap();
        let mut hosts = Vec::new();
        for number in 1..=3 {
            hosts.push(FakeHost::enrol(&sandbox, &ctx, site, repository, number).await);
        }
        let patch = PatchId::of("deb", &format!("debian/bookworm/openssl/{FIXED}"));
        Self {
            sandbox,
            tenant: organization.id,
            site,
            hosts,
            policy,
            patch,
        }
    }

    async fn site(sandbox: &Sandbox, ctx: &RequestContext, repository: &str) -> SiteId {
        let create = SiteCreate {
            name: "Berlin".into(),
            time_zone: "Europe/Berlin".into(),
            direct_allowed: true,
            upstreams: vec![repository.to_owned()],
        };
        sandbox
            .roles
            .auth
            .site_create(ctx, create)
            .await
            .unwrap()
            .id
    }

    pub(crate) fn system(&self) -> RequestContext {
        self.sandbox.system(self.tenant)
    }

    /// Its site, for what is tested of relays.
    pub(crate) fn place(&self) -> crate::delta::Place {
        crate::delta::Place {
            ctx: self.system(),
            organization: self.tenant,
            site: self.site,
        }
    }

    /// Creates the deployment once the rule's approval stands in the ledger.
    pub(crate) async fn deploy(&self) -> Deployment {
        let scheduler = &self.sandbox.roles.scheduler;
        let create = DeploymentCreate {
            name: String::new(),
            policy: self.policy.id,
            patches: vec![self.patch],
            not_before: None,
            not_after: None,
            dry_run: true,
        };
        let ctx = self.sandbox.person(self.tenant, "asker");
        let plan = poll_until("an approved plan", SOON, async || {
            scheduler
                .deployment_create(&ctx, create.clone())
                .await
                .ok()
                .filter(|plan| plan.missing.is_empty())
        })
        .await;
        assert_eq!(
            plan.waves.iter().map(|wave| wave.hosts).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(plan.payload_bytes, 2000);
        let ctx = self.sandbox.person(self.tenant, "asker");
        scheduler
            .deployment_create(
                &ctx,
                DeploymentCreate {
                    dry_run: false,
                    ..create
                },
            )
            .await
            .unwrap()
            .deployment
            .unwrap()
    }

    /// The host that has an order of the deployment now, and the order.
    pub(crate) async fn wave_order(
        &self,
        deployment: &Deployment,
        ordinal: u32,
    ) -> (
        usize,
        (
            netpatch_types::Sha256,
            netpatch_protocol::document::Envelope,
            netpatch_protocol::document::Order,
        ),
    ) {
        let found = poll_until("an order of the wave", SOON, async || {
            for (index, host) in self.hosts.iter().enumerate() {
                if let Some(order) = host.orders(&self.sandbox, &self.system()).await.pop() {
                    return Some((index, order));
                }
            }
            None
        })
        .await;
        let waves = self
            .sandbox
            .roles
            .scheduler
            .wave_list(
                &self.system(),
                WaveList {
                    deployment: deployment.id,
                },
            )
            .await
            .unwrap();
        let wave = waves.iter().find(|wave| wave.ordinal == ordinal).unwrap();
        assert_eq!(found.1.2.wave_id, wave.id.to_string());
        assert_eq!(found.1.2.approvals.len(), 1);
        found
    }

    pub(crate) async fn reaches(
        &self,
        deployment: &Deployment,
        status: DeploymentStatus,
    ) -> Deployment {
        let scheduler = &self.sandbox.roles.scheduler;
        poll_until("the deployment's state", SOON, async || {
            let now = scheduler
                .deployment_get(&self.system(), DeploymentGet { id: deployment.id })
                .await
                .unwrap();
            (now.status == status).then_some(now)
        })
        .await
    }

    async fn evidence_holds(&self, deployment: &Deployment) {
        let reporting = &self.sandbox.roles.reporting;
        let kind = ReportKind::EvidencePack {
            deployment: deployment.id,
        };
        let report = reporting
            .report_create(&self.system(), ReportCreate { kind })
            .await
            .unwrap();
        let ready = poll_until("the evidence pack", SOON, async || {
            let now = reporting
                .report_get(&self.system(), ReportGet { id: report.id })
                .await
                .unwrap();
            assert_ne!(now.status, ReportStatus::Failed, "{}", now.message);
            (now.status == ReportStatus::Ready).then_some(now)
        })
        .await;
        let content = reporting
            .report_content(&self.system(), ReportGet { id: ready.id })
            .await
            .unwrap();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(content.base64)
            .unwrap();
        let checked = netpatch_proof::pack::verify(&bytes, &Default::default());
        assert!(checked.ok(), "{}", checked.to_table());
        let mut damaged = bytes;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        assert!(
            !netpatch_proof::pack::verify(&damaged, &Default::default()).ok(),
            "a changed byte is found"
        );
    }
}

/// Open every day, all day.
fn always(sandbox: &Sandbox) -> WindowSpec {
    let start = (sandbox.clock.now() - chrono::Duration::days(1))
        .date_naive()
        .and_hms_opt(0, 0, 0)
        .unwrap();
    WindowSpec {
        name: "Always".into(),
        rule: WindowRule {
            rrule: "FREQ=DAILY".into(),
            starts_at: start,
            duration_s: 86_400,
            offset_days: 0,
            time_zone: None,
        },
        blackout: false,
    }
}
