//! Filters: what a list is narrowed to.

use super::{
    Applicability, ApprovalStatus, DeploymentStatus, FindingOrderField, PatchClassification,
    Severity,
};
use crate::graphql::DateTime;
use async_graphql::{ID, InputObject, OneofObject};

/// Conditions on a text; all that are given must hold.
#[derive(Clone, Default, InputObject)]
pub struct StringFilter {
    /// Equal to.
    pub eq: Option<String>,
    /// One of these.
    pub r#in: Option<Vec<String>>,
    /// Contains, without regard to case.
    pub contains: Option<String>,
}

/// Conditions on a severity.
#[derive(Clone, Default, InputObject)]
pub struct SeverityFilter {
    /// Equal to.
    pub eq: Option<Severity>,
    /// One of these.
    pub r#in: Option<Vec<Severity>>,
}

impl SeverityFilter {
    /// The severities that are let through; empty: all.
    pub(crate) fn severities(filter: Option<Self>) -> Vec<netpatch_types::Severity> {
        let filter = filter.unwrap_or_default();
        let mut all: Vec<netpatch_types::Severity> = filter
            .r#in
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect();
        all.extend(filter.eq.map(netpatch_types::Severity::from));
        all
    }
}

/// Conditions on an id.
#[derive(Clone, Default, InputObject)]
pub struct IdFilter {
    /// Equal to.
    pub eq: Option<ID>,
    /// One of these.
    pub r#in: Option<Vec<ID>>,
}

impl IdFilter {
    /// The ids that are let through; empty: all.
    pub(crate) fn ids(filter: Option<Self>) -> Vec<ID> {
        let filter = filter.unwrap_or_default();
        filter.r#in.into_iter().flatten().chain(filter.eq).collect()
    }
}

/// Which hosts.
#[derive(Clone, Default, InputObject)]
pub struct HostFilter {
    /// Only of this organization.
    pub organization_id: Option<ID>,
    /// Only these.
    pub ids: Option<Vec<ID>>,
    /// Only of these sites.
    pub site: Option<IdFilter>,
    /// By name.
    pub hostname: Option<StringFilter>,
    /// Only with an open finding of this severity.
    pub severity: Option<SeverityFilter>,
    /// Only in this group.
    pub group_id: Option<ID>,
    /// Only (not) waiting for a reboot.
    pub is_reboot_pending: Option<bool>,
    /// Not seen since.
    pub not_seen_since: Option<DateTime>,
    /// Never scanned or not seen for seven days: what compliance counts as unknown.
    pub is_unknown: Option<bool>,
    /// Never scanned.
    pub is_never_scanned: Option<bool>,
}

/// Which findings.
#[derive(Clone, Default, InputObject)]
pub struct FindingFilter {
    /// Only of this organization.
    pub organization_id: Option<ID>,
    /// Only on this host.
    pub host_id: Option<ID>,
    /// Only of these sites.
    pub site: Option<IdFilter>,
    /// Only of this severity.
    pub severity: Option<SeverityFilter>,
    /// Only of this advisory.
    pub advisory_id: Option<ID>,
    /// Only of advisories that name this CVE, of whichever feed: who is affected by it.
    pub cve: Option<String>,
    /// Only in one of these states.
    pub applicability: Option<Vec<Applicability>>,
    /// Only what this patch fixes.
    pub patch_id: Option<ID>,
    /// By source package; `eq` only.
    pub source: Option<StringFilter>,
    /// Only (not) known to be exploited.
    pub is_known_exploited: Option<bool>,
    /// Only those whose deadline was (not) missed.
    pub is_overdue: Option<bool>,
    /// Only those that are due within so many days, or overdue; 0 to 3650.
    pub due_within_days: Option<i32>,
    /// Also those that are gone.
    #[graphql(default_with = "Some(false)")]
    pub include_resolved: Option<bool>,
}

/// By what findings and the queue are ordered.
#[derive(Clone, InputObject)]
pub struct FindingOrder {
    /// Which key.
    pub field: FindingOrderField,
}

impl FindingOrder {
    /// The service's word; risk when nothing is asked for.
    pub(crate) fn read(order: Option<Self>) -> netpatch_inventory_api::FindingOrder {
        order.map(|order| order.field.into()).unwrap_or_default()
    }
}

/// Which items of the remediation queue.
#[derive(Clone, Default, InputObject)]
pub struct QueueFilter {
    /// Only of this organization.
    pub organization_id: Option<ID>,
    /// Only hosts of these sites.
    pub site: Option<IdFilter>,
    /// Only of this severity.
    pub severity: Option<SeverityFilter>,
    /// Only those with a finding whose deadline was (not) missed.
    pub is_overdue: Option<bool>,
    /// Only those with a finding that is due within so many days, or overdue; 0 to 3650.
    pub due_within_days: Option<i32>,
}

/// Which baselines.
#[derive(Clone, Default, InputObject)]
pub struct BaselineFilter {
    /// Only those that date findings now, or only the others.
    pub is_followed: Option<bool>,
    /// Also those that ended.
    #[graphql(default_with = "Some(false)")]
    pub include_archived: Option<bool>,
}

/// Which patches.
#[derive(Clone, Default, InputObject)]
pub struct PatchFilter {
    /// Any of these kinds.
    pub classification: Option<Vec<PatchClassification>>,
    /// Only these.
    pub ids: Option<Vec<ID>>,
}

/// Which approvals.
#[derive(Clone, Default, InputObject)]
pub struct ApprovalFilter {
    /// Only of this organization.
    pub organization_id: Option<ID>,
    /// Any of these.
    pub status: Option<Vec<ApprovalStatus>>,
    /// Only about these patches.
    pub patch_ids: Option<Vec<ID>>,
}

/// Which deployments.
#[derive(Clone, Default, InputObject)]
pub struct DeploymentFilter {
    /// Only of this organization.
    pub organization_id: Option<ID>,
    /// Any of these.
    pub status: Option<Vec<DeploymentStatus>>,
}

/// Which entries of the ledger.
#[derive(Clone, Default, InputObject)]
pub struct LedgerFilter {
    /// Any of these actions.
    pub action: Option<Vec<String>>,
    /// Only about this subject.
    pub subject: Option<String>,
}

/// An advisory by exactly one of its names.
#[derive(Clone, OneofObject)]
pub enum AdvisoryBy {
    /// Our id.
    Id(ID),
    /// CVE id, e.g. `CVE-2026-1234`.
    Cve(String),
    /// The vendor's id, e.g. `DSA-6182-1`.
    VendorRef(String),
}
