//! Reports.

use super::{ReportKind, ReportStatus};
use crate::graphql::context::{Session, absent};
use crate::graphql::{ByteCount, DateTime, Result, Sha256};
use async_graphql::{ID, Object};
use netpatch_reporting_api as reporting;
use netpatch_types::{OrganizationId, ReportId};

/// A report or an evidence pack.
#[derive(Clone)]
pub struct Report(pub reporting::Report);

/// A report or an evidence pack.
#[Object]
impl Report {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// What it contains.
    async fn kind(&self) -> ReportKind {
        match self.0.kind {
            reporting::ReportKind::EvidencePack { .. } => ReportKind::EvidencePack,
            reporting::ReportKind::FindingsCsv { .. } => ReportKind::FindingsCsv,
            reporting::ReportKind::RunsCsv { .. } => ReportKind::RunsCsv,
        }
    }

    /// Where it stands.
    async fn status(&self) -> ReportStatus {
        self.0.status.into()
    }

    /// Why it failed.
    async fn message(&self) -> Option<&str> {
        Some(self.0.message.as_str()).filter(|message| !message.is_empty())
    }

    /// File name.
    async fn file_name(&self) -> &str {
        &self.0.file_name
    }

    /// Where to fetch it, with the same credentials; null until it is ready.
    async fn url(&self) -> Option<String> {
        let ready = self.0.status == reporting::ReportStatus::Ready;
        ready.then(|| format!("/reports/{}", self.0.id.public(self.0.tenant)))
    }

    /// Digest of its bytes.
    async fn sha256(&self) -> Option<Sha256> {
        self.0.sha256.map(Sha256)
    }

    /// Bytes.
    async fn size_bytes(&self) -> ByteCount {
        self.0.size_bytes.into()
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When it goes.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }
}

/// One report; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: ReportId,
) -> Result<Option<Report>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .reporting
            .report_get(&ctx, reporting::ReportGet { id })
            .await,
    )?
    .map(Report))
}
