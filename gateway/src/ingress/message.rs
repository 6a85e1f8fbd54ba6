//! What an agent says after its hello, a message at a time.
//!
//! Wrong input is answered with an error and counts as handled: sent again it would be as wrong. A service that cannot
//! be reached ends the session instead, so that the message stays unacknowledged and comes again.

use super::convert::{self, error_word};
use super::counter::{self, CheckIn};
use super::session::{End, Session};
use netpatch_inventory_api::HostFactsReport;
use netpatch_proof::PublicKey;
use netpatch_protocol::document::{Envelope, RunResult};
use netpatch_protocol::open_envelope;
use netpatch_protocol::session::{
    Counter, Heartbeat, HeartbeatAnswer, ManifestWanted, OrderAnswer, RunEvent, RunEvents,
    RunEventsRefused, RunEventsStored, SessionError, agent_message, edge_message,
};
use netpatch_scheduler_api::{OrderAnswered, RunReport};
use netpatch_types::{DeploymentId, ErrorCode, ServiceError, ServiceResult, Sha256};
use prost::Message as _;
use tokio::time::Instant;

impl Session<'_> {
    pub(crate) async fn handle(&mut self, body: agent_message::Body) -> Result<(), End> {
        let handled = match body {
            agent_message::Body::Hello(_) => {
                Err(ServiceError::invalid("body", "a session has one hello"))
            }
            agent_message::Body::Part(_) => Err(ServiceError::invalid(
                "body",
                "a part is not a whole message",
            )),
            agent_message::Body::Heartbeat(heartbeat) => return self.heartbeat(heartbeat).await,
            agent_message::Body::Facts(facts) => self.facts(facts).await,
            agent_message::Body::Manifest(manifest) => self.whole_manifest(&manifest).await,
            agent_message::Body::ManifestDelta(delta) => match self.manifest_delta(&delta).await {
                Ok(true) => Ok(()),
                Ok(false) => {
                    return self
                        .send(edge_message::Body::ManifestWanted(ManifestWanted::default()))
                        .await;
                }
                Err(error) => Err(error),
            },
            agent_message::Body::Applicability(report) => self.applicability(report).await,
            agent_message::Body::RunEvents(events) => return self.run_events(events).await,
            agent_message::Body::OrderAnswer(answer) => self.order_answer(answer).await,
            agent_message::Body::FreshnessRequest(request) => {
                match self.freshness(&request.deployment_id).await {
                    Ok(envelope) => return self.tell(edge_message::Body::Document(envelope)).await,
                    Err(error) => Err(error),
                }
            }
            agent_message::Body::Renew(request) => {
                let subject = self.admitted.subject;
                match self.shared.services.renew(subject, &request.csr_der).await {
                    Ok(renewed) => return self.send(edge_message::Body::Renewed(renewed)).await,
                    Err(error) => Err(error),
                }
            }
        };
        match handled {
            Ok(()) => Ok(()),
            Err(error) => self.answer_error(error).await,
        }
    }

    /// Tells the agent, unless trying again may help.
    pub(crate) async fn answer_error(&mut self, error: ServiceError) -> Result<(), End> {
        match error.code {
            code if may_pass(code) => Err(End::Unavailable(error)),
            code => {
                tracing::info!(tenant.id = %self.organization(), host.id = %self.host(), ?code, message = %error.message, "message refused");
                let body = edge_message::Body::Error(SessionError {
                    code: error_word(code),
                    message: error.message,
                });
                self.tell(body).await
            }
        }
    }

    /// A check-in. When nothing changed, nothing here touches a database.
    async fn heartbeat(&mut self, heartbeat: Heartbeat) -> Result<(), End> {
        let counted = match &heartbeat.counter {
            Some(counter) => Some(self.counted(counter)?),
            None => {
                self.vouched()?;
                None
            }
        };
        self.saw(heartbeat.pending_reboot != 0);
        let time = match counted {
            Some(check_in) => self.time(&check_in).await,
            None => None,
        };
        self.tell(edge_message::Body::Heartbeat(HeartbeatAnswer { time }))
            .await?;
        let says = Sha256::from_slice(&heartbeat.manifest_hash);
        if says.is_some() && says != self.manifest {
            let base = self
                .manifest
                .map(|hash| hash.0.to_vec())
                .unwrap_or_default();
            let wanted = ManifestWanted { base_hash: base };
            return self.tell(edge_message::Body::ManifestWanted(wanted)).await;
        }
        Ok(())
    }

    /// A counter that the host signed and has not used before.
    fn counted(&mut self, counter: &Counter) -> Result<CheckIn, End> {
        let name = (self.organization(), self.host());
        let now = self.shared.clock.monotonic();
        let check_in = counter::read(Some(counter), &self.admitted.key)
            .filter(|new| self.shared.registry.check_in(name, *new, now));
        let check_in = check_in.ok_or_else(|| {
            End::Refused(ServiceError::new(
                ErrorCode::Conflict,
                "check-in counter was used before or is not signed with the host's key",
            ))
        })?;
        self.signed = Instant::now();
        Ok(check_in)
    }

    /// Without a counter nobody but the session speaks for the host: that its peer still has the key, it showed a while ago.
    fn vouched(&self) -> Result<(), End> {
        let options = &self.shared.options;
        // As late as a session may be silent: an agent signs when a check-in is due, not between two.
        let allowed = options.signed_every + options.heartbeat * 3;
        if options.signed_every.is_zero() || self.signed.elapsed() > allowed {
            return Err(End::Refused(ServiceError::new(
                ErrorCode::Conflict,
                "check-ins have not been signed with the host's key for too long",
            )));
        }
        let name = (self.organization(), self.host());
        let now = self.shared.clock.monotonic();
        self.shared.registry.heard(name, now);
        Ok(())
    }

    async fn facts(&mut self, facts: netpatch_protocol::session::HostFacts) -> ServiceResult<()> {
        let report = HostFactsReport {
            host: self.host(),
            facts: convert::facts(facts)?,
        };
        self.shared
            .services
            .facts(self.organization(), report)
            .await
    }

    async fn whole_manifest(
        &mut self,
        manifest: &netpatch_protocol::session::Manifest,
    ) -> ServiceResult<()> {
        // Written out it is several times as large as on the line.
        let _turn = self.shared.manifests.acquire().await;
        let report = convert::manifest(self.host(), manifest)?;
        let hash = report.hash;
        self.shared
            .services
            .manifest(self.organization(), report)
            .await?;
        self.manifest = Some(hash);
        Ok(())
    }

    /// False: inventory does not hold the base.
    async fn manifest_delta(
        &mut self,
        delta: &netpatch_protocol::session::ManifestDelta,
    ) -> ServiceResult<bool> {
        let report = convert::manifest_delta(self.host(), delta)?;
        let hash = report.hash;
        let outcome = self
            .shared
            .services
            .manifest_delta(self.organization(), report)
            .await?;
        if outcome.base_known {
            self.manifest = Some(hash);
        }
        Ok(outcome.base_known)
    }

    async fn applicability(
        &mut self,
        report: netpatch_protocol::session::Applicability,
    ) -> ServiceResult<()> {
        let report = convert::applicability(self.host(), report)?;
        self.shared
            .services
            .applicability(self.organization(), report)
            .await
    }

    async fn order_answer(&mut self, answer: OrderAnswer) -> ServiceResult<()> {
        let answered = OrderAnswered {
            host: self.host(),
            order: convert::digest("order", &answer.order)?,
            accepted: answer.accepted,
            refusal: answer.refusal.chars().take(100).collect(),
            detail: answer.detail.chars().take(2000).collect(),
        };
        self.shared
            .services
            .order_answer(self.organization(), answered)
            .await
    }

    async fn freshness(&mut self, deployment: &str) -> ServiceResult<Envelope> {
        let deployment = deployment_of(deployment)?;
        self.shared
            .services
            .freshness(self.organization(), self.host(), deployment)
            .await
    }

    /// Stores the steps of each run in the message and says how far each is stored. A site that comes back sends much at once: each
    /// host's next message is read when this one is done, and only so many hosts' steps are stored at a time.
    async fn run_events(&mut self, events: RunEvents) -> Result<(), End> {
        let mut rest = events.events.into_iter().peekable();
        while let Some(first) = rest.next() {
            let run = (first.deployment_id.clone(), first.sequence, first.attempt);
            let mut steps = vec![first];
            while let Some(next) = rest.next_if(|next| {
                (&next.deployment_id, next.sequence, next.attempt) == (&run.0, run.1, run.2)
            }) {
                steps.push(next);
            }
            match self.store_run(steps).await {
                Ok(step) => {
                    let stored = RunEventsStored {
                        deployment_id: run.0,
                        sequence: run.1,
                        attempt: run.2,
                        step,
                    };
                    self.send(edge_message::Body::RunEventsStored(stored))
                        .await?;
                }
                Err(error) if may_pass(error.code) => return Err(End::Unavailable(error)),
                Err(error) => {
                    tracing::warn!(tenant.id = %self.organization(), host.id = %self.host(), deployment.id = %run.0, code = ?error.code, message = %error.message, "steps of a run refused");
                    let refused = RunEventsRefused {
                        deployment_id: run.0,
                        sequence: run.1,
                        attempt: run.2,
                        code: error_word(error.code),
                        message: error.message,
                    };
                    self.send(edge_message::Body::RunEventsRefused(refused))
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn store_run(&mut self, mut steps: Vec<RunEvent>) -> ServiceResult<u64> {
        let Some(last) = steps.last_mut() else {
            return Ok(0);
        };
        let result = last
            .result
            .take()
            .map(|envelope| self.check_result(envelope))
            .transpose()?;
        let _turn = self.shared.reports.acquire().await;
        let report = RunReport {
            host: self.host(),
            deployment: deployment_of(&last.deployment_id)?,
            sequence: last.sequence,
            attempt: last.attempt,
            order: convert::digest("order", &last.order)?,
            bytes_from_relay: last.bytes_from_relay,
            bytes_from_origin: last.bytes_from_origin,
            result,
            events: steps
                .into_iter()
                .map(convert::run_event)
                .collect::<ServiceResult<_>>()?,
        };
        Ok(self
            .shared
            .services
            .run_report(self.organization(), report)
            .await?
            .step)
    }

    /// A result speaks for the host of this session only, signed with its key.
    fn check_result(&self, envelope: Envelope) -> ServiceResult<Vec<u8>> {
        let opened = open_envelope::<RunResult>(&envelope, &[self.admitted.key], 1);
        let result = opened.map_err(|error| ServiceError::invalid("result", error.to_string()))?;
        let is_own = result.host_id == self.host().to_string()
            && result.organization_id == self.organization().to_string()
            && PublicKey::p256_spki(&result.public_key) == Some(self.admitted.key);
        if is_own {
            Ok(envelope.encode_to_vec())
        } else {
            Err(ServiceError::invalid(
                "result",
                "the run result is of another host",
            ))
        }
    }
}

/// Whether the same may be taken later.
fn may_pass(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UpstreamUnavailable | ErrorCode::InternalServerError | ErrorCode::Throttled
    )
}

fn deployment_of(text: &str) -> ServiceResult<DeploymentId> {
    let parsed = text.parse().map(DeploymentId);
    parsed.map_err(|_| ServiceError::invalid("deploymentId", "a deployment's id is a UUID"))
}
