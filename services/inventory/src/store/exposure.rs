//! Exposures as they are written: opened, moved, closed, in batches of one or many hosts.

use crate::domain::exposure::{Open, Wanted};
use crate::domain::link::applicability_word;
use crate::store::{column, decoded, encoded, number, sql::Query};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::SbomAffected;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{FindingId, HostId, RequestContext, TenantId};
use sea_orm::{FromQueryResult, Value};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

#[derive(FromQueryResult)]
struct OpenRow {
    id: Uuid,
    host_id: Uuid,
    advisory: i32,
    component: i32,
    name: String,
    arch: String,
    fixed_version: String,
    risk: i32,
    severity: String,
    patch_id: Option<Uuid>,
    applicability: String,
    opened_at: DateTime<Utc>,
    due: Option<serde_json::Value>,
}

const OPEN: &str = "select e.id, e.host_id, e.advisory, e.component, c.name, c.arch, e.fixed_version, e.risk, e.severity, e.patch_id, \
    e.applicability, e.opened_at, e.due from inventory.exposures e join inventory.components c on c.number = e.component";

fn by_host(rows: Vec<OpenRow>) -> StorageResult<HashMap<HostId, Vec<Open>>> {
    let mut hosts: HashMap<HostId, Vec<Open>> = HashMap::new();
    for row in rows {
        hosts.entry(row.host_id.into()).or_default().push(Open {
            id: row.id,
            advisory: number(row.advisory),
            component: number(row.component),
            name: row.name,
            arch: row.arch,
            fixed_version: row.fixed_version,
            risk: row.risk,
            severity: row.severity,
            patch: row.patch_id,
            applicability: row.applicability,
            opened_at: row.opened_at,
            due: row.due.map(|due| decoded("a deadline", due)).transpose()?,
        });
    }
    Ok(hosts)
}

/// The open exposures of hosts.
pub(crate) async fn open(
    tx: &TenantTx,
    hosts: &[HostId],
) -> StorageResult<HashMap<HostId, Vec<Open>>> {
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let sql =
        format!("{OPEN} where e.tenant_id = $1 and e.host_id = any($2) and e.closed_at is null");
    let rows = tx.all(&sql, [tx.tenant()?.0.into(), ids.into()]).await?;
    by_host(rows)
}

/// The open exposures of hosts in some of their components.
pub(crate) async fn open_in(
    tx: &TenantTx,
    components: &[(HostId, u32)],
) -> StorageResult<HashMap<HostId, Vec<Open>>> {
    let ids: Vec<Uuid> = components.iter().map(|(host, _)| host.0).collect();
    let numbers: Vec<i32> = components
        .iter()
        .map(|(_, number)| column(*number))
        .collect();
    let sql = format!(
        "{OPEN} join unnest($2::uuid[], $3::integer[]) r(host_id, component) on r.host_id = e.host_id and r.component = e.component \
         where e.tenant_id = $1 and e.closed_at is null"
    );
    let rows = tx
        .all(&sql, [tx.tenant()?.0.into(), ids.into(), numbers.into()])
        .await?;
    by_host(rows)
}

/// The columns that an evaluation decides, as arrays.
fn arrays(rows: &[&Wanted]) -> StorageResult<Vec<Value>> {
    let text = |read: fn(&Wanted) -> &str| -> Vec<String> {
        rows.iter().map(|row| read(row).to_owned()).collect()
    };
    let due_at = |row: &&Wanted| row.due.as_ref().and_then(|due| due.due_at);
    let due = |row: &&Wanted| match &row.due {
        Some(due) => Ok(encoded("a deadline", due)?.to_string()),
        None => Ok(String::new()),
    };
    Ok(vec![
        rows.iter()
            .map(|row| column(row.component))
            .collect::<Vec<_>>()
            .into(),
        text(|row| &row.installed_version).into(),
        text(|row| &row.fixed_version).into(),
        text(|row| row.rule).into(),
        text(|row| row.severity.as_str()).into(),
        rows.iter().map(|row| row.kev).collect::<Vec<_>>().into(),
        rows.iter().map(|row| row.risk).collect::<Vec<_>>().into(),
        rows.iter()
            .map(|row| row.patch.unwrap_or(Uuid::nil()))
            .collect::<Vec<_>>()
            .into(),
        text(|row| applicability_word(row.applicability)).into(),
        rows.iter()
            .map(|row| due_at(row).unwrap_or(NEVER))
            .collect::<Vec<_>>()
            .into(),
        rows.iter()
            .map(due)
            .collect::<StorageResult<Vec<String>>>()?
            .into(),
    ])
}

/// Stands for null in an array of times.
const NEVER: DateTime<Utc> = DateTime::UNIX_EPOCH;

const ARRAYS: &str = "$3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::integer[], $10::uuid[], $11::text[], $12::timestamptz[], $13::text[]";
const NAMES: &str = "component, installed_version, fixed_version, rule, severity, kev, risk, patch_id, applicability, due_at, due";
/// What the arrays hold, with their stand-ins for null.
const VALUES: &str = "component, installed_version, fixed_version, rule, severity, kev, risk, nullif(patch_id, '00000000-0000-0000-0000-000000000000'::uuid), \
    applicability, nullif(due_at, 'epoch'::timestamptz), nullif(due, '')::jsonb";

/// Which advisory and what it names, as arrays.
fn advisories(rows: &[&Wanted]) -> [Value; 2] {
    let numbers: Vec<i32> = rows.iter().map(|row| column(row.advisory)).collect();
    let sources: Vec<String> = rows.iter().map(|row| row.source.clone()).collect();
    [numbers.into(), sources.into()]
}

/// Opens exposures.
pub(crate) async fn insert(
    tx: &TenantTx,
    opened: &[(FindingId, HostId, &Wanted)],
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let sql = format!(
        "insert into inventory.exposures (tenant_id, opened_at, id, host_id, advisory, source, {NAMES}) \
         select $1, $14, id, host_id, advisory, source, {VALUES} \
         from unnest($2::uuid[], {ARRAYS}, $15::uuid[], $16::integer[], $17::text[]) as r(id, {NAMES}, host_id, advisory, source)"
    );
    for portion in opened.chunks(10_000) {
        let wanted: Vec<&Wanted> = portion.iter().map(|(.., wanted)| *wanted).collect();
        let ids: Vec<Uuid> = portion.iter().map(|(id, ..)| id.0).collect();
        let hosts: Vec<Uuid> = portion.iter().map(|(_, host, _)| host.0).collect();
        let mut values: Vec<Value> = vec![tx.tenant()?.0.into(), ids.into()];
        values.extend(arrays(&wanted)?);
        values.extend([now.into(), hosts.into()]);
        values.extend(advisories(&wanted));
        tx.execute(&sql, values).await?;
    }
    Ok(())
}

/// Exposures go on with other evidence, risk, severity or patch, or under another feed's advisory of the same vulnerability.
pub(crate) async fn update(tx: &TenantTx, moved: &[&(Uuid, Wanted)]) -> StorageResult<()> {
    for portion in moved.chunks(10_000) {
        let wanted: Vec<&Wanted> = portion.iter().map(|(_, wanted)| wanted).collect();
        let ids: Vec<Uuid> = portion.iter().map(|(id, _)| *id).collect();
        let sql = format!(
            "update inventory.exposures e set ({NAMES}, advisory, source) = (select {VALUES}, advisory, source from (select r.*) r) \
             from unnest($2::uuid[], {ARRAYS}, $14::integer[], $15::text[]) as r(id, {NAMES}, advisory, source) \
             where e.tenant_id = $1 and e.id = r.id"
        );
        let mut values: Vec<Value> = vec![tx.tenant()?.0.into(), ids.into()];
        values.extend(arrays(&wanted)?);
        values.extend(advisories(&wanted));
        tx.execute(&sql, values).await?;
    }
    Ok(())
}

/// Closes exposures. They keep the patch that was to fix them.
pub(crate) async fn close(tx: &TenantTx, ids: &[Uuid], now: DateTime<Utc>) -> StorageResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    tx.execute(
        "update inventory.exposures e set closed_at = $3 from unnest($2::uuid[]) r(id) where e.tenant_id = $1 and e.id = r.id",
        [tx.tenant()?.0.into(), ids.to_vec().into(), now.into()],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct AffectedRow {
    advisory: i32,
    id: Uuid,
    fixed_version: String,
}

/// Advisories with an open finding, behind `after`, each with what it is found in.
pub(crate) async fn affected(
    tx: &TenantTx,
    ctx: &RequestContext,
    tenant: Option<TenantId>,
    host: Option<HostId>,
    after: Option<u32>,
    limit: i64,
) -> StorageResult<BTreeMap<u32, Vec<SbomAffected>>> {
    let mut open = Query::new(
        " from inventory.exposures e join inventory.hosts h on h.tenant_id = e.tenant_id and h.id = e.host_id where e.closed_at is null",
    );
    open.of_tenant(tenant, "e").in_scope(ctx, "h");
    if let Some(host) = host {
        open.and("e.host_id =", host.0, "");
    }
    if let Some(after) = after {
        open.and("e.advisory >", column(after), "");
    }
    let from = open.text.clone();
    let limit = open.bind(limit);
    let sql = format!(
        "with asked as (select distinct e.advisory{from} order by e.advisory limit {limit}) \
         select distinct f.advisory, c.id, f.fixed_version from (select e.advisory, e.component, e.fixed_version{from}) f \
         join asked s on s.advisory = f.advisory join inventory.components c on c.number = f.component order by f.advisory, c.id, f.fixed_version"
    );
    let rows: Vec<AffectedRow> = tx.all(&sql, open.values).await?;
    let mut found: BTreeMap<u32, Vec<SbomAffected>> = BTreeMap::new();
    for row in rows {
        found
            .entry(number(row.advisory))
            .or_default()
            .push(SbomAffected {
                component: row.id.into(),
                fixed_version: row.fixed_version,
            });
    }
    Ok(found)
}
