//! Updates that hosts were offered.

use crate::domain::link::{state_of, state_word};
use crate::store::{decoded, encoded};
use netpatch_inventory_api::{Incompatibility, InstallableUpdate};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{Ecosystem, HostId, PatchId, Sha256};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use serde_json::json;
use std::collections::HashMap;
use uuid::Uuid;

#[derive(FromQueryResult)]
pub(crate) struct UpdateRow {
    name: String,
    arch: String,
    installed_version: String,
    candidate_version: String,
    source: String,
    source_version: String,
    sha256: Vec<u8>,
    size_bytes: i64,
    origin: String,
    suite: String,
    label: String,
    state: String,
    phased_percent: i32,
    section: String,
    requires: serde_json::Value,
    ecosystem: String,
    errata: serde_json::Value,
    security: bool,
}

pub(crate) const COLUMNS: &str = "u.name, u.arch, u.installed_version, u.candidate_version, u.source, u.source_version, u.sha256, \
    u.size_bytes, u.origin, u.suite, u.label, u.state, u.phased_percent, u.section, u.requires, u.ecosystem, u.errata, u.security";

impl UpdateRow {
    pub(crate) fn into_update(self) -> StorageResult<InstallableUpdate> {
        Ok(InstallableUpdate {
            name: self.name,
            arch: self.arch,
            installed_version: self.installed_version,
            candidate_version: self.candidate_version,
            source: self.source,
            source_version: self.source_version,
            sha256: Sha256::from_slice(&self.sha256).unwrap_or_default(),
            size_bytes: u64::try_from(self.size_bytes).unwrap_or_default(),
            origin: self.origin,
            suite: self.suite,
            label: self.label,
            state: state_of(&self.state),
            phased_percent: u32::try_from(self.phased_percent).unwrap_or_default(),
            section: self.section,
            requires: decoded("an update's requirements", self.requires)?,
            ecosystem: Ecosystem::from_word(&self.ecosystem).unwrap_or(Ecosystem::Generic),
            errata: decoded("an update's errata", self.errata)?,
            security: self.security,
        })
    }
}

/// The updates of a host of the organization that is written to.
pub(crate) async fn of_host(tx: &TenantTx, host: HostId) -> StorageResult<Vec<InstallableUpdate>> {
    let sql = format!(
        "select {COLUMNS} from inventory.host_updates u where u.tenant_id = $1 and u.host_id = $2 order by u.name, u.arch"
    );
    let rows: Vec<UpdateRow> = tx.all(&sql, [tx.tenant()?.0.into(), host.0.into()]).await?;
    rows.into_iter().map(UpdateRow::into_update).collect()
}

struct HostUpdateRow {
    host_id: Uuid,
    refusal: Option<serde_json::Value>,
    update: UpdateRow,
}

impl FromQueryResult for HostUpdateRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            host_id: row.try_get(prefix, "host_id")?,
            refusal: row.try_get(prefix, "refusal")?,
            update: UpdateRow::from_query_result(row, prefix)?,
        })
    }
}

/// The updates of hosts of the organization that is written to.
pub(crate) async fn of_hosts(
    tx: &TenantTx,
    hosts: &[HostId],
) -> StorageResult<HashMap<HostId, Vec<(InstallableUpdate, Option<Incompatibility>)>>> {
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let sql = format!(
        "select u.host_id, u.refusal, {COLUMNS} from inventory.host_updates u where u.tenant_id = $1 and u.host_id = any($2) order by u.name, u.arch"
    );
    let rows: Vec<HostUpdateRow> = tx.all(&sql, [tx.tenant()?.0.into(), ids.into()]).await?;
    let mut hosts: HashMap<HostId, Vec<_>> = HashMap::new();
    for row in rows {
        let host = hosts.entry(row.host_id.into()).or_default();
        let refusal = row.refusal.map(|refusal| decoded("a refusal", refusal));
        host.push((row.update.into_update()?, refusal.transpose()?));
    }
    Ok(hosts)
}

/// Replaces the updates of a host.
pub(crate) async fn replace(
    tx: &TenantTx,
    host: HostId,
    updates: &[(PatchId, InstallableUpdate)],
) -> StorageResult<()> {
    let tenant = tx.tenant()?.0;
    tx.execute(
        "delete from inventory.host_updates where tenant_id = $1 and host_id = $2",
        [tenant.into(), host.0.into()],
    )
    .await?;
    if updates.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(updates.len());
    for (patch, update) in updates {
        rows.push(json!({
            "name": update.name,
            "arch": update.arch,
            "patch_id": patch,
            "installed_version": update.installed_version,
            "candidate_version": update.candidate_version,
            "source": update.source,
            "source_version": update.source_version,
            "sha256": update.sha256,
            "size_bytes": i64::try_from(update.size_bytes).unwrap_or(i64::MAX),
            "origin": update.origin,
            "suite": update.suite,
            "label": update.label,
            "state": state_word(update.state),
            "phased_percent": update.phased_percent.min(100),
            "section": update.section,
            "requires": encoded("an update's requirements", &update.requires)?,
            "ecosystem": update.ecosystem.as_str(),
            "errata": update.errata,
            "security": update.security,
        }));
    }
    tx.execute(
        "insert into inventory.host_updates (tenant_id, host_id, name, arch, patch_id, installed_version, candidate_version, source, \
         source_version, sha256, size_bytes, origin, suite, label, state, phased_percent, section, requires, ecosystem, errata, security) \
         select $1, $2, name, arch, patch_id, installed_version, candidate_version, source, source_version, decode(sha256, 'hex'), \
         size_bytes, origin, suite, label, state, phased_percent, section, requires, ecosystem, errata, security \
         from jsonb_to_recordset($3) as r(name text, arch text, patch_id uuid, installed_version text, candidate_version text, \
         source text, source_version text, sha256 text, size_bytes bigint, origin text, suite text, label text, state text, \
         phased_percent integer, section text, requires jsonb, ecosystem text, errata jsonb, security boolean)",
        [tenant.into(), host.0.into(), serde_json::Value::Array(rows).into()],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct PatchRow {
    patch_id: uuid::Uuid,
}

/// The patches that a host of the organization that is written to is offered and can take.
pub(crate) async fn offered_to(tx: &TenantTx, host: HostId) -> StorageResult<Vec<PatchId>> {
    let rows: Vec<PatchRow> = tx
        .all(
            "select distinct u.patch_id from inventory.host_updates u \
             where u.tenant_id = $1 and u.host_id = $2 and u.refusal is null order by u.patch_id",
            [tx.tenant()?.0.into(), host.0.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.patch_id.into()).collect())
}

/// Marks the updates that a host cannot take, and only those.
pub(crate) async fn set_refusals(
    tx: &TenantTx,
    host: HostId,
    updates: &[InstallableUpdate],
    refusals: &[Option<Incompatibility>],
) -> StorageResult<()> {
    let mut rows = Vec::new();
    for (update, refusal) in updates.iter().zip(refusals) {
        if let Some(refusal) = refusal {
            rows.push(json!({
                "name": update.name,
                "arch": update.arch,
                "refusal": encoded("a refusal", refusal)?,
            }));
        }
    }
    tx.execute(
        "with wanted as (select u.name, u.arch, r.refusal from inventory.host_updates u \
         left join jsonb_to_recordset($3) as r(name text, arch text, refusal jsonb) on r.name = u.name and r.arch = u.arch \
         where u.tenant_id = $1 and u.host_id = $2) \
         update inventory.host_updates u set refusal = w.refusal from wanted w \
         where u.tenant_id = $1 and u.host_id = $2 and u.name = w.name and u.arch = w.arch and u.refusal is distinct from w.refusal",
        [tx.tenant()?.0.into(), host.0.into(), serde_json::Value::Array(rows).into()],
    )
    .await?;
    Ok(())
}
