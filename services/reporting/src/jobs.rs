//! Background work of reporting: other services' events in; the tree, snapshots, reports and deliveries out.
//!
//! Every job is idempotent and finds its work in the database; a hint only says "look now".

mod follow;

use crate::ReportingService;
use crate::service::{SCHEMA, WORK_TOPIC};
use crate::store::{compliance, ledger, report};
use futures::StreamExt as _;
use netpatch_reporting_api::SnapshotTake;
use netpatch_storage::{Until, outbox};
use netpatch_types::ServiceResult;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the jobs look without a hint.
const POLL: Duration = Duration::from_secs(2);
/// A report that is not made after this long was left by a process that died.
const ABANDONED: chrono::Duration = chrono::Duration::seconds(120);

/// Loops of their own: a slow receiver of webhooks must not hold back the ledger.
#[derive(Clone, Copy, Debug)]
enum Work {
    Grow,
    Deliver,
    Keep,
}

impl ReportingService {
    /// Does the background work until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let until = Until::Stopped(stop.clone());
        let _ = tokio::join!(
            self.follow_policy(until.clone()),
            self.follow_scheduler(until.clone()),
            self.follow_inventory(until),
            self.repeat(Work::Grow, stop.clone()),
            self.repeat(Work::Deliver, stop.clone()),
            self.repeat(Work::Keep, stop.clone()),
            outbox::tend(&self.database, SCHEMA, self.clock.clone(), stop),
        );
    }

    /// Does what there is to do now, once. For tests and for tools.
    pub async fn run_once(&self) -> ServiceResult<()> {
        self.catch_up().await?;
        self.work_once().await
    }

    /// Handles the events that can be read now. May run beside [`ReportingService::run`]: handling an event twice
    /// changes nothing.
    pub(crate) async fn catch_up(&self) -> ServiceResult<()> {
        self.follow_policy(Until::Empty).await?;
        self.follow_scheduler(Until::Empty).await?;
        self.follow_inventory(Until::Empty).await?;
        Ok(())
    }

    async fn repeat(&self, work: Work, stop: CancellationToken) {
        let mut hints = self.bus.subscribe(WORK_TOPIC).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.work(work) => {
                    if let Err(error) = outcome {
                        tracing::warn!(?work, %error, "background work of reporting failed");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
                _ = hints.next() => {}
            }
        }
    }

    async fn work(&self, work: Work) -> ServiceResult<()> {
        match work {
            Work::Grow => self.grow_all().await,
            Work::Deliver => self.deliver_due().await.map(drop),
            Work::Keep => {
                let counted = self.count_due().await;
                let finished = self.finish_reports().await;
                counted.and(finished).and(self.reseal_due().await)
            }
        }
    }

    /// Each part goes on when another fails; the first failure is returned.
    async fn work_once(&self) -> ServiceResult<()> {
        let grown = self.work(Work::Grow).await;
        let delivered = self.work(Work::Deliver).await;
        let kept = self.work(Work::Keep).await;
        grown.and(delivered).and(kept)
    }

    /// One organization's refused log does not stop the others'.
    async fn grow_all(&self) -> ServiceResult<()> {
        let tx = self.database.worker_tx().await?;
        let waiting = ledger::waiting(&tx).await?;
        tx.rollback().await?;
        let mut outcome = Ok(());
        for tenant in waiting {
            if let Err(error) = self.grow(tenant).await {
                tracing::error!(%tenant, %error, "the ledger does not grow");
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn count_due(&self) -> ServiceResult<()> {
        let now = self.clock.now();
        let ago = |period: Duration| {
            now - chrono::Duration::from_std(period).unwrap_or(chrono::Duration::hours(1))
        };
        let tx = self.database.worker_tx().await?;
        let due = compliance::due(
            &tx,
            ago(self.settings.snapshot_after_change),
            ago(self.settings.snapshot_every),
        )
        .await?;
        tx.rollback().await?;
        let request = SnapshotTake {
            label: "schedule".to_owned(),
            deployment: None,
        };
        let mut outcome = Ok(());
        for tenant in due {
            if let Err(error) = self.take_snapshot(tenant, &request).await {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn finish_reports(&self) -> ServiceResult<()> {
        let now = self.clock.now();
        let tx = self.database.worker_tx().await?;
        let unfinished = report::unfinished(&tx, now - ABANDONED).await?;
        let expired = report::expired(&tx, now).await?;
        tx.rollback().await?;
        for (tenant, id) in unfinished {
            self.make_report(tenant, id).await?;
        }
        for (tenant, id) in expired {
            self.expire_report(tenant, id).await?;
        }
        Ok(())
    }
}
