//! Reports.

use super::{column, count, digest, from_json, to_json};
use chrono::{DateTime, Utc};
use netpatch_reporting_api::{Report, ReportKind, ReportStatus};
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{Actor, Page, PageRequest, ReportId, Sha256, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct ReportRow {
    tenant_id: Uuid,
    id: Uuid,
    kind: serde_json::Value,
    status: String,
    message: String,
    file_name: String,
    media_type: String,
    sha256: Option<Vec<u8>>,
    size_bytes: i64,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    requested_by: serde_json::Value,
}

/// A report with what only the service needs.
pub(crate) struct StoredReport {
    pub(crate) report: Report,
    pub(crate) media_type: String,
    pub(crate) requested_by: Actor,
}

impl ReportRow {
    fn stored(self) -> StorageResult<StoredReport> {
        let report = Report {
            id: self.id.into(),
            tenant: self.tenant_id.into(),
            kind: from_json("a report kind", self.kind)?,
            status: match self.status.as_str() {
                "ready" => ReportStatus::Ready,
                "failed" => ReportStatus::Failed,
                _ => ReportStatus::Running,
            },
            message: self.message,
            file_name: self.file_name,
            sha256: self.sha256.map(|sha256| digest(&sha256)).transpose()?,
            size_bytes: count(self.size_bytes),
            created_at: self.created_at,
            expires_at: self.expires_at,
        };
        Ok(StoredReport {
            report,
            media_type: self.media_type,
            requested_by: from_json("an actor", self.requested_by)?,
        })
    }
}

const REPORT: &str = "select tenant_id, id, kind, status, message, file_name, media_type, sha256, size_bytes, created_at, expires_at, \
                      requested_by from reporting.reports";

/// A report that is asked for.
pub(crate) struct NewReport<'a> {
    pub(crate) id: ReportId,
    pub(crate) kind: ReportKind,
    pub(crate) file_name: &'a str,
    pub(crate) media_type: &'a str,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) requested_by: &'a Actor,
}

pub(crate) async fn insert(
    tx: &TenantTx,
    new: &NewReport<'_>,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "insert into reporting.reports (tenant_id, id, kind, status, file_name, media_type, created_at, expires_at, requested_by) \
         values ($1, $2, $3, 'running', $4, $5, $6, $7, $8)",
        [
            tx.tenant()?.0.into(),
            new.id.0.into(),
            to_json("a report kind", &new.kind)?.into(),
            new.file_name.into(),
            new.media_type.into(),
            now.into(),
            new.expires_at.into(),
            to_json("an actor", new.requested_by)?.into(),
        ],
    )
    .await?;
    Ok(())
}

/// How making a report ended.
pub(crate) enum Outcome {
    Ready { sha256: Sha256, size_bytes: u64 },
    Failed { message: String },
}

/// Ends a running report; nothing happens if it has ended already.
pub(crate) async fn finish(tx: &TenantTx, id: ReportId, outcome: &Outcome) -> StorageResult<()> {
    let (status, message, sha256, size) = match outcome {
        Outcome::Ready { sha256, size_bytes } => {
            ("ready", "", Some(sha256.0.to_vec()), *size_bytes)
        }
        Outcome::Failed { message } => ("failed", message.as_str(), None, 0),
    };
    tx.execute(
        "update reporting.reports set status = $2, message = $3, sha256 = $4, size_bytes = $5 where id = $1 and status = 'running'",
        [id.0.into(), status.into(), message.into(), sha256.into(), column(size)?.into()],
    )
    .await?;
    Ok(())
}

pub(crate) async fn get(tx: &TenantTx, id: ReportId) -> StorageResult<Option<StoredReport>> {
    let row: Option<ReportRow> = tx
        .one(&format!("{REPORT} where id = $1"), [id.0.into()])
        .await?;
    row.map(ReportRow::stored).transpose()
}

/// Reports, newest first; ids are ordered by time.
pub(crate) async fn list(tx: &TenantTx, page: &PageRequest) -> StorageResult<Page<Report>> {
    let after = page
        .after
        .as_deref()
        .and_then(|after| after.parse::<Uuid>().ok())
        .unwrap_or_else(Uuid::max);
    let limit = page.limit();
    let sql = format!("{REPORT} where id < $1 order by id desc limit $2");
    let rows: Vec<ReportRow> = tx
        .all(&sql, [after.into(), (column(limit)? + 1).into()])
        .await?;
    let reports = rows
        .into_iter()
        .map(|row| row.stored().map(|stored| stored.report))
        .collect::<StorageResult<Vec<_>>>()?;
    Ok(Page::from_rows(reports, limit, |report| {
        report.id.to_string()
    }))
}

pub(crate) async fn delete(tx: &TenantTx, id: ReportId) -> StorageResult<()> {
    tx.execute("delete from reporting.reports where id = $1", [id.0.into()])
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct WorkRow {
    tenant_id: Uuid,
    id: Uuid,
}

/// Reports that were asked for before a time and are not made.
pub(crate) async fn unfinished(
    tx: &WorkerTx,
    before: DateTime<Utc>,
) -> StorageResult<Vec<(TenantId, ReportId)>> {
    let sql = "select tenant_id, id from reporting.reports where status = 'running' and created_at <= $1 order by created_at limit 100";
    let rows: Vec<WorkRow> = tx.all(sql, [before.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.id.into()))
        .collect())
}

/// Reports whose time is over.
pub(crate) async fn expired(
    tx: &WorkerTx,
    now: DateTime<Utc>,
) -> StorageResult<Vec<(TenantId, ReportId)>> {
    let sql = "select tenant_id, id from reporting.reports where expires_at <= $1 limit 100";
    let rows: Vec<WorkRow> = tx.all(sql, [now.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.id.into()))
        .collect())
}
