//! Updates that hosts cannot take.

use crate::store::{decoded, sql::Query};
use netpatch_inventory_api::{PatchRefusal, PatchRefusals};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::RequestContext;
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct RefusalRow {
    tenant_id: Uuid,
    host_id: Uuid,
    patch_id: Uuid,
    name: String,
    arch: String,
    candidate_version: String,
    refusal: serde_json::Value,
}

/// The first thousand, by host and package.
pub(crate) async fn list(
    tx: &TenantTx,
    ctx: &RequestContext,
    wanted: &PatchRefusals,
) -> StorageResult<Vec<PatchRefusal>> {
    let mut query = Query::new(
        "select u.tenant_id, u.host_id, u.patch_id, u.name, u.arch, u.candidate_version, u.refusal from inventory.host_updates u \
         join inventory.hosts h on h.tenant_id = u.tenant_id and h.id = u.host_id where u.refusal is not null",
    );
    query.of_tenant(wanted.tenant, "u").in_scope(ctx, "h");
    if let Some(host) = wanted.host {
        query.and("u.host_id =", host.0, "");
    }
    if let Some(patch) = wanted.patch {
        query.and("u.patch_id =", patch.0, "");
    }
    query.push(" order by h.hostname, u.host_id, u.name, u.arch limit 1000");
    let rows: Vec<RefusalRow> = tx.all(&query.text, query.values).await?;
    rows.into_iter()
        .map(|row| {
            Ok(PatchRefusal {
                tenant: row.tenant_id.into(),
                host: row.host_id.into(),
                patch: row.patch_id.into(),
                package: row.name,
                arch: row.arch,
                version: row.candidate_version,
                why: decoded("a refusal", row.refusal)?,
            })
        })
        .collect()
}
