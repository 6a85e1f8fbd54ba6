//! Table `site_ways`.

use chrono::{DateTime, Utc};
use netpatch_policy_api::SiteWay;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{SiteId, TenantId};
use sea_orm::FromQueryResult;
use std::collections::BTreeSet;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct Row {
    site_id: Uuid,
}

/// Those of these sites whose hosts may not go past relays. They may where nobody said otherwise.
pub(crate) async fn forbidding(
    tx: &TenantTx,
    tenant: TenantId,
    sites: &[SiteId],
) -> StorageResult<BTreeSet<SiteId>> {
    let sql = "select site_id from policy.site_ways where tenant_id = $1 and site_id = any($2) and not direct_allowed";
    let sites: Vec<Uuid> = sites.iter().map(|site| site.0).collect();
    let rows: Vec<Row> = tx.all(sql, [tenant.0.into(), sites.into()]).await?;
    Ok(rows.into_iter().map(|row| SiteId(row.site_id)).collect())
}

/// Keeps what is said of a site; whether anything changed.
pub(crate) async fn put(tx: &TenantTx, way: SiteWay, now: DateTime<Utc>) -> StorageResult<bool> {
    let tenant = tx.tenant()?;
    let is_strict = !forbidding(tx, tenant, &[way.site]).await?.is_empty();
    if is_strict != way.direct_allowed {
        return Ok(false);
    }
    let sql = "insert into policy.site_ways (tenant_id, site_id, direct_allowed, changed_at) values ($1, $2, $3, $4) \
               on conflict (tenant_id, site_id) do update set direct_allowed = excluded.direct_allowed, changed_at = excluded.changed_at";
    let values = [
        tenant.0.into(),
        way.site.0.into(),
        way.direct_allowed.into(),
        now.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}
