//! The ledger: recording, growing the tree, proofs.
//!
//! Invariants: an entry is recorded (durably, at its place) in the transaction that handles its event, many events' entries
//! in one or none; the tree grows afterwards, in one transaction whose commit makes head and release events visible together. Killed between any
//! two steps, growing again writes the same tiles, signs the same tree and goes on.

use super::{OUTBOX_TOPIC, ReportingService, SCHEMA, WORK_TOPIC};
use crate::domain::draft;
use crate::store::ledger as store;
use crate::store::ledger::Head;
use crate::tree::Log;
use netpatch_proof::Signer as _;
use netpatch_proof::merkle::{consistency_proof, inclusion_proof, root};
use netpatch_reporting_api::{
    Checkpoint, ConsistencyGet, ConsistencyProof, InclusionProof, LedgerAppend, LedgerEntry,
    LedgerGet, LedgerKey, LedgerList, LedgerProofGet, MAX_APPEND, NewLedgerEntry, ReportingEvent,
};
use netpatch_storage::{TenantTx, outbox};
use netpatch_types::{Page, RequestContext, ServiceError, ServiceResult, TenantId};

/// Entries that go into the tree under one checkpoint.
const BATCH: u32 = 500;
/// Names and values of an appended entry's details.
const MAX_DETAILS_BYTES: usize = 16 * 1024;

impl ReportingService {
    /// Records entries in the transaction of their events; their places.
    pub(crate) async fn record(
        &self,
        tx: &TenantTx,
        drafts: &[draft::Draft],
    ) -> ServiceResult<Vec<u64>> {
        Ok(store::record(tx, drafts, self.clock.now(), rand::random()).await?)
    }

    pub(super) async fn append(
        &self,
        ctx: &RequestContext,
        request: LedgerAppend,
    ) -> ServiceResult<Vec<u64>> {
        let number = request.entries.len();
        if number > MAX_APPEND {
            let message = format!(
                "{number} entries; at most {MAX_APPEND} at once, send the rest in another call"
            );
            return Err(ServiceError::invalid("entries", message));
        }
        request.entries.iter().try_for_each(check)?;
        let drafts: Vec<_> = request.entries.into_iter().map(draft::of_append).collect();
        let tx = self.database.write(ctx).await?;
        let places = self.record(&tx, &drafts).await?;
        tx.commit().await?;
        self.hint_work().await;
        Ok(places)
    }

    /// Puts the recorded entries of an organization into the tree, signs, releases. `None`: nothing was ever recorded.
    pub(crate) async fn grow(&self, tenant: TenantId) -> ServiceResult<Option<Head>> {
        loop {
            let (head, grown) = self.grow_once(tenant).await?;
            if !grown {
                return Ok(head);
            }
            self.bus.publish(OUTBOX_TOPIC, b"").await;
        }
    }

    async fn grow_once(&self, tenant: TenantId) -> ServiceResult<(Option<Head>, bool)> {
        let ctx = self.system(tenant);
        let tx = self.database.write(&ctx).await?;
        store::lock_tree(&tx, tenant).await?;
        let Some(head) = store::head(&tx, tenant).await? else {
            return Ok((None, false));
        };
        let pending = store::pending(&tx, tenant, head.size, BATCH).await?;
        if pending.is_empty() {
            return Ok((Some(head), false));
        }
        let log = Log::new(&self.blobs, tenant);
        let mut growth = log.edge(head.size).await?;
        for entry in &pending {
            if entry.sequence != growth.size() {
                tracing::error!(%tenant, expected = growth.size(), found = entry.sequence, "the ledger's index has a gap");
                return Err(ServiceError::internal());
            }
            growth.push(entry.leaf_hash)?;
        }
        let signer = self.ledger_signer(tenant)?;
        log.check(&growth, signer.public_key()).await?;
        for (first, number) in growth.bundles() {
            let leaves = store::leaves(&tx, tenant, first, number).await?;
            log.write_bundle(first, &leaves).await?;
        }
        log.write_tiles(&growth).await?;
        let (checkpoint, note) = log.sign(&growth, &signer).await?;
        store::set_head(
            &tx,
            checkpoint.size,
            checkpoint.root,
            &note,
            self.clock.now(),
        )
        .await?;
        for entry in &pending {
            if let Some(release) = &entry.release {
                let event = ReportingEvent::V1(release.event(entry.sequence));
                outbox::append(&tx, SCHEMA, &tenant.to_string(), &event, &*self.clock).await?;
            }
        }
        tx.commit().await?;
        log.sweep(head.size, checkpoint.size).await;
        metrics::counter!("ledger_entries_total").increment(pending.len() as u64);
        Ok((
            Some(Head {
                size: checkpoint.size,
                root: checkpoint.root,
                note,
            }),
            true,
        ))
    }

    /// "Look now", after the commit of recorded entries or new deliveries.
    pub(crate) async fn hint_work(&self) {
        self.bus.publish(WORK_TOPIC, b"").await;
    }

    pub(super) async fn entries(
        &self,
        ctx: &RequestContext,
        request: LedgerList,
    ) -> ServiceResult<Page<LedgerEntry>> {
        let tx = self.database.read(ctx).await?;
        Ok(store::list(&tx, &request).await?)
    }

    pub(super) async fn entry(
        &self,
        ctx: &RequestContext,
        request: LedgerGet,
    ) -> ServiceResult<LedgerEntry> {
        let tx = self.database.read(ctx).await?;
        store::entry(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("ledger entry"))
    }

    /// The newest signed head; an error while there is none.
    async fn signed_head(&self, ctx: &RequestContext, tenant: TenantId) -> ServiceResult<Head> {
        let tx = self.database.read(ctx).await?;
        let head = store::head(&tx, tenant).await?;
        head.filter(|head| head.size > 0)
            .ok_or_else(|| ServiceError::not_found("checkpoint"))
    }

    pub(super) async fn inclusion(
        &self,
        ctx: &RequestContext,
        request: LedgerProofGet,
    ) -> ServiceResult<InclusionProof> {
        let head = self.signed_head(ctx, request.tenant).await?;
        let size = within(request.tree_size, head.size, "treeSize")?;
        if request.sequence >= size {
            return Err(ServiceError::not_found("ledger entry"));
        }
        let log = Log::new(&self.blobs, request.tenant);
        let path = log
            .compute(
                head.size,
                |nodes| inclusion_proof(nodes, request.sequence, size),
                |nodes| inclusion_proof(nodes, request.sequence, size),
            )
            .await?;
        let root_hash = log
            .compute(
                head.size,
                |nodes| root(nodes, size),
                |nodes| root(nodes, size),
            )
            .await?;
        let tx = self.database.read(ctx).await?;
        let signed_checkpoint = store::checkpoint_at(&tx, request.tenant, size)
            .await?
            .unwrap_or(head.note);
        Ok(InclusionProof {
            tree_size: size,
            root_hash,
            path,
            signed_checkpoint,
        })
    }

    pub(super) async fn consistency(
        &self,
        ctx: &RequestContext,
        request: ConsistencyGet,
    ) -> ServiceResult<ConsistencyProof> {
        let head = self.signed_head(ctx, request.tenant).await?;
        let to = within(request.to, head.size, "to")?;
        let from = within(Some(request.from), to, "from")?;
        let log = Log::new(&self.blobs, request.tenant);
        let path = log
            .compute(
                head.size,
                |nodes| consistency_proof(nodes, from, to),
                |nodes| consistency_proof(nodes, from, to),
            )
            .await?;
        Ok(ConsistencyProof { from, to, path })
    }

    pub(super) async fn checkpoint(
        &self,
        ctx: &RequestContext,
        tenant: TenantId,
    ) -> ServiceResult<Checkpoint> {
        let head = self.signed_head(ctx, tenant).await?;
        let public_key = self.ledger_signer(tenant)?.public_key().as_bytes().to_vec();
        Ok(Checkpoint {
            tree_size: head.size,
            root_hash: head.root,
            note: head.note,
            public_key,
        })
    }

    pub(super) fn public_key(&self, tenant: TenantId) -> ServiceResult<LedgerKey> {
        Ok(LedgerKey {
            public_key: self.ledger_signer(tenant)?.public_key().as_bytes().to_vec(),
        })
    }
}

/// Refuses an entry whose texts are too long or not there.
fn check(entry: &NewLedgerEntry) -> ServiceResult<()> {
    let named = |text: &str| (1..=200).contains(&text.len()) && !text.contains(char::is_control);
    if !named(&entry.action) || !named(&entry.subject) {
        return Err(ServiceError::invalid(
            "action",
            format!(
                "the entry of event {}: action and subject have 1 to 200 characters",
                entry.event
            ),
        ));
    }
    let size: usize = entry
        .details
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > MAX_DETAILS_BYTES {
        return Err(ServiceError::invalid(
            "details",
            format!(
                "the entry of event {}: details of {size} bytes, at most {MAX_DETAILS_BYTES}",
                entry.event
            ),
        ));
    }
    Ok(())
}

/// A size of the log, 1 to the newest; the newest if none is asked for.
fn within(asked: Option<u64>, newest: u64, field: &str) -> ServiceResult<u64> {
    match asked.unwrap_or(newest) {
        size if (1..=newest).contains(&size) => Ok(size),
        size => Err(ServiceError::invalid(
            field,
            format!("{size} is no size of the log, which has 1 to {newest} entries"),
        )),
    }
}
