//! What hosts should hold, and what the director key says now.

use super::{SchedulerService, whole_organization};
use crate::store;
use netpatch_inventory_api::{HostPlace, HostPlaces};
use netpatch_protocol::document::{self, Envelope};
use netpatch_protocol::target;
use netpatch_scheduler_api::*;
use netpatch_types::{
    DeploymentId, HostId, Permission, RequestContext, ServiceError, ServiceResult, Sha256,
};
use prost::Message as _;
use std::collections::{BTreeSet, HashMap};

impl SchedulerService {
    pub(super) async fn list_documents(
        &self,
        ctx: &RequestContext,
        request: DocumentsForHost,
    ) -> ServiceResult<Vec<HostDocument>> {
        let hosts = vec![request];
        let system = self.system(ctx.tenant()?);
        let all = self.list_documents_of(&system, DocumentsForHosts { hosts });
        Ok(all.await?.documents)
    }

    /// One look for all of them.
    pub(super) async fn list_documents_of(
        &self,
        ctx: &RequestContext,
        request: DocumentsForHosts,
    ) -> ServiceResult<HostsDocuments> {
        if request.hosts.len() > MAX_DOCUMENT_HOSTS {
            return Err(ServiceError::invalid(
                "hosts",
                format!("more than {MAX_DOCUMENT_HOSTS} hosts"),
            ));
        }
        let tx = self.database.read(ctx).await?;
        let offers = store::document::deliverable(&tx, self.clock.now()).await?;
        let mut wanted: Vec<(HostId, &store::document::Offer)> = Vec::new();
        for asked in &request.hosts {
            wanted.extend(offers.iter().filter_map(|offer| {
                let position = target::position(offer.deployment, asked.host);
                let fits = !asked.held.contains(&offer.digest)
                    && target::in_range(position, offer.low, offer.high);
                fits.then_some((asked.host, offer))
            }));
        }
        if wanted.is_empty() {
            return Ok(HostsDocuments::default());
        }
        let pairs = wanted.iter().map(|(host, offer)| (*host, offer.digest));
        let ended = store::run::ended_of(&tx, pairs).await?;
        tx.rollback().await?;
        wanted.retain(|(host, offer)| !ended.contains(&(*host, offer.digest)));
        let hosts: BTreeSet<HostId> = wanted.iter().map(|(host, _)| *host).collect();
        if hosts.is_empty() {
            return Ok(HostsDocuments::default());
        }
        let hosts = HostPlaces {
            hosts: hosts.into_iter().collect(),
        };
        let places = self.inventory.host_places(ctx, hosts).await?;
        let places: HashMap<HostId, HostPlace> =
            places.into_iter().map(|place| (place.id, place)).collect();
        // A quarantined host gets nothing new to do, but hears every halt.
        wanted.retain(|(host, offer)| {
            places.get(host).is_some_and(|place| {
                offer.is_halt
                    || (!place.quarantined
                        && offer
                            .group
                            .is_none_or(|group| place.groups.contains(&group)))
            })
        });
        let digests: BTreeSet<Sha256> = wanted.iter().map(|(_, offer)| offer.digest).collect();
        let tx = self.database.read(ctx).await?;
        let mut envelopes = store::document::envelopes(&tx, &digests).await?;
        let documents: Vec<HostDocument> = offers
            .iter()
            .filter_map(|offer| {
                let envelope = envelopes.remove(&offer.digest)?;
                let digest = offer.digest;
                Some(HostDocument { digest, envelope })
            })
            .collect();
        let mut missing: Vec<(HostId, Vec<Sha256>)> = Vec::new();
        for (host, offer) in wanted {
            match missing.last_mut() {
                Some((last, digests)) if *last == host => digests.push(offer.digest),
                _ => missing.push((host, vec![offer.digest])),
            }
        }
        Ok(HostsDocuments { documents, missing })
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
