//! A relay's connection: its own reports, settings, whom it turns away, probes, differences and kept payloads, and the agents and enrolments that it carries unread.

use super::{Shared, delta, enrol, refused, session, stored};
use futures::future::BoxFuture;
use netpatch_protocol::site::StreamAnswer;
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_tunnel::edge::{RelayAnswer, RelayHandshake};
use netpatch_tunnel::{RelayConnection, RelayStream, TunnelError, close_code};
use netpatch_types::{ErrorCode, RelayId, ServiceError, ServiceResult};
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the sessions of a relay that is sent away may finish what they are at.
const LET_GO: Duration = Duration::from_secs(1);

/// Serves a relay until its connection ends; its streams end with it.
pub(crate) async fn serve(shared: &Arc<Shared>, relay: RelayConnection) {
    let remote = relay.remote;
    // From before it is let in: what is told in between is told to it.
    let mut doubts = shared.doubts.of_relays();
    let subject = match shared.services.admit(&relay.certificate).await {
        Ok(admitted) if admitted.subject.kind == SubjectKind::Relay => admitted.subject,
        Ok(_) => return relay.close(close_code::UNAUTHENTICATED, "not a relay's certificate"),
        Err(error) => {
            tracing::info!(%remote, message = %error.message, "relay refused");
            return relay.close(close_code::UNAUTHENTICATED, &error.message);
        }
    };
    tracing::info!(%remote, relay = %subject.id, tenant.id = %subject.organization, "relay connected");
    relay.admit();
    let mut streams = JoinSet::new();
    let telling = Arc::new(Semaphore::new(1));
    // Its agents go with it: over it they would come back here.
    let (mut leaving, go) = (shared.leaving(), CancellationToken::new());
    let every = shared.options.look_every;
    let mut look = tokio::time::interval_at(Instant::now() + every, every);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let reason = loop {
        let due = async {
            tokio::select! {
                _ = look.tick() => {}
                () = doubts.about(subject) => {}
            }
        };
        tokio::select! {
            () = due => {
                if revoked(shared, subject, &relay.certificate).await {
                    go.cancel();
                    relay.close(close_code::UNAUTHENTICATED, "the certificate is revoked");
                    break "revoked".to_owned();
                }
            }
            accepted = relay.accept() => match accepted {
                Ok(handshake) => {
                    let (told, go) = (telling.clone(), go.clone());
                    streams.spawn(stream(shared.clone(), subject, handshake, told, go));
                }
                Err(error) => break error.to_string(),
            },
            Some(_) = streams.join_next() => {}
            () = &mut leaving => {
                go.cancel();
                let gone = async { while streams.join_next().await.is_some() {} };
                let _ = tokio::time::timeout(LET_GO, gone).await;
                relay.close(close_code::DRAINING, "draining");
                break "draining".to_owned();
            }
        }
    };
    tracing::info!(relay = %subject.id, %reason, "relay gone");
}

/// A relay that was replaced or revoked does not stay because it was there already. Trouble of our own revokes nothing.
async fn revoked(shared: &Shared, relay: IdentityName, certificate: &[u8]) -> bool {
    match shared.services.still_admitted(relay, certificate).await {
        Ok(()) => false,
        Err(error) => {
            tracing::debug!(relay = %relay.id, message = %error.message, "relay looked at again");
            error.code == ErrorCode::Unauthenticated
        }
    }
}

async fn stream(
    shared: Arc<Shared>,
    relay: IdentityName,
    handshake: RelayHandshake,
    telling: Arc<Semaphore>,
    go: CancellationToken,
) {
    let id = RelayId(relay.id);
    let answered = match Box::pin(handshake.open()).await {
        Ok(RelayStream::Agent(agent)) => {
            let leaving = Box::pin(go.cancelled_owned());
            return session::serve(&shared, agent, Some(relay), leaving).await;
        }
        Ok(RelayStream::Enrol(enrolment)) => {
            return Box::pin(enrol::serve(&shared, enrolment, Some(id))).await;
        }
        Ok(RelayStream::Report(report, to)) => {
            let done = shared
                .services
                .relay_report(relay.organization, id, report)
                .await;
            answer(to, done.map(|()| Vec::new())).await
        }
        Ok(RelayStream::Settings(to)) => {
            let settings = shared.services.relay_settings(relay.organization, id).await;
            answer(to, settings.map(|settings| settings.encode_to_vec())).await
        }
        Ok(RelayStream::Staging(request, to)) => {
            let plan = shared
                .services
                .staging(relay.organization, id, request)
                .await;
            answer(to, plan.map(|plan| plan.encode_to_vec())).await
        }
        Ok(RelayStream::Refused(request, to)) => {
            let Ok(_alone) = telling.try_acquire() else {
                let busy = ServiceError::new(ErrorCode::Throttled, "told on another stream");
                let _ = answer(to, Err(busy)).await;
                return;
            };
            Box::pin(refused::tell(&shared, relay.organization, request, to, go)).await
        }
        Ok(RelayStream::Delta(request, to)) => {
            Box::pin(delta::serve(&shared, relay, request, to)).await
        }
        Ok(RelayStream::Stored(request, to)) => {
            Box::pin(stored::serve(&shared, relay, request, to)).await
        }
        Ok(RelayStream::Probe(request, to)) => {
            let plan = shared
                .services
                .probe_plan(relay.organization, id, request)
                .await;
            answer(to, plan.map(|plan| plan.encode_to_vec())).await
        }
        Ok(RelayStream::Probed(results, to)) => {
            let taken = shared
                .services
                .probe_report(relay.organization, id, results)
                .await;
            answer(to, taken.map(|()| Vec::new())).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = answered {
        tracing::debug!(relay = %relay.id, %error, "stream of a relay ended");
    }
}

fn answer(
    to: RelayAnswer,
    done: ServiceResult<Vec<u8>>,
) -> BoxFuture<'static, Result<(), TunnelError>> {
    let answer = match done {
        Ok(body) => StreamAnswer {
            status: 200,
            body,
            ..StreamAnswer::default()
        },
        Err(error) => StreamAnswer {
            status: u32::from(error.code.http_status()),
            message: error.message,
            ..StreamAnswer::default()
        },
    };
    Box::pin(async move { to.answer(&answer).await })
}
