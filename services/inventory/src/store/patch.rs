//! Patches: what the catalog says of them, and what an organization's hosts make of them.

use crate::domain::content::Offer;
use crate::store::update::{COLUMNS as UPDATE, UpdateRow};
use crate::store::{decoded, encoded, number, sql::Query};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{Deadline, HostFacts, ListeningSocket, Probe, Target};
use netpatch_storage::{Database, StorageResult, TenantTx};
use netpatch_types::{
    HostId, Labels, PatchId, RequestContext, Selector, Severity, SiteId, TenantId,
};
use sea_orm::FromQueryResult;
use std::collections::BTreeSet;
use uuid::Uuid;

/// What the catalog says of a patch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CatalogPatch {
    /// Id.
    pub(crate) id: PatchId,
    /// `deb`.
    pub(crate) ecosystem: &'static str,
    /// `debian`.
    pub(crate) distribution: String,
    /// `bookworm`.
    pub(crate) release: String,
    /// Source package.
    pub(crate) name: String,
    /// Source version.
    pub(crate) fixed_version: String,
}

/// Adds patches to the catalog that it does not have.
pub(crate) async fn ensure(db: &Database, patches: &[CatalogPatch]) -> StorageResult<()> {
    let mut patches = patches.to_vec();
    patches.sort_unstable();
    patches.dedup_by_key(|patch| patch.id);
    let ids: Vec<Uuid> = patches.iter().map(|patch| patch.id.0).collect();
    let tx = db.directory_tx().await?;
    let known: Option<i64> = tx
        .value(
            "select count(*) from inventory.patches where id = any($1)",
            [ids.clone().into()],
        )
        .await?;
    tx.rollback().await?;
    if known.and_then(|known| usize::try_from(known).ok()) == Some(ids.len()) {
        return Ok(());
    }
    let text = |read: fn(&CatalogPatch) -> &str| -> Vec<String> {
        patches.iter().map(|patch| read(patch).to_owned()).collect()
    };
    let tx = db.catalog_tx().await?;
    tx.execute(
        "insert into inventory.patches (id, ecosystem, distribution, release, name, fixed_version) \
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) on conflict (id) do nothing",
        [
            ids.into(),
            text(|patch| patch.ecosystem).into(),
            text(|patch| &patch.distribution).into(),
            text(|patch| &patch.release).into(),
            text(|patch| &patch.name).into(),
            text(|patch| &patch.fixed_version).into(),
        ],
    )
    .await?;
    tx.commit().await
}

/// A patch was offered to a host of the organization, from this origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewOffer {
    /// Which.
    pub(crate) patch: PatchId,
    /// `Label` of the release file.
    pub(crate) label: String,
    /// `Suite` of the release file.
    pub(crate) suite: String,
    /// Section.
    pub(crate) section: String,
    /// What the vendor calls what it fixes.
    pub(crate) errata: BTreeSet<String>,
    /// Whether one of these is a security fix.
    pub(crate) security: bool,
}

/// Remembers offers; the first sight stays, another origin replaces the old one.
pub(crate) async fn offer(
    tx: &TenantTx,
    offers: &[NewOffer],
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let mut offers = offers.to_vec();
    offers.sort_by_key(|offer| offer.patch);
    offers.dedup_by(|later, first| {
        let same = later.patch == first.patch;
        if same {
            first.errata.append(&mut later.errata);
            first.security |= later.security;
        }
        same
    });
    let errata: StorageResult<Vec<String>> = offers
        .iter()
        .map(|offer| Ok(encoded("a patch's errata", &offer.errata)?.to_string()))
        .collect();
    let text = |read: fn(&NewOffer) -> &str| -> Vec<String> {
        offers.iter().map(|offer| read(offer).to_owned()).collect()
    };
    tx.execute(
        "insert into inventory.patch_offers (tenant_id, patch_id, label, suite, section, first_seen_at, errata, security) \
         select $1, patch, label, suite, section, $6, errata::jsonb, security \
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $7::text[], $8::boolean[]) \
         as r(patch, label, suite, section, errata, security) \
         on conflict (tenant_id, patch_id) do update set label = excluded.label, suite = excluded.suite, section = excluded.section, \
         errata = excluded.errata, security = excluded.security \
         where (patch_offers.label, patch_offers.suite, patch_offers.section, patch_offers.errata, patch_offers.security) \
         <> (excluded.label, excluded.suite, excluded.section, excluded.errata, excluded.security)",
        [
            tx.tenant()?.0.into(),
            offers.iter().map(|offer| offer.patch.0).collect::<Vec<_>>().into(),
            text(|offer| &offer.label).into(),
            text(|offer| &offer.suite).into(),
            text(|offer| &offer.section).into(),
            now.into(),
            errata?.into(),
            offers.iter().map(|offer| offer.security).collect::<Vec<_>>().into(),
        ],
    )
    .await?;
    Ok(())
}

/// A patch as one organization sees it.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub(crate) struct OfferedPatch {
    /// Whose.
    pub(crate) tenant_id: Uuid,
    /// Which.
    pub(crate) patch_id: Uuid,
    /// `debian`.
    pub(crate) distribution: String,
    /// `bookworm`.
    pub(crate) release: String,
    /// Source package.
    pub(crate) name: String,
    /// Source version.
    pub(crate) fixed_version: String,
    /// `Label` of the release file.
    pub(crate) label: String,
    /// `Suite` of the release file.
    pub(crate) suite: String,
    /// Section.
    pub(crate) section: String,
    /// `deb`.
    pub(crate) ecosystem: String,
    /// What the vendor calls what it fixes, a list of texts.
    pub(crate) errata: serde_json::Value,
    /// Whether one of these is a security fix.
    pub(crate) security: bool,
    /// When a host first offered it.
    pub(crate) first_seen_at: DateTime<Utc>,
    /// Hosts that could install it now.
    pub(crate) installable: i64,
    /// Hosts that were offered it, also held or phased.
    pub(crate) needing: i64,
    /// Numbers of the advisories that it fixes or fixed on the organization's hosts.
    pub(crate) advisories: Vec<i32>,
}

/// Patches that the request may see; only these, if named, only of this organization, if named, and only on these sites, if named.
pub(crate) async fn offered(
    tx: &TenantTx,
    ctx: &RequestContext,
    ids: Option<&[PatchId]>,
    tenant: Option<TenantId>,
    sites: &[SiteId],
) -> StorageResult<Vec<OfferedPatch>> {
    let ids: Option<Vec<Uuid>> = ids.map(|ids| ids.iter().map(|id| id.0).collect());
    let narrow = |query: &mut Query, table: &str| {
        if let Some(ids) = &ids {
            query.and(&format!("{table}.patch_id = any("), ids.clone(), ")");
        }
        query.of_tenant(tenant, table);
    };
    let on_hosts = |query: &mut Query| {
        query.in_scope(ctx, "h");
        if !sites.is_empty() {
            query.and(
                "h.site_id = any(",
                sites.iter().map(|site| site.0).collect::<Vec<_>>(),
                ")",
            );
        }
    };
    let mut query = Query::new(
        "with updates as (select u.tenant_id, u.patch_id, count(distinct u.host_id) filter (where u.state = 'installable' and u.refusal is null) as installable, \
         count(distinct u.host_id) filter (where u.state <> 'kept_back' and u.refusal is null) as needing from inventory.host_updates u \
         join inventory.hosts h on h.tenant_id = u.tenant_id and h.id = u.host_id where true",
    );
    narrow(&mut query, "u");
    on_hosts(&mut query);
    query.push(
        " group by u.tenant_id, u.patch_id), fixes as (select e.tenant_id, e.patch_id, array_agg(distinct e.advisory) as advisories \
         from inventory.exposures e join inventory.hosts h on h.tenant_id = e.tenant_id and h.id = e.host_id where e.patch_id is not null",
    );
    narrow(&mut query, "e");
    on_hosts(&mut query);
    query.push(
        " group by e.tenant_id, e.patch_id) select o.tenant_id, o.patch_id, p.ecosystem, p.distribution, p.release, p.name, p.fixed_version, \
         o.label, o.suite, o.section, o.errata, o.security, o.first_seen_at, coalesce(u.installable, 0) as installable, coalesce(u.needing, 0) as needing, \
         coalesce(f.advisories, '{}') as advisories from inventory.patch_offers o join inventory.patches p on p.id = o.patch_id \
         left join updates u on u.tenant_id = o.tenant_id and u.patch_id = o.patch_id \
         left join fixes f on f.tenant_id = o.tenant_id and f.patch_id = o.patch_id where true",
    );
    narrow(&mut query, "o");
    if ctx.sites.is_some() || !sites.is_empty() {
        // Who sees some sites only sees the patches of their hosts.
        query.push(" and (u.patch_id is not null or f.patch_id is not null)");
    }
    query.push(" order by p.name, o.patch_id, o.tenant_id");
    tx.all(&query.text, query.values).await
}

/// A patch that hosts are offered now.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct CurrentPatch {
    /// Which.
    pub(crate) id: Uuid,
    /// `deb`.
    pub(crate) ecosystem: String,
    /// `debian`.
    pub(crate) distribution: String,
    /// `bookworm`.
    pub(crate) release: String,
    /// Source package.
    pub(crate) name: String,
    /// Source version.
    pub(crate) fixed_version: String,
}

/// Patches of these source packages that hosts are offered now.
pub(crate) async fn current(
    tx: &TenantTx,
    ctx: &RequestContext,
    names: Vec<String>,
) -> StorageResult<Vec<CurrentPatch>> {
    let mut query = Query::new(
        "select distinct p.id, p.ecosystem, p.distribution, p.release, p.name, p.fixed_version from inventory.host_updates u \
         join inventory.hosts h on h.tenant_id = u.tenant_id and h.id = u.host_id join inventory.patches p on p.id = u.patch_id where true",
    );
    query.and("p.name = any(", names, ")").in_scope(ctx, "h");
    tx.all(&query.text, query.values).await
}

/// The open findings of a patch, summed, with the worst one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatchFindings {
    /// Whose.
    pub(crate) tenant: Uuid,
    /// Which patch.
    pub(crate) patch: Uuid,
    /// How many.
    pub(crate) findings: u64,
    /// Oldest first sight.
    pub(crate) first_seen_at: DateTime<Utc>,
    /// Advisory number of the worst one.
    pub(crate) advisory: u32,
    /// Its risk, in tenths.
    pub(crate) risk: i32,
    /// Labels of its host.
    pub(crate) labels: Labels,
    /// Who listens on it.
    pub(crate) listening: Vec<ListeningSocket>,
    /// What relays found out about that.
    pub(crate) probes: Vec<Probe>,
    /// The earliest deadline among them.
    pub(crate) due: Option<Deadline>,
}

#[derive(FromQueryResult)]
struct FindingsRow {
    tenant_id: Uuid,
    patch_id: Uuid,
    findings: i64,
    first_seen_at: DateTime<Utc>,
    advisory: i32,
    risk: i32,
    labels: serde_json::Value,
    listening: Option<serde_json::Value>,
    probes: Option<serde_json::Value>,
    due: Option<serde_json::Value>,
}

/// Open findings by patch.
pub(crate) async fn findings(
    tx: &TenantTx,
    ctx: &RequestContext,
    tenant: Option<TenantId>,
    sites: &[SiteId],
    severities: &[Severity],
) -> StorageResult<Vec<PatchFindings>> {
    let mut query = Query::new(
        "select distinct on (e.tenant_id, e.patch_id) e.tenant_id, e.patch_id, \
         count(*) over (partition by e.tenant_id, e.patch_id) as findings, \
         min(e.opened_at) over (partition by e.tenant_id, e.patch_id) as first_seen_at, e.advisory, e.risk, h.labels, h.facts -> 'listening' as listening, h.probes, \
         first_value(e.due) over (partition by e.tenant_id, e.patch_id order by e.due_at nulls last, e.id) as due \
         from inventory.exposures e join inventory.hosts h on h.tenant_id = e.tenant_id and h.id = e.host_id \
         where e.closed_at is null and e.patch_id is not null",
    );
    query.of_tenant(tenant, "e").in_scope(ctx, "h");
    if !sites.is_empty() {
        query.and(
            "h.site_id = any(",
            sites.iter().map(|site| site.0).collect::<Vec<_>>(),
            ")",
        );
    }
    if !severities.is_empty() {
        let words: Vec<String> = severities
            .iter()
            .map(|severity| severity.as_str().to_owned())
            .collect();
        query.and("e.severity = any(", words, ")");
    }
    query.push(" order by e.tenant_id, e.patch_id, e.risk desc, e.id");
    let rows: Vec<FindingsRow> = tx.all(&query.text, query.values).await?;
    rows.into_iter()
        .map(|row| {
            Ok(PatchFindings {
                tenant: row.tenant_id,
                patch: row.patch_id,
                findings: u64::try_from(row.findings).unwrap_or_default(),
                first_seen_at: row.first_seen_at,
                advisory: number(row.advisory),
                risk: row.risk,
                labels: decoded("a host's labels", row.labels)?,
                listening: super::finding::listening(row.listening)?,
                probes: super::probe::probes(row.probes)?,
                due: row.due.map(|due| decoded("a deadline", due)).transpose()?,
            })
        })
        .collect()
}

#[derive(FromQueryResult)]
struct NameRow {
    hostname: String,
}

/// What hosts would install for a patch now.
pub(crate) async fn content(
    tx: &TenantTx,
    ctx: &RequestContext,
    patch: PatchId,
    group: Option<&Selector>,
) -> StorageResult<Vec<Offer>> {
    let mut query = Query::new(format!(
        "select h.hostname, {UPDATE} from inventory.host_updates u join inventory.hosts h on h.tenant_id = u.tenant_id and h.id = u.host_id \
         where u.state = 'installable' and u.refusal is null"
    ));
    query.and("u.patch_id =", patch.0, "").in_scope(ctx, "h");
    if let Some(selector) = group {
        query.matching(selector, "h");
    }
    query.push(" order by h.hostname, h.id, u.name, u.arch");
    let rows: Vec<Joined> = tx.all(&query.text, query.values).await?;
    rows.into_iter()
        .map(|row| {
            Ok(Offer {
                hostname: row.host.hostname,
                update: row.update.into_update()?,
            })
        })
        .collect()
}

struct Joined {
    host: NameRow,
    update: UpdateRow,
}

impl FromQueryResult for Joined {
    fn from_query_result(row: &sea_orm::QueryResult, prefix: &str) -> Result<Self, sea_orm::DbErr> {
        Ok(Self {
            host: NameRow::from_query_result(row, prefix)?,
            update: UpdateRow::from_query_result(row, prefix)?,
        })
    }
}

#[derive(FromQueryResult)]
struct TargetRow {
    tenant_id: Uuid,
    id: Uuid,
    hostname: String,
    site_id: Uuid,
    labels: serde_json::Value,
    facts: serde_json::Value,
    patches: Vec<Uuid>,
}

/// Hosts that could install at least one of the patches now; a host in quarantine gets nothing.
pub(crate) async fn targets(
    tx: &TenantTx,
    ctx: &RequestContext,
    patches: &[PatchId],
    group: Option<&Selector>,
) -> StorageResult<Vec<Target>> {
    let mut query = Query::new(
        "select h.tenant_id, h.id, h.hostname, h.site_id, h.labels, h.facts, array_agg(distinct u.patch_id) as patches \
         from inventory.host_updates u join inventory.hosts h on h.tenant_id = u.tenant_id and h.id = u.host_id \
         where u.state = 'installable' and u.refusal is null and not h.quarantined",
    );
    query
        .and(
            "u.patch_id = any(",
            patches.iter().map(|patch| patch.0).collect::<Vec<_>>(),
            ")",
        )
        .in_scope(ctx, "h");
    if let Some(selector) = group {
        query.matching(selector, "h");
    }
    query.push(" group by h.tenant_id, h.id order by h.tenant_id, h.hostname, h.id");
    let rows: Vec<TargetRow> = tx.all(&query.text, query.values).await?;
    rows.into_iter()
        .map(|row| {
            let labels: Labels = decoded("a host's labels", row.labels)?;
            let facts: HostFacts = decoded("a host's facts", row.facts)?;
            Ok(Target {
                host: row.id.into(),
                tenant: row.tenant_id.into(),
                hostname: row.hostname,
                site: row.site_id.into(),
                ring: super::host::ring_of(&labels),
                time_zone: super::host::time_zone_of(&labels, &facts),
                patches: row.patches.into_iter().map(Into::into).collect(),
            })
        })
        .collect()
}

#[derive(FromQueryResult)]
struct PatchIdRow {
    patch_id: Uuid,
}

/// Which of these patches a host is still offered, in any state.
pub(crate) async fn pending(
    tx: &TenantTx,
    host: HostId,
    patches: &[PatchId],
) -> StorageResult<Vec<PatchId>> {
    let rows: Vec<PatchIdRow> = tx
        .all(
            "select distinct u.patch_id from inventory.host_updates u where u.host_id = $1 and u.patch_id = any($2) order by u.patch_id",
            [host.0.into(), patches.iter().map(|patch| patch.0).collect::<Vec<_>>().into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.patch_id.into()).collect())
}
