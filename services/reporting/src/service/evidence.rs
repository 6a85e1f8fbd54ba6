//! The evidence pack of a deployment: its ledger entries, their documents, compliance before and after.
//!
//! Invariant: a pack that does not verify is never handed out.

use super::ReportingService;
use crate::store::compliance as snapshots;
use crate::store::ledger as store;
use crate::tree::Log;
use netpatch_inventory_api::RiskWeightsGet;
use netpatch_policy_api::{ApprovalKeyGet, BaselineList};
use netpatch_proof::merkle::inclusion_proof;
use netpatch_proof::pack::{
    ComplianceCount, ComplianceState, DocumentKind, KeyRole, OrderFacts, PackBody, PackDocument,
    PackEntry, PackKey, PackSubject, RunResultFacts, SCHEMA, verify,
};
use netpatch_proof::{Envelope, EvidencePack, PublicKey, Signer as _};
use netpatch_reporting_api::{ComplianceSnapshot, LedgerEntry};
use netpatch_scheduler_api::{Deployment, DeploymentGet, DirectorKeyGet};
use netpatch_types::{DeploymentId, PageRequest, ServiceError, ServiceResult, Sha256, TenantId};
use std::collections::BTreeMap;

impl ReportingService {
    pub(super) async fn evidence_pack(
        &self,
        tenant: TenantId,
        deployment: DeploymentId,
    ) -> ServiceResult<Vec<u8>> {
        let ctx = self.system(tenant);
        let subject = self
            .scheduler
            .deployment_get(&ctx, DeploymentGet { id: deployment })
            .await?;
        // What the others have said already belongs into the pack, also when the background work has not come to it.
        if let Err(error) = self.catch_up().await {
            tracing::warn!(%error, "the evidence may lack the newest events");
        }
        let head = self.grow(tenant).await?.filter(|head| head.size > 0);
        let head =
            head.ok_or_else(|| ServiceError::invalid_state("the ledger has no entries yet"))?;
        let ledger = self.ledger_signer(tenant)?;

        let tx = self.database.read(&ctx).await?;
        let own = store::of_deployment(&tx, tenant, deployment, &[], head.size).await?;
        let mut documents = BTreeMap::new();
        let mut approvals = Vec::new();
        for entry in &own {
            if let Some(document) = self.document(&tx, tenant, entry).await? {
                if document.kind == DocumentKind::Order {
                    let facts = OrderFacts::read(&document.envelope.payload).map_err(unreadable)?;
                    approvals.extend(facts.approvals.iter().map(Envelope::digest));
                }
                documents.insert(entry.sequence, document);
            }
        }
        approvals.sort_unstable();
        approvals.dedup();
        let entries = store::of_deployment(&tx, tenant, deployment, &approvals, head.size).await?;
        for entry in &entries {
            if documents.contains_key(&entry.sequence) {
                continue;
            }
            if let Some(document) = self.document(&tx, tenant, entry).await? {
                documents.insert(entry.sequence, document);
            }
        }
        let before = snapshots::of_deployment(&tx, tenant, deployment, "before").await?;
        let after = snapshots::of_deployment(&tx, tenant, deployment, "after").await?;
        tx.rollback().await?;

        let mut keys = vec![PackKey {
            role: KeyRole::Ledger,
            host: None,
            public_key: ledger.public_key(),
        }];
        keys.extend(self.platform_keys(tenant).await?);
        keys.extend(host_keys(documents.values())?);
        let after = match after {
            Some(after) => Some(state(after)),
            None => Some(ComplianceState {
                at: self.clock.now(),
                counts: counts(&self.count_now(tenant).await?),
            }),
        };
        let mut summary = summary(&subject, &entries, documents.values());
        summary.extend(self.judged_by(tenant).await?);
        let body = PackBody {
            schema: SCHEMA.to_owned(),
            organization: tenant,
            created_at: self.clock.now(),
            summary,
            subject: PackSubject {
                deployment,
                name: subject.name,
            },
            keys,
            checkpoint: head.note.clone(),
            entries: self.proven(tenant, entries, head.size).await?,
            documents: documents.into_values().collect(),
            compliance_before: before.map(state),
            compliance_after: after,
        };
        let pack = EvidencePack::seal(body, &ledger)
            .and_then(|pack| pack.to_bytes())
            .map_err(|error| {
                tracing::error!(%error, "an evidence pack cannot be written");
                ServiceError::internal()
            })?;
        checked(pack, ledger.public_key())
    }

    /// By which weights findings are ranked and by which baselines they are dated.
    async fn judged_by(&self, tenant: TenantId) -> ServiceResult<[(String, String); 3]> {
        let ctx = self.system(tenant);
        let weights = self
            .inventory
            .risk_weights_get(&ctx, RiskWeightsGet::default())
            .await?;
        let digest = serde_json::to_vec(&weights.weights).map_err(|error| {
            tracing::error!(%error, "risk weights cannot be written as JSON");
            ServiceError::internal()
        })?;
        let mut names = Vec::new();
        let mut page = PageRequest::largest();
        loop {
            let list = BaselineList {
                page: page.clone(),
                followed: Some(true),
                archived: false,
            };
            let found = self.policy.baseline_list(&ctx, list).await?;
            page.after = found.rows.last().map(|row| row.cursor.clone());
            let more = found.has_next && page.after.is_some();
            names.extend(found.into_nodes().into_iter().map(|baseline| {
                let standard = baseline.spec.standard.publication().name;
                format!("{} ({standard})", baseline.spec.name)
            }));
            if !more {
                break;
            }
        }
        Ok([
            (
                "risk_weights_version".to_owned(),
                weights.version.to_string(),
            ),
            (
                "risk_weights_sha256".to_owned(),
                Sha256::of(&digest).to_string(),
            ),
            ("followed_baselines".to_owned(), names.join("; ")),
        ])
    }

    async fn document(
        &self,
        tx: &netpatch_storage::TenantTx,
        tenant: TenantId,
        entry: &LedgerEntry,
    ) -> ServiceResult<Option<PackDocument>> {
        let Some(digest) = entry.document else {
            return Ok(None);
        };
        let Some(document) = store::document(tx, tenant, digest).await? else {
            return Ok(None);
        };
        let envelope = Envelope::from_protobuf(&document.envelope).map_err(unreadable)?;
        Ok(Some(PackDocument {
            kind: document.kind,
            entry: entry.sequence,
            envelope,
        }))
    }

    /// Keys of director and approval, from the services that hold them.
    async fn platform_keys(&self, tenant: TenantId) -> ServiceResult<[PackKey; 2]> {
        let ctx = self.system(tenant);
        let director = self
            .scheduler
            .director_key(&ctx, DirectorKeyGet {})
            .await?
            .public_key;
        let approval = self
            .policy
            .approval_key(&ctx, ApprovalKeyGet {})
            .await?
            .public_key;
        let key = |role, bytes: &[u8]| {
            let public_key = PublicKey::ed25519(bytes).ok_or_else(|| {
                tracing::error!(?role, "a service gave a key that is no ed25519 key");
                ServiceError::internal()
            })?;
            Ok::<_, ServiceError>(PackKey {
                role,
                host: None,
                public_key,
            })
        };
        Ok([
            key(KeyRole::Director, &director)?,
            key(KeyRole::Approval, &approval)?,
        ])
    }

    /// The entries with their inclusion proofs.
    async fn proven(
        &self,
        tenant: TenantId,
        entries: Vec<LedgerEntry>,
        size: u64,
    ) -> ServiceResult<Vec<PackEntry>> {
        let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
        let log = Log::new(&self.blobs, tenant);
        let proofs = log
            .compute(
                size,
                |nodes| {
                    sequences
                        .iter()
                        .map(|sequence| inclusion_proof(nodes, *sequence, size))
                        .collect::<Result<Vec<_>, _>>()
                },
                |nodes| {
                    sequences
                        .iter()
                        .map(|sequence| inclusion_proof(nodes, *sequence, size))
                        .collect::<Result<Vec<_>, _>>()
                },
            )
            .await?;
        let pairs = entries.into_iter().zip(proofs);
        Ok(pairs
            .map(|(entry, proof)| PackEntry {
                sequence: entry.sequence,
                leaf: entry.leaf,
                proof,
            })
            .collect())
    }
}

/// What an auditor's program will say; a pack that fails here says which check.
fn checked(pack: Vec<u8>, ledger: PublicKey) -> ServiceResult<Vec<u8>> {
    let report = verify(
        &pack,
        &netpatch_proof::pack::Options {
            ledger_key: Some(ledger.id()),
        },
    );
    match report.checks.iter().find(|check| !check.ok) {
        None => Ok(pack),
        Some(check) => {
            tracing::error!(
                check = check.id,
                detail = check.detail,
                "an evidence pack does not verify"
            );
            Err(ServiceError::invalid_state(format!(
                "the evidence does not verify: {}: {}",
                check.id, check.detail
            )))
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> ServiceError {
    tracing::error!(%error, "a logged document cannot be read");
    ServiceError::internal()
}

/// The identity keys that the run results name.
fn host_keys<'a>(documents: impl Iterator<Item = &'a PackDocument>) -> ServiceResult<Vec<PackKey>> {
    let mut keys: Vec<PackKey> = Vec::new();
    for document in documents.filter(|document| document.kind == DocumentKind::RunResult) {
        let facts = RunResultFacts::read(&document.envelope.payload).map_err(unreadable)?;
        let key = PackKey {
            role: KeyRole::Host,
            host: Some(facts.host),
            public_key: facts.public_key,
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn state(snapshot: ComplianceSnapshot) -> ComplianceState {
    ComplianceState {
        at: snapshot.as_of,
        counts: counts(&snapshot.cells),
    }
}

fn counts(cells: &[netpatch_inventory_api::ComplianceCell]) -> Vec<ComplianceCount> {
    let count = |cell: &netpatch_inventory_api::ComplianceCell| ComplianceCount {
        site: Some(cell.site),
        severity: cell.severity,
        hosts: cell.hosts,
        compliant: cell.compliant,
        unknown: cell.unknown,
    };
    cells.iter().map(count).collect()
}

/// For people; the proofs are elsewhere.
fn summary<'a>(
    deployment: &Deployment,
    entries: &[LedgerEntry],
    documents: impl Iterator<Item = &'a PackDocument>,
) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for document in documents {
        *counts
            .entry(format!("{}s", document.kind.word().replace(' ', "_")))
            .or_default() += 1;
    }
    for entry in entries
        .iter()
        .filter(|entry| entry.action == netpatch_proof::leaf::RUN_RESULT)
    {
        let status = entry.details.get("status").cloned().unwrap_or_default();
        *counts.entry(format!("runs_{status}")).or_default() += 1;
    }
    let mut summary: BTreeMap<String, String> = counts
        .into_iter()
        .map(|(name, count)| (name, count.to_string()))
        .collect();
    let status = serde_json::to_value(deployment.status)
        .ok()
        .and_then(|status| status.as_str().map(str::to_owned));
    summary.insert("deployment_status".to_owned(), status.unwrap_or_default());
    summary.insert("patches".to_owned(), deployment.patches.len().to_string());
    summary
}
