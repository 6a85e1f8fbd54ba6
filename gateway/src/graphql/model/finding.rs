//! Findings and the remediation queue.

use super::*;
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent, catalog_id, organization_id, tenant_id};
use crate::graphql::{Connection, DateTime, Result, Sha256, asked, loaders, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_inventory_api as inventory;
use netpatch_types::{AdvisoryId, FindingId, HostId, OrganizationId, PatchId, ServiceError};
use uuid::Uuid;

/// Why a finding is one: enough to decide it again without us.
#[derive(Clone, SimpleObject)]
pub struct Evidence {
    /// Which feed.
    pub feed: String,
    /// The record's own id.
    pub record: String,
    /// Digest of the record's bytes.
    pub record_digest: Sha256,
    /// Which rule matched.
    pub rule: String,
    /// The version that was compared.
    pub installed_version: String,
    /// The first fixed version.
    pub fixed_version: String,
    /// By which order of versions.
    pub comparator: String,
    /// Of a finding that is gone: the vendor's word (VEX) that took it away, if that is why.
    pub cleared_by: Option<ClearedBy>,
}

/// A vendor's statement that an advisory does not apply.
#[derive(Clone, SimpleObject)]
pub struct ClearedBy {
    /// Which feed.
    pub feed: String,
    /// The record's own id.
    pub record: String,
    /// Digest of the record's bytes.
    pub record_digest: Sha256,
    /// `not_affected` or `fixed`.
    pub status: String,
}

/// Who offers a fix to a host.
#[derive(Clone, SimpleObject)]
pub struct Offer {
    /// The version that is offered.
    pub version: String,
    /// The repository's origin.
    pub origin: String,
    /// Its suite.
    pub suite: String,
    /// Its label.
    pub label: String,
}

/// An advisory that applies to a component on a host.
#[derive(Clone)]
pub struct Finding(pub inventory::Finding);

/// An advisory that applies to a component on a host.
#[Object]
impl Finding {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// On which host.
    async fn host(&self, ctx: &Context<'_>) -> Result<Option<Host>> {
        loaders(ctx)?.host(self.0.tenant, self.0.host).await
    }

    /// The host's name.
    async fn hostname(&self) -> &str {
        &self.0.hostname
    }

    /// What.
    async fn advisory(&self) -> Advisory {
        Advisory(self.0.advisory.clone())
    }

    /// In what.
    async fn component(&self) -> Component {
        self.0.component.clone().into()
    }

    /// What can be done now.
    async fn applicability(&self) -> Applicability {
        self.0.applicability.into()
    }

    /// What fixes it, if an origin of the host offers it.
    async fn patch(&self, ctx: &Context<'_>) -> Result<Option<Patch>> {
        match self.0.patch {
            Some(patch) => loaders(ctx)?.patch(self.0.tenant, patch).await,
            None => Ok(None),
        }
    }

    /// Who offers that fix; null when the host is no longer offered it.
    async fn offer(&self) -> Option<Offer> {
        self.0.offer.clone().map(|offer| Offer {
            version: offer.version,
            origin: offer.origin,
            suite: offer.suite,
            label: offer.label,
        })
    }

    /// Our number with its arithmetic.
    async fn risk(&self) -> Risk {
        self.0.risk.clone().into()
    }

    /// Why it is a finding.
    async fn evidence(&self) -> Evidence {
        let evidence = self.0.evidence.clone();
        Evidence {
            feed: evidence.feed,
            record: evidence.record,
            record_digest: evidence.record_digest.into(),
            rule: evidence.rule,
            installed_version: evidence.installed_version,
            fixed_version: evidence.fixed_version,
            comparator: evidence.comparator,
            cleared_by: evidence.cleared_by.map(|by| ClearedBy {
                feed: by.feed,
                record: by.record,
                record_digest: by.record_digest.into(),
                status: by.status,
            }),
        }
    }

    /// When it was seen first on this host.
    async fn first_seen_at(&self) -> DateTime {
        self.0.first_seen_at.into()
    }

    /// When it was gone.
    async fn resolved_at(&self) -> Option<DateTime> {
        self.0.resolved_at.map(DateTime)
    }

    /// The date that a rule demands; null when none sets one.
    async fn remediation_deadline(&self) -> Option<DateTime> {
        let deadline = self.0.deadline.as_ref()?;
        deadline.due_at.map(DateTime)
    }

    /// What the strictest rule demands, and why; null when no followed baseline speaks of it.
    async fn deadline(&self) -> Option<RemediationDeadline> {
        self.0.deadline.clone().map(|deadline| RemediationDeadline {
            deadline,
            resolved_at: self.0.resolved_at,
        })
    }

    /// Whether its deadline was missed.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool> {
        let now = session(ctx)?.apis.auth.clock().now();
        let missed = |deadline: &inventory::Deadline| deadline.overdue(self.0.resolved_at, now);
        Ok(self.0.deadline.as_ref().is_some_and(missed))
    }
}

/// A patch that waits in an organization, with why it matters.
#[derive(Clone)]
pub struct QueueItem(pub inventory::QueueItem);

/// A patch that waits in an organization, with why it matters.
#[Object]
impl QueueItem {
    /// What would be installed.
    async fn patch(&self) -> Patch {
        Patch {
            of: self.0.tenant,
            patch: self.0.patch.clone(),
        }
    }

    /// Whose hosts.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        loaders(ctx)?.organization(self.0.tenant).await
    }

    /// How many hosts need it.
    async fn host_count(&self) -> i32 {
        int(self.0.hosts)
    }

    /// How many open findings it closes.
    async fn finding_count(&self) -> i32 {
        int(self.0.findings)
    }

    /// The highest risk among them.
    async fn risk(&self) -> Risk {
        self.0.risk.clone().into()
    }

    /// Oldest first sight.
    async fn first_seen_at(&self) -> DateTime {
        self.0.first_seen_at.into()
    }

    /// The earliest deadline among its findings.
    async fn deadline(&self) -> Option<RemediationDeadline> {
        self.0.deadline.clone().map(|deadline| RemediationDeadline {
            deadline,
            resolved_at: None,
        })
    }

    /// Whether that deadline was missed.
    async fn is_overdue(&self, ctx: &Context<'_>) -> Result<bool> {
        let now = session(ctx)?.apis.auth.clock().now();
        let missed = |deadline: &inventory::Deadline| deadline.overdue(None, now);
        Ok(self.0.deadline.as_ref().is_some_and(missed))
    }

    /// The newest approval about it.
    async fn approval(&self, ctx: &Context<'_>) -> Result<Option<Approval>> {
        loaders(ctx)?
            .approval_of(self.0.tenant, self.0.patch.id)
            .await
    }
}

/// One finding; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: FindingId,
) -> Result<Option<Finding>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .inventory
            .finding_get(&ctx, inventory::FindingGet { id })
            .await,
    )?
    .map(Finding))
}

/// Findings in an order.
pub(crate) async fn listing(
    session: &Session,
    first: i32,
    after: Option<String>,
    filter: FindingFilter,
    order: inventory::FindingOrder,
) -> Result<Option<Connection<Finding>>> {
    let organization = filter
        .organization_id
        .as_ref()
        .map(organization_id)
        .transpose();
    let Some(organization) = absent(organization)? else {
        return Ok(None);
    };
    let Some(ctx) = absent(session.within(organization))? else {
        return Ok(None);
    };
    let filter = read_filter(filter, organization)?;
    let asked = asked("findings", &(&filter, order), first, after)?;
    let page = session
        .apis
        .inventory
        .finding_list(
            &ctx,
            inventory::FindingList {
                page: asked.page.clone(),
                order,
                filter,
            },
        )
        .await?;
    Ok(Some(asked.connection(page, Finding)))
}

/// Days ahead, as a filter gives them.
pub(crate) fn due_within(days: Option<i32>) -> Result<Option<u32>> {
    days.map(|days| {
        u32::try_from(days)
            .ok()
            .filter(|days| *days <= 3_650)
            .ok_or_else(|| ServiceError::invalid("filter", "dueWithinDays takes 0 to 3650 days"))
    })
    .transpose()
}

pub(super) fn read_filter(
    filter: FindingFilter,
    organization: Option<OrganizationId>,
) -> Result<inventory::FindingFilter> {
    let source = match filter.source {
        Some(StringFilter {
            contains: None,
            eq,
            r#in,
        }) => {
            let mut names: Vec<String> = r#in.into_iter().flatten().chain(eq).collect();
            if names.len() > 1 {
                return Err(ServiceError::invalid(
                    "filter",
                    "findings are filtered by one source package at a time",
                ));
            }
            names.pop()
        }
        Some(_) => {
            return Err(ServiceError::invalid(
                "filter",
                "source takes the exact name of a source package: use eq",
            ));
        }
        None => None,
    };
    let host = |id: &ID| {
        tenant_id::<HostId>(id, HostId::PREFIX, "host").map_or(HostId(Uuid::nil()), |(_, id)| id)
    };
    Ok(inventory::FindingFilter {
        tenant: organization,
        host: filter.host_id.as_ref().map(host),
        sites: super::host::sites(filter.site),
        severities: SeverityFilter::severities(filter.severity),
        advisory: filter.advisory_id.map(|id| {
            catalog_id(&id, AdvisoryId::PREFIX, "advisory").unwrap_or(AdvisoryId(Uuid::nil()))
        }),
        cve: filter.cve,
        applicability: filter
            .applicability
            .into_iter()
            .flatten()
            .map(Into::into)
            .collect(),
        patch: filter
            .patch_id
            .map(|id| catalog_id(&id, PatchId::PREFIX, "patch").unwrap_or(PatchId(Uuid::nil()))),
        source,
        kev: filter.is_known_exploited,
        overdue: filter.is_overdue,
        due_within_days: due_within(filter.due_within_days)?,
        resolved: filter.include_resolved.unwrap_or(false),
    })
}
