//! Approvals and deferrals whose time is over are decided anew; of exceptions whose end has come inventory is told.

use crate::PolicyService;
use crate::store::{approval, exception, work};
use netpatch_types::{ServiceResult, TenantId};
use std::collections::{BTreeMap, BTreeSet};

/// Noted at once; the rest follows.
const BATCH: u32 = 500;

impl PolicyService {
    /// Notes work for what is due; how many patches and organizations.
    pub(super) async fn note_due(&self) -> ServiceResult<usize> {
        let tx = self.database.worker_tx().await?;
        let due = approval::due(&tx, self.clock.now(), BATCH).await?;
        let ended = exception::due(&tx, self.clock.now()).await?;
        tx.rollback().await?;
        let mut patches: BTreeMap<TenantId, BTreeSet<String>> = BTreeMap::new();
        for one in &due {
            patches
                .entry(TenantId::from(one.tenant_id))
                .or_default()
                .insert(one.subject_id.to_string());
        }
        for (tenant, keys) in patches {
            let tx = self.database.write(&self.system(tenant)).await?;
            work::ask(&tx, work::EVALUATE, &keys.into_iter().collect::<Vec<_>>()).await?;
            tx.commit().await?;
        }
        for tenant in &ended {
            let tx = self.database.write(&self.system(*tenant)).await?;
            work::ask(&tx, work::EXCEPTIONS, &[work::ALL.to_owned()]).await?;
            tx.commit().await?;
        }
        Ok(due.len() + ended.len())
    }
}
