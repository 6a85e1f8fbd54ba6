//! Hosts.

use crate::domain::asset::serial_key;
use crate::store::{
    decoded, encoded,
    sql::{Query, count},
};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{
    Host, HostFacts, HostFilter, HostPlace, HostRegister, Seen, SoftwareOrigin,
};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{
    HostId, Labels, RequestContext, Selector, Severity, Sha256, SiteId, TenantId,
};
use sea_orm::FromQueryResult;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A host as stored, without its groups.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredHost {
    /// The host; `groups` is empty.
    pub(crate) host: Host,
    /// Of the last applicability report.
    pub(crate) applicability_digest: Option<Sha256>,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    site_id: Uuid,
    facts: serde_json::Value,
    labels: serde_json::Value,
    manifest: Option<Vec<u8>>,
    applicability_digest: Option<Vec<u8>>,
    scan_problem: String,
    registered_at: DateTime<Utc>,
    last_seen_at: Option<DateTime<Utc>>,
    last_scan_at: Option<DateTime<Utc>>,
    relay_id: Option<Uuid>,
    probes: Option<serde_json::Value>,
    reboot_pending: bool,
    quarantined: bool,
    version: i64,
    open_critical: i32,
    open_high: i32,
    open_unknown: i32,
    open_medium: i32,
    open_low: i32,
    software_from: String,
}

const COLUMNS: &str = "h.tenant_id, h.id, h.site_id, h.facts, h.labels, h.manifest, h.applicability_digest, h.scan_problem, \
    h.registered_at, h.last_seen_at, h.last_scan_at, h.relay_id, h.probes, h.reboot_pending, h.quarantined, h.version, h.open_critical, \
    h.open_high, h.open_unknown, h.open_medium, h.open_low, h.software_from";

/// The column of a severity's counter.
fn counter(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "open_critical",
        Severity::High => "open_high",
        Severity::Unknown => "open_unknown",
        Severity::Medium => "open_medium",
        Severity::Low => "open_low",
    }
}

fn stored(row: Row) -> StorageResult<StoredHost> {
    let mut facts: HostFacts = decoded("a host's facts", row.facts)?;
    facts.reboot_pending = row.reboot_pending;
    let labels: Labels = decoded("a host's labels", row.labels)?;
    let counts = [
        row.open_critical,
        row.open_high,
        row.open_unknown,
        row.open_medium,
        row.open_low,
    ];
    let digest = |bytes: Option<Vec<u8>>| bytes.as_deref().and_then(Sha256::from_slice);
    Ok(StoredHost {
        applicability_digest: digest(row.applicability_digest),
        host: Host {
            id: row.id.into(),
            tenant: row.tenant_id.into(),
            site: row.site_id.into(),
            groups: Vec::new(),
            ring: ring_of(&labels),
            time_zone: time_zone_of(&labels, &facts),
            // A word of a newer version is a document of some kind, not an agent.
            software_from: SoftwareOrigin::ALL
                .into_iter()
                .find(|origin| origin.as_str() == row.software_from)
                .unwrap_or(SoftwareOrigin::CycloneDx),
            manifest: digest(row.manifest),
            registered_at: row.registered_at,
            last_seen_at: row.last_seen_at,
            last_scan_at: row.last_scan_at,
            scan_problem: row.scan_problem,
            relay: row.relay_id.map(Into::into),
            probes: super::probe::probes(row.probes)?,
            quarantined: row.quarantined,
            open_findings: Severity::ALL
                .into_iter()
                .zip(counts)
                .map(|(severity, count)| (severity, u64::try_from(count).unwrap_or_default()))
                .collect(),
            etag: row.version.to_string(),
            facts,
            labels,
        },
    })
}

/// The ring that the labels name.
#[must_use]
pub(crate) fn ring_of(labels: &Labels) -> String {
    labels
        .get("ring")
        .cloned()
        .unwrap_or_else(|| "broad".to_owned())
}

/// The label, else what the host reported; empty: the site's.
#[must_use]
pub(crate) fn time_zone_of(labels: &Labels, facts: &HostFacts) -> String {
    labels
        .get("timezone")
        .cloned()
        .unwrap_or_else(|| facts.time_zone.clone())
}

/// One host that the request may see.
pub(crate) async fn get(
    tx: &TenantTx,
    ctx: &RequestContext,
    id: HostId,
) -> StorageResult<Option<StoredHost>> {
    find(tx, ctx, id, "").await
}

/// One host of the organization that is written to, locked until the end of the transaction.
pub(crate) async fn lock(
    tx: &TenantTx,
    ctx: &RequestContext,
    id: HostId,
) -> StorageResult<Option<StoredHost>> {
    find(tx, ctx, id, " for update").await
}

async fn find(
    tx: &TenantTx,
    ctx: &RequestContext,
    id: HostId,
    lock: &str,
) -> StorageResult<Option<StoredHost>> {
    let mut query = Query::new(format!(
        "select {COLUMNS} from inventory.hosts h where true"
    ));
    query.and("h.id =", id.0, "").in_scope(ctx, "h");
    if !lock.is_empty() {
        query.of_tenant(Some(tx.tenant()?), "h");
    }
    query.push(lock);
    tx.one::<Row>(&query.text, query.values)
        .await?
        .map(stored)
        .transpose()
}

/// The hosts that these machines are, locked, by site and machine; who is new is absent.
pub(crate) async fn by_machines(
    tx: &TenantTx,
    requests: &[&HostRegister],
) -> StorageResult<HashMap<(SiteId, String), HostId>> {
    #[derive(FromQueryResult)]
    struct MachineRow {
        id: Uuid,
        site_id: Uuid,
        machine_id: String,
    }
    let sites: Vec<Uuid> = requests.iter().map(|request| request.site.0).collect();
    let machines: Vec<String> = requests
        .iter()
        .map(|request| request.facts.machine_id.clone())
        .collect();
    let rows: Vec<MachineRow> = tx
        .all(
            "select h.id, h.site_id, h.machine_id from inventory.hosts h \
             join unnest($2::uuid[], $3::text[]) r(site_id, machine_id) on h.site_id = r.site_id and h.machine_id = r.machine_id \
             where h.tenant_id = $1 order by h.id for update of h",
            [tx.tenant()?.0.into(), sites.into(), machines.into()],
        )
        .await?;
    let known = |row: MachineRow| ((row.site_id.into(), row.machine_id), row.id.into());
    Ok(rows.into_iter().map(known).collect())
}

/// Those of these hosts that nobody else has locked, locked.
pub(crate) async fn lock_free(tx: &TenantTx, hosts: &[HostId]) -> StorageResult<Vec<StoredHost>> {
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let sql = format!(
        "select {COLUMNS} from inventory.hosts h where h.tenant_id = $1 and h.id = any($2) order by h.id for update skip locked"
    );
    let rows: Vec<Row> = tx.all(&sql, [tx.tenant()?.0.into(), ids.into()]).await?;
    rows.into_iter().map(stored).collect()
}

/// Where hosts stand, without their groups, and their labels.
pub(crate) async fn places(
    tx: &TenantTx,
    ctx: &RequestContext,
    hosts: &[HostId],
) -> StorageResult<Vec<(HostPlace, Labels)>> {
    #[derive(FromQueryResult)]
    struct PlaceRow {
        tenant_id: Uuid,
        id: Uuid,
        site_id: Uuid,
        labels: serde_json::Value,
        time_zone: String,
        audit_only: bool,
        manifest: Option<Vec<u8>>,
        quarantined: bool,
    }
    let mut query = Query::new(
        "select h.tenant_id, h.id, h.site_id, h.labels, coalesce(h.facts ->> 'time_zone', '') as time_zone, \
         coalesce((h.facts ->> 'audit_only')::boolean, false) as audit_only, h.manifest, h.quarantined \
         from inventory.hosts h where true",
    );
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    query
        .of_tenant(ctx.write, "h")
        .and("h.id = any(", ids, ")")
        .in_scope(ctx, "h");
    let rows: Vec<PlaceRow> = tx.all(&query.text, query.values).await?;
    let place = |row: PlaceRow| {
        let labels: Labels = decoded("a host's labels", row.labels)?;
        let place = HostPlace {
            id: row.id.into(),
            tenant: row.tenant_id.into(),
            site: row.site_id.into(),
            groups: Vec::new(),
            ring: ring_of(&labels),
            time_zone: labels.get("timezone").cloned().unwrap_or(row.time_zone),
            audit_only: row.audit_only,
            manifest: row.manifest.as_deref().and_then(Sha256::from_slice),
            quarantined: row.quarantined,
        };
        Ok((place, labels))
    };
    rows.into_iter().map(place).collect()
}

/// Hosts in quarantine, newest first.
pub(crate) async fn quarantined(
    tx: &TenantTx,
    ctx: &RequestContext,
    limit: usize,
) -> StorageResult<Vec<HostId>> {
    let mut query = Query::new("select h.id from inventory.hosts h where h.quarantined");
    query.of_tenant(ctx.write, "h").in_scope(ctx, "h");
    query.push(" order by h.id desc limit ");
    let limit = query.bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query.push(&limit);
    let rows: Vec<IdRow> = tx.all(&query.text, query.values).await?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Where the list goes on: (name, id).
pub(crate) type After = Option<(String, Uuid)>;

/// Hosts in order of name.
pub(crate) async fn list(
    tx: &TenantTx,
    ctx: &RequestContext,
    filter: &HostFilter,
    selector: Option<&Selector>,
    known_since: DateTime<Utc>,
    after: After,
    limit: u64,
) -> StorageResult<(Vec<StoredHost>, u64)> {
    let mut query = Query::new(" from inventory.hosts h where true");
    query.of_tenant(filter.tenant, "h").in_scope(ctx, "h");
    if !filter.ids.is_empty() {
        query.and(
            "h.id = any(",
            filter.ids.iter().map(|id| id.0).collect::<Vec<_>>(),
            ")",
        );
    }
    if !filter.sites.is_empty() {
        query.and(
            "h.site_id = any(",
            filter.sites.iter().map(|id| id.0).collect::<Vec<_>>(),
            ")",
        );
    }
    if let Some(part) = &filter.hostname_contains {
        query.and("h.hostname ilike", crate::store::sql::contains(part), "");
    }
    if !filter.severities.is_empty() {
        let any: Vec<String> = filter
            .severities
            .iter()
            .map(|severity| format!("h.{} > 0", counter(*severity)))
            .collect();
        query.push(&format!(" and ({})", any.join(" or ")));
    }
    if let Some(selector) = selector {
        query.matching(selector, "h");
    }
    if let Some(since) = filter.not_seen_since {
        query.and("coalesce(h.last_seen_at, '-infinity') <", since, "");
    }
    if let Some(unknown) = filter.unknown {
        let since = query.bind(known_since);
        let known = super::compliance::known(&since);
        query.push(&format!(
            " and {}{known}",
            if unknown { "not " } else { "" }
        ));
    }
    if let Some(never) = filter.never_scanned {
        query.push(if never {
            " and h.last_scan_at is null"
        } else {
            " and h.last_scan_at is not null"
        });
    }
    if let Some(pending) = filter.reboot_pending {
        query.and("h.reboot_pending =", pending, "");
    }
    let total = count(tx, &query).await?;
    if let Some((name, id)) = after {
        let (name, id) = (query.bind(name), query.bind(id));
        query.push(&format!(" and (h.hostname, h.id) > ({name}, {id})"));
    }
    let limit = query.bind(i64::try_from(limit + 1).unwrap_or(i64::MAX));
    let sql = format!(
        "select {COLUMNS}{} order by h.hostname, h.id limit {limit}",
        query.text
    );
    let rows: Vec<Row> = tx.all(&sql, query.values).await?;
    let hosts = rows
        .into_iter()
        .map(stored)
        .collect::<StorageResult<Vec<_>>>()?;
    Ok((hosts, total))
}

/// New hosts.
pub(crate) async fn insert_all(
    tx: &TenantTx,
    requests: &[&HostRegister],
    now: DateTime<Utc>,
) -> StorageResult<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(requests.len());
    for request in requests {
        let facts = &request.facts;
        rows.push(serde_json::json!({
            "id": request.id,
            "site_id": request.site,
            "machine_id": facts.machine_id,
            "hostname": facts.hostname,
            "facts": encoded("a host's facts", facts)?,
            "labels": encoded("a host's labels", &request.labels)?,
            "reboot_pending": facts.reboot_pending,
            "serial_key": serial_key(&facts.serial),
        }));
    }
    tx.execute(
        "insert into inventory.hosts (tenant_id, id, site_id, machine_id, hostname, facts, labels, registered_at, reboot_pending, serial_key) \
         select $1, id, site_id, machine_id, hostname, facts, labels, $3, reboot_pending, serial_key \
         from jsonb_to_recordset($2) as r(id uuid, site_id uuid, machine_id text, hostname text, facts jsonb, labels jsonb, \
         reboot_pending boolean, serial_key text)",
        [
            tx.tenant()?.0.into(),
            serde_json::Value::Array(rows).into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// New facts.
pub(crate) async fn set_facts(tx: &TenantTx, id: HostId, facts: &HostFacts) -> StorageResult<()> {
    tx.execute(
        "update inventory.hosts set facts = $3, hostname = $4, machine_id = $5, reboot_pending = $6, serial_key = $7 where tenant_id = $1 and id = $2",
        [
            tx.tenant()?.0.into(),
            id.0.into(),
            encoded("a host's facts", facts)?.into(),
            facts.hostname.clone().into(),
            facts.machine_id.clone().into(),
            facts.reboot_pending.into(),
            serial_key(&facts.serial).into(),
        ],
    )
    .await?;
    Ok(())
}

/// A person's change; the version grows.
pub(crate) async fn set_place(
    tx: &TenantTx,
    id: HostId,
    site: SiteId,
    labels: &Labels,
    quarantined: bool,
) -> StorageResult<()> {
    tx.execute(
        "update inventory.hosts set site_id = $3, labels = $4, quarantined = $5, version = version + 1 where tenant_id = $1 and id = $2",
        [tx.tenant()?.0.into(), id.0.into(), site.0.into(), encoded("a host's labels", labels)?.into(), quarantined.into()],
    )
    .await?;
    Ok(())
}

/// What an applicability report said.
pub(crate) async fn set_applicability(
    tx: &TenantTx,
    id: HostId,
    digest: Sha256,
    problem: &str,
) -> StorageResult<()> {
    tx.execute(
        "update inventory.hosts set applicability_digest = $3, scan_problem = $4 where tenant_id = $1 and id = $2",
        [tx.tenant()?.0.into(), id.0.into(), digest.0.to_vec().into(), problem.into()],
    )
    .await?;
    Ok(())
}

/// What an evaluation says of a locked host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Which.
    pub(crate) host: HostId,
    /// The counters of open findings.
    pub(crate) counts: BTreeMap<Severity, u64>,
    /// What is wrong with its scan.
    pub(crate) problem: String,
}

/// Counters of open findings and problems of scans.
pub(crate) async fn set_judged(tx: &TenantTx, judged: &[Judged]) -> StorageResult<()> {
    let count = |severity: Severity| -> Vec<i32> {
        let of = |one: &Judged| one.counts.get(&severity).copied().unwrap_or_default();
        judged
            .iter()
            .map(|one| i32::try_from(of(one)).unwrap_or(i32::MAX))
            .collect()
    };
    let ids: Vec<Uuid> = judged.iter().map(|one| one.host.0).collect();
    let problems: Vec<String> = judged.iter().map(|one| one.problem.clone()).collect();
    tx.execute(
        "update inventory.hosts h set open_critical = r.critical, open_high = r.high, open_unknown = r.unknown, open_medium = r.medium, \
         open_low = r.low, scan_problem = r.problem \
         from unnest($2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[], $8::text[]) \
         r(id, critical, high, unknown, medium, low, problem) where h.tenant_id = $1 and h.id = r.id",
        [
            tx.tenant()?.0.into(),
            ids.into(),
            count(Severity::Critical).into(),
            count(Severity::High).into(),
            count(Severity::Unknown).into(),
            count(Severity::Medium).into(),
            count(Severity::Low).into(),
            problems.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Who was seen when; the newest time wins. The hosts that were quarantined by this.
pub(crate) async fn set_seen(
    tx: &TenantTx,
    ctx: &RequestContext,
    seen: &[Seen],
) -> StorageResult<Vec<HostId>> {
    let mut newest: BTreeMap<HostId, Seen> = BTreeMap::new();
    for one in seen {
        let entry = newest.entry(one.host).or_insert_with(|| one.clone());
        let forked = entry.forked || one.forked;
        if one.at > entry.at {
            *entry = one.clone();
        }
        entry.forked = forked;
    }
    // In order of id, so that two batches do not wait for each other in a circle.
    let rows: Vec<Seen> = newest.into_values().collect();
    let ids: Vec<Uuid> = rows.iter().map(|seen| seen.host.0).collect();
    let mut lock = Query::new("select h.id from inventory.hosts h where true");
    lock.of_tenant(Some(tx.tenant()?), "h")
        .and("h.id = any(", ids.clone(), ")")
        .in_scope(ctx, "h");
    lock.push(" order by h.id for update");
    tx.execute(&lock.text, lock.values).await?;
    let mut query = Query::default();
    let [ids, at, relays, reboots] = [
        query.bind(ids),
        query.bind(rows.iter().map(|seen| seen.at).collect::<Vec<_>>()),
        query.bind(
            rows.iter()
                .map(|seen| seen.relay.map_or(Uuid::nil(), |relay| relay.0))
                .collect::<Vec<_>>(),
        ),
        query.bind(
            rows.iter()
                .map(|seen| seen.reboot_pending)
                .collect::<Vec<_>>(),
        ),
    ];
    // An unchanged check-in is a scan with the same result, unless the last scan had a problem.
    query.push(&format!(
        "update inventory.hosts h set last_seen_at = s.at, relay_id = nullif(s.relay, '{}'::uuid), reboot_pending = s.reboot, \
         last_scan_at = case when h.manifest is not null and h.scan_problem = '' then greatest(h.last_scan_at, s.at) else h.last_scan_at end \
         from unnest({ids}::uuid[], {at}::timestamptz[], {relays}::uuid[], {reboots}::boolean[]) s(id, at, relay, reboot) \
         where h.id = s.id and (h.last_seen_at is null or h.last_seen_at < s.at)",
        Uuid::nil()
    ));
    query.of_tenant(Some(tx.tenant()?), "h").in_scope(ctx, "h");
    tx.execute(&query.text, query.values).await?;

    let forked: Vec<Uuid> = rows
        .iter()
        .filter(|seen| seen.forked)
        .map(|seen| seen.host.0)
        .collect();
    if forked.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::new(
        "update inventory.hosts h set quarantined = true, version = version + 1 where not h.quarantined",
    );
    query
        .of_tenant(Some(tx.tenant()?), "h")
        .and("h.id = any(", forked, ")")
        .in_scope(ctx, "h");
    query.push(" returning h.id");
    let rows: Vec<IdRow> = tx.all(&query.text, query.values).await?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

/// Whose host this is among those that may be read.
#[must_use]
pub(crate) fn tenant_of(stored: &StoredHost) -> TenantId {
    stored.host.tenant
}
