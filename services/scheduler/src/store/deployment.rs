//! Deployments in the database.

use crate::domain::status::{from_word, word};
use chrono::{DateTime, Utc};
use netpatch_policy_api::Rollout;
use netpatch_scheduler_api::{Deployment, DeploymentList, DeploymentStatus};
use netpatch_storage::{StorageError, StorageResult, TenantTx, WorkerTx};
use netpatch_types::{DeploymentId, GroupId, PatchId, TenantId};
use netpatch_window::WindowRule;
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A deployment with what its orders are made of.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) deployment: Deployment,
    pub(crate) policy_digest: Vec<u8>,
    pub(crate) group: Option<GroupId>,
    pub(crate) rollout: Rollout,
    pub(crate) windows: Windows,
    /// Encoded `Content`.
    pub(crate) content: Vec<u8>,
    /// Encoded envelopes.
    pub(crate) approvals: Vec<Vec<u8>>,
    pub(crate) not_before: DateTime<Utc>,
    /// Of the newest order.
    pub(crate) sequence: u64,
    /// Orders below it may not run any more.
    pub(crate) floor: u64,
}

/// The windows as they stood when the deployment was made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Windows {
    pub(crate) maintenance: Vec<WindowRule>,
    pub(crate) blackouts: Vec<WindowRule>,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    name: String,
    policy_id: Uuid,
    policy_digest: Vec<u8>,
    group_id: Option<Uuid>,
    rollout: serde_json::Value,
    windows: serde_json::Value,
    patches: serde_json::Value,
    content: Vec<u8>,
    approvals: serde_json::Value,
    status: String,
    reason: String,
    approval_id: Option<Uuid>,
    created_by: serde_json::Value,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    sequence: i64,
    floor: i64,
    etag: i64,
}

const COLUMNS: &str = "tenant_id, id, name, policy_id, policy_digest, group_id, rollout, windows, patches, content, approvals, status, reason, approval_id, created_by, created_at, started_at, ended_at, not_before, not_after, sequence, floor, etag";

fn json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    value: serde_json::Value,
) -> StorageResult<T> {
    serde_json::from_value(value).map_err(|error| StorageError::Encoding {
        what,
        reason: error.to_string(),
    })
}

impl Row {
    fn read(self) -> StorageResult<Stored> {
        let patches: Vec<PatchId> = json("patches of a deployment", self.patches)?;
        Ok(Stored {
            deployment: Deployment {
                id: self.id.into(),
                tenant: self.tenant_id.into(),
                name: self.name,
                policy: self.policy_id.into(),
                patches,
                status: from_word(&self.status),
                reason: self.reason,
                approval: self.approval_id.map(Into::into),
                created_by: json("creator of a deployment", self.created_by)?,
                created_at: self.created_at,
                started_at: self.started_at,
                ended_at: self.ended_at,
                not_after: self.not_after,
                etag: self.etag.to_string(),
            },
            policy_digest: self.policy_digest,
            group: self.group_id.map(Into::into),
            rollout: json("rollout of a deployment", self.rollout)?,
            windows: json("windows of a deployment", self.windows)?,
            content: self.content,
            approvals: json("approvals of a deployment", self.approvals)?,
            not_before: self.not_before,
            sequence: u64::try_from(self.sequence).unwrap_or(0),
            floor: u64::try_from(self.floor).unwrap_or(0),
        })
    }
}

pub(crate) async fn insert(tx: &TenantTx, stored: &Stored) -> StorageResult<()> {
    let deployment = &stored.deployment;
    tx.execute(
        "insert into scheduler.deployments (tenant_id, id, name, policy_id, policy_digest, group_id, rollout, windows, patches, content, approvals, status, reason, created_by, created_at, not_before, not_after) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        [
            deployment.tenant.0.into(),
            deployment.id.0.into(),
            deployment.name.clone().into(),
            deployment.policy.0.into(),
            stored.policy_digest.clone().into(),
            stored.group.map(|group| group.0).into(),
            serde_json::json!(stored.rollout).into(),
            serde_json::json!(stored.windows).into(),
            serde_json::json!(deployment.patches).into(),
            stored.content.clone().into(),
            serde_json::json!(stored.approvals).into(),
            word(deployment.status).into(),
            deployment.reason.clone().into(),
            serde_json::json!(deployment.created_by).into(),
            deployment.created_at.into(),
            stored.not_before.into(),
            deployment.not_after.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Reading in whichever organizations the transaction sees.
pub(crate) async fn get(tx: &TenantTx, id: DeploymentId) -> StorageResult<Option<Stored>> {
    let sql = format!("select {COLUMNS} from scheduler.deployments where id = $1");
    tx.one::<Row>(&sql, [id.0.into()])
        .await?
        .map(Row::read)
        .transpose()
}

/// The row, locked: nobody else moves the deployment until the transaction ends.
pub(crate) async fn lock(tx: &TenantTx, id: DeploymentId) -> StorageResult<Option<Stored>> {
    let sql = format!(
        "select {COLUMNS} from scheduler.deployments where tenant_id = $1 and id = $2 for update"
    );
    tx.one::<Row>(&sql, [tx.tenant()?.0.into(), id.0.into()])
        .await?
        .map(Row::read)
        .transpose()
}

/// The row, if it is of the one organization that the transaction writes to.
pub(crate) async fn own(tx: &TenantTx, id: DeploymentId) -> StorageResult<Option<Stored>> {
    let sql =
        format!("select {COLUMNS} from scheduler.deployments where tenant_id = $1 and id = $2");
    tx.one::<Row>(&sql, [tx.tenant()?.0.into(), id.0.into()])
        .await?
        .map(Row::read)
        .transpose()
}

/// Writes what changes in a deployment's life.
pub(crate) async fn save(tx: &TenantTx, stored: &Stored) -> StorageResult<()> {
    let deployment = &stored.deployment;
    tx.execute(
        "update scheduler.deployments set status = $3, reason = $4, approval_id = $5, started_at = $6, ended_at = $7, sequence = $8, floor = $9, etag = etag + 1 where tenant_id = $1 and id = $2",
        [
            deployment.tenant.0.into(),
            deployment.id.0.into(),
            word(deployment.status).into(),
            deployment.reason.clone().into(),
            deployment.approval.map(|approval| approval.0).into(),
            deployment.started_at.into(),
            deployment.ended_at.into(),
            i64::try_from(stored.sequence).unwrap_or(i64::MAX).into(),
            i64::try_from(stored.floor).unwrap_or(i64::MAX).into(),
        ],
    )
    .await?;
    Ok(())
}

/// Newest first; ids are ordered by time.
pub(crate) async fn list(tx: &TenantTx, request: &DeploymentList) -> StorageResult<Vec<Stored>> {
    let statuses: Vec<String> = request
        .statuses
        .iter()
        .map(|status| word(*status).to_owned())
        .collect();
    let after = request
        .page
        .after
        .as_deref()
        .and_then(|after| after.parse::<Uuid>().ok());
    let sql = format!(
        "select {COLUMNS} from scheduler.deployments where ($1::uuid is null or tenant_id = $1) and (cardinality($2::text[]) = 0 or status = any($2)) and ($3::uuid is null or id < $3) order by id desc limit $4"
    );
    let limit = i64::try_from(request.page.limit() + 1).unwrap_or(101);
    let rows = tx
        .all::<Row>(
            &sql,
            [
                request.tenant.map(|tenant| tenant.0).into(),
                statuses.into(),
                after.into(),
                limit.into(),
            ],
        )
        .await?;
    rows.into_iter().map(Row::read).collect()
}

#[derive(FromQueryResult)]
struct IdRow {
    tenant_id: Uuid,
    id: Uuid,
}

async fn ids(
    tx: &WorkerTx,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> StorageResult<Vec<(TenantId, DeploymentId)>> {
    let rows = tx.all::<IdRow>(sql, values).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.id.into()))
        .collect())
}

/// Deployments that may have to move.
pub(crate) async fn live(tx: &WorkerTx) -> StorageResult<Vec<(TenantId, DeploymentId)>> {
    let sql = "select tenant_id, id from scheduler.deployments where status in ('scheduled', 'running') order by id limit 10000";
    ids(tx, sql, []).await
}

/// Deployments that stand still, but whose runs may still end: until a day after their end.
pub(crate) async fn still(
    tx: &WorkerTx,
    now: DateTime<Utc>,
) -> StorageResult<Vec<(TenantId, DeploymentId)>> {
    let sql = "select tenant_id, id from scheduler.deployments where not_after > $1 and status not in ('scheduled', 'running') order by id limit 10000";
    ids(tx, sql, [(now - chrono::Duration::days(1)).into()]).await
}

/// Contents that are read at once: one of 500 patches takes some hundred kilobytes.
const CONTENTS_AT_ONCE: u32 = 50;

#[derive(FromQueryResult)]
struct ContentRow {
    id: Uuid,
    content: Vec<u8>,
}

/// The encoded contents of deployments of all organizations that were approved and may still install something, halted ones that wait for
/// a new approval too; by id, after the last one.
pub(crate) async fn contents(
    tx: &WorkerTx,
    after: Option<DeploymentId>,
    now: DateTime<Utc>,
) -> StorageResult<Vec<(DeploymentId, Vec<u8>)>> {
    let sql = "select id, content from scheduler.deployments where status in ('scheduled', 'running', 'paused', 'halted', 'awaiting_approval') and not_after > $1 and ($2::uuid is null or id > $2) order by id limit $3";
    let values = [
        now.into(),
        after.map(|after| after.0).into(),
        i64::from(CONTENTS_AT_ONCE).into(),
    ];
    let rows = tx.all::<ContentRow>(sql, values).await?;
    let content = |row: ContentRow| (row.id.into(), row.content);
    Ok(rows.into_iter().map(content).collect())
}

#[derive(FromQueryResult)]
struct UseRow {
    id: Uuid,
    status: String,
    patches: serde_json::Value,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    group_id: Option<Uuid>,
}

/// Which patches a deployment brought, brings or would bring to a group.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) id: DeploymentId,
    pub(crate) status: DeploymentStatus,
    pub(crate) patches: Vec<PatchId>,
    pub(crate) group: Option<GroupId>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// The uses of patches in the organization that is written to, of deployments that ended after a time or never.
pub(crate) async fn uses(tx: &TenantTx, since: DateTime<Utc>) -> StorageResult<Vec<Use>> {
    let sql = "select id, status, patches, created_at, ended_at, group_id from scheduler.deployments where tenant_id = $1 and (ended_at is null or ended_at > $2)";
    let rows = tx
        .all::<UseRow>(sql, [tx.tenant()?.0.into(), since.into()])
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Use {
                id: row.id.into(),
                status: from_word(&row.status),
                patches: json("patches of a deployment", row.patches)?,
                group: row.group_id.map(Into::into),
                created_at: row.created_at,
                ended_at: row.ended_at,
            })
        })
        .collect()
}
