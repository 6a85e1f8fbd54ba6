//! Findings as they are read: an exposure with its host and component.

use crate::store::component::ecosystem;
use crate::store::{column, decoded, number, sql::Query};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::FindingFilter;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{ComponentKey, FindingId, Labels, RequestContext};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// A finding without what the catalog says of its advisory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredFinding {
    /// Id.
    pub(crate) id: Uuid,
    /// Whose.
    pub(crate) tenant: Uuid,
    /// Host.
    pub(crate) host: Uuid,
    /// Its name.
    pub(crate) hostname: String,
    /// Its site.
    pub(crate) site: Uuid,
    /// Its labels.
    pub(crate) labels: Labels,
    /// Advisory number.
    pub(crate) advisory: u32,
    /// What.
    pub(crate) component: ComponentKey,
    /// The version that was compared.
    pub(crate) installed_version: String,
    /// The first fixed version.
    pub(crate) fixed_version: String,
    /// Which rule.
    pub(crate) rule: String,
    /// Tenths; the sort key.
    pub(crate) risk: i32,
    /// What would fix it.
    pub(crate) patch: Option<Uuid>,
    /// Applicability's word.
    pub(crate) applicability: String,
    /// First seen.
    pub(crate) opened_at: DateTime<Utc>,
    /// Gone.
    pub(crate) closed_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    tenant_id: Uuid,
    host_id: Uuid,
    hostname: String,
    site_id: Uuid,
    labels: serde_json::Value,
    advisory: i32,
    ecosystem: String,
    distribution: String,
    release: String,
    name: String,
    version: String,
    arch: String,
    source: String,
    source_version: String,
    installed_version: String,
    fixed_version: String,
    rule: String,
    risk: i32,
    patch_id: Option<Uuid>,
    applicability: String,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "e.id, e.tenant_id, e.host_id, h.hostname, h.site_id, h.labels, e.advisory, c.ecosystem, c.distribution, c.release, \
    c.name, c.version, c.arch, c.source, c.source_version, e.installed_version, e.fixed_version, e.rule, e.risk, e.patch_id, \
    e.applicability, e.opened_at, e.closed_at";

const HOST: &str = "join inventory.hosts h on h.tenant_id = e.tenant_id and h.id = e.host_id";
const COMPONENT: &str = "join inventory.components c on c.number = e.component";

fn stored(row: Row) -> StorageResult<StoredFinding> {
    Ok(StoredFinding {
        id: row.id,
        tenant: row.tenant_id,
        host: row.host_id,
        hostname: row.hostname,
        site: row.site_id,
        labels: decoded("a host's labels", row.labels)?,
        advisory: number(row.advisory),
        component: ComponentKey {
            ecosystem: ecosystem(&row.ecosystem)?,
            distribution: row.distribution,
            release: row.release,
            name: row.name,
            version: row.version,
            arch: row.arch,
            source: row.source,
            source_version: row.source_version,
        },
        installed_version: row.installed_version,
        fixed_version: row.fixed_version,
        rule: row.rule,
        risk: row.risk,
        patch: row.patch_id,
        applicability: row.applicability,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
    })
}

/// One finding that the request may see.
pub(crate) async fn get(
    tx: &TenantTx,
    ctx: &RequestContext,
    id: FindingId,
) -> StorageResult<Option<StoredFinding>> {
    let mut query = Query::new(format!(
        "select {COLUMNS} from inventory.exposures e {HOST} {COMPONENT} where true"
    ));
    query.and("e.id =", id.0, "").in_scope(ctx, "h");
    tx.one::<Row>(&query.text, query.values)
        .await?
        .map(stored)
        .transpose()
}

/// Findings, worst first, behind `after` = (risk, id); and how many there are, counted up to 10,000. `advisory` is the number of
/// the filter's advisory.
pub(crate) async fn list(
    tx: &TenantTx,
    ctx: &RequestContext,
    filter: &FindingFilter,
    advisory: Option<u32>,
    after: Option<(i32, Uuid)>,
    limit: u64,
) -> StorageResult<(Vec<StoredFinding>, u64)> {
    let mut query = Query::new(format!(
        " from inventory.exposures e {HOST} {COMPONENT} where true"
    ));
    query.of_tenant(filter.tenant, "e").in_scope(ctx, "h");
    if !filter.resolved {
        query.push(" and e.closed_at is null");
    }
    if let Some(host) = filter.host {
        query.and("e.host_id =", host.0, "");
    }
    if !filter.sites.is_empty() {
        query.and(
            "h.site_id = any(",
            filter.sites.iter().map(|site| site.0).collect::<Vec<_>>(),
            ")",
        );
    }
    if !filter.severities.is_empty() {
        let words: Vec<String> = filter
            .severities
            .iter()
            .map(|severity| severity.as_str().to_owned())
            .collect();
        query.and("e.severity = any(", words, ")");
    }
    if let Some(advisory) = advisory {
        query.and("e.advisory =", column(advisory), "");
    }
    if let Some(patch) = filter.patch {
        query.and("e.patch_id =", patch.0, "");
    }
    if let Some(source) = &filter.source {
        query.and("e.source =", source.clone(), "");
    }
    if let Some(kev) = filter.kev {
        query.and("e.kev =", kev, "");
    }
    let counted = format!(
        "select count(*) from (select 1{} limit 10000) counted",
        query.text
    );
    let total: Option<i64> = tx.value(&counted, query.values.clone()).await?;
    if let Some((risk, id)) = after {
        let (risk, id) = (query.bind(risk), query.bind(id));
        query.push(&format!(" and (e.risk, e.id) < ({risk}, {id})"));
    }
    let limit = query.bind(i64::try_from(limit + 1).unwrap_or(i64::MAX));
    let sql = format!(
        "select {COLUMNS}{} order by e.risk desc, e.id desc limit {limit}",
        query.text
    );
    let rows: Vec<Row> = tx.all(&sql, query.values).await?;
    let findings = rows
        .into_iter()
        .map(stored)
        .collect::<StorageResult<Vec<_>>>()?;
    Ok((
        findings,
        total
            .and_then(|total| u64::try_from(total).ok())
            .unwrap_or_default(),
    ))
}
