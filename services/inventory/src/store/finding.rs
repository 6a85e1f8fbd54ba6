//! Findings as they are read: an exposure with its host and component.

use crate::domain::link::applicability_word;
use crate::store::component::ecosystem;
use crate::store::{
    column, decoded, number,
    sql::{Query, count},
};
use chrono::{DateTime, Duration, Utc};
use netpatch_inventory_api::{
    Deadline, FindingFilter, FindingGroupList, FindingGrouping, FindingOrder, ListeningSocket,
    Offer, Probe,
};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{ComponentKey, FindingId, Labels, RequestContext, Severity};
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
    /// Who listens on it.
    pub(crate) listening: Vec<ListeningSocket>,
    /// What relays found out about that.
    pub(crate) probes: Vec<Probe>,
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
    /// Who offers that.
    pub(crate) offer: Option<Offer>,
    /// Applicability's word.
    pub(crate) applicability: String,
    /// The date that a rule demands.
    pub(crate) due: Option<Deadline>,
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
    listening: Option<serde_json::Value>,
    probes: Option<serde_json::Value>,
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
    due: Option<serde_json::Value>,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    candidate_version: Option<String>,
    origin: Option<String>,
    suite: Option<String>,
    label: Option<String>,
}

/// The sockets of a host's facts; none when an older agent did not say.
pub(crate) fn listening(facts: Option<serde_json::Value>) -> StorageResult<Vec<ListeningSocket>> {
    facts.map_or_else(
        || Ok(Vec::new()),
        |facts| decoded("a host's sockets", facts),
    )
}

const COLUMNS: &str = "e.id, e.tenant_id, e.host_id, h.hostname, h.site_id, h.labels, h.facts -> 'listening' as listening, h.probes, e.advisory, c.ecosystem, c.distribution, c.release, \
    c.name, c.version, c.arch, c.source, c.source_version, e.installed_version, e.fixed_version, e.rule, e.risk, e.patch_id, \
    e.applicability, e.due, e.opened_at, e.closed_at, u.candidate_version, u.origin, u.suite, u.label";

/// As in the index: without a date comes last.
const DUE: &str = "coalesce(e.due_at, 'infinity'::timestamptz)";

const HOST: &str = "join inventory.hosts h on h.tenant_id = e.tenant_id and h.id = e.host_id";
const COMPONENT: &str = "join inventory.components c on c.number = e.component";
const OFFER: &str = "left join lateral (select candidate_version, origin, suite, label from inventory.host_updates o \
    where o.tenant_id = e.tenant_id and o.host_id = e.host_id and o.name = c.name and o.patch_id = e.patch_id \
    order by o.arch <> c.arch limit 1) u on true";

fn stored(row: Row) -> StorageResult<StoredFinding> {
    Ok(StoredFinding {
        id: row.id,
        tenant: row.tenant_id,
        host: row.host_id,
        hostname: row.hostname,
        site: row.site_id,
        labels: decoded("a host's labels", row.labels)?,
        listening: listening(row.listening)?,
        probes: super::probe::probes(row.probes)?,
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
        offer: match (row.candidate_version, row.origin, row.suite, row.label) {
            (Some(version), Some(origin), Some(suite), Some(label)) => Some(Offer {
                version,
                origin,
                suite,
                label,
            }),
            _ => None,
        },
        applicability: row.applicability,
        due: row.due.map(|due| decoded("a deadline", due)).transpose()?,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
    })
}

/// The last moment of "within so many days".
pub(crate) fn due_horizon(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    now.checked_add_signed(Duration::days(days.into()))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// One finding that the request may see.
pub(crate) async fn get(
    tx: &TenantTx,
    ctx: &RequestContext,
    id: FindingId,
) -> StorageResult<Option<StoredFinding>> {
    let mut query = Query::new(format!(
        "select {COLUMNS} from inventory.exposures e {HOST} {COMPONENT} {OFFER} where true"
    ));
    query.and("e.id =", id.0, "").in_scope(ctx, "h");
    tx.one::<Row>(&query.text, query.values)
        .await?
        .map(stored)
        .transpose()
}

/// ` from … where` of the findings that a filter lets through. `advisories` are the numbers that the filter names, `now` decides
/// what is overdue.
fn filtered(
    ctx: &RequestContext,
    filter: &FindingFilter,
    advisories: Option<Vec<u32>>,
    joins: &str,
    now: DateTime<Utc>,
) -> Query {
    let mut query = Query::new(format!(" from inventory.exposures e {joins} where true"));
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
    if let Some(advisories) = advisories {
        let numbers: Vec<i32> = advisories.into_iter().map(column).collect();
        query.and("e.advisory = any(", numbers, ")");
    }
    if !filter.applicability.is_empty() {
        let words: Vec<String> = filter
            .applicability
            .iter()
            .map(|state| applicability_word(*state).to_owned())
            .collect();
        query.and("e.applicability = any(", words, ")");
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
    if let Some(overdue) = filter.overdue {
        let now = query.bind(now);
        let not = if overdue { "" } else { "not " };
        query.push(&format!(
            " and {not}coalesce(e.due_at < coalesce(e.closed_at, {now}), false)"
        ));
    }
    if let Some(days) = filter.due_within_days {
        query.and("e.due_at <=", due_horizon(now, days), "");
    }
    query
}

/// Where a page of findings begins: behind this place in its order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum After {
    /// Behind this risk in tenths and id.
    Risk(i32, Uuid),
    /// Behind this date and id; `None`: among those without a date.
    Due(Option<DateTime<Utc>>, Uuid),
}

/// Which part of the findings, in which order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    /// In which order.
    pub(crate) order: FindingOrder,
    /// Behind which place.
    pub(crate) after: Option<After>,
    /// How many; one more is read.
    pub(crate) limit: u64,
}

/// Findings in an order; and how many there are, counted up to 10,000. `advisories` are the numbers that the filter names, `now`
/// decides what is overdue.
pub(crate) async fn list(
    tx: &TenantTx,
    ctx: &RequestContext,
    filter: &FindingFilter,
    advisories: Option<Vec<u32>>,
    part: Part,
    now: DateTime<Utc>,
) -> StorageResult<(Vec<StoredFinding>, u64)> {
    let total = count(tx, &filtered(ctx, filter, advisories.clone(), HOST, now)).await?;
    let joins = format!("{HOST} {COMPONENT} {OFFER}");
    let mut query = filtered(ctx, filter, advisories, &joins, now);
    match part.after {
        None => {}
        Some(After::Risk(risk, id)) => {
            let (risk, id) = (query.bind(risk), query.bind(id));
            query.push(&format!(" and (e.risk, e.id) < ({risk}, {id})"));
        }
        Some(After::Due(due, id)) => {
            let (due, id) = (query.bind(due), query.bind(id));
            query.push(&format!(
                " and ({DUE}, e.id) > (coalesce({due}::timestamptz, 'infinity'::timestamptz), {id})"
            ));
        }
    }
    let limit = query.bind(i64::try_from(part.limit + 1).unwrap_or(i64::MAX));
    let order = match part.order {
        FindingOrder::Risk => "e.risk desc, e.id desc".to_owned(),
        FindingOrder::Deadline => format!("{DUE}, e.id"),
    };
    let sql = format!(
        "select {COLUMNS}{} order by {order} limit {limit}",
        query.text
    );
    let rows: Vec<Row> = tx.all(&sql, query.values).await?;
    let findings = rows
        .into_iter()
        .map(stored)
        .collect::<StorageResult<Vec<_>>>()?;
    Ok((findings, total))
}

/// Findings that have something in common. What they do not have in common is nil or 0.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct GroupRow {
    /// Whose.
    pub(crate) tenant_id: Uuid,
    /// Advisory number.
    pub(crate) advisory: i32,
    /// Host or patch.
    pub(crate) key: Uuid,
    /// On how many hosts.
    pub(crate) hosts: i64,
    /// How many.
    pub(crate) findings: i64,
    /// The highest, tenths.
    pub(crate) risk: i32,
    /// The place of the worst severity, 0 is the worst.
    pub(crate) severity: i32,
    /// One of them is known to be exploited.
    pub(crate) kev: bool,
    /// The oldest.
    pub(crate) opened_at: DateTime<Utc>,
}

/// Where a page of groups begins: (risk, findings, advisory, tenant, key) of the last one before it.
pub(crate) type GroupPlace = (i32, i64, i32, Uuid, Uuid);

/// Findings in groups, worst first, behind `after`; and how many groups there are, counted up to 10,000.
pub(crate) async fn groups(
    tx: &TenantTx,
    ctx: &RequestContext,
    request: &FindingGroupList,
    advisories: Option<Vec<u32>>,
    after: Option<GroupPlace>,
    now: DateTime<Utc>,
) -> StorageResult<(Vec<GroupRow>, u64)> {
    const NIL: &str = "'00000000-0000-0000-0000-000000000000'::uuid";
    let nil = NIL.to_owned();
    let (tenant, advisory, key) = match request.by {
        FindingGrouping::Advisory => (nil.clone(), "e.advisory", nil),
        FindingGrouping::Patch => (
            "e.tenant_id".to_owned(),
            "0",
            format!("coalesce(e.patch_id, {NIL})"),
        ),
        FindingGrouping::Host => ("e.tenant_id".to_owned(), "0", "e.host_id".to_owned()),
    };
    let mut query = filtered(ctx, &request.filter, advisories, HOST, now);
    let ranks: Vec<String> = Severity::ALL
        .into_iter()
        .map(|severity| severity.as_str().to_owned())
        .collect();
    let ranks = query.bind(ranks);
    let from = &query.text;
    let grouped = format!(
        "select {tenant} as tenant_id, {advisory} as advisory, {key} as key, count(distinct e.host_id) as hosts, \
         count(*) as findings, max(e.risk) as risk, min(coalesce(array_position({ranks}::text[], e.severity), 99)) - 1 as severity, \
         bool_or(e.kev) as kev, min(e.opened_at) as opened_at{from} group by 1, 2, 3"
    );
    let counted = format!("select count(*) from (select 1 from ({grouped}) g limit 10000) counted");
    let total: Option<i64> = tx.value(&counted, query.values.clone()).await?;
    let mut sql = format!("select * from ({grouped}) g");
    if let Some((risk, findings, advisory, tenant, key)) = after {
        let place = [
            query.bind(risk),
            query.bind(findings),
            query.bind(advisory),
            query.bind(tenant),
            query.bind(key),
        ]
        .join(", ");
        sql += &format!(" where (risk, findings, advisory, tenant_id, key) < ({place})");
    }
    let limit = query.bind(i64::try_from(request.page.limit() + 1).unwrap_or(i64::MAX));
    sql += &format!(
        " order by risk desc, findings desc, advisory desc, tenant_id desc, key desc limit {limit}"
    );
    let rows = tx.all(&sql, query.values).await?;
    Ok((
        rows,
        total
            .and_then(|total| u64::try_from(total).ok())
            .unwrap_or_default(),
    ))
}
