//! Advisories.

use super::{Finding, FindingFilter, Host, Severity, Ssvc};
use crate::graphql::{Connection, DateTime, Result, session};
use async_graphql::{Context, ID, Object};
use netpatch_inventory_api as inventory;

/// A vendor's or database's notice.
#[derive(Clone)]
pub struct Advisory(pub inventory::Advisory);

/// A vendor's or database's notice.
#[Object]
impl Advisory {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public().into()
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// CVE ids.
    async fn cves(&self) -> &[String] {
        &self.0.cves
    }

    /// The vendor's notices that fix it.
    async fn vendor_refs(&self) -> &[String] {
        &self.0.vendor_refs
    }

    /// One line; may be empty.
    async fn summary(&self) -> &str {
        &self.0.summary
    }

    /// How bad.
    async fn severity(&self) -> Severity {
        self.0.severity.into()
    }

    /// Highest CVSS base score.
    async fn cvss_score(&self) -> Option<f64> {
        self.0.cvss_score
    }

    /// Its vector.
    async fn cvss_vector(&self) -> Option<&str> {
        self.0.cvss_vector.as_deref()
    }

    /// Probability of exploitation within 30 days, 0–1 (FIRST EPSS).
    async fn epss(&self) -> Option<f64> {
        self.0.epss
    }

    /// In CISA's catalogue of known exploited vulnerabilities.
    async fn is_known_exploited(&self) -> bool {
        self.0.kev
    }

    /// Used by ransomware, says CISA.
    async fn is_ransomware(&self) -> bool {
        self.0.ransomware
    }

    /// When CISA added it to the catalogue; of several CVEs the first.
    async fn known_exploited_since(&self) -> Option<String> {
        self.0.kev_added.map(|date| date.to_string())
    }

    /// CISA's SSVC decision points; of several CVEs the worst.
    async fn ssvc(&self) -> Option<Ssvc> {
        self.0.ssvc.map(Ssvc::from)
    }

    /// When the vendor published it.
    async fn published_at(&self) -> Option<DateTime> {
        self.0.published_at.map(DateTime)
    }

    /// Which feed.
    async fn feed(&self) -> &str {
        &self.0.feed
    }

    /// The security tracker's page.
    async fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }

    /// Where it applies, worst first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn findings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<FindingFilter>,
        #[graphql(desc = "In which order; by risk if not given.")] order_by: Option<
            super::FindingOrder,
        >,
    ) -> Result<Option<Connection<Finding>>> {
        let filter = FindingFilter {
            advisory_id: Some(self.0.id.public().into()),
            ..filter.unwrap_or_default()
        };
        super::finding::listing(
            session(ctx)?,
            first,
            after,
            filter,
            super::FindingOrder::read(order_by),
        )
        .await
    }

    /// The hosts that it applies to now, by name. Also those whose findings are still being evaluated.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn affected_hosts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Host>>> {
        super::host::affected(session(ctx)?, self.0.id, first, after).await
    }
}
