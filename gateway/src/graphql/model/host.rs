//! Hosts.

use super::*;
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent, organization_id, tenant_id};
use crate::graphql::{Connection, DateTime, Result, asked, loaders, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::Utc;
use netpatch_inventory_api as inventory;
use netpatch_scheduler_api as scheduler;
use netpatch_types::{
    AdvisoryId, GroupId, HostId, OrganizationId, PageRequest, RequestContext, SiteId,
};

/// A host that was not seen for so long is neither compliant nor not.
const STALE_DAYS: i64 = 7;

/// A machine.
#[derive(Clone)]
pub struct Host(pub inventory::Host);

/// How many findings of one severity.
#[derive(Clone, SimpleObject)]
pub struct SeverityCount {
    /// Which severity.
    pub severity: Severity,
    /// How many.
    pub count: i32,
}

impl Host {
    /// Where the host stands, and why in one sentence.
    fn standing(&self, now: chrono::DateTime<Utc>) -> (HostState, String) {
        let host = &self.0;
        let stale = now - chrono::Duration::days(STALE_DAYS);
        let open: u64 = host.open_findings.values().sum();
        if host.last_scan_at.is_none() {
            return (
                HostState::UnknownStale,
                "It has never been scanned.".to_owned(),
            );
        }
        if host.last_seen_at.is_none_or(|seen| seen < stale) {
            return (
                HostState::UnknownStale,
                format!("It has not been seen for more than {STALE_DAYS} days."),
            );
        }
        if open > 0 {
            let mut worst: Vec<_> = host
                .open_findings
                .iter()
                .filter(|(_, count)| **count > 0)
                .collect();
            worst.sort_by_key(|(severity, _)| std::cmp::Reverse(**severity));
            let words: Vec<String> = worst
                .iter()
                .map(|(severity, count)| format!("{count} {}", severity.as_str()))
                .collect();
            let noun = if open == 1 {
                "finding is"
            } else {
                "findings are"
            };
            return (
                HostState::NonCompliant,
                format!("{open} {noun} open: {}.", words.join(", ")),
            );
        }
        if host.facts.reboot_pending {
            return (
                HostState::RebootPending,
                "It is updated, but has to be rebooted.".to_owned(),
            );
        }
        let reason = match host.scan_problem.as_str() {
            "" => "No finding is open.".to_owned(),
            problem => format!("No finding is open, but the last scan was incomplete: {problem}."),
        };
        (HostState::Compliant, reason)
    }
}

/// A machine.
#[Object]
impl Host {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// As the host calls itself.
    async fn hostname(&self) -> &str {
        &self.0.facts.hostname
    }

    /// Whose it is.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        loaders(ctx)?.organization(self.0.tenant).await
    }

    /// Where it is.
    async fn site(&self, ctx: &Context<'_>) -> Result<Option<Site>> {
        loaders(ctx)?.site(self.0.tenant, self.0.site).await
    }

    /// How it stands.
    async fn state(&self, ctx: &Context<'_>) -> Result<HostState> {
        Ok(self.standing(session(ctx)?.apis.auth.clock().now()).0)
    }

    /// Why it stands so, in one sentence.
    async fn state_reason(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(self.standing(session(ctx)?.apis.auth.clock().now()).1)
    }

    /// Name of the operating system.
    async fn os_name(&self) -> &str {
        &self.0.facts.os_name
    }

    /// Code name of its release, e.g. `bookworm`.
    async fn os_release(&self) -> &str {
        &self.0.facts.os_release
    }

    /// Its number, e.g. `12`; null where the system has none.
    async fn os_version(&self) -> Option<&str> {
        Some(self.0.facts.os_version.as_str()).filter(|version| !version.is_empty())
    }

    /// Package architecture.
    async fn arch(&self) -> &str {
        &self.0.facts.arch
    }

    /// Running kernel.
    async fn kernel(&self) -> &str {
        &self.0.facts.kernel
    }

    /// IANA time zone: label, else as reported; empty: the site's.
    async fn time_zone(&self) -> &str {
        &self.0.time_zone
    }

    /// Labels in order of their keys.
    async fn labels(&self) -> Vec<Label> {
        super::group::labels(&self.0.labels)
    }

    /// Ring: canary, early, broad, last.
    async fn ring(&self) -> &str {
        &self.0.ring
    }

    /// Groups whose selector matches now.
    #[graphql(complexity = "2 + 5 * child_complexity")]
    async fn groups(&self, ctx: &Context<'_>) -> Result<Option<Vec<Group>>> {
        if self.0.groups.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let all = loaders(ctx)?.groups(self.0.tenant).await?;
        Ok(Some(
            all.into_iter()
                .filter(|group| self.0.groups.contains(&group.0.id))
                .collect(),
        ))
    }

    /// When it enrolled.
    async fn registered_at(&self) -> DateTime {
        self.0.registered_at.into()
    }

    /// Last heartbeat.
    async fn last_seen_at(&self) -> Option<DateTime> {
        self.0.last_seen_at.map(DateTime)
    }

    /// Last scan.
    async fn last_scan_at(&self) -> Option<DateTime> {
        self.0.last_scan_at.map(DateTime)
    }

    /// Who says what it consists of.
    async fn software_from(&self) -> SoftwareOrigin {
        self.0.software_from.into()
    }

    /// Why the last scan was incomplete; null when it was complete.
    async fn scan_problem(&self) -> Option<&str> {
        Some(self.0.scan_problem.as_str()).filter(|problem| !problem.is_empty())
    }

    /// Whether a reboot is pending.
    async fn is_reboot_pending(&self) -> bool {
        self.0.facts.reboot_pending
    }

    /// Whether its agent was told never to change it.
    async fn is_audit_only(&self) -> bool {
        self.0.facts.audit_only
    }

    /// Whether two copies of its identity were live; a person must release it.
    async fn is_quarantined(&self) -> bool {
        self.0.quarantined
    }

    /// Newest kernel on its disk; null without any. Where it is not the running one, a reboot brings it.
    async fn installed_kernel(&self) -> Option<&str> {
        Some(self.0.facts.installed_kernel.as_str()).filter(|kernel| !kernel.is_empty())
    }

    /// Changes with each boot.
    async fn boot_id(&self) -> Option<&str> {
        Some(self.0.facts.boot_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The machine.
    async fn hardware(&self) -> Hardware {
        (&self.0.facts).into()
    }

    /// Sockets that wait for others, as the host itself sees them, with what relays of its site found out.
    #[graphql(complexity = "5 + 2 * child_complexity")]
    async fn listening(&self) -> Vec<ListeningSocket> {
        let host = &self.0;
        host.facts
            .listening
            .iter()
            .map(|socket| ListeningSocket::of(host.tenant, socket, &host.probes))
            .collect()
    }

    /// What its firewall was read with: `nft`, `iptables`; null when neither answered or its agent does not look.
    async fn firewall_reader(&self) -> Option<&str> {
        Some(self.0.facts.firewall.reader.as_str()).filter(|reader| !reader.is_empty())
    }

    /// Why it is not known what its firewall lets through; null when it is known.
    async fn firewall_problem(&self) -> Option<&str> {
        Some(self.0.facts.firewall.problem.as_str()).filter(|problem| !problem.is_empty())
    }

    /// Services that still run replaced files: a restart of them, or a reboot, finishes an update.
    async fn stale_services(&self) -> Vec<StaleService> {
        self.0.facts.stale_services.iter().map(Into::into).collect()
    }

    /// Who says what is installed, and why that is not all.
    async fn providers(&self) -> Vec<HostProvider> {
        self.0.facts.providers.iter().map(Into::into).collect()
    }

    /// The relay that carried the last heartbeat.
    async fn relay(&self, ctx: &Context<'_>) -> Result<Option<Relay>> {
        match self.0.relay {
            Some(relay) => loaders(ctx)?.relay(self.0.tenant, relay).await,
            None => Ok(None),
        }
    }

    /// Open findings by severity, worst first.
    async fn open_findings(&self) -> Vec<SeverityCount> {
        let count = |(severity, count): (&netpatch_types::Severity, &u64)| SeverityCount {
            severity: (*severity).into(),
            count: int(*count),
        };
        self.0.open_findings.iter().rev().map(count).collect()
    }

    /// Changes with each change by a person; `ifMatch` of an update.
    async fn etag(&self) -> &str {
        &self.0.etag
    }

    /// Patches that it cannot take, and why: they are not offered to it. At most 1,000.
    #[graphql(complexity = "20 + 20 * child_complexity")]
    async fn refused_patches(&self, ctx: &Context<'_>) -> Result<Option<Vec<super::PatchRefusal>>> {
        let wanted = inventory::PatchRefusals {
            tenant: Some(self.0.tenant),
            host: Some(self.0.id),
            ..Default::default()
        };
        super::patch::refusals(session(ctx)?, self.0.tenant, wanted).await
    }

    /// What is known of the machine besides what its agent reports; null: nothing.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Option<super::Asset>> {
        loaders(ctx)?.asset_of(self.0.tenant, self.0.id).await
    }

    /// Findings, worst first.
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
            organization_id: Some(self.0.tenant.public(self.0.tenant).into()),
            host_id: Some(self.0.id.public(self.0.tenant).into()),
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

    /// Installed components by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn components(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        name_contains: Option<String>,
    ) -> Result<Option<Connection<Component>>> {
        let asked = asked("components", &(self.0.id, &name_contains), first, after)?;
        let session = session(ctx)?;
        let list = inventory::ComponentList {
            host: self.0.id,
            name_contains,
            page: asked.page.clone(),
        };
        let page = session
            .apis
            .inventory
            .component_list(&session.inside(self.0.tenant)?, list)
            .await?;
        Ok(Some(asked.connection(page, Component::from)))
    }

    /// Runs, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Run>>> {
        let list = scheduler::RunList {
            host: Some(self.0.id),
            ..Default::default()
        };
        super::run::listing(session(ctx)?, self.0.tenant, first, after, list).await
    }
}

/// One host; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: HostId,
) -> Result<Option<Host>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .inventory
            .host_get(&ctx, inventory::HostGet { id })
            .await,
    )?
    .map(Host))
}

/// The hosts that an advisory applies to.
pub(crate) async fn affected(
    session: &Session,
    advisory: AdvisoryId,
    first: i32,
    after: Option<String>,
) -> Result<Option<Connection<Host>>> {
    let filter = inventory::HostFilter {
        advisory: Some(advisory),
        ..inventory::HostFilter::default()
    };
    let asked = asked("affected hosts", &filter, first, after)?;
    let list = inventory::HostList {
        page: asked.page.clone(),
        filter,
    };
    let ctx = session.everywhere()?;
    let page = session.apis.inventory.host_list(&ctx, list).await?;
    Ok(Some(asked.connection(page, Host)))
}

/// Hosts in order of name.
pub(crate) async fn listing(
    session: &Session,
    first: i32,
    after: Option<String>,
    filter: HostFilter,
) -> Result<Option<Connection<Host>>> {
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
    let mut wanted = read_filter(filter.clone(), organization)?;
    let asked = asked(
        "hosts",
        &(
            &wanted,
            filter.hostname.as_ref().map(|name| (&name.eq, &name.r#in)),
        ),
        first,
        after,
    )?;
    let names: Vec<String> = filter
        .hostname
        .into_iter()
        .flat_map(|name| name.r#in.into_iter().flatten().chain(name.eq))
        .collect();
    if !names.is_empty() {
        let found = named(session, &ctx, &wanted, &names).await?;
        if found.is_empty() {
            return Ok(Some(asked.connection(netpatch_types::Page::empty(), Host)));
        }
        wanted.ids = found;
    }
    let page = session
        .apis
        .inventory
        .host_list(
            &ctx,
            inventory::HostList {
                page: asked.page.clone(),
                filter: wanted,
            },
        )
        .await?;
    Ok(Some(asked.connection(page, Host)))
}

/// An id that cannot be read, or is another organization's, lets nothing through: the nil id does that.
fn read_filter(
    filter: HostFilter,
    organization: Option<OrganizationId>,
) -> Result<inventory::HostFilter> {
    let host = |id: &ID| {
        tenant_id::<HostId>(id, HostId::PREFIX, "host")
            .map_or(HostId(uuid::Uuid::nil()), |(_, id)| id)
    };
    let group = |id: &ID| {
        tenant_id::<GroupId>(id, GroupId::PREFIX, "group")
            .map_or(GroupId(uuid::Uuid::nil()), |(_, id)| id)
    };
    Ok(inventory::HostFilter {
        tenant: organization,
        ids: filter.ids.unwrap_or_default().iter().map(host).collect(),
        sites: sites(filter.site),
        hostname_contains: filter.hostname.and_then(|name| name.contains),
        severities: SeverityFilter::severities(filter.severity),
        group: filter.group_id.as_ref().map(group),
        advisory: None,
        not_seen_since: filter.not_seen_since.map(|since| since.0),
        reboot_pending: filter.is_reboot_pending,
        unknown: filter.is_unknown,
        never_scanned: filter.is_never_scanned,
    })
}

/// The sites of a filter.
pub(crate) fn sites(filter: Option<IdFilter>) -> Vec<SiteId> {
    let site = |id: &ID| {
        tenant_id::<SiteId>(id, SiteId::PREFIX, "site")
            .map_or(SiteId(uuid::Uuid::nil()), |(_, id)| id)
    };
    IdFilter::ids(filter).iter().map(site).collect()
}

/// Hosts with exactly one of these names, at most 100 a name.
async fn named(
    session: &Session,
    ctx: &RequestContext,
    filter: &inventory::HostFilter,
    names: &[String],
) -> Result<Vec<HostId>> {
    let mut found = Vec::new();
    for name in names.iter().take(100) {
        let filter = inventory::HostFilter {
            hostname_contains: Some(name.clone()),
            ..filter.clone()
        };
        let page = session
            .apis
            .inventory
            .host_list(
                ctx,
                inventory::HostList {
                    page: PageRequest::largest(),
                    filter,
                },
            )
            .await?;
        found.extend(
            page.into_nodes()
                .into_iter()
                .filter(|host| host.facts.hostname == *name)
                .map(|host| host.id),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
