//! Signed orders and halts in the database.

use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{DeploymentId, GroupId, Sha256, WaveId};
use sea_orm::FromQueryResult;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// A signed document.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// SHA-256 of the payload bytes.
    pub(crate) digest: Sha256,
    pub(crate) deployment: DeploymentId,
    pub(crate) wave: Option<WaveId>,
    /// `order` or `halt`.
    pub(crate) kind: String,
    pub(crate) sequence: u64,
    /// Range of positions [low, high) that it is for; high 0 means 2^64.
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) envelope: Vec<u8>,
    /// Hosts may have it.
    pub(crate) released: bool,
    pub(crate) not_after: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    digest: Vec<u8>,
    deployment_id: Uuid,
    wave_id: Option<Uuid>,
    kind: String,
    sequence: i64,
    low: Vec<u8>,
    high: Vec<u8>,
    envelope: Vec<u8>,
    released: bool,
    not_after: DateTime<Utc>,
}

const COLUMNS: &str =
    "digest, deployment_id, wave_id, kind, sequence, low, high, envelope, released, not_after";

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Self {
            digest: Sha256::from_slice(&row.digest).unwrap_or_default(),
            deployment: row.deployment_id.into(),
            wave: row.wave_id.map(Into::into),
            kind: row.kind,
            sequence: u64::try_from(row.sequence).unwrap_or(0),
            low: position(row.low),
            high: position(row.high),
            envelope: row.envelope,
            released: row.released,
            not_after: row.not_after,
        }
    }
}

pub(crate) async fn insert(
    tx: &TenantTx,
    document: &Stored,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "insert into scheduler.documents (tenant_id, digest, deployment_id, wave_id, kind, sequence, low, high, envelope, released, not_after, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing",
        [
            tx.tenant()?.0.into(),
            document.digest.0.to_vec().into(),
            document.deployment.0.into(),
            document.wave.map(|wave| wave.0).into(),
            document.kind.clone().into(),
            i64::try_from(document.sequence).unwrap_or(i64::MAX).into(),
            document.low.to_be_bytes().to_vec().into(),
            document.high.to_be_bytes().to_vec().into(),
            document.envelope.clone().into(),
            document.released.into(),
            document.not_after.into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Lets hosts have an order. False when it was already, or is not known.
pub(crate) async fn release(tx: &TenantTx, digest: Sha256) -> StorageResult<bool> {
    let sql = "update scheduler.documents set released = true where tenant_id = $1 and digest = $2 and not released";
    Ok(tx
        .execute(sql, [tx.tenant()?.0.into(), digest.0.to_vec().into()])
        .await?
        == 1)
}

/// A released document without its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) digest: Sha256,
    pub(crate) deployment: DeploymentId,
    pub(crate) is_halt: bool,
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Whose hosts it is for; `None`: all.
    pub(crate) group: Option<GroupId>,
}

#[derive(FromQueryResult)]
struct OfferRow {
    digest: Vec<u8>,
    deployment_id: Uuid,
    kind: String,
    low: Vec<u8>,
    high: Vec<u8>,
    group_id: Option<Uuid>,
}

/// Released documents that still matter, oldest first: orders of running deployments, halts until the deployment's end.
pub(crate) async fn deliverable(tx: &TenantTx, now: DateTime<Utc>) -> StorageResult<Vec<Offer>> {
    let rows = tx.all::<OfferRow>(DELIVERABLE, [now.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| Offer {
            digest: Sha256::from_slice(&row.digest).unwrap_or_default(),
            deployment: row.deployment_id.into(),
            is_halt: row.kind == "halt",
            low: position(row.low),
            high: position(row.high),
            group: row.group_id.map(Into::into),
        })
        .collect())
}

// Row-level security adds the organization to both tables, so that each is read by an index that it leads.
const DELIVERABLE: &str = "select d.digest, d.deployment_id, d.kind, d.low, d.high, p.group_id \
    from scheduler.documents d join scheduler.deployments p on p.tenant_id = d.tenant_id and p.id = d.deployment_id \
    where d.released and d.not_after > $1 and (d.kind = 'halt' or (p.status = 'running' and d.sequence >= p.floor)) \
    order by d.created_at, d.digest";

fn position(bytes: Vec<u8>) -> u64 {
    <[u8; 8]>::try_from(bytes).map_or(0, u64::from_be_bytes)
}

pub(crate) async fn of_deployment(
    tx: &TenantTx,
    deployment: DeploymentId,
) -> StorageResult<Vec<Stored>> {
    let sql = format!(
        "select {COLUMNS} from scheduler.documents where deployment_id = $1 order by created_at, digest"
    );
    Ok(tx
        .all::<Row>(&sql, [deployment.0.into()])
        .await?
        .into_iter()
        .map(Stored::from)
        .collect())
}

/// A document of the organization that is written to.
pub(crate) async fn own(tx: &TenantTx, digest: Sha256) -> StorageResult<Option<Stored>> {
    let sql =
        format!("select {COLUMNS} from scheduler.documents where tenant_id = $1 and digest = $2");
    Ok(tx
        .one::<Row>(&sql, [tx.tenant()?.0.into(), digest.0.to_vec().into()])
        .await?
        .map(Stored::from))
}

/// The bytes of documents, in whichever organizations the transaction sees.
pub(crate) async fn envelopes(
    tx: &TenantTx,
    digests: &BTreeSet<Sha256>,
) -> StorageResult<HashMap<Sha256, Vec<u8>>> {
    #[derive(FromQueryResult)]
    struct EnvelopeRow {
        digest: Vec<u8>,
        envelope: Vec<u8>,
    }
    let sql = "select digest, envelope from scheduler.documents where digest = any($1::bytea[])";
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.0.to_vec()).collect();
    let rows: Vec<EnvelopeRow> = tx.all(sql, [digests.into()]).await?;
    let read = |row: EnvelopeRow| Some((Sha256::from_slice(&row.digest)?, row.envelope));
    Ok(rows.into_iter().filter_map(read).collect())
}
