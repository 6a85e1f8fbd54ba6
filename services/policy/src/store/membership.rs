//! Table `memberships`.

use chrono::{DateTime, Utc};
use netpatch_policy_api::MembershipGet;
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{HostId, Sha256, TenantId};
use sea_orm::FromQueryResult;
use std::collections::HashMap;
use uuid::Uuid;

/// What is known of the newest document of a host.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    version: i64,
    /// Of what it says apart from version and expiry.
    pub content_digest: Vec<u8>,
    /// When the agent stops believing it.
    pub expires_at: DateTime<Utc>,
}

impl Stored {
    /// Grows.
    pub(crate) fn version(&self) -> u64 {
        u64::try_from(self.version).unwrap_or_default()
    }
}

/// The same, with the encoded document if the host holds an older one.
#[derive(Clone, Debug)]
pub(crate) struct OfHost {
    pub stored: Stored,
    pub newer: Option<Vec<u8>>,
}

#[derive(FromQueryResult)]
struct Row {
    host_id: Uuid,
    version: i64,
    content_digest: Vec<u8>,
    expires_at: DateTime<Utc>,
    envelope: Option<Vec<u8>>,
}

/// The newest documents of hosts.
pub(crate) async fn of(
    tx: &TenantTx,
    tenant: TenantId,
    held: &[MembershipGet],
) -> StorageResult<HashMap<HostId, OfHost>> {
    let sql = "select m.host_id, m.version, m.content_digest, m.expires_at, case when m.version > h.held then m.envelope end as envelope \
               from policy.memberships m join unnest($2::uuid[], $3::bigint[]) h(host_id, held) on m.host_id = h.host_id where m.tenant_id = $1";
    let hosts: Vec<Uuid> = held.iter().map(|held| held.host.0).collect();
    let versions: Vec<i64> = held
        .iter()
        .map(|held| i64::try_from(held.held_version).unwrap_or(i64::MAX))
        .collect();
    let rows: Vec<Row> = tx
        .all(sql, [tenant.0.into(), hosts.into(), versions.into()])
        .await?;
    let of_host = |row: Row| {
        let stored = Stored {
            version: row.version,
            content_digest: row.content_digest,
            expires_at: row.expires_at,
        };
        let newer = row.envelope;
        (row.host_id.into(), OfHost { stored, newer })
    };
    Ok(rows.into_iter().map(of_host).collect())
}

/// Stores the document of exactly the next version; false if somebody else was faster.
pub(crate) async fn put(
    tx: &TenantTx,
    host: HostId,
    version: u64,
    digest: Sha256,
    envelope: &[u8],
    expires_at: DateTime<Utc>,
) -> StorageResult<bool> {
    let sql = "insert into policy.memberships (tenant_id, host_id, version, content_digest, envelope, expires_at) values ($1, $2, $3, $4, $5, $6) \
               on conflict (tenant_id, host_id) do update set version = excluded.version, content_digest = excluded.content_digest, \
               envelope = excluded.envelope, expires_at = excluded.expires_at where memberships.version = excluded.version - 1";
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    let values = [
        tx.tenant()?.0.into(),
        host.0.into(),
        version.into(),
        digest.0.to_vec().into(),
        envelope.to_vec().into(),
        expires_at.into(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}
