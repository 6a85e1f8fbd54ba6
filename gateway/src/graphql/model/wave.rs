//! Waves.

use super::{Deployment, Run, WaveStatus};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{Connection, DateTime, Result, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_scheduler_api as scheduler;
use netpatch_types::{DeploymentId, OrganizationId, WaveId};

/// A slice of a deployment behind a gate.
#[derive(Clone)]
pub struct Wave(pub scheduler::Wave);

/// Hosts of a wave by where their run stands.
#[derive(Clone, SimpleObject)]
pub struct WaveCounts {
    /// All hosts.
    pub total: i32,
    /// Not started.
    pub pending: i32,
    /// With a live lease.
    pub running: i32,
    /// Succeeded, and the findings are closed.
    pub succeeded: i32,
    /// Failed, rolled back or not.
    pub failed: i32,
    /// Of the failed: rolled back.
    pub rolled_back: i32,
    /// Refused, expired, cancelled.
    pub skipped: i32,
    /// Waiting for a reboot.
    pub reboot_pending: i32,
    /// Started, without a live lease.
    pub silent: i32,
}

/// A slice of a deployment behind a gate.
#[Object]
impl Wave {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// From 1.
    async fn ordinal(&self) -> i32 {
        int(self.0.ordinal)
    }

    /// Where it stands.
    async fn status(&self) -> WaveStatus {
        self.0.status.into()
    }

    /// Why it stands so, for a person.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Hosts by where their run stands.
    async fn counts(&self) -> WaveCounts {
        let counts = self.0.counts;
        WaveCounts {
            total: int(counts.total),
            pending: int(counts.pending),
            running: int(counts.running),
            succeeded: int(counts.succeeded),
            failed: int(counts.failed),
            rolled_back: int(counts.rolled_back),
            skipped: int(counts.skipped),
            reboot_pending: int(counts.reboot_pending),
            silent: int(counts.silent),
        }
    }

    /// When its order was released.
    async fn opened_at(&self) -> Option<DateTime> {
        self.0.opened_at.map(DateTime)
    }

    /// When its gate was decided.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// Of which deployment.
    async fn deployment(&self, ctx: &Context<'_>) -> Result<Option<Deployment>> {
        super::deployment::find(session(ctx)?, self.0.tenant, self.0.deployment).await
    }

    /// Runs, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Run>>> {
        let list = scheduler::RunList {
            wave: Some(self.0.id),
            deployment: Some(self.0.deployment),
            ..Default::default()
        };
        super::run::listing(session(ctx)?, self.0.tenant, first, after, list).await
    }
}

/// One wave; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: WaveId,
) -> Result<Option<Wave>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .scheduler
            .wave_get(&ctx, scheduler::WaveGet { id })
            .await,
    )?
    .map(Wave))
}

/// Waves of a deployment in order.
pub(crate) async fn listing(
    session: &Session,
    organization: OrganizationId,
    deployment: DeploymentId,
) -> Result<Vec<Wave>> {
    let ctx = session.inside(organization)?;
    let waves = session
        .apis
        .scheduler
        .wave_list(&ctx, scheduler::WaveList { deployment })
        .await?;
    Ok(waves.into_iter().map(Wave).collect())
}
