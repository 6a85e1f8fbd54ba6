//! Table `work`: what must be done after a change. A row is deleted only when it was done and nobody asked again meanwhile.

use netpatch_storage::{StorageResult, TenantTx, WorkerTx};
use netpatch_types::{SiteId, TenantId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// Decide anew about a patch, or all.
pub(crate) const EVALUATE: &str = "evaluate";
/// Make a host's membership document anew, or those of a site ([`of_site`]), or all.
pub(crate) const MEMBERSHIP: &str = "membership";
/// Tell inventory which baselines are followed; always all.
pub(crate) const BASELINES: &str = "baselines";
/// Tell inventory which exceptions are in force; always all.
pub(crate) const EXCEPTIONS: &str = "exceptions";
/// The key that stands for all.
pub(crate) const ALL: &str = "*";

/// Before the id of a site in a key.
const SITE: &str = "site ";

/// The key that stands for the hosts of a site.
pub(crate) fn of_site(site: SiteId) -> String {
    format!("{SITE}{}", site.0)
}

/// The site of such a key.
pub(crate) fn site_of(key: &str) -> Option<SiteId> {
    Some(SiteId(key.strip_prefix(SITE)?.parse().ok()?))
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Work {
    /// Whose.
    pub tenant_id: Uuid,
    /// [`EVALUATE`], [`MEMBERSHIP`], [`BASELINES`] or [`EXCEPTIONS`].
    pub kind: String,
    /// What.
    pub key: String,
    /// Changes when somebody asks again.
    pub stamp: Uuid,
}

/// Asks for work.
pub(crate) async fn ask(tx: &TenantTx, kind: &str, keys: &[String]) -> StorageResult<()> {
    let sql = "insert into policy.work (tenant_id, kind, key, stamp) select $1, $2, key, $4 from unnest($3::text[]) as key \
               on conflict (tenant_id, kind, key) do update set stamp = excluded.stamp";
    let keys: Vec<String> = keys
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect();
    tx.execute(
        sql,
        [
            tx.tenant()?.0.into(),
            kind.into(),
            keys.into(),
            Uuid::new_v4().into(),
        ],
    )
    .await?;
    Ok(())
}

/// What there is to do, in any organization; at most `limit`.
pub(crate) async fn open(tx: &WorkerTx, limit: u32) -> StorageResult<Vec<Work>> {
    let sql = "select tenant_id, kind, key, stamp from policy.work order by tenant_id, kind, key limit $1";
    tx.all(sql, [i64::from(limit).into()]).await
}

/// It was done, unless somebody asked again.
pub(crate) async fn done(tx: &TenantTx, work: &Work) -> StorageResult<()> {
    let sql =
        "delete from policy.work where tenant_id = $1 and kind = $2 and key = $3 and stamp = $4";
    let values = [
        work.tenant_id.into(),
        work.kind.clone().into(),
        work.key.clone().into(),
        work.stamp.into(),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

impl Work {
    /// The organization.
    #[must_use]
    pub(crate) fn tenant(&self) -> TenantId {
        TenantId::from(self.tenant_id)
    }
}
