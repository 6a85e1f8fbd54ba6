//! Subscriptions: progress of a deployment, events of an organization.
//!
//! Every event has a sequence; a client that comes back says the last one that it saw. An event says what changed, not how: readers
//! read again. At most two events a second leave for progress.

use super::context::{Session, absent, organization_id, tenant_id};
use super::model::{Deployment, Wave};
use super::{DateTime, Result, Sequence, session};
use crate::events::{EventHub, KINDS, ThinEvent};
use async_graphql::{Context, ID, SimpleObject, Subscription as GraphqlSubscription};
use futures::Stream;
use netpatch_types::{DeploymentId, OrganizationId, ServiceError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// Changes within this time are told at once.
const COALESCE: Duration = Duration::from_millis(500);
/// Counts also change without an event: a lease runs out.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How a deployment stands.
#[derive(Clone, SimpleObject)]
pub struct WaveProgressEvent {
    /// Grows with each event; `afterSequence` of the next subscription.
    pub sequence: Sequence,
    /// The deployment.
    pub deployment: Deployment,
    /// Its waves in order.
    pub waves: Vec<Wave>,
}

/// Something happened in an organization.
#[derive(Clone, SimpleObject)]
pub struct OrganizationEvent {
    /// Grows with each event; `afterSequence` of the next subscription.
    pub sequence: Sequence,
    /// What kind of event, e.g. `run.changed`.
    pub kind: String,
    /// What it is about.
    pub subject: Option<ID>,
    /// When.
    pub at: DateTime,
}

/// What can be followed.
pub struct Subscription;

/// What can be followed.
#[GraphqlSubscription]
impl Subscription {
    /// How a deployment stands: at once, then whenever it changes, at most twice a second. With `afterSequence` the first event
    /// comes when something changed since.
    #[graphql(complexity = "20 + child_complexity")]
    async fn wave_progress(
        &self,
        ctx: &Context<'_>,
        deployment_id: ID,
        after_sequence: Option<Sequence>,
    ) -> Result<impl Stream<Item = Result<WaveProgressEvent>> + use<>> {
        let session = session(ctx)?.clone();
        let hub = hub(ctx)?;
        let (of, id) =
            tenant_id::<DeploymentId>(&deployment_id, DeploymentId::PREFIX, "deployment")?;
        super::model::deployment::find(&session, of, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("deployment"))?;
        Ok(progress(
            session,
            hub,
            of,
            id,
            after_sequence.map(|sequence| sequence.0),
        ))
    }

    /// What happens in an organization. `kinds` absent: everything.
    #[graphql(complexity = "20 + child_complexity")]
    async fn organization_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
        kinds: Option<Vec<String>>,
        after_sequence: Option<Sequence>,
    ) -> Result<impl Stream<Item = OrganizationEvent> + use<>> {
        let session = session(ctx)?;
        session.principal()?;
        let of = self::organization_id(&organization_id)?;
        session
            .inside(of)?
            .require(netpatch_types::Permission::Read)?;
        for kind in kinds.iter().flatten() {
            if !KINDS.contains(&kind.as_str()) {
                return Err(ServiceError::invalid(
                    "kinds",
                    format!(
                        "{:?} is no kind of event; there are {}",
                        kind,
                        KINDS.join(", ")
                    ),
                ));
            }
        }
        Ok(events(
            hub(ctx)?,
            of,
            kinds,
            after_sequence.map(|sequence| sequence.0),
        ))
    }
}

fn hub(ctx: &Context<'_>) -> Result<EventHub> {
    ctx.data_opt::<EventHub>().cloned().ok_or_else(|| {
        tracing::error!("a request without the event hub reached a subscription");
        ServiceError::internal()
    })
}

fn events(
    hub: EventHub,
    of: OrganizationId,
    kinds: Option<Vec<String>>,
    after: Option<u64>,
) -> impl Stream<Item = OrganizationEvent> {
    let (missed, receiver) = hub.follow(after);
    let live = futures::stream::unfold(receiver, |mut receiver| async move {
        loop {
            match receiver.recv().await {
                Ok(event) => return Some((event, receiver)),
                // Too slow: the client sees a gap in the sequence and reads again.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    use futures::StreamExt as _;
    let wanted = move |event: &Arc<ThinEvent>| {
        event.organization == of
            && kinds
                .as_ref()
                .is_none_or(|kinds| kinds.iter().any(|kind| kind == event.kind))
    };
    futures::stream::iter(missed)
        .chain(live)
        .filter(move |event| futures::future::ready(wanted(event)))
        .map(|event| OrganizationEvent {
            sequence: Sequence(event.sequence),
            kind: event.kind.to_owned(),
            subject: Some(event.subject.clone().into()),
            at: DateTime(event.at),
        })
}

struct Following {
    session: Session,
    hub: EventHub,
    of: OrganizationId,
    id: DeploymentId,
    receiver: tokio::sync::broadcast::Receiver<Arc<ThinEvent>>,
    told: Option<(Deployment, Vec<Wave>)>,
    is_due: bool,
    sequence: u64,
}

fn progress(
    session: Session,
    hub: EventHub,
    of: OrganizationId,
    id: DeploymentId,
    after: Option<u64>,
) -> impl Stream<Item = Result<WaveProgressEvent>> {
    let (missed, receiver) = hub.follow(after);
    let is_due = after.is_none_or(|after| after > hub.newest())
        || missed.iter().any(|event| event.deployment == Some(id));
    let sequence = after.unwrap_or(0);
    let following = Following {
        session,
        hub,
        of,
        id,
        receiver,
        told: None,
        is_due,
        sequence,
    };
    futures::stream::unfold(following, |mut following| async move {
        match following.next().await {
            Ok(Some(event)) => Some((Ok(event), following)),
            Ok(None) => None,
            Err(error) => Some((Err(error), following)),
        }
    })
}

impl Following {
    /// The next change; `None` when the deployment cannot be read any more.
    async fn next(&mut self) -> Result<Option<WaveProgressEvent>> {
        loop {
            let must_tell = std::mem::take(&mut self.is_due);
            if !must_tell {
                self.wait().await;
            }
            let Some(deployment) =
                super::model::deployment::find(&self.session, self.of, self.id).await?
            else {
                return Ok(None);
            };
            let Some(waves) =
                absent(super::model::wave::listing(&self.session, self.of, self.id).await)?
            else {
                return Ok(None);
            };
            let is_same = self.told.as_ref().is_some_and(|(told, before)| {
                told.0 == deployment.0
                    && before
                        .iter()
                        .map(|wave| &wave.0)
                        .eq(waves.iter().map(|wave| &wave.0))
            });
            if is_same && !must_tell {
                continue;
            }
            self.told = Some((deployment.clone(), waves.clone()));
            self.sequence = self.hub.newest().max(self.sequence + 1);
            return Ok(Some(WaveProgressEvent {
                sequence: Sequence(self.sequence),
                deployment,
                waves,
            }));
        }
    }

    /// Until something happened to the deployment, plus a moment for what happens with it.
    async fn wait(&mut self) {
        let change = async {
            loop {
                match self.receiver.recv().await {
                    Ok(event) if event.deployment != Some(self.id) => {}
                    Err(RecvError::Closed) => std::future::pending().await,
                    _ => return,
                }
            }
        };
        if tokio::time::timeout(LOOK_AGAIN, change).await.is_ok() {
            tokio::time::sleep(COALESCE).await;
        }
    }
}
