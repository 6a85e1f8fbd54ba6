//! Compliance counters of sites, summed from the hosts' own counters.

use crate::domain::compliance::{SeverityCount, SiteCount};
use crate::store::sql::Query;
use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{RequestContext, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    site_id: Uuid,
    hosts: i64,
    unknown: i64,
    exposed: Vec<i64>,
    findings: Vec<i64>,
}

/// The condition of a host that was scanned and seen since `since`, a placeholder.
pub(crate) fn known(since: &str) -> String {
    format!("(h.last_scan_at is not null and coalesce(h.last_seen_at, h.last_scan_at) >= {since})")
}

/// Counters of every site that the request may see, in order of organization and site.
pub(crate) async fn sites(
    tx: &TenantTx,
    ctx: &RequestContext,
    tenant: Option<TenantId>,
    known_since: DateTime<Utc>,
) -> StorageResult<Vec<SiteCount>> {
    let mut query = Query::default();
    let since = query.bind(known_since);
    let known = known(&since);
    let exposed = |column: &str| format!("count(*) filter (where {known} and h.{column} > 0)");
    let columns = [
        "open_critical",
        "open_high",
        "open_unknown",
        "open_medium",
        "open_low",
    ];
    query.push(&format!(
        "select h.tenant_id, h.site_id, count(*) as hosts, count(*) filter (where not {known}) as unknown, \
         array[{}] as exposed, array[{}] as findings from inventory.hosts h where true",
        columns.map(exposed).join(", "),
        columns.map(|column| format!("coalesce(sum(h.{column}), 0)::bigint")).join(", "),
    ));
    query.of_tenant(tenant, "h").in_scope(ctx, "h");
    query.push(" group by h.tenant_id, h.site_id order by h.tenant_id, h.site_id");
    let rows: Vec<Row> = tx.all(&query.text, query.values).await?;
    Ok(rows.into_iter().map(site).collect())
}

fn site(row: Row) -> SiteCount {
    let count = |value: i64| u64::try_from(value).unwrap_or_default();
    let mut severities = [SeverityCount::default(); 5];
    for (cell, (exposed, findings)) in severities
        .iter_mut()
        .zip(row.exposed.iter().zip(&row.findings))
    {
        *cell = SeverityCount {
            exposed: count(*exposed),
            findings: count(*findings),
        };
    }
    SiteCount {
        tenant: row.tenant_id.into(),
        site: row.site_id.into(),
        hosts: count(row.hosts),
        unknown: count(row.unknown),
        severities,
    }
}
