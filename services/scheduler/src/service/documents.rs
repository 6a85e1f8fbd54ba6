//! What hosts should hold, and what the director key says now.

use super::SchedulerService;
use crate::store;
use netpatch_inventory_api::HostGet;
use netpatch_protocol::document::{self, Envelope, Membership, Order};
use netpatch_scheduler_api::*;
use netpatch_types::{
    DeploymentId, Permission, RequestContext, ServiceError, ServiceResult, Sha256,
};
use prost::Message as _;

impl SchedulerService {
    pub(super) async fn list_documents(
        &self,
        ctx: &RequestContext,
        request: DocumentsForHost,
    ) -> ServiceResult<Vec<HostDocument>> {
        let tx = self.database.read(ctx).await?;
        let candidates = store::document::deliverable(&tx, self.clock.now()).await?;
        let mut wanted = Vec::new();
        for document in candidates {
            let held = request.held.contains(&document.digest);
            if !held && !store::run::ended(&tx, request.host, document.digest).await? {
                wanted.push(document);
            }
        }
        drop(tx);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let host = self
            .inventory
            .host_get(ctx, HostGet { id: request.host })
            .await?;
        let member = Membership {
            ring: host.ring,
            groups: host.groups.iter().map(ToString::to_string).collect(),
            ..Membership::default()
        };
        let for_host = |document: &store::document::Stored| {
            document.kind == "halt"
                || Envelope::decode(document.envelope.as_slice())
                    .ok()
                    .and_then(|envelope| Order::decode(envelope.payload.as_slice()).ok())
                    .and_then(|order| order.target)
                    .is_some_and(|target| {
                        target.includes(document.deployment, request.host, &member)
                    })
        };
        let mine = wanted.into_iter().filter(for_host);
        Ok(mine
            .map(|document| HostDocument {
                digest: document.digest,
                envelope: document.envelope,
            })
            .collect())
    }

    pub(super) async fn sign_freshness(
        &self,
        ctx: &RequestContext,
        deployment: DeploymentId,
    ) -> ServiceResult<SignedBytes> {
        let tx = self.database.read(ctx).await?;
        let stored = store::deployment::get(&tx, deployment)
            .await?
            .ok_or_else(|| ServiceError::not_found("deployment"))?;
        drop(tx);
        let statement = document::Freshness {
            organization_id: stored.deployment.tenant.to_string(),
            deployment_id: deployment.to_string(),
            sequence: stored.floor,
            running: stored.deployment.status == DeploymentStatus::Running,
            at_ms: self.clock.now().timestamp_millis(),
        };
        let envelope = self
            .signers
            .seal(stored.deployment.tenant, &statement)?
            .encode_to_vec();
        Ok(SignedBytes { envelope })
    }

    pub(super) fn sign_time(
        &self,
        ctx: &RequestContext,
        request: TimeSign,
    ) -> ServiceResult<SignedBytes> {
        let tenant = ctx.tenant()?;
        let statement = document::Time {
            organization_id: tenant.to_string(),
            at_ms: self.clock.now().timestamp_millis(),
            nonce: request.nonce.into_iter().take(64).collect(),
        };
        Ok(SignedBytes {
            envelope: self.signers.seal(tenant, &statement)?.encode_to_vec(),
        })
    }

    pub(super) async fn logged_documents(
        &self,
        ctx: &RequestContext,
        id: DeploymentId,
    ) -> ServiceResult<Vec<LoggedDocument>> {
        ctx.require(Permission::LedgerRead)?;
        self.get_deployment(ctx, id).await?;
        let tx = self.database.read(ctx).await?;
        let mut documents = Vec::new();
        for document in store::document::of_deployment(&tx, id).await? {
            documents.push(LoggedDocument {
                kind: document.kind,
                subject: document.digest.to_string(),
                digest: Sha256::of(&document.envelope),
                envelope: document.envelope,
            });
        }
        for stored in store::run::of_deployment(&tx, id).await? {
            if let Some(envelope) = stored.result {
                documents.push(LoggedDocument {
                    kind: "run_result".to_owned(),
                    subject: stored.run.id.to_string(),
                    digest: Sha256::of(&envelope),
                    envelope,
                });
            }
        }
        let Some(stored) = store::deployment::get(&tx, id).await? else {
            return Ok(documents);
        };
        for envelope in stored.approvals {
            let approval = Envelope::decode(envelope.as_slice())
                .ok()
                .and_then(|sealed| document::Approval::decode(sealed.payload.as_slice()).ok());
            documents.push(LoggedDocument {
                kind: "approval".to_owned(),
                subject: approval
                    .map(|approval| approval.approval_id)
                    .unwrap_or_default(),
                digest: Sha256::of(&envelope),
                envelope,
            });
        }
        Ok(documents)
    }
}
