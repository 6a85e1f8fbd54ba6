//! Hosts that assets may belong to.

use super::{PORTION, Wanted};
use crate::domain::asset::Keys;
use crate::store::decoded;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{AssetId, HostId, Labels, SiteId};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

/// What a host's firmware says of it; empty: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    pub(crate) serial: String,
    pub(crate) vendor: String,
    pub(crate) model: String,
}

/// A host that an asset may belong to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostRow {
    pub(crate) id: HostId,
    pub(crate) site: SiteId,
    pub(crate) hostname: String,
    pub(crate) keys: Keys,
    /// What its firmware says.
    pub(crate) machine: Machine,
    pub(crate) labels: Labels,
    pub(crate) version: i64,
    /// The asset that is linked to it.
    pub(crate) asset: Option<AssetId>,
}

#[derive(FromQueryResult)]
struct KeysRow {
    id: Uuid,
    site_id: Uuid,
    hostname: String,
    hostname_key: String,
    machine_id: String,
    serial_key: String,
    serial: String,
    vendor: String,
    model: String,
    labels: serde_json::Value,
    version: i64,
    asset_id: Option<Uuid>,
}

/// The hosts of the organization that is written to that share a key or an id, locked.
pub(crate) async fn hosts_matching(tx: &TenantTx, wanted: &Wanted) -> StorageResult<Vec<HostRow>> {
    let rows: Vec<KeysRow> = tx
        .all(
            "select h.id, h.site_id, h.hostname, h.hostname_key, \
             case when h.software_from = 'agent' then h.machine_id else '' end as machine_id, h.serial_key, \
             coalesce(h.facts->>'serial', '') as serial, coalesce(h.facts->>'vendor', '') as vendor, \
             coalesce(h.facts->>'model', '') as model, h.labels, h.version, \
             (select a.id from inventory.assets a where a.tenant_id = h.tenant_id and a.host_id = h.id) as asset_id from inventory.hosts h \
             where h.tenant_id = $1 and (h.id = any($2) or h.machine_id = any($3) or h.serial_key = any($4) or h.hostname_key = any($5)) \
             order by h.id for update of h",
            [
                tx.tenant()?.0.into(),
                wanted.hosts.clone().into(),
                wanted.machine_ids.clone().into(),
                wanted.serials.clone().into(),
                wanted.hostnames.clone().into(),
            ],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(HostRow {
                id: row.id.into(),
                site: row.site_id.into(),
                hostname: row.hostname,
                keys: Keys {
                    inventory_number: String::new(),
                    machine_id: row.machine_id,
                    serial: row.serial_key,
                    hostname: row.hostname_key,
                },
                machine: Machine {
                    serial: row.serial,
                    vendor: row.vendor,
                    model: row.model,
                },
                labels: decoded("a host's labels", row.labels)?,
                version: row.version,
                asset: row.asset_id.map(Into::into),
            })
        })
        .collect()
}

/// New labels of hosts; their versions grow.
pub(crate) async fn set_host_labels(
    tx: &TenantTx,
    hosts: &[(HostId, Labels)],
) -> StorageResult<()> {
    for portion in hosts.chunks(PORTION) {
        let rows: Vec<_> = portion
            .iter()
            .map(|(id, labels)| json!({"id": id, "labels": labels}))
            .collect();
        tx.execute(
            "update inventory.hosts h set labels = r.labels, version = h.version + 1 \
             from jsonb_to_recordset($2) as r(id uuid, labels jsonb) where h.tenant_id = $1 and h.id = r.id",
            [tx.tenant()?.0.into(), serde_json::Value::Array(rows).into()],
        )
        .await?;
    }
    Ok(())
}
