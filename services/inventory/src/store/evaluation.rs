//! Hosts that wait for evaluation, and the feed epoch up to which nobody else has to.
//!
//! Whoever evaluates a host takes its row in the same transaction, with the organization's epoch locked against advancing:
//! so a host is never taken as done by somebody who does not know the newest advisories yet.

use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{HostId, Sha256, TenantId};
use sea_orm::FromQueryResult;
use std::collections::HashMap;
use uuid::Uuid;

/// The organization exists for evaluation, from the present epoch on.
pub(crate) async fn begin(tx: &TenantTx) -> StorageResult<()> {
    tx.execute(
        "insert into inventory.evaluated (tenant_id, epoch) select $1, s.epoch from inventory.feed_state s on conflict (tenant_id) do nothing",
        [tx.tenant()?.0.into()],
    )
    .await?;
    Ok(())
}

/// Locked hosts reported another manifest than the one that is given, which their exposures are of unless they wait already.
pub(crate) async fn reported(
    tx: &TenantTx,
    hosts: &[(HostId, Option<Sha256>)],
) -> StorageResult<()> {
    let ids: Vec<Uuid> = hosts.iter().map(|(host, _)| host.0).collect();
    let bases: Vec<Vec<u8>> = hosts
        .iter()
        .map(|(_, base)| base.map(|hash| hash.0.to_vec()).unwrap_or_default())
        .collect();
    tx.execute(
        "insert into inventory.evaluations (tenant_id, host_id, base, reported) \
         select $1, id, nullif(base, ''::bytea), true from unnest($2::uuid[], $3::bytea[]) r(id, base) order by id \
         on conflict (tenant_id, host_id) do update set reported = true",
        [tx.tenant()?.0.into(), ids.into(), bases.into()],
    )
    .await?;
    Ok(())
}

/// Waits for the evaluations of the organization that run and keeps new ones from beginning: whoever lets hosts wait that it has
/// not locked would else wait for them in a circle.
pub(crate) async fn alone(tx: &TenantTx) -> StorageResult<()> {
    tx.execute(
        "select 1 from inventory.evaluated where tenant_id = $1 for update",
        [tx.tenant()?.0.into()],
    )
    .await?;
    Ok(())
}

/// Hosts have to be compared as a whole: these, or all that carry a manifest. In order, as batches of reports do it.
pub(crate) async fn ask(tx: &TenantTx, hosts: Option<&[HostId]>) -> StorageResult<()> {
    const INTO: &str = "insert into inventory.evaluations (tenant_id, host_id, base, reported)";
    const AGAIN: &str = "order by 2 on conflict (tenant_id, host_id) do update set base = null";
    let tenant = tx.tenant()?.0;
    match hosts {
        Some(hosts) => {
            let mut ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
            ids.sort_unstable();
            for portion in ids.chunks(50_000) {
                let sql = format!(
                    "{INTO} select $1::uuid, id, null::bytea, false from unnest($2::uuid[]) r(id) {AGAIN}"
                );
                tx.execute(&sql, [tenant.into(), portion.to_vec().into()])
                    .await?;
            }
        }
        None => {
            let sql = format!(
                "{INTO} select h.tenant_id, h.id, null::bytea, false from inventory.hosts h \
                 where h.tenant_id = $1 and h.manifest is not null {AGAIN}"
            );
            tx.execute(&sql, [tenant.into()]).await?;
        }
    }
    Ok(())
}

/// The epoch of the organization, locked against advancing until the end of the transaction.
pub(crate) async fn epoch(tx: &TenantTx) -> StorageResult<i64> {
    let epoch: Option<i64> = tx
        .value(
            "select epoch from inventory.evaluated where tenant_id = $1 for share",
            [tx.tenant()?.0.into()],
        )
        .await?;
    Ok(epoch.unwrap_or_default())
}

/// The older epoch of the organization, which is `epoch` from now on; `None` when it is not older.
pub(crate) async fn advance(tx: &TenantTx, epoch: i64) -> StorageResult<Option<i64>> {
    let tenant = tx.tenant()?.0;
    let before: Option<i64> = tx
        .value(
            "select epoch from inventory.evaluated where tenant_id = $1 and epoch < $2 for update",
            [tenant.into(), epoch.into()],
        )
        .await?;
    if before.is_some() {
        tx.execute(
            "update inventory.evaluated set epoch = $2 where tenant_id = $1",
            [tenant.into(), epoch.into()],
        )
        .await?;
    }
    Ok(before)
}

#[derive(FromQueryResult)]
struct TenantRow {
    tenant_id: Uuid,
}

/// Organizations that are behind an epoch.
pub(crate) async fn behind(tx: &WorkerTx, epoch: i64) -> StorageResult<Vec<TenantId>> {
    let rows: Vec<TenantRow> = tx
        .all(
            "select tenant_id from inventory.evaluated where epoch < $1 order by tenant_id",
            [epoch.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.tenant_id.into()).collect())
}

/// Organizations of which a host waits.
pub(crate) async fn organizations(tx: &WorkerTx) -> StorageResult<Vec<TenantId>> {
    let rows: Vec<TenantRow> = tx
        .all(
            "select e.tenant_id from inventory.evaluated e \
             where exists (select 1 from inventory.evaluations w where w.tenant_id = e.tenant_id) order by e.tenant_id",
            [],
        )
        .await?;
    Ok(rows.into_iter().map(|row| row.tenant_id.into()).collect())
}

#[derive(FromQueryResult)]
struct WaitingRow {
    host_id: Uuid,
    is_whole: bool,
}

/// Some hosts that wait, of these or of all, and whether each is compared as a whole.
pub(crate) async fn waiting(
    tx: &TenantTx,
    only: Option<&[HostId]>,
    limit: i64,
) -> StorageResult<Vec<(HostId, bool)>> {
    const SOME: &str = "select w.host_id, w.base is null as is_whole from inventory.evaluations w where w.tenant_id = $1";
    let tenant = tx.tenant()?.0;
    let rows: Vec<WaitingRow> = match only {
        Some(only) => {
            let ids: Vec<Uuid> = only.iter().map(|host| host.0).collect();
            let sql = format!("{SOME} and w.host_id = any($2) order by w.host_id limit $3");
            tx.all(&sql, [tenant.into(), ids.into(), limit.into()])
                .await?
        }
        None => {
            let sql = format!("{SOME} order by w.host_id limit $2");
            tx.all(&sql, [tenant.into(), limit.into()]).await?
        }
    };
    Ok(rows
        .into_iter()
        .map(|row| (row.host_id.into(), row.is_whole))
        .collect())
}

/// What a host waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waited {
    /// The manifest that its exposures are of; none: it is compared as a whole.
    pub(crate) base: Option<Sha256>,
    /// It reported another manifest.
    pub(crate) reported: bool,
}

#[derive(FromQueryResult)]
struct TakenRow {
    host_id: Uuid,
    base: Option<Vec<u8>>,
    reported: bool,
}

/// Takes locked hosts from those that wait; who does not wait is absent.
pub(crate) async fn take(
    tx: &TenantTx,
    hosts: &[HostId],
) -> StorageResult<HashMap<HostId, Waited>> {
    let ids: Vec<Uuid> = hosts.iter().map(|host| host.0).collect();
    let rows: Vec<TakenRow> = tx
        .all(
            "delete from inventory.evaluations w where w.tenant_id = $1 and w.host_id = any($2) returning w.host_id, w.base, w.reported",
            [tx.tenant()?.0.into(), ids.into()],
        )
        .await?;
    let waited = |row: TakenRow| {
        let base = row.base.as_deref().and_then(Sha256::from_slice);
        let reported = row.reported;
        (row.host_id.into(), Waited { base, reported })
    };
    Ok(rows.into_iter().map(waited).collect())
}
