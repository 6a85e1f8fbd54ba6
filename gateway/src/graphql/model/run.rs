//! Runs.

use super::{Deployment, Host, RunStatus, Wave};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{ByteCount, Connection, DateTime, Result, asked, loaders, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_scheduler_api as scheduler;
use netpatch_types::{OrganizationId, RunId};

/// One host's attempt.
#[derive(Clone)]
pub struct Run(pub scheduler::Run);

/// One step of a run, as the agent wrote it down.
#[derive(Clone, SimpleObject)]
pub struct RunEvent {
    /// From 1, without gaps.
    pub step: i32,
    /// Where the run stood after it.
    pub status: RunStatus,
    /// By the agent's clock.
    pub at: DateTime,
    /// For a person.
    pub message: String,
    /// Failure cause or refusal, if it is one.
    pub cause: Option<String>,
    /// Lines of the log.
    pub evidence: Vec<String>,
}

impl From<scheduler::RunEvent> for RunEvent {
    fn from(event: scheduler::RunEvent) -> Self {
        Self {
            step: int(event.step),
            status: event.status.into(),
            at: event.at.into(),
            message: event.message,
            cause: Some(event.cause).filter(|cause| !cause.is_empty()),
            evidence: event.evidence,
        }
    }
}

/// Why a run failed or was refused.
#[derive(Clone, SimpleObject)]
pub struct RunError {
    /// One of a closed list.
    pub code: String,
    /// For a person.
    pub message: String,
    /// The next step for a person.
    pub remediation: Option<String>,
    /// Whether trying again may help.
    pub is_retryable: bool,
    /// Lines of the log.
    pub evidence: Vec<String>,
}

/// One host's attempt.
#[Object]
impl Run {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// On which host.
    async fn host(&self, ctx: &Context<'_>) -> Result<Option<Host>> {
        loaders(ctx)?.host(self.0.tenant, self.0.host).await
    }

    /// Of which wave.
    async fn wave(&self, ctx: &Context<'_>) -> Result<Option<Wave>> {
        super::wave::find(session(ctx)?, self.0.tenant, self.0.wave).await
    }

    /// Of which deployment.
    async fn deployment(&self, ctx: &Context<'_>) -> Result<Option<Deployment>> {
        super::deployment::find(session(ctx)?, self.0.tenant, self.0.deployment).await
    }

    /// Where it stands.
    async fn status(&self) -> RunStatus {
        self.0.status.into()
    }

    /// Started, not ended, and nothing heard for longer than the lease.
    async fn is_silent(&self) -> bool {
        self.0.silent
    }

    /// After success: whether the findings of its patches are closed; null while unknown.
    async fn is_confirmed(&self) -> Option<bool> {
        self.0.confirmed
    }

    /// How many attempts there were.
    async fn attempts(&self) -> i32 {
        int(self.0.attempt)
    }

    /// Why it failed or was refused.
    async fn error(&self) -> Option<RunError> {
        self.0.error.clone().map(|error| RunError {
            code: error.code,
            message: error.message,
            remediation: Some(error.remediation).filter(|next| !next.is_empty()),
            is_retryable: error.retry,
            evidence: error.evidence,
        })
    }

    /// When it was accepted.
    async fn started_at(&self) -> Option<DateTime> {
        self.0.started_at.map(DateTime)
    }

    /// When it ended.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// The agent's last word about it.
    async fn last_event_at(&self) -> Option<DateTime> {
        self.0.last_event_at.map(DateTime)
    }

    /// Bytes that came from the relay's cache.
    async fn bytes_from_relay(&self) -> ByteCount {
        self.0.bytes_from_relay.into()
    }

    /// Bytes that were fetched from the origin.
    async fn bytes_from_origin(&self) -> ByteCount {
        self.0.bytes_from_origin.into()
    }

    /// Its steps in order.
    #[graphql(complexity = "5 + 10 * child_complexity")]
    async fn events(&self, ctx: &Context<'_>) -> Result<Option<Vec<RunEvent>>> {
        let session = session(ctx)?;
        // A list of runs comes without their events.
        let run = session
            .apis
            .scheduler
            .run_get(
                &session.inside(self.0.tenant)?,
                scheduler::RunGet { id: self.0.id },
            )
            .await?;
        Ok(Some(run.events.into_iter().map(RunEvent::from).collect()))
    }
}

/// One run; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: RunId,
) -> Result<Option<Run>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .scheduler
            .run_get(&ctx, scheduler::RunGet { id })
            .await,
    )?
    .map(Run))
}

/// Runs of something, newest first.
pub(crate) async fn listing(
    session: &Session,
    organization: OrganizationId,
    first: i32,
    after: Option<String>,
    list: scheduler::RunList,
) -> Result<Option<Connection<Run>>> {
    let ctx = session.inside(organization)?;
    let asked = asked(
        "runs",
        &(organization, list.deployment, list.wave, list.host),
        first,
        after,
    )?;
    let page = session
        .apis
        .scheduler
        .run_list(
            &ctx,
            scheduler::RunList {
                page: asked.page.clone(),
                ..list
            },
        )
        .await?;
    Ok(Some(asked.connection(page, Run)))
}
