//! Hosts that are known by documents only.

use crate::domain::asset::{hostname_key, serial_key};
use crate::store::encoded;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{HostFacts, SoftwareOrigin};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{HostId, SiteId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// A new host without an agent; its labels are its asset's.
pub(crate) async fn insert(
    tx: &TenantTx,
    id: HostId,
    site: SiteId,
    facts: &HostFacts,
    origin: SoftwareOrigin,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "insert into inventory.hosts (tenant_id, id, site_id, machine_id, hostname, facts, labels, registered_at, reboot_pending, serial_key, \
         software_from) values ($1, $2, $3, $9, $4, $5, '{}', $6, false, $7, $8)",
        [
            tx.tenant()?.0.into(),
            id.0.into(),
            site.0.into(),
            facts.hostname.clone().into(),
            encoded("a host's facts", facts)?.into(),
            now.into(),
            serial_key(&facts.serial).into(),
            origin.as_str().into(),
            format!("document:{id}").into(),
        ],
    )
    .await?;
    Ok(())
}

/// A document spoke of a locked host without an agent.
pub(crate) async fn told(
    tx: &TenantTx,
    id: HostId,
    facts: &HostFacts,
    origin: SoftwareOrigin,
    now: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "update inventory.hosts h set facts = $3, hostname = $4, serial_key = $5, software_from = $6, \
         last_seen_at = greatest(h.last_seen_at, $7), last_scan_at = greatest(h.last_scan_at, $7) where h.tenant_id = $1 and h.id = $2",
        [
            tx.tenant()?.0.into(),
            id.0.into(),
            encoded("a host's facts", facts)?.into(),
            facts.hostname.clone().into(),
            serial_key(&facts.serial).into(),
            origin.as_str().into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct StandInRow {
    id: Uuid,
    serial_key: String,
}

/// Whether the organization has any host that is known by documents only.
pub(crate) async fn has_stand_ins(tx: &TenantTx) -> StorageResult<bool> {
    let found: Option<bool> = tx
        .value(
            "select exists (select from inventory.hosts h where h.tenant_id = $1 and h.software_from <> 'agent')",
            [tx.tenant()?.0.into()],
        )
        .await?;
    Ok(found.unwrap_or_default())
}

/// The hosts without an agent that a machine may be which enrols now: by its serial number anywhere, by its name on its site if no
/// serial number contradicts.
pub(crate) async fn stand_ins(
    tx: &TenantTx,
    site: SiteId,
    facts: &HostFacts,
) -> StorageResult<Vec<HostId>> {
    let (serial, hostname) = (serial_key(&facts.serial), hostname_key(&facts.hostname));
    let rows: Vec<StandInRow> = tx
        .all(
            "select h.id, h.serial_key from inventory.hosts h where h.tenant_id = $1 and h.software_from <> 'agent' \
             and ((h.serial_key <> '' and h.serial_key = $2) \
             or (h.site_id = $3 and $4 <> '' and h.hostname_key = $4 and (h.serial_key = '' or $2 = '')))",
            [
                tx.tenant()?.0.into(),
                serial.clone().into(),
                site.0.into(),
                hostname.into(),
            ],
        )
        .await?;
    let has_serial = |row: &&StandInRow| !serial.is_empty() && row.serial_key == serial;
    let by_serial: Vec<HostId> = rows
        .iter()
        .filter(has_serial)
        .map(|row| row.id.into())
        .collect();
    if by_serial.is_empty() {
        return Ok(rows.into_iter().map(|row| row.id.into()).collect());
    }
    Ok(by_serial)
}

/// A host that enrolled takes the place of one that was known by documents only: its findings with their first sight, its counters,
/// its labels (what the asset says outweighs) and its asset.
pub(crate) async fn take_over(tx: &TenantTx, from: HostId, to: HostId) -> StorageResult<()> {
    let tenant = tx.tenant()?.0;
    for sql in [
        "update inventory.hosts h set labels = h.labels || d.labels, open_critical = d.open_critical, open_high = d.open_high, \
         open_unknown = d.open_unknown, open_medium = d.open_medium, open_low = d.open_low \
         from inventory.hosts d where h.tenant_id = $1 and h.id = $3 and d.tenant_id = $1 and d.id = $2",
        "update inventory.exposures set host_id = $3 where tenant_id = $1 and host_id = $2",
        "update inventory.assets set host_id = $3 where tenant_id = $1 and host_id = $2",
        "delete from inventory.evaluations where tenant_id = $1 and host_id = $2 and host_id <> $3",
        "delete from inventory.hosts where tenant_id = $1 and id = $2 and id <> $3",
    ] {
        tx.execute(sql, [tenant.into(), from.0.into(), to.0.into()])
            .await?;
    }
    Ok(())
}
