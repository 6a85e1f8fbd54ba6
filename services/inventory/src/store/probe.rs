//! What relays were asked to try, and what they found out.

use crate::store::{decoded, encoded};
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{ListeningSocket, Probe, ProbeSocket};
use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{HostId, RelayId, SiteId, TenantId};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The probes of a host's row.
pub(crate) fn probes(column: Option<serde_json::Value>) -> StorageResult<Vec<Probe>> {
    column.map_or_else(
        || Ok(Vec::new()),
        |column| decoded("a host's probes", column),
    )
}

/// A socket that was asked for, and what the host said of its firewall then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AskedSocket {
    pub(crate) socket: ProbeSocket,
    pub(crate) allowed_by_firewall: Option<bool>,
}

/// What a relay was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) at: DateTime<Utc>,
    pub(crate) sockets: Vec<AskedSocket>,
}

#[derive(FromQueryResult)]
struct DueRow {
    id: Uuid,
    listening: Option<serde_json::Value>,
}

/// Hosts of a site among these whose turn it is, locked, with what listens on them. Those that somebody else has locked are left out.
pub(crate) async fn due(
    tx: &TenantTx,
    site: SiteId,
    hosts: &[HostId],
    now: DateTime<Utc>,
    limit: usize,
) -> StorageResult<Vec<(HostId, Vec<ListeningSocket>)>> {
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let rows: Vec<DueRow> = tx
        .all(
            "select h.id, h.facts -> 'listening' as listening from inventory.hosts h \
             left join inventory.probes p on p.tenant_id = h.tenant_id and p.host_id = h.id \
             where h.tenant_id = $1 and h.site_id = $2 and h.id = any($3) and not h.quarantined and (p.due_at is null or p.due_at <= $4) \
             order by p.due_at nulls first, h.id limit $5 for update of h skip locked",
            [
                tx.tenant()?.0.into(),
                site.0.into(),
                ids.into(),
                now.into(),
                i64::try_from(limit).unwrap_or(i64::MAX).into(),
            ],
        )
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.id.into(), super::finding::listening(row.listening)?)))
        .collect()
}

/// A relay is asked for a locked host; whoever was asked before is not heard any more.
pub(crate) async fn ask(
    tx: &TenantTx,
    host: HostId,
    relay: RelayId,
    sockets: &[AskedSocket],
    now: DateTime<Utc>,
    due: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "insert into inventory.probes (tenant_id, host_id, relay_id, asked_at, asked, due_at) values ($1, $2, $3, $4, $5, $6) \
         on conflict (tenant_id, host_id) do update set relay_id = $3, asked_at = $4, asked = $5, due_at = $6",
        [
            tx.tenant()?.0.into(),
            host.0.into(),
            relay.0.into(),
            now.into(),
            encoded("what a relay is asked for", &sockets)?.into(),
            due.into(),
        ],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct AskedRow {
    asked_at: DateTime<Utc>,
    asked: serde_json::Value,
}

/// What a relay was asked for of a locked host, taken: it is not heard a second time.
pub(crate) async fn take_asked(
    tx: &TenantTx,
    host: HostId,
    relay: RelayId,
) -> StorageResult<Option<Asked>> {
    let row: Option<AskedRow> = tx
        .one(
            "with held as (select host_id, asked from inventory.probes where tenant_id = $1 and host_id = $2 and relay_id = $3 and asked is not null for update) \
             update inventory.probes p set asked = null from held where p.tenant_id = $1 and p.host_id = held.host_id returning p.asked_at, held.asked",
            [tx.tenant()?.0.into(), host.0.into(), relay.0.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Asked {
            at: row.asked_at,
            sockets: decoded("what a relay was asked for", row.asked)?,
        })
    })
    .transpose()
}

/// The probes of a locked host, and how long they count.
pub(crate) async fn set(
    tx: &TenantTx,
    host: HostId,
    probes: &[Probe],
    fresh_until: DateTime<Utc>,
) -> StorageResult<()> {
    let tenant = tx.tenant()?.0;
    let column = encoded("a host's probes", &probes)?;
    tx.execute(
        "update inventory.hosts set probes = $3 where tenant_id = $1 and id = $2",
        [tenant.into(), host.0.into(), column.into()],
    )
    .await?;
    tx.execute(
        "update inventory.probes set fresh_until = $3 where tenant_id = $1 and host_id = $2",
        [tenant.into(), host.0.into(), fresh_until.into()],
    )
    .await?;
    Ok(())
}

/// A locked host is probed again by then at the latest.
pub(crate) async fn sooner(tx: &TenantTx, host: HostId, due: DateTime<Utc>) -> StorageResult<()> {
    tx.execute(
        "update inventory.probes set due_at = least(due_at, $3) where tenant_id = $1 and host_id = $2",
        [tx.tenant()?.0.into(), host.0.into(), due.into()],
    )
    .await?;
    Ok(())
}

/// A locked host was never probed, and nobody is asked for it.
pub(crate) async fn forget(tx: &TenantTx, host: HostId) -> StorageResult<()> {
    let tenant = tx.tenant()?.0;
    tx.execute(
        "update inventory.hosts set probes = null where tenant_id = $1 and id = $2 and probes is not null",
        [tenant.into(), host.0.into()],
    )
    .await?;
    tx.execute(
        "delete from inventory.probes where tenant_id = $1 and host_id = $2",
        [tenant.into(), host.0.into()],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct TenantRow {
    tenant_id: Uuid,
}

/// Organizations with probes that do not count any more.
pub(crate) async fn stale(tx: &WorkerTx, now: DateTime<Utc>) -> StorageResult<Vec<TenantId>> {
    let rows: Vec<TenantRow> = tx
        .all(
            "select distinct tenant_id from inventory.probes where fresh_until <= $1 order by tenant_id",
            [now.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.tenant_id.into()).collect())
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

/// Takes the probes away that do not count any more; a portion of the hosts that had them, locked.
pub(crate) async fn forget_stale(
    tx: &TenantTx,
    now: DateTime<Utc>,
    limit: i64,
) -> StorageResult<Vec<HostId>> {
    let tenant = tx.tenant()?.0;
    let rows: Vec<IdRow> = tx
        .all(
            "select h.id from inventory.hosts h join inventory.probes p on p.tenant_id = h.tenant_id and p.host_id = h.id \
             where h.tenant_id = $1 and p.fresh_until <= $2 order by h.id limit $3 for update of h",
            [tenant.into(), now.into(), limit.into()],
        )
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    // Between finding and locking a host it may have been probed again.
    let gone: Vec<IdRow> = tx
        .all(
            "update inventory.probes set fresh_until = null where tenant_id = $1 and host_id = any($2) and fresh_until <= $3 returning host_id as id",
            [tenant.into(), ids.into(), now.into()],
        )
        .await?;
    let gone: Vec<Uuid> = gone.iter().map(|row| row.id).collect();
    tx.execute(
        "update inventory.hosts set probes = null where tenant_id = $1 and id = any($2)",
        [tenant.into(), gone.clone().into()],
    )
    .await?;
    Ok(gone.into_iter().map(Into::into).collect())
}
