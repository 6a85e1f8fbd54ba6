//! Table `memberships`.

use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{HostId, Sha256, TenantId};
use sea_orm::FromQueryResult;

/// The newest document of a host.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Stored {
    version: i64,
    /// Of what it says apart from version and expiry.
    pub content_digest: Vec<u8>,
    /// Encoded.
    pub envelope: Vec<u8>,
    /// When the agent stops believing it.
    pub expires_at: DateTime<Utc>,
}

impl Stored {
    /// Grows.
    pub(crate) fn version(&self) -> u64 {
        u64::try_from(self.version).unwrap_or_default()
    }
}

/// The newest document.
pub(crate) async fn get(
    tx: &TenantTx,
    tenant: TenantId,
    host: HostId,
) -> StorageResult<Option<Stored>> {
    let sql = "select version, content_digest, envelope, expires_at from policy.memberships where tenant_id = $1 and host_id = $2";
    tx.one(sql, [tenant.0.into(), host.0.into()]).await
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
