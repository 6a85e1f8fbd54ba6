//! Groups.

use crate::store::{decoded, encoded};
use netpatch_inventory_api::Group;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{GroupId, Selector};
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    name: String,
    selector: serde_json::Value,
}

fn group(row: Row) -> StorageResult<Group> {
    Ok(Group {
        id: row.id.into(),
        tenant: row.tenant_id.into(),
        name: row.name,
        selector: decoded("a group's selector", row.selector)?,
    })
}

/// All groups, by name.
pub(crate) async fn list(tx: &TenantTx) -> StorageResult<Vec<Group>> {
    let rows: Vec<Row> = tx
        .all(
            "select tenant_id, id, name, selector from inventory.groups order by name, id",
            [],
        )
        .await?;
    rows.into_iter().map(group).collect()
}

/// One group.
pub(crate) async fn get(tx: &TenantTx, id: GroupId) -> StorageResult<Option<Group>> {
    let row: Option<Row> = tx
        .one(
            "select tenant_id, id, name, selector from inventory.groups where id = $1",
            [id.0.into()],
        )
        .await?;
    row.map(group).transpose()
}

/// A new group.
pub(crate) async fn insert(
    tx: &TenantTx,
    id: GroupId,
    name: &str,
    selector: &Selector,
) -> StorageResult<()> {
    tx.execute(
        "insert into inventory.groups (tenant_id, id, name, selector) values ($1, $2, $3, $4)",
        [
            tx.tenant()?.0.into(),
            id.0.into(),
            name.into(),
            encoded("a group's selector", selector)?.into(),
        ],
    )
    .await?;
    Ok(())
}
