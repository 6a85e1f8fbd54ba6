//! Reports: asked for, made, kept as blobs, fetched.
//!
//! A report is made at once; if the process dies meanwhile, a job makes it later from the same row.

use super::ReportingService;
use crate::domain::sheet::to_csv;
use crate::store::report as store;
use crate::store::report::{NewReport, Outcome, StoredReport};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{Duration, SecondsFormat};
use netpatch_inventory_api::{FindingFilter, FindingList};
use netpatch_reporting_api::{
    Report, ReportContent, ReportCreate, ReportKind, ReportList, ReportStatus,
};
use netpatch_scheduler_api::{DeploymentGet, RunList};
use netpatch_types::{
    DeploymentId, Page, PageRequest, ReportId, RequestContext, ServiceError, ServiceResult,
    TenantId,
};

/// Rows of one CSV file.
const MAX_ROWS: usize = 500_000;
/// How long a CSV file is kept. Evidence packs stay.
const KEEP_CSV: Duration = Duration::days(30);

impl ReportingService {
    pub(super) async fn create_report(
        &self,
        ctx: &RequestContext,
        request: ReportCreate,
    ) -> ServiceResult<Report> {
        let tenant = ctx.tenant()?;
        if let ReportKind::EvidencePack { deployment } | ReportKind::RunsCsv { deployment, .. } =
            request.kind
        {
            self.scheduler
                .deployment_get(&self.system(tenant), DeploymentGet { id: deployment })
                .await?;
        }
        let now = self.clock.now();
        let id = ReportId::new(now);
        let day = now.format("%Y-%m-%d");
        let (file_name, media_type, expires_at) = match request.kind {
            ReportKind::EvidencePack { deployment } => (
                format!("evidence-{deployment}-{day}.json"),
                "application/json",
                None,
            ),
            ReportKind::FindingsCsv { .. } => (
                format!("findings-{day}.csv"),
                "text/csv",
                Some(now + KEEP_CSV),
            ),
            ReportKind::RunsCsv { deployment, .. } => (
                format!("runs-{deployment}-{day}.csv"),
                "text/csv",
                Some(now + KEEP_CSV),
            ),
        };
        let new = NewReport {
            id,
            kind: request.kind,
            file_name: &file_name,
            media_type,
            expires_at,
            requested_by: &ctx.actor,
        };
        let tx = self.database.write(ctx).await?;
        store::insert(&tx, &new, now).await?;
        tx.commit().await?;
        self.make_report(tenant, id).await?;
        self.report(ctx, id).await.map(|stored| stored.report)
    }

    /// Makes a report that is asked for; nothing happens if it is made already.
    pub(crate) async fn make_report(&self, tenant: TenantId, id: ReportId) -> ServiceResult<()> {
        let ctx = self.system(tenant);
        let stored = self.report(&ctx, id).await?;
        if stored.report.status != ReportStatus::Running {
            return Ok(());
        }
        tracing::info!(report = %id, requested_by = %stored.requested_by.id, "making a report");
        let made = match stored.report.kind {
            ReportKind::EvidencePack { deployment } => self.evidence_pack(tenant, deployment).await,
            ReportKind::FindingsCsv { guard_formulas } => {
                self.findings_csv(tenant, guard_formulas).await
            }
            ReportKind::RunsCsv {
                deployment,
                guard_formulas,
            } => self.runs_csv(tenant, deployment, guard_formulas).await,
        };
        let outcome = match made {
            Ok(bytes) => {
                let size_bytes = bytes.len() as u64;
                let (_, sha256) = self.blobs.put_named(&prefix(tenant), bytes).await?;
                Outcome::Ready { sha256, size_bytes }
            }
            Err(error) => {
                tracing::warn!(report = %id, %error, "a report cannot be made");
                Outcome::Failed {
                    message: error.message,
                }
            }
        };
        let tx = self.database.write(&ctx).await?;
        store::finish(&tx, id, &outcome).await?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn report(
        &self,
        ctx: &RequestContext,
        id: ReportId,
    ) -> ServiceResult<StoredReport> {
        let tx = self.database.read(ctx).await?;
        store::get(&tx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("report"))
    }

    pub(super) async fn reports(
        &self,
        ctx: &RequestContext,
        request: ReportList,
    ) -> ServiceResult<Page<Report>> {
        let tx = self.database.read(ctx).await?;
        Ok(store::list(&tx, &request.page).await?)
    }

    pub(super) async fn content(
        &self,
        ctx: &RequestContext,
        id: ReportId,
    ) -> ServiceResult<ReportContent> {
        let StoredReport {
            report, media_type, ..
        } = self.report(ctx, id).await?;
        let Some(sha256) = report.sha256 else {
            return Err(ServiceError::invalid_state(match report.status {
                ReportStatus::Failed => "the report could not be made",
                _ => "the report is still being made",
            }));
        };
        let content = self
            .blobs
            .get_named(&prefix(report.tenant), &sha256)
            .await?;
        let content = content.ok_or_else(|| ServiceError::not_found("report content"))?;
        Ok(ReportContent {
            media_type,
            file_name: report.file_name,
            base64: STANDARD.encode(content),
        })
    }

    /// Removes a report whose time is over. Its blob may be shared with another report of the same content, and stays.
    pub(crate) async fn expire_report(&self, tenant: TenantId, id: ReportId) -> ServiceResult<()> {
        let tx = self.database.write(&self.system(tenant)).await?;
        store::delete(&tx, id).await?;
        Ok(tx.commit().await?)
    }

    async fn findings_csv(&self, tenant: TenantId, guard: bool) -> ServiceResult<Vec<u8>> {
        let ctx = self.system(tenant);
        let mut rows = Vec::new();
        let mut page = PageRequest::largest();
        loop {
            let filter = FindingFilter {
                tenant: Some(tenant),
                ..FindingFilter::default()
            };
            let found = self
                .inventory
                .finding_list(
                    &ctx,
                    FindingList {
                        page: page.clone(),
                        filter,
                        ..FindingList::default()
                    },
                )
                .await?;
            let (has_next, last) = (
                found.has_next,
                found.rows.last().map(|row| row.cursor.clone()),
            );
            rows.extend(found.into_nodes().into_iter().map(|finding| {
                vec![
                    finding.hostname.clone(),
                    finding.host.public(tenant),
                    finding.site.public(tenant),
                    finding.advisory.name.clone(),
                    finding.advisory.severity.as_str().to_owned(),
                    format!("{:.1}", finding.risk.score),
                    finding.component.name.clone(),
                    finding.evidence.installed_version.clone(),
                    finding.evidence.fixed_version.clone(),
                    finding
                        .first_seen_at
                        .to_rfc3339_opts(SecondsFormat::Secs, true),
                    finding
                        .deadline
                        .as_ref()
                        .and_then(|deadline| deadline.due_at)
                        .map(|due| due.to_rfc3339_opts(SecondsFormat::Secs, true))
                        .unwrap_or_default(),
                    finding
                        .deadline
                        .as_ref()
                        .map(|deadline| deadline.reason.clone())
                        .unwrap_or_default(),
                    finding.id.public(tenant),
                ]
            }));
            page.after = next(has_next, last, rows.len())?;
            if page.after.is_none() {
                break;
            }
        }
        let header = [
            "hostname",
            "host",
            "site",
            "advisory",
            "severity",
            "risk",
            "component",
            "installed",
            "fixed",
            "first seen",
            "due",
            "reason of the date",
            "finding",
        ];
        csv(&header, rows, guard)
    }

    async fn runs_csv(
        &self,
        tenant: TenantId,
        deployment: DeploymentId,
        guard: bool,
    ) -> ServiceResult<Vec<u8>> {
        let ctx = self.system(tenant);
        let mut rows = Vec::new();
        let mut page = PageRequest::largest();
        loop {
            let request = RunList {
                page: page.clone(),
                deployment: Some(deployment),
                ..RunList::default()
            };
            let found = self.scheduler.run_list(&ctx, request).await?;
            let (has_next, last) = (
                found.has_next,
                found.rows.last().map(|row| row.cursor.clone()),
            );
            let time = |at: Option<chrono::DateTime<chrono::Utc>>| {
                at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
                    .unwrap_or_default()
            };
            rows.extend(found.into_nodes().into_iter().map(|run| {
                let (code, message) = run
                    .error
                    .map(|error| (error.code, error.message))
                    .unwrap_or_default();
                vec![
                    run.id.public(tenant),
                    run.host.public(tenant),
                    run.wave.public(tenant),
                    run.attempt.to_string(),
                    run.status.as_str().to_owned(),
                    run.confirmed
                        .map(|confirmed| confirmed.to_string())
                        .unwrap_or_default(),
                    code,
                    message,
                    time(run.started_at),
                    time(run.ended_at),
                    run.bytes_from_relay.to_string(),
                    run.bytes_from_origin.to_string(),
                ]
            }));
            page.after = next(has_next, last, rows.len())?;
            if page.after.is_none() {
                break;
            }
        }
        let header = [
            "run",
            "host",
            "wave",
            "attempt",
            "status",
            "confirmed",
            "cause",
            "message",
            "started",
            "ended",
            "bytes from relay",
            "bytes from origin",
        ];
        csv(&header, rows, guard)
    }
}

/// Where the contents of an organization's reports lie.
fn prefix(tenant: TenantId) -> String {
    format!("reports/{tenant}")
}

/// The cursor of the next page; an error when the file would be too long.
fn next(has_next: bool, last: Option<String>, rows: usize) -> ServiceResult<Option<String>> {
    if rows > MAX_ROWS {
        let message = format!("more than {MAX_ROWS} rows; narrow the report");
        return Err(ServiceError::new(
            netpatch_types::ErrorCode::LimitExceeded,
            message,
        ));
    }
    Ok(last.filter(|_| has_next))
}

fn csv(header: &[&str], rows: Vec<Vec<String>>, guard: bool) -> ServiceResult<Vec<u8>> {
    to_csv(header, rows, guard).map_err(|error| {
        tracing::error!(%error, "a csv file cannot be written");
        ServiceError::internal()
    })
}
