//! Table `approvals`. At most one row of a subject stands; the others are history.

use super::{decode, encode};
use crate::domain::approval::word;
use crate::domain::step::Standing;
use chrono::{DateTime, Utc};
use netpatch_policy_api::{Approval, ApprovalList, ApprovalStatus, Subject};
use netpatch_storage::{StorageError, StorageResult, TenantTx, WorkerTx};
use netpatch_types::{
    ApprovalId, DeploymentId, ExceptionId, GroupId, PatchId, PolicyId, Sha256, TenantId,
};
use sea_orm::FromQueryResult;
use uuid::Uuid;

const COLUMNS: &str = "tenant_id, id, subject_kind, subject_id, group_id, status, policy_id, rule, automatic, requested_by, requested_at, \
                       required, decisions, content_digest, content, expires_at, logged_at, envelope, title";

/// A row: the approval, what it covers, its signature.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The approval with its content.
    pub standing: Standing,
    /// Encoded envelope, once approved.
    pub envelope: Option<Vec<u8>>,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    subject_kind: String,
    subject_id: Uuid,
    group_id: Uuid,
    status: String,
    policy_id: Option<Uuid>,
    rule: Option<String>,
    automatic: bool,
    requested_by: serde_json::Value,
    requested_at: DateTime<Utc>,
    required: i32,
    decisions: serde_json::Value,
    content_digest: Option<Vec<u8>>,
    content: serde_json::Value,
    expires_at: Option<DateTime<Utc>>,
    logged_at: Option<DateTime<Utc>>,
    envelope: Option<Vec<u8>>,
    title: String,
}

const STATUSES: [ApprovalStatus; 6] = [
    ApprovalStatus::Awaiting,
    ApprovalStatus::Approved,
    ApprovalStatus::Declined,
    ApprovalStatus::Deferred,
    ApprovalStatus::Banned,
    ApprovalStatus::Expired,
];

impl Row {
    fn stored(self) -> StorageResult<Stored> {
        let wrong = |reason: &str| StorageError::Encoding {
            what: "an approval",
            reason: reason.to_owned(),
        };
        let subject = match self.subject_kind.as_str() {
            "patch" => Subject::Patch {
                patch: PatchId(self.subject_id),
                group: (!self.group_id.is_nil()).then_some(GroupId(self.group_id)),
            },
            "exception" => Subject::Exception {
                exception: ExceptionId(self.subject_id),
            },
            _ => Subject::Deployment {
                deployment: DeploymentId(self.subject_id),
            },
        };
        let status = STATUSES
            .into_iter()
            .find(|status| word(*status) == self.status)
            .ok_or_else(|| wrong("unknown status"))?;
        let content_digest = self
            .content_digest
            .map(|bytes| Sha256::from_slice(&bytes).ok_or_else(|| wrong("digest length")))
            .transpose()?;
        let approval = Approval {
            id: ApprovalId(self.id),
            tenant: TenantId::from(self.tenant_id),
            subject,
            status,
            policy: self.policy_id.map(PolicyId),
            rule: self.rule,
            automatic: self.automatic,
            requested_by: decode("a requester", self.requested_by)?,
            requested_at: self.requested_at,
            required: u32::try_from(self.required).unwrap_or_default(),
            decisions: decode("decisions", self.decisions)?,
            content_digest,
            expires_at: self.expires_at,
            logged: self.logged_at.is_some(),
            title: self.title,
        };
        Ok(Stored {
            standing: Standing {
                approval,
                items: decode("content", self.content)?,
            },
            envelope: self.envelope,
        })
    }
}

fn key(subject: Subject) -> (&'static str, Uuid, Uuid) {
    match subject {
        Subject::Patch { patch, group } => (
            "patch",
            patch.0,
            group.map(|group| group.0).unwrap_or_default(),
        ),
        Subject::Deployment { deployment } => ("deployment", deployment.0, Uuid::nil()),
        Subject::Exception { exception } => ("exception", exception.0, Uuid::nil()),
    }
}

/// Serialises changes of approvals of the organization until the end of the transaction.
pub(crate) async fn lock(tx: &TenantTx) -> StorageResult<()> {
    let name = format!("policy.approvals/{}", tx.tenant()?);
    tx.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        [name.into()],
    )
    .await?;
    Ok(())
}

/// Stores a new approval, which stands.
pub(crate) async fn insert(tx: &TenantTx, stored: &Stored) -> StorageResult<()> {
    let approval = &stored.standing.approval;
    let (kind, subject, group) = key(approval.subject);
    let sql = "insert into policy.approvals (tenant_id, id, subject_kind, subject_id, group_id, status, standing, policy_id, rule, automatic, \
               requested_by, requested_at, required, decisions, content_digest, content, expires_at, envelope, title) \
               values ($1, $2, $3, $4, $5, $6, true, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    let values = [
        tx.tenant()?.0.into(),
        approval.id.0.into(),
        kind.into(),
        subject.into(),
        group.into(),
        word(approval.status).into(),
        approval.policy.map(|policy| policy.0).into(),
        approval.rule.clone().into(),
        approval.automatic.into(),
        encode("a requester", &approval.requested_by)?.into(),
        approval.requested_at.into(),
        i32::try_from(approval.required).unwrap_or(i32::MAX).into(),
        encode("decisions", &approval.decisions)?.into(),
        approval
            .content_digest
            .map(|digest| digest.0.to_vec())
            .into(),
        encode("content", &stored.standing.items)?.into(),
        approval.expires_at.into(),
        stored.envelope.clone().into(),
        approval.title.clone().into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Writes back what can change.
pub(crate) async fn update(tx: &TenantTx, stored: &Stored) -> StorageResult<()> {
    let approval = &stored.standing.approval;
    let sql = "update policy.approvals set status = $3, automatic = $4, requested_by = $5, required = $6, decisions = $7, content_digest = $8, \
               content = $9, expires_at = $10, envelope = $11, standing = standing and $3 <> 'expired' where tenant_id = $1 and id = $2";
    let values = [
        tx.tenant()?.0.into(),
        approval.id.0.into(),
        word(approval.status).into(),
        approval.automatic.into(),
        encode("a requester", &approval.requested_by)?.into(),
        i32::try_from(approval.required).unwrap_or(i32::MAX).into(),
        encode("decisions", &approval.decisions)?.into(),
        approval
            .content_digest
            .map(|digest| digest.0.to_vec())
            .into(),
        encode("content", &stored.standing.items)?.into(),
        approval.expires_at.into(),
        stored.envelope.clone().into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// It stands no longer, whatever its status: another one takes its place.
pub(crate) async fn retire(tx: &TenantTx, id: ApprovalId) -> StorageResult<()> {
    tx.execute(
        "update policy.approvals set standing = false where tenant_id = $1 and id = $2",
        [tx.tenant()?.0.into(), id.0.into()],
    )
    .await?;
    Ok(())
}

/// The ledger has it. Idempotent.
pub(crate) async fn set_logged(
    tx: &TenantTx,
    id: ApprovalId,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "update policy.approvals set logged_at = coalesce(logged_at, $3) where tenant_id = $1 and id = $2 and status = 'approved'";
    Ok(tx
        .execute(sql, [tx.tenant()?.0.into(), id.0.into(), now.into()])
        .await?
        == 1)
}

/// One of those that may be read.
pub(crate) async fn get(tx: &TenantTx, id: ApprovalId) -> StorageResult<Option<Stored>> {
    let row: Option<Row> = tx
        .one(
            &format!("select {COLUMNS} from policy.approvals where id = $1"),
            [id.0.into()],
        )
        .await?;
    row.map(Row::stored).transpose()
}

/// One of an organization.
pub(crate) async fn get_of(
    tx: &TenantTx,
    tenant: TenantId,
    id: ApprovalId,
) -> StorageResult<Option<Stored>> {
    let sql = format!("select {COLUMNS} from policy.approvals where tenant_id = $1 and id = $2");
    let row: Option<Row> = tx.one(&sql, [tenant.0.into(), id.0.into()]).await?;
    row.map(Row::stored).transpose()
}

/// What stands about a subject.
pub(crate) async fn standing(
    tx: &TenantTx,
    tenant: TenantId,
    subject: Subject,
) -> StorageResult<Option<Stored>> {
    let (kind, id, group) = key(subject);
    let sql = format!(
        "select {COLUMNS} from policy.approvals where tenant_id = $1 and subject_kind = $2 and subject_id = $3 and group_id = $4 and standing"
    );
    let row: Option<Row> = tx
        .one(
            &sql,
            [tenant.0.into(), kind.into(), id.into(), group.into()],
        )
        .await?;
    row.map(Row::stored).transpose()
}

/// The newest about a subject, whether it stands or not.
pub(crate) async fn newest(
    tx: &TenantTx,
    tenant: TenantId,
    subject: Subject,
) -> StorageResult<Option<Stored>> {
    let (kind, id, group) = key(subject);
    let sql = format!(
        "select {COLUMNS} from policy.approvals where tenant_id = $1 and subject_kind = $2 and subject_id = $3 and group_id = $4 \
         order by standing desc, id desc limit 1"
    );
    let values = [tenant.0.into(), kind.into(), id.into(), group.into()];
    let row: Option<Row> = tx.one(&sql, values).await?;
    row.map(Row::stored).transpose()
}

/// Groups in which something stands about a patch; `None` = all hosts.
pub(crate) async fn groups_of(
    tx: &TenantTx,
    tenant: TenantId,
    patch: PatchId,
) -> StorageResult<Vec<Option<GroupId>>> {
    #[derive(FromQueryResult)]
    struct Group {
        group_id: Uuid,
    }
    let sql = "select group_id from policy.approvals where tenant_id = $1 and subject_kind = 'patch' and subject_id = $2 and standing";
    let rows: Vec<Group> = tx.all(sql, [tenant.0.into(), patch.0.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| (!row.group_id.is_nil()).then_some(GroupId(row.group_id)))
        .collect())
}

/// Patches about which something waits, at most 1,000.
pub(crate) async fn waiting_patches(
    tx: &TenantTx,
    tenant: TenantId,
) -> StorageResult<Vec<PatchId>> {
    #[derive(FromQueryResult)]
    struct Patch {
        subject_id: Uuid,
    }
    let sql = "select distinct subject_id from policy.approvals where tenant_id = $1 and subject_kind = 'patch' and standing \
               and status in ('awaiting', 'deferred') limit 1000";
    let rows: Vec<Patch> = tx.all(sql, [tenant.0.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| PatchId(row.subject_id))
        .collect())
}

/// Whether a person has banned the patch, in whatever group.
pub(crate) async fn is_banned(
    tx: &TenantTx,
    tenant: TenantId,
    patch: PatchId,
) -> StorageResult<bool> {
    let sql = "select exists (select 1 from policy.approvals where tenant_id = $1 and subject_kind = 'patch' and subject_id = $2 and standing and status = 'banned')";
    Ok(tx
        .value(sql, [tenant.0.into(), patch.0.into()])
        .await?
        .unwrap_or(false))
}

/// Where a page begins: behind (waiting, id).
pub(crate) type After = Option<(i16, Uuid)>;

/// What stands and what ended, those that wait first, newest first; not what a narrower approval replaced.
pub(crate) async fn list(
    tx: &TenantTx,
    wanted: &ApprovalList,
    after: After,
    limit: u64,
) -> StorageResult<Vec<Approval>> {
    let statuses: Vec<String> = wanted
        .statuses
        .iter()
        .map(|status| word(*status).to_owned())
        .collect();
    let patches: Vec<Uuid> = wanted.patches.iter().map(|patch| patch.0).collect();
    let sql = format!(
        "select {COLUMNS} from policy.approvals where (standing or status <> 'approved') \
         and ($1::uuid is null or tenant_id = $1) and (cardinality($2::text[]) = 0 or status = any($2)) \
         and (cardinality($3::uuid[]) = 0 or (subject_kind = 'patch' and subject_id = any($3))) \
         and ($4::smallint is null or waiting > $4 or (waiting = $4 and id < $5)) order by waiting, id desc limit $6"
    );
    let values = [
        wanted.tenant.map(|tenant| tenant.0).into(),
        statuses.into(),
        patches.into(),
        after.map(|(waiting, _)| waiting).into(),
        after.map(|(_, id)| id).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let rows: Vec<Row> = tx.all(&sql, values).await?;
    rows.into_iter()
        .map(|row| row.stored().map(|stored| stored.standing.approval))
        .collect()
}

/// An approval whose time is over.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(crate) struct Due {
    /// Whose.
    pub tenant_id: Uuid,
    /// The patch that it is about.
    pub subject_id: Uuid,
}

/// Patches whose approvals' time is over, in any organization.
pub(crate) async fn due(tx: &WorkerTx, now: DateTime<Utc>, limit: u32) -> StorageResult<Vec<Due>> {
    let sql = "select tenant_id, subject_id from policy.approvals where standing and expires_at <= $1 and subject_kind = 'patch' \
               and status in ('approved', 'deferred') order by expires_at limit $2";
    tx.all(sql, [now.into(), i64::from(limit).into()]).await
}
