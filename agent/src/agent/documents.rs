//! Messages of the edge: signed documents, wishes, acknowledgements.

use super::link::Link;
use super::{Agent, lock};
use crate::state::documents::DocumentFault;
use crate::state::journal::Recorded;
use netpatch_agent_core::order::{Standing, accept, open_root};
use netpatch_agent_core::{RunState, lease};
use netpatch_protocol::document::{Envelope, Freshness, Halt, Membership, Order, Root, Time};
use netpatch_protocol::session::{
    FreshnessRequest, Heartbeat, OrderAnswer, TimeProof, agent_message, edge_message,
};
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A lease is renewed when this part of it is over.
const LEASE_PART: u32 = 3;
/// A lease that is missing is asked for this often.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Why an order is not taken.
enum NotTaken {
    /// It is answered so.
    Refused(netpatch_agent_core::Refused),
    /// It cannot be kept, and is not answered.
    Disk(String),
}

impl From<netpatch_agent_core::Refused> for NotTaken {
    fn from(refused: netpatch_agent_core::Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Agent {
    /// Handles a message; its effect is durable when this returns.
    pub(super) async fn on_message(
        &mut self,
        link: &mut Link,
        body: edge_message::Body,
        renewed: &Arc<Notify>,
    ) {
        match body {
            edge_message::Body::Document(envelope) => self.on_document(link, &envelope),
            edge_message::Body::Heartbeat(answer) => {
                if let Some(time) = &answer.time {
                    self.take_time(time);
                }
            }
            edge_message::Body::ScanNow(wish) => {
                tracing::info!(reason = %wish.reason, "the edge wants a scan");
                self.scan_soon();
                lock(&self.reported).forget_applicability();
            }
            edge_message::Body::ManifestWanted(wanted) => {
                self.send_manifest(link, &wanted.base_hash)
            }
            edge_message::Body::RunEventsStored(stored) => self.on_stored(link, &stored).await,
            edge_message::Body::RunEventsRefused(refused) => self.on_refused(link, &refused).await,
            edge_message::Body::Renewed(answer) => {
                self.on_certificate(&answer.certificate_der, &answer.ca_der, renewed);
            }
            edge_message::Body::Error(error) => {
                tracing::warn!(code = %error.code, message = %error.message, "the edge reports an error");
                link.refused(error.message);
            }
            edge_message::Body::Welcome(_) => {}
        }
    }

    fn on_document(&mut self, link: &mut Link, envelope: &Envelope) {
        let taken = if envelope.is::<Order>() {
            self.on_order(link, envelope);
            Ok(())
        } else if envelope.is::<Membership>() {
            self.take_membership(envelope)
        } else if envelope.is::<Freshness>() {
            self.documents().take_freshness(envelope).map(drop)
        } else if envelope.is::<Halt>() {
            self.documents().take_halt(envelope).map(drop)
        } else if envelope.is::<Root>() {
            self.take_root(envelope)
        } else {
            tracing::warn!(payload_type = %envelope.payload_type, "the edge sent a document of an unknown type");
            Ok(())
        };
        if let Err(error) = taken {
            tracing::warn!(%error, payload_type = %envelope.payload_type, "a document is not taken");
        }
        link.refresh_hello(self);
        self.driver.wake();
    }

    fn take_membership(&mut self, envelope: &Envelope) -> Result<(), DocumentFault> {
        let says = |agent: &Self| {
            let documents = agent.documents();
            documents.membership().and_then(|held| held.scan.clone())
        };
        let before = says(self);
        self.documents().take_membership(envelope)?;
        if says(self) != before {
            self.on_new_schedule();
        }
        self.on_new_way();
        Ok(())
    }

    fn on_order(&mut self, link: &Link, envelope: &Envelope) {
        let digest = envelope.digest();
        let known = self
            .runs
            .recorded()
            .iter()
            .any(|recorded| recorded.run.order.order == digest);
        let answer = match self.runs.room() {
            _ if known => Ok(()),
            Ok(()) => self.take_order(link, envelope),
            Err(full) => return self.leave_order(full),
        };
        let answer = match answer {
            Err(NotTaken::Refused(refused)) => Err(refused),
            // Without a journal nothing is done.
            Err(NotTaken::Disk(error)) => {
                return self.leave_order(format!("cannot keep an order: {error}"));
            }
            Ok(()) => Ok(()),
        };
        let (accepted, refusal, detail) = match answer {
            Ok(()) => (true, String::new(), String::new()),
            Err(refused) => {
                tracing::warn!(%refused, order = %digest, "an order is refused");
                (false, refused.refusal.word().to_owned(), refused.detail)
            }
        };
        let answer = OrderAnswer {
            order: digest.0.to_vec(),
            accepted,
            refusal,
            detail,
        };
        link.send(agent_message::Body::OrderAnswer(answer));
    }

    fn take_order(&mut self, link: &Link, envelope: &Envelope) -> Result<(), NotTaken> {
        let now = self.now();
        let order = {
            let documents = self.documents();
            let deployment = <Order as prost::Message>::decode(envelope.payload.as_slice())
                .ok()
                .and_then(|order| order.deployment_id.parse().ok())
                .unwrap_or_default();
            let standing = Standing {
                membership: documents.membership(),
                highest_sequence: documents.highest_sequence(deployment),
                audit_only: self.audit_only,
                now,
            };
            accept(envelope, documents.trust(), &standing)?
        };
        tracing::info!(deployment = %order.deployment, sequence = order.sequence, "an order is accepted");
        let begun = self.runs.begin(&order, envelope, now.timestamp_millis());
        begun.map_err(|error| NotTaken::Disk(error.to_string()))?;
        // The journal says so too: it is read at every start.
        if let Err(error) = self.documents().took(order.deployment.0, order.sequence) {
            tracing::error!(%error, "cannot keep the sequence of an order");
        }
        self.driver.added();
        self.ask_freshness_of(link, order.deployment.0);
        Ok(())
    }

    fn take_root(&mut self, envelope: &Envelope) -> Result<(), DocumentFault> {
        let root = open_root(envelope, Some(&self.enrolled.root))?;
        self.state
            .write("root.envelope", &envelope.encode_to_vec())?;
        self.enrolled.root = root;
        let trust = self.enrolled.trust();
        self.documents().set_trust(trust);
        Ok(())
    }

    /// Takes a time that the director signed for a counter of this process.
    pub(super) fn take_time(&self, proof: &TimeProof) {
        let Some(envelope) = &proof.envelope else {
            return;
        };
        let opened = self.documents().trust().from_director::<Time>(envelope);
        let time = match opened {
            Ok(time) => time,
            Err(error) => return tracing::warn!(%error, "the edge's time is not taken"),
        };
        if !self.documents().trust().is_ours(&time.organization_id)
            || !lock(&self.check_in).is_answered_by(&time.nonce)
        {
            return tracing::warn!("the edge's time answers no check-in of this agent");
        }
        if let Some(at) = chrono::DateTime::from_timestamp_millis(time.at_ms) {
            let first = !self.clock.is_confirmed();
            self.clock.confirm(at);
            if first {
                self.driver.wake();
            }
        }
    }

    /// Checks in, with a counter when the edge wants one.
    pub(super) fn heartbeat(&self, link: &mut Link) {
        link.checked_in();
        if link.carrier.is_none() {
            return;
        }
        let counter = if link.is_to_sign() {
            match lock(&self.check_in).issue() {
                Ok(counter) => {
                    link.signed();
                    Some(counter)
                }
                Err(error) => return tracing::error!(%error, "cannot check in"),
            }
        } else {
            None
        };
        link.handle
            .send_uncounted(agent_message::Body::Heartbeat(Heartbeat {
                counter,
                manifest_hash: lock(&self.reported).hash(),
                pending_reboot: u32::from(crate::scan::is_reboot_pending(self.runner.root())),
            }));
    }

    /// Asks for the freshness of every deployment with a run that waits or will.
    pub(super) fn ask_freshness(&mut self, link: &Link) {
        if !self.driver.has_work() || link.carrier.is_none() {
            return;
        }
        for Recorded { run, .. } in self.runs.recorded() {
            if !run.state.is_before_install() || run.state == RunState::Offered {
                continue;
            }
            let Some(order) = self.driver.order_of(&run) else {
                continue;
            };
            let word: lease::DeploymentWord = self.documents().about(order.deployment.0);
            let fresh = word.lease(&order, self.now()) == netpatch_agent_core::decide::Lease::Fresh;
            let pause = if fresh {
                (order.lease.to_std().unwrap_or_default() / LEASE_PART).max(ASK_AGAIN)
            } else {
                ASK_AGAIN
            };
            let asked = self.asked_freshness.get(&order.deployment.0);
            if asked.is_none_or(|at| at.elapsed() + Duration::from_millis(100) >= pause) {
                self.ask_freshness_of(link, order.deployment.0);
            }
        }
    }

    fn ask_freshness_of(&mut self, link: &Link, deployment: uuid::Uuid) {
        self.asked_freshness.insert(deployment, Instant::now());
        let request = FreshnessRequest {
            deployment_id: deployment.to_string(),
        };
        link.handle
            .send_uncounted(agent_message::Body::FreshnessRequest(request));
    }
}
