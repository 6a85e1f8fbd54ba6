//! Table `memberships`.

use chrono::{DateTime, Utc};
use netpatch_storage::{StorageResult, TenantTx};
use netpatch_types::{HostId, Sha256};
use sea_orm::FromQueryResult;

/// The newest document of a host.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Stored {
    /// Grows.
    pub version: i64,
    /// Of what it says apart from version and expiry.
    pub content_digest: Vec<u8>,
    /// Encoded.
    pub envelope: Vec<u8>,
    /// When the agent stops believing it.
    pub expires_at: DateTime<Utc>,
}

/// The newest document, locked until the end of the transaction. The lock also covers a host without one.
pub(crate) async fn lock(tx: &TenantTx, host: HostId) -> StorageResult<Option<Stored>> {
    let tenant = tx.tenant()?;
    tx.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        [format!("policy.membership/{tenant}/{host}").into()],
    )
    .await?;
    let sql = "select version, content_digest, envelope, expires_at from policy.memberships where tenant_id = $1 and host_id = $2";
    tx.one(sql, [tenant.0.into(), host.0.into()]).await
}

/// Stores a newer document.
pub(crate) async fn put(
    tx: &TenantTx,
    host: HostId,
    version: u64,
    digest: Sha256,
    envelope: &[u8],
    expires_at: DateTime<Utc>,
) -> StorageResult<()> {
    let sql = "insert into policy.memberships (tenant_id, host_id, version, content_digest, envelope, expires_at) values ($1, $2, $3, $4, $5, $6) \
               on conflict (tenant_id, host_id) do update set version = excluded.version, content_digest = excluded.content_digest, \
               envelope = excluded.envelope, expires_at = excluded.expires_at where memberships.version < excluded.version";
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    let values = [
        tx.tenant()?.0.into(),
        host.0.into(),
        version.into(),
        digest.0.to_vec().into(),
        envelope.to_vec().into(),
        expires_at.into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}
