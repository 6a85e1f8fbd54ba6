//! Table `scan_schedules`.

use chrono::{DateTime, Utc};
use netpatch_policy_api::{ScanRule, ScanSchedule};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{SiteId, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct Row {
    site_id: Uuid,
    cron: String,
    jitter_seconds: i32,
}

/// The schedules of these sites, in any order.
pub(crate) async fn of_sites(
    tx: &TenantTx,
    tenant: TenantId,
    sites: &[SiteId],
) -> StorageResult<Vec<ScanSchedule>> {
    let sql = "select site_id, cron, jitter_seconds from policy.scan_schedules where tenant_id = $1 and site_id = any($2)";
    let sites: Vec<Uuid> = sites.iter().map(|site| site.0).collect();
    let rows: Vec<Row> = tx.all(sql, [tenant.0.into(), sites.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| ScanSchedule {
            site: SiteId(row.site_id),
            rule: ScanRule {
                cron: row.cron,
                jitter_seconds: u32::try_from(row.jitter_seconds).unwrap_or_default(),
            },
        })
        .collect())
}

/// Sets the schedule of a site; whether anything changed.
pub(crate) async fn put(
    tx: &TenantTx,
    site: SiteId,
    rule: &ScanRule,
    now: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "insert into policy.scan_schedules (tenant_id, site_id, cron, jitter_seconds, changed_at) values ($1, $2, $3, $4, $5) \
               on conflict (tenant_id, site_id) do update set cron = excluded.cron, jitter_seconds = excluded.jitter_seconds, \
               changed_at = excluded.changed_at where (scan_schedules.cron, scan_schedules.jitter_seconds) \
               is distinct from (excluded.cron, excluded.jitter_seconds)";
    let values = [
        tx.tenant()?.0.into(),
        site.0.into(),
        rule.cron.clone().into(),
        i32::try_from(rule.jitter_seconds)
            .unwrap_or(i32::MAX)
            .into(),
        now.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Removes the schedule of a site; whether it was there.
pub(crate) async fn remove(tx: &TenantTx, site: SiteId) -> StorageResult<bool> {
    let sql = "delete from policy.scan_schedules where tenant_id = $1 and site_id = $2";
    let values = [tx.tenant()?.0.into(), site.0.into()];
    Ok(tx.execute(sql, values).await? == 1)
}
