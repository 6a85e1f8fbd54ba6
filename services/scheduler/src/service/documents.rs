//! What hosts should hold, and what the director key says now.

use super::{SchedulerService, whole_organization};
use crate::store;
use netpatch_inventory_api::HostGet;
use netpatch_protocol::document::{self, Envelope};
use netpatch_protocol::target;
use netpatch_scheduler_api::*;
use netpatch_types::{DeploymentId, Permission, RequestContext, ServiceError, ServiceResult};
use prost::Message as _;

impl SchedulerService {
    pub(super) async fn list_documents(
        &self,
        ctx: &RequestContext,
        request: DocumentsForHost,
    ) -> ServiceResult<Vec<HostDocument>> {
        let tx = self.database.read(ctx).await?;
        let offers = store::document::deliverable(&tx, self.clock.now()).await?;
        let mut wanted = Vec::new();
        for offer in offers {
            let position = target::position(offer.deployment, request.host);
            if request.held.contains(&offer.digest)
                || !target::in_range(position, offer.low, offer.high)
                || store::run::ended(&tx, request.host, offer.digest).await?
            {
                continue;
            }
            wanted.push(offer);
        }
        tx.rollback().await?;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let host = self
            .inventory
            .host_get(ctx, HostGet { id: request.host })
            .await?;
        // A quarantined host gets nothing new to do, but hears every halt.
        let mine = |offer: &store::document::Offer| {
            offer.is_halt
                || (!host.quarantined
                    && offer.group.is_none_or(|group| host.groups.contains(&group)))
        };
        let tx = self.database.read(ctx).await?;
        let mut documents = Vec::new();
        for offer in wanted.into_iter().filter(mine) {
            if let Some(envelope) = store::document::envelope(&tx, offer.digest).await? {
                documents.push(HostDocument {
                    digest: offer.digest,
                    envelope,
                });
            }
        }
        Ok(documents)
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
        whole_organization(ctx)?;
        self.get_deployment(ctx, id).await?;
        let tx = self.database.read(ctx).await?;
        let mut documents: Vec<LoggedDocument> = Vec::new();
        for document in store::document::of_deployment(&tx, id).await? {
            let subject = match document.wave {
                Some(wave) => format!("wave:{wave}"),
                None => format!("deployment:{id}"),
            };
            documents.push(LoggedDocument {
                kind: document.kind,
                subject,
                digest: document.digest,
                envelope: document.envelope,
            });
        }
        for stored in store::run::of_deployment(&tx, id).await? {
            if let Some(envelope) = stored.result {
                let subject = format!("run:{}", stored.run.id);
                documents.extend(logged("run_result", subject, envelope));
            }
        }
        let Some(stored) = store::deployment::get(&tx, id).await? else {
            return Ok(documents);
        };
        for envelope in stored.approvals {
            let approval = Envelope::decode(envelope.as_slice())
                .ok()
                .and_then(|sealed| document::Approval::decode(sealed.payload.as_slice()).ok())
                .map(|approval| approval.approval_id)
                .unwrap_or_default();
            documents.extend(logged("approval", format!("approval:{approval}"), envelope));
        }
        Ok(documents)
    }
}

/// A document by the name that its ledger entry has for it: the digest of its payload.
fn logged(kind: &str, subject: String, envelope: Vec<u8>) -> Option<LoggedDocument> {
    let digest = Envelope::decode(envelope.as_slice()).ok()?.digest();
    Some(LoggedDocument {
        kind: kind.to_owned(),
        subject,
        digest,
        envelope,
    })
}
