//! Remediation deadlines: the dates that rules demand, with their reasons.

use super::Standard;
use crate::graphql::{DateTime, Result, session};
use async_graphql::{Context, Object};
use netpatch_inventory_api as inventory;

/// The date that a rule demands, with its reason.
#[derive(Clone)]
pub struct RemediationDeadline {
    /// What the rule demands.
    pub deadline: inventory::Deadline,
    /// When the finding was gone.
    pub resolved_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// The date that a rule demands, with its reason.
#[Object]
impl RemediationDeadline {
    /// The last moment; null: with the next scheduled upgrade of the host.
    async fn due_at(&self) -> Option<DateTime> {
        self.deadline.due_at.map(DateTime)
    }

    /// Why this date: what counted, from when, and what nobody knew.
    async fn reason(&self) -> &str {
        &self.deadline.reason
    }

    /// The baseline that demands it.
    async fn baseline_name(&self) -> &str {
        &self.deadline.baseline
    }

    /// Whose rules the baseline follows.
    async fn standard(&self) -> Standard {
        self.deadline.standard.into()
    }

    /// Where these rules are published; null for the organization's own.
    async fn source_url(&self) -> Option<&'static str> {
        Some(self.deadline.standard.publication().url).filter(|url| !url.is_empty())
    }

    /// Whether the rule also demands to look for signs of a break-in, before the evidence is gone.
    async fn requires_forensic_triage(&self) -> bool {
        self.deadline.forensic_triage
    }

    /// The date that the rules demand, where an exception moved it; null where none did.
    async fn original_due_at(&self) -> Option<DateTime> {
        let moved = self.deadline.moved_by.as_ref();
        moved.map(|moved| moved.original_due_at.into())
    }

    /// Name of the exception that moved the date; null where none did.
    async fn exception_name(&self) -> Option<&str> {
        let moved = self.deadline.moved_by.as_ref();
        moved.map(|moved| moved.name.as_str())
    }

    /// Whether it was missed: the finding is still there, or went too late.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool> {
        let now = session(ctx)?.apis.auth.clock().now();
        Ok(self.deadline.overdue(self.resolved_at, now))
    }
}
