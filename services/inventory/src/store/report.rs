//! What many hosts reported, written at once. Hosts are always locked in order of their ids and before anything that belongs to
//! them, so that batches, evaluations and check-ins never wait for each other in a circle.

use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{HostId, Sha256, SiteId};
use sea_orm::FromQueryResult;
use std::collections::HashMap;
use uuid::Uuid;

/// Where a locked host is and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    /// Its site.
    pub(crate) site: SiteId,
    /// Its manifest.
    pub(crate) manifest: Option<Sha256>,
}

#[derive(FromQueryResult)]
struct BeforeRow {
    id: Uuid,
    site_id: Uuid,
    manifest: Option<Vec<u8>>,
}

/// Locks hosts of the organization that is written to; unknown ones are absent.
pub(crate) async fn lock(
    tx: &TenantTx,
    hosts: &[HostId],
) -> StorageResult<HashMap<HostId, Before>> {
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let rows: Vec<BeforeRow> = tx
        .all(
            "select h.id, h.site_id, h.manifest from inventory.hosts h where h.tenant_id = $1 and h.id = any($2) order by h.id for update",
            [tx.tenant()?.0.into(), ids.into()],
        )
        .await?;
    let before = |row: BeforeRow| {
        let manifest = row.manifest.as_deref().and_then(Sha256::from_slice);
        let site = row.site_id.into();
        (row.id.into(), Before { site, manifest })
    };
    Ok(rows.into_iter().map(before).collect())
}

/// Hosts now carry these manifests, and carried them from now on; their updates are told anew or pruned.
pub(crate) async fn carry(
    tx: &TenantTx,
    hosts: &[(HostId, Sha256)],
    now: DateTime<Utc>,
) -> StorageResult<()> {
    let tenant = tx.tenant()?.0;
    let ids: Vec<Uuid> = hosts.iter().map(|(host, _)| host.0).collect();
    let hashes: Vec<Vec<u8>> = hosts.iter().map(|(_, hash)| hash.0.to_vec()).collect();
    tx.execute(
        "update inventory.hosts h set manifest = r.hash, reported = pg_current_xact_id(), applicability_digest = null, last_scan_at = $4, \
         last_seen_at = greatest(h.last_seen_at, $4) \
         from unnest($2::uuid[], $3::bytea[]) r(id, hash) where h.tenant_id = $1 and h.id = r.id",
        [tenant.into(), ids.clone().into(), hashes.clone().into(), now.into()],
    )
    .await?;
    tx.execute(
        "insert into inventory.host_manifests (tenant_id, host_id, seen_at, hash) \
         select $1, id, $4, hash from unnest($2::uuid[], $3::bytea[]) r(id, hash) \
         on conflict (tenant_id, host_id, seen_at) do update set hash = excluded.hash",
        [tenant.into(), ids.into(), hashes.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// An update that a host was offered, as far as it matters whether it has been installed.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Offered {
    /// Whose.
    pub(crate) host_id: Uuid,
    /// Binary package.
    pub(crate) name: String,
    /// Architecture.
    pub(crate) arch: String,
    /// Version to come.
    pub(crate) candidate_version: String,
}

/// What these hosts were offered.
pub(crate) async fn offered(tx: &TenantTx, hosts: &[HostId]) -> StorageResult<Vec<Offered>> {
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    tx.all(
        "select u.host_id, u.name, u.arch, u.candidate_version from inventory.host_updates u where u.tenant_id = $1 and u.host_id = any($2)",
        [tx.tenant()?.0.into(), ids.into()],
    )
    .await
}

/// Forgets updates that are not to be installed any more.
pub(crate) async fn prune(tx: &TenantTx, done: &[Offered]) -> StorageResult<()> {
    let hosts: Vec<Uuid> = done.iter().map(|one| one.host_id).collect();
    let names: Vec<String> = done.iter().map(|one| one.name.clone()).collect();
    let arches: Vec<String> = done.iter().map(|one| one.arch.clone()).collect();
    tx.execute(
        "delete from inventory.host_updates u using unnest($2::uuid[], $3::text[], $4::text[]) r(host_id, name, arch) \
         where u.tenant_id = $1 and u.host_id = r.host_id and u.name = r.name and u.arch = r.arch",
        [tx.tenant()?.0.into(), hosts.into(), names.into(), arches.into()],
    )
    .await?;
    Ok(())
}

/// A host that reported another manifest since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    /// Which.
    pub(crate) host: HostId,
    /// What it carries.
    pub(crate) manifest: Sha256,
    /// When it was scanned.
    pub(crate) at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct ReportedRow {
    id: Uuid,
    manifest: Option<Vec<u8>>,
    last_scan_at: Option<DateTime<Utc>>,
}

/// The transaction number below which everything is decided.
pub(crate) async fn horizon(tx: &TenantTx) -> StorageResult<u64> {
    let horizon: Option<String> = tx
        .value("select pg_snapshot_xmin(pg_current_snapshot())::text", [])
        .await?;
    Ok(horizon
        .and_then(|text| text.parse().ok())
        .unwrap_or_default())
}

/// Hosts of an organization whose manifest was written by a transaction from `horizon` on, at most `limit`.
pub(crate) async fn since(tx: &TenantTx, horizon: u64, limit: i64) -> StorageResult<Vec<Reported>> {
    let rows: Vec<ReportedRow> = tx
        .all(
            "select h.id, h.manifest, h.last_scan_at from inventory.hosts h \
             where h.tenant_id = $1 and h.reported >= $2::xid8 and h.manifest is not null limit $3",
            [
                tx.tenant()?.0.into(),
                horizon.to_string().into(),
                limit.into(),
            ],
        )
        .await?;
    let reported = |row: ReportedRow| {
        Some(Reported {
            host: row.id.into(),
            manifest: Sha256::from_slice(&row.manifest?)?,
            at: row.last_scan_at,
        })
    };
    Ok(rows.into_iter().filter_map(reported).collect())
}
