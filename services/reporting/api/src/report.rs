//! Reports and evidence packs.

use chrono::{DateTime, Utc};
use netpatch_types::{DeploymentId, PageRequest, ReportId, Sha256, TenantId};
use serde::{Deserialize, Serialize};

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportKind {
    /// Proof bundle of a deployment (`netpatch verify`).
    EvidencePack {
        /// Of which.
        deployment: DeploymentId,
    },
    /// Open findings.
    FindingsCsv {
        /// Guard cells that a spreadsheet would run as a formula; changes data.
        guard_formulas: bool,
    },
    /// Runs of a deployment.
    RunsCsv {
        /// Of which.
        deployment: DeploymentId,
        /// Guard cells that a spreadsheet would run as a formula; changes data.
        guard_formulas: bool,
    },
}

/// Where a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Being made.
    Running,
    /// To be fetched.
    Ready,
    /// Could not be made; the message says why.
    Failed,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Id.
    pub id: ReportId,
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub kind: ReportKind,
    /// Where it stands.
    pub status: ReportStatus,
    /// Why it failed; empty otherwise.
    pub message: String,
    /// File name.
    pub file_name: String,
    /// Of the bytes.
    pub sha256: Option<Sha256>,
    /// Bytes.
    pub size_bytes: u64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it goes.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportCreate {
    /// What.
    pub kind: ReportKind,
}

/// One report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportGet {
    /// Which.
    pub id: ReportId,
}

/// Reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportList {
    /// Which part.
    pub page: PageRequest,
}

/// The bytes of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportContent {
    /// `application/json`, `text/csv`.
    pub media_type: String,
    /// File name.
    pub file_name: String,
    /// Base64.
    pub base64: String,
}
