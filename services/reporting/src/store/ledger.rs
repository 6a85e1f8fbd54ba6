//! Heads, entries, documents and checkpoints of the ledgers.

use super::{column, count, digest, from_json, to_json};
use crate::domain::draft::{Document, Draft, Release, details_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use netpatch_proof::merkle::{empty_root, leaf_hash};
use netpatch_proof::pack::DocumentKind;
use netpatch_reporting_api::{LedgerEntry, LedgerList};
use netpatch_storage::{StorageError, StorageResult, TenantTx, WorkerTx};
use netpatch_types::{DeploymentId, LedgerEntryId, Page, Sha256, TenantId};
use sea_orm::FromQueryResult;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use uuid::Uuid;

/// Where a log stands.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: Sha256,
    pub(crate) note: String,
}

#[derive(FromQueryResult)]
struct HeadRow {
    size: i64,
    root: Vec<u8>,
    note: String,
}

/// The head of a log; `None` if nothing was ever recorded.
pub(crate) async fn head(tx: &TenantTx, tenant: TenantId) -> StorageResult<Option<Head>> {
    let row: Option<HeadRow> = tx
        .one(
            "select size, root, note from reporting.ledger_heads where tenant_id = $1",
            [tenant.0.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Head {
            size: count(row.size),
            root: digest(&row.root)?,
            note: row.note,
        })
    })
    .transpose()
}

/// One integration at a time for a log; held to the end of the transaction, without writing.
pub(crate) async fn lock_tree(tx: &TenantTx, tenant: TenantId) -> StorageResult<()> {
    let sql = "select 1 from (select pg_advisory_xact_lock(hashtextextended('reporting.ledger:' || $1::text, 0))) locked";
    tx.value::<i32>(sql, [tenant.to_string().into()])
        .await
        .map(drop)
}

#[derive(FromQueryResult)]
struct NextRow {
    next_sequence: i64,
    salt: Vec<u8>,
}

/// Records entries at the next places, in this order; an event that was recorded before keeps its place. The place of each.
pub(crate) async fn record(
    tx: &TenantTx,
    drafts: &[Draft],
    now: DateTime<Utc>,
    new_salt: [u8; 32],
) -> StorageResult<Vec<u64>> {
    let tenant = tx.tenant()?;
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    tx.execute(
        "insert into reporting.ledger_heads (tenant_id, root, salt) values ($1, $2, $3) on conflict do nothing",
        [tenant.0.into(), empty_root().0.to_vec().into(), new_salt.to_vec().into()],
    )
    .await?;
    // The lock on the head makes "is it there already" and "which is next" one question.
    let sql =
        "select next_sequence, salt from reporting.ledger_heads where tenant_id = $1 for update";
    let head: NextRow = tx
        .one(sql, [tenant.0.into()])
        .await?
        .ok_or(StorageError::NoTenant)?;
    let salt: [u8; 32] = head.salt.try_into().map_err(|_| StorageError::Encoding {
        what: "a salt",
        reason: "not 32 bytes".into(),
    })?;
    let mut places = known(tx, tenant, drafts).await?;
    let mut next = count(head.next_sequence);
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for draft in drafts {
        let Entry::Vacant(place) = places.entry(draft.event) else {
            continue;
        };
        rows.push(new_row(draft, tenant, next, &salt, now)?);
        documents.extend(&draft.document);
        place.insert(next);
        next += 1;
    }
    insert_documents(tx, tenant, &documents).await?;
    if !rows.is_empty() {
        insert_entries(tx, tenant, rows).await?;
        let sql = "update reporting.ledger_heads set next_sequence = $2 where tenant_id = $1";
        tx.execute(sql, [tenant.0.into(), column(next)?.into()])
            .await?;
    }
    Ok(drafts
        .iter()
        .filter_map(|draft| places.get(&draft.event).copied())
        .collect())
}

/// The places of the events that are recorded already.
async fn known(
    tx: &TenantTx,
    tenant: TenantId,
    drafts: &[Draft],
) -> StorageResult<HashMap<Uuid, u64>> {
    #[derive(FromQueryResult)]
    struct Known {
        event_id: Uuid,
        sequence: i64,
    }
    let events: Vec<Uuid> = drafts.iter().map(|draft| draft.event).collect();
    let sql = "select event_id, sequence from reporting.ledger_entries where tenant_id = $1 and event_id = any($2::uuid[])";
    let rows: Vec<Known> = tx.all(sql, [tenant.0.into(), events.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.event_id, count(row.sequence)))
        .collect())
}

/// The entry at its place; digests in hex, the leaf in base64.
fn new_row(
    draft: &Draft,
    tenant: TenantId,
    sequence: u64,
    salt: &[u8; 32],
    now: DateTime<Utc>,
) -> StorageResult<serde_json::Value> {
    let leaf = draft.leaf(tenant, sequence, salt);
    let bytes = leaf.to_bytes().map_err(|error| StorageError::Encoding {
        what: "a leaf",
        reason: error.to_string(),
    })?;
    Ok(serde_json::json!({
        "sequence": sequence,
        "id": LedgerEntryId::new(now),
        "event_id": draft.event,
        "at": leaf.at,
        "action": draft.action,
        "actor": to_json("an actor", &draft.actor)?,
        "subject": draft.subject,
        "document": draft.document.as_ref().map(|document| document.digest),
        "deployment_id": draft.deployment,
        "leaf": STANDARD.encode(&bytes),
        "leaf_hash": leaf_hash(&bytes),
        "release": to_json("a release", &draft.release)?,
    }))
}

async fn insert_entries(
    tx: &TenantTx,
    tenant: TenantId,
    rows: Vec<serde_json::Value>,
) -> StorageResult<()> {
    let sql = "insert into reporting.ledger_entries (tenant_id, sequence, id, event_id, at, action, actor, subject, document, deployment_id, \
               leaf, leaf_hash, release) select $1, sequence, id, event_id, at, action, actor, subject, decode(document, 'hex'), deployment_id, \
               decode(leaf, 'base64'), decode(leaf_hash, 'hex'), release from jsonb_to_recordset($2) as r(sequence bigint, id uuid, event_id uuid, \
               at timestamptz, action text, actor jsonb, subject text, document text, deployment_id uuid, leaf text, leaf_hash text, release jsonb)";
    tx.execute(
        sql,
        [tenant.0.into(), serde_json::Value::Array(rows).into()],
    )
    .await?;
    Ok(())
}

async fn insert_documents(
    tx: &TenantTx,
    tenant: TenantId,
    documents: &[&Document],
) -> StorageResult<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let (mut digests, mut kinds, mut envelopes) = (Vec::new(), Vec::new(), Vec::new());
    for document in documents {
        digests.push(document.digest.0.to_vec());
        kinds.push(document.kind.word().to_owned());
        envelopes.push(document.envelope.clone());
    }
    let sql = "insert into reporting.ledger_documents (tenant_id, digest, kind, envelope) \
               select $1, * from unnest($2::bytea[], $3::text[], $4::bytea[]) on conflict do nothing";
    tx.execute(
        sql,
        [
            tenant.0.into(),
            digests.into(),
            kinds.into(),
            envelopes.into(),
        ],
    )
    .await?;
    Ok(())
}

/// An entry that is recorded and not yet in the tree.
pub(crate) struct Pending {
    pub(crate) sequence: u64,
    pub(crate) leaf_hash: Sha256,
    pub(crate) release: Option<Release>,
}

#[derive(FromQueryResult)]
struct PendingRow {
    sequence: i64,
    leaf_hash: Vec<u8>,
    release: Option<serde_json::Value>,
}

/// Recorded entries from `size` on, in order.
pub(crate) async fn pending(
    tx: &TenantTx,
    tenant: TenantId,
    size: u64,
    limit: u32,
) -> StorageResult<Vec<Pending>> {
    let sql = "select sequence, leaf_hash, release from reporting.ledger_entries \
               where tenant_id = $1 and sequence >= $2 order by sequence limit $3";
    let rows: Vec<PendingRow> = tx
        .all(
            sql,
            [
                tenant.0.into(),
                column(size)?.into(),
                i64::from(limit).into(),
            ],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let release = row
                .release
                .map(|release| from_json("a release", release))
                .transpose()?;
            Ok(Pending {
                sequence: count(row.sequence),
                leaf_hash: digest(&row.leaf_hash)?,
                release,
            })
        })
        .collect()
}

/// The leaves of a block.
pub(crate) async fn leaves(
    tx: &TenantTx,
    tenant: TenantId,
    first: u64,
    number: u64,
) -> StorageResult<Vec<Vec<u8>>> {
    #[derive(FromQueryResult)]
    struct Leaf {
        leaf: Vec<u8>,
    }
    let sql = "select leaf from reporting.ledger_entries where tenant_id = $1 and sequence >= $2 and sequence < $3 order by sequence";
    let rows: Vec<Leaf> = tx
        .all(
            sql,
            [
                tenant.0.into(),
                column(first)?.into(),
                column(first + number)?.into(),
            ],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.leaf).collect())
}

/// The tree has grown under a signed checkpoint.
pub(crate) async fn set_head(
    tx: &TenantTx,
    size: u64,
    root: Sha256,
    note: &str,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let tenant = tx.tenant()?;
    let (size, root) = (column(size)?, root.0.to_vec());
    tx.execute(
        "update reporting.ledger_heads set size = $2, root = $3, note = $4 where tenant_id = $1",
        [
            tenant.0.into(),
            size.into(),
            root.clone().into(),
            note.into(),
        ],
    )
    .await?;
    tx.execute(
        "insert into reporting.ledger_checkpoints (tenant_id, size, root, note, signed_at) values ($1, $2, $3, $4, $5) on conflict do nothing",
        [tenant.0.into(), size.into(), root.into(), note.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// The checkpoint that was signed at exactly this size.
pub(crate) async fn checkpoint_at(
    tx: &TenantTx,
    tenant: TenantId,
    size: u64,
) -> StorageResult<Option<String>> {
    let sql = "select note from reporting.ledger_checkpoints where tenant_id = $1 and size = $2";
    tx.value(sql, [tenant.0.into(), column(size)?.into()]).await
}

/// Organizations with entries that are not yet in the tree.
pub(crate) async fn waiting(tx: &WorkerTx) -> StorageResult<Vec<TenantId>> {
    #[derive(FromQueryResult)]
    struct Waiting {
        tenant_id: Uuid,
    }
    let rows: Vec<Waiting> = tx
        .all(
            "select tenant_id from reporting.ledger_heads where next_sequence > size",
            [],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.tenant_id.into()).collect())
}

#[derive(FromQueryResult)]
struct EntryRow {
    tenant_id: Uuid,
    sequence: i64,
    id: Uuid,
    at: DateTime<Utc>,
    action: String,
    actor: serde_json::Value,
    subject: String,
    document: Option<Vec<u8>>,
    leaf: Vec<u8>,
    leaf_hash: Vec<u8>,
}

impl EntryRow {
    fn entry(self) -> StorageResult<LedgerEntry> {
        Ok(LedgerEntry {
            id: self.id.into(),
            tenant: self.tenant_id.into(),
            sequence: count(self.sequence),
            at: self.at,
            action: self.action,
            actor: from_json("an actor", self.actor)?,
            subject: self.subject,
            document: self
                .document
                .map(|document| digest(&document))
                .transpose()?,
            details: details_of(&self.leaf),
            leaf_hash: digest(&self.leaf_hash)?,
            leaf: self.leaf,
        })
    }
}

const ENTRY: &str = "select tenant_id, sequence, id, at, action, actor, subject, document, leaf, leaf_hash from reporting.ledger_entries";

/// One entry.
pub(crate) async fn entry(tx: &TenantTx, id: LedgerEntryId) -> StorageResult<Option<LedgerEntry>> {
    let row: Option<EntryRow> = tx
        .one(&format!("{ENTRY} where id = $1"), [id.0.into()])
        .await?;
    row.map(EntryRow::entry).transpose()
}

/// Entries, newest first: by sequence, then organization. The cursor is `<sequence>:<organization>`.
pub(crate) async fn list(tx: &TenantTx, request: &LedgerList) -> StorageResult<Page<LedgerEntry>> {
    let after = request.page.after.as_deref().and_then(|after| {
        let (sequence, tenant) = after.split_once(':')?;
        Some((sequence.parse::<i64>().ok()?, tenant.parse::<Uuid>().ok()?))
    });
    let (sequence, tenant) = after.unwrap_or((i64::MAX, Uuid::nil()));
    let sql = format!(
        "{ENTRY} where ($1::uuid is null or tenant_id = $1) and ($2::jsonb = '[]'::jsonb or action in (select jsonb_array_elements_text($2::jsonb))) \
         and ($3::text is null or subject = $3) and (sequence < $4 or (sequence = $4 and tenant_id > $5)) \
         order by sequence desc, tenant_id limit $6"
    );
    let limit = request.page.limit();
    let rows: Vec<EntryRow> = tx
        .all(
            &sql,
            [
                request.tenant.map(|tenant| tenant.0).into(),
                to_json("actions", &request.actions)?.into(),
                request.subject.clone().into(),
                sequence.into(),
                tenant.into(),
                (column(limit)? + 1).into(),
            ],
        )
        .await?;
    let entries = rows
        .into_iter()
        .map(EntryRow::entry)
        .collect::<StorageResult<Vec<_>>>()?;
    Ok(Page::from_rows(entries, limit, |entry| {
        format!("{}:{}", entry.sequence, entry.tenant)
    }))
}

/// Entries below `size` of a deployment, and those about any of the documents.
pub(crate) async fn of_deployment(
    tx: &TenantTx,
    tenant: TenantId,
    deployment: DeploymentId,
    documents: &[Sha256],
    size: u64,
) -> StorageResult<Vec<LedgerEntry>> {
    let sql = format!(
        "{ENTRY} where tenant_id = $1 and sequence < $2 and (deployment_id = $3 or document in (select decode(hex, 'hex') from jsonb_array_elements_text($4::jsonb) hex)) order by sequence"
    );
    let rows: Vec<EntryRow> = tx
        .all(
            &sql,
            [
                tenant.0.into(),
                column(size)?.into(),
                deployment.0.into(),
                to_json("digests", &documents)?.into(),
            ],
        )
        .await?;
    rows.into_iter().map(EntryRow::entry).collect()
}

/// A signed document by its digest.
pub(crate) async fn document(
    tx: &TenantTx,
    tenant: TenantId,
    digest: Sha256,
) -> StorageResult<Option<Document>> {
    #[derive(FromQueryResult)]
    struct Row {
        kind: String,
        envelope: Vec<u8>,
    }
    let sql = "select kind, envelope from reporting.ledger_documents where tenant_id = $1 and digest = $2";
    let row: Option<Row> = tx
        .one(sql, [tenant.0.into(), digest.0.to_vec().into()])
        .await?;
    row.map(|row| {
        let kind = DocumentKind::ALL
            .into_iter()
            .find(|kind| kind.word() == row.kind);
        let kind = kind.ok_or_else(|| StorageError::Encoding {
            what: "a document kind",
            reason: row.kind,
        })?;
        Ok(Document {
            kind,
            digest,
            envelope: row.envelope,
        })
    })
    .transpose()
}
