//! Another organization's things look as if they did not exist, and every operation asks for its right.

use crate::documents::Story;
use crate::rig::Rig;
use netpatch_reporting_api::*;
use netpatch_testkit::test_context;
use netpatch_types::{
    Actor, ActorKind, Clock as _, ErrorCode, PageRequest, RequestContext, ServiceResult,
};
use uuid::Uuid;

fn missing<T>(answer: ServiceResult<T>, what: &str) {
    let code = answer.err().map(|error| error.code);
    assert_eq!(code, Some(ErrorCode::NotFound), "{what}");
}

#[tokio::test]
async fn another_organization_sees_nothing() {
    let rig = Rig::new().await;
    let story = Story::new(&rig);
    story.tell(&rig);
    let create = WebhookCreate {
        url: "https://example.com/".into(),
        events: Vec::new(),
    };
    let webhook = rig
        .api
        .webhook_create(&rig.ctx, create)
        .await
        .unwrap()
        .webhook;
    rig.neighbours.scheduler_event(
        rig.tenant(),
        rig.clock.now(),
        story.changed(netpatch_scheduler_api::DeploymentStatus::Halted),
    );
    rig.service.run_once().await.unwrap();
    let tenant = rig.tenant();
    let kind = ReportKind::EvidencePack {
        deployment: story.deployment,
    };
    let report = rig
        .api
        .report_create(&rig.ctx, ReportCreate { kind })
        .await
        .unwrap();
    let list = LedgerList {
        page: PageRequest::largest(),
        ..LedgerList::default()
    };
    let entry = rig
        .api
        .ledger_list(&rig.ctx, list.clone())
        .await
        .unwrap()
        .into_nodes()
        .remove(0);
    let of = DeliveryList {
        webhook: webhook.id,
        page: PageRequest::largest(),
    };
    let delivery = rig
        .api
        .webhook_deliveries(&rig.ctx, of.clone())
        .await
        .unwrap()
        .into_nodes()
        .remove(0);

    let (api, stranger) = (&rig.api, test_context(rig.clock.now()));
    assert!(
        api.ledger_list(&stranger, list.clone())
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let named = LedgerList {
        tenant: Some(tenant),
        ..list
    };
    assert!(
        api.ledger_list(&stranger, named)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    missing(
        api.ledger_get(&stranger, LedgerGet { id: entry.id }).await,
        "ledger_get",
    );
    missing(
        api.ledger_proof(
            &stranger,
            LedgerProofGet {
                tenant,
                sequence: 0,
                tree_size: None,
            },
        )
        .await,
        "ledger_proof",
    );
    missing(
        api.ledger_consistency(
            &stranger,
            ConsistencyGet {
                tenant,
                from: 1,
                to: None,
            },
        )
        .await,
        "ledger_consistency",
    );
    missing(
        api.ledger_checkpoint(&stranger, CheckpointGet { tenant })
            .await,
        "ledger_checkpoint",
    );
    let key = |ctx: &RequestContext| {
        let ctx = ctx.clone();
        async move {
            api.ledger_key(&ctx, LedgerKeyGet {})
                .await
                .unwrap()
                .public_key
        }
    };
    assert_ne!(key(&stranger).await, key(&rig.ctx).await);
    missing(
        api.compliance_get(
            &stranger,
            ComplianceGet {
                tenant,
                as_of: None,
            },
        )
        .await,
        "compliance_get",
    );
    let history = ComplianceHistory {
        tenant,
        deployment: None,
        page: PageRequest::largest(),
    };
    missing(
        api.compliance_history(&stranger, history).await,
        "compliance_history",
    );
    missing(
        api.report_create(&stranger, ReportCreate { kind }).await,
        "report_create",
    );
    missing(
        api.report_get(&stranger, ReportGet { id: report.id }).await,
        "report_get",
    );
    missing(
        api.report_content(&stranger, ReportGet { id: report.id })
            .await,
        "report_content",
    );
    assert!(
        api.report_list(
            &stranger,
            ReportList {
                page: PageRequest::largest()
            }
        )
        .await
        .unwrap()
        .rows
        .is_empty()
    );
    assert!(
        api.webhook_list(&stranger, WebhookList {})
            .await
            .unwrap()
            .is_empty()
    );
    missing(
        api.webhook_delete(&stranger, WebhookGet { id: webhook.id })
            .await,
        "webhook_delete",
    );
    missing(
        api.webhook_deliveries(&stranger, of).await,
        "webhook_deliveries",
    );
    missing(
        api.webhook_replay(&stranger, DeliveryReplay { id: delivery.id })
            .await,
        "webhook_replay",
    );
    let append = crate::append::request([1]);
    let own = api.ledger_append(&stranger, append).await.unwrap();
    assert_eq!(own, [0], "its own log");
    let taken = api
        .compliance_snapshot(
            &stranger,
            SnapshotTake {
                label: "manual".into(),
                deployment: None,
            },
        )
        .await
        .unwrap();
    assert_eq!(Some(taken.tenant), stranger.write);
}

#[tokio::test]
async fn nobody_does_anything_without_the_right() {
    let rig = Rig::new().await;
    let tenant = rig.tenant();
    let mut ctx = rig.ctx.clone();
    ctx.permissions.clear();
    ctx.actor = Actor {
        kind: ActorKind::User,
        id: Uuid::from_u128(1),
        home: tenant,
        display: String::new(),
        delegation: None,
    };
    let api = &rig.api;
    let page = PageRequest::largest();
    let append = crate::append::request([1]);
    let id = Uuid::from_u128(7);
    let answers = [
        api.ledger_append(&ctx, append).await.err(),
        api.ledger_list(&ctx, LedgerList::default()).await.err(),
        api.ledger_get(&ctx, LedgerGet { id: id.into() })
            .await
            .err(),
        api.ledger_proof(
            &ctx,
            LedgerProofGet {
                tenant,
                sequence: 0,
                tree_size: None,
            },
        )
        .await
        .err(),
        api.ledger_consistency(
            &ctx,
            ConsistencyGet {
                tenant,
                from: 1,
                to: None,
            },
        )
        .await
        .err(),
        api.ledger_checkpoint(&ctx, CheckpointGet { tenant })
            .await
            .err(),
        api.ledger_key(&ctx, LedgerKeyGet {}).await.err(),
        api.compliance_get(
            &ctx,
            ComplianceGet {
                tenant,
                as_of: None,
            },
        )
        .await
        .err(),
        api.compliance_history(
            &ctx,
            ComplianceHistory {
                tenant,
                deployment: None,
                page: page.clone(),
            },
        )
        .await
        .err(),
        api.compliance_snapshot(
            &ctx,
            SnapshotTake {
                label: "manual".into(),
                deployment: None,
            },
        )
        .await
        .err(),
        api.report_create(
            &ctx,
            ReportCreate {
                kind: ReportKind::FindingsCsv {
                    guard_formulas: true,
                },
            },
        )
        .await
        .err(),
        api.report_get(&ctx, ReportGet { id: id.into() })
            .await
            .err(),
        api.report_list(&ctx, ReportList { page: page.clone() })
            .await
            .err(),
        api.report_content(&ctx, ReportGet { id: id.into() })
            .await
            .err(),
        api.webhook_create(
            &ctx,
            WebhookCreate {
                url: "https://example.com/".into(),
                events: Vec::new(),
            },
        )
        .await
        .err(),
        api.webhook_list(&ctx, WebhookList {}).await.err(),
        api.webhook_delete(&ctx, WebhookGet { id: id.into() })
            .await
            .err(),
        api.webhook_deliveries(
            &ctx,
            DeliveryList {
                webhook: id.into(),
                page,
            },
        )
        .await
        .err(),
        api.webhook_replay(&ctx, DeliveryReplay { id: id.into() })
            .await
            .err(),
        api.events(&ctx, EventsAfter::default()).await.err(),
    ];
    for (position, answer) in answers.into_iter().enumerate() {
        assert_eq!(
            answer.map(|error| error.code),
            Some(ErrorCode::Forbidden),
            "operation {position}"
        );
    }
}
