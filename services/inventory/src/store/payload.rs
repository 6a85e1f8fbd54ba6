//! Where hosts say that payloads lie.

use chrono::{DateTime, Duration, Utc};
use netpatch_inventory_api::{Payload, PayloadSource, StoredPayloadGet};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{HostId, PatchId, Sha256, TenantId};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

/// What nobody has said again for so long is forgotten.
const KEPT_DAYS: i64 = 60;

/// Notes where payloads lie, and forgets what is old. What was noted within a day is not written again.
pub(crate) async fn note(
    tx: &TenantTx,
    sources: &[&PayloadSource],
    now: DateTime<Utc>,
) -> StorageResult<()> {
    if sources.is_empty() {
        return Ok(());
    }
    let rows = sources
        .iter()
        .map(|source| json!({"sha256": source.sha256, "url": source.url}));
    tx.execute(
        "insert into inventory.payload_sources as s (tenant_id, sha256, url, seen_at) \
         select distinct $1::uuid, decode(r.sha256, 'hex'), r.url, $3::timestamptz from jsonb_to_recordset($2) as r(sha256 text, url text) order by 2, 3 \
         on conflict (tenant_id, sha256, url) do update set seen_at = excluded.seen_at where s.seen_at < excluded.seen_at - interval '1 day'",
        [
            tx.tenant()?.0.into(),
            serde_json::Value::Array(rows.collect()).into(),
            now.into(),
        ],
    )
    .await?;
    tx.execute(
        "delete from inventory.payload_sources where tenant_id = $1 and seen_at < $2",
        [
            tx.tenant()?.0.into(),
            (now - Duration::days(KEPT_DAYS)).into(),
        ],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Row {
    sha256: Vec<u8>,
    size_bytes: i64,
    urls: Vec<String>,
}

/// What hosts of an organization will fetch for patches, where somebody has said where it lies.
pub(crate) async fn of_hosts(
    tx: &TenantTx,
    tenant: TenantId,
    hosts: &[HostId],
    patches: &[PatchId],
) -> StorageResult<Vec<Payload>> {
    let hosts: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let patches: Vec<Uuid> = patches.iter().map(|patch| patch.0).collect();
    let rows: Vec<Row> = tx
        .all(
            "with offered as (select u.sha256, u.size_bytes, u.requires from inventory.host_updates u \
             where u.tenant_id = $1 and u.host_id = any($2) and u.patch_id = any($3) and u.state = 'installable' and u.refusal is null), \
             wanted as (select sha256, size_bytes from offered union \
             select decode(r.sha256, 'hex'), r.size_bytes from offered, jsonb_to_recordset(offered.requires) as r(sha256 text, size_bytes bigint) where r.sha256 is not null) \
             select w.sha256, max(w.size_bytes) as size_bytes, (array_agg(distinct s.url order by s.url))[1:8] as urls from wanted w \
             join inventory.payload_sources s on s.tenant_id = $1 and s.sha256 = w.sha256 group by w.sha256 order by w.sha256 limit 10000",
            [tenant.0.into(), hosts.into(), patches.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Payload {
            sha256: Sha256::from_slice(&row.sha256).unwrap_or_default(),
            size_bytes: u64::try_from(row.size_bytes).unwrap_or_default(),
            urls: row.urls,
        })
        .collect())
}

#[derive(FromQueryResult)]
struct Named {
    sha256: Vec<u8>,
}

/// Which payloads an organization's hosts say lie at one of these addresses, what was said last first; at most four.
pub(crate) async fn at(
    tx: &TenantTx,
    tenant: TenantId,
    urls: &[String],
) -> StorageResult<Vec<Sha256>> {
    let rows: Vec<Named> = tx
        .all(
            "select sha256 from inventory.payload_sources where tenant_id = $1 and url = any($2) group by sha256 order by max(seen_at) desc, sha256 limit 4",
            [tenant.0.into(), urls.to_vec().into()],
        )
        .await?;
    let named = rows.iter().map(|row| Sha256::from_slice(&row.sha256));
    Ok(named.flatten().collect())
}

#[derive(FromQueryResult)]
struct Place {
    sha256: Vec<u8>,
    url: String,
}

/// Where an organization's hosts say that these payloads lie; at most eight addresses each.
pub(crate) async fn places(
    tx: &TenantTx,
    tenant: TenantId,
    payloads: &[Sha256],
) -> StorageResult<Vec<StoredPayloadGet>> {
    let hashes: Vec<Vec<u8>> = payloads.iter().map(|sha256| sha256.0.to_vec()).collect();
    let rows: Vec<Place> = tx
        .all(
            "select s.sha256, s.url from unnest($2::bytea[]) as w(sha256) cross join lateral \
             (select p.sha256, p.url from inventory.payload_sources p where p.tenant_id = $1 and p.sha256 = w.sha256 order by p.url limit 8) s",
            [tenant.0.into(), hashes.into()],
        )
        .await?;
    let place = |row: Place| {
        Some(StoredPayloadGet {
            sha256: Sha256::from_slice(&row.sha256)?,
            url: row.url,
        })
    };
    Ok(rows.into_iter().filter_map(place).collect())
}
