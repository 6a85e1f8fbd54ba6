//! Does what `policy.work` says. A row goes only when it was done and nobody asked again meanwhile.

use crate::PolicyService;
use crate::service::WORK_TOPIC;
use crate::store::work::{self, Work};
use futures::StreamExt as _;
use netpatch_types::{ErrorCode, HostId, PatchId, ServiceResult};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Read at once.
const BATCH: u32 = 200;
/// Without a hint the loop looks this often, for what is due.
const IDLE: Duration = Duration::from_secs(5);

impl PolicyService {
    pub(super) async fn work_on(&self, stop: CancellationToken) {
        let mut hints = self.bus.subscribe(WORK_TOPIC).await;
        loop {
            let round = async {
                self.note_due().await?;
                self.drain_work().await
            };
            tokio::select! {
                () = stop.cancelled() => return,
                outcome = round => {
                    if let Err(error) = outcome {
                        metrics::counter!("policy_work_failures_total").increment(1);
                        tracing::warn!(%error, "work of policy failed; it stays noted");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(IDLE) => {}
                _ = hints.next() => {}
            }
        }
    }

    /// Does all work; how much. One that fails stays noted and does not keep others from being done; the last failure is returned.
    pub(super) async fn drain_work(&self) -> ServiceResult<usize> {
        let mut done = 0;
        loop {
            let tx = self.database.worker_tx().await?;
            let open = work::open(&tx, BATCH).await?;
            tx.rollback().await?;
            let (mut progress, mut failure) = (0, None);
            for one in &open {
                match self.do_work(one).await {
                    Ok(()) => progress += 1,
                    Err(error) => {
                        tracing::warn!(%error, tenant = %one.tenant(), kind = one.kind, key = one.key, "work of policy failed");
                        failure = Some(error);
                    }
                }
            }
            done += progress;
            match failure {
                Some(error) => return Err(error),
                None if open.is_empty() => return Ok(done),
                None => {}
            }
        }
    }

    async fn do_work(&self, one: &Work) -> ServiceResult<()> {
        let tenant = one.tenant();
        match (
            one.kind.as_str(),
            one.key.as_str(),
            one.key.parse::<uuid::Uuid>(),
        ) {
            (work::EVALUATE, work::ALL, _) => self.evaluate_all(tenant).await?,
            (work::MEMBERSHIP, work::ALL, _) => self.refresh_memberships(tenant, None).await?,
            (work::BASELINES, work::ALL, _) => self.hand_over_baselines(tenant).await?,
            (work::EXCEPTIONS, work::ALL, _) => self.hand_over_exceptions(tenant).await?,
            (work::EVALUATE, _, Ok(patch)) => self.evaluate_patch(tenant, PatchId(patch)).await?,
            (work::MEMBERSHIP, _, Ok(host)) => {
                match self.refresh_membership(tenant, HostId(host)).await {
                    // The host is gone; nobody needs its document.
                    Err(error) if error.code != ErrorCode::NotFound => return Err(error),
                    _ => {}
                }
            }
            (work::MEMBERSHIP, key, Err(_)) if work::site_of(key).is_some() => {
                self.refresh_memberships(tenant, work::site_of(key)).await?;
            }
            _ => tracing::warn!(kind = one.kind, key = one.key, "unknown work"),
        }
        let tx = self.database.write(&self.system(tenant)).await?;
        work::done(&tx, one).await?;
        Ok(tx.commit().await?)
    }
}
