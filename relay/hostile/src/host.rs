//! A host, made of the agent's own parts: its session, its counter, its documents, its checks. Only the package manager is not real.

use crate::capture::MARK;
use crate::cloud::{Played, answer_named, facts_named, manifest_named, result_named};
use crate::goods::Manager;
use anyhow::{Context as _, Result, bail};
use netpatch_agent::counter::CheckIn;
use netpatch_agent::state::StateFolder;
use netpatch_agent::state::documents::Documents;
use netpatch_agent_core::order::{Standing, Trust, accept, open_root};
use netpatch_proof::P256Signer;
use netpatch_protocol::document::{self, Envelope, Membership, Order, RunResult, Time};
use netpatch_protocol::enrol::{
    EnrolRequest, Enrolled, HostEnrolment, enrol_answer, enrol_request,
};
use netpatch_protocol::manifest::manifest_of;
use netpatch_protocol::session::{
    Component, FreshnessRequest, Heartbeat, Hello, HostFacts, OrderAnswer, RunEvent, RunEvents,
    TimeProof, agent_message, edge_message,
};
use netpatch_protocol::{PROTOCOL_VERSION, seal};
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::identity::{certificate_request, generate_key, subject_key};
use netpatch_tunnel::session::SessionHandle;
use netpatch_tunnel::{
    Candidate, Identity, Limits, PlatformTrust, SessionClient, SessionEvent, SessionOptions,
    SiteClient, TunnelError, verify_identity,
};
use netpatch_types::{HostId, Sha256, SharedClock, SystemClock};
use prost::Message as _;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

/// Orders that a host remembers to have taken.
const TAKEN: usize = 64;

/// How a host enrols.
pub(crate) struct Certified {
    key: Vec<u8>,
    enrolled: Enrolled,
}

/// Asks for a certificate through the relay. The answer is believed only if it is the platform's, as the agent does it.
pub(crate) async fn certify(
    played: &Played,
    relay: SocketAddr,
    secret: &str,
    limits: &Limits,
) -> Result<Certified, TunnelError> {
    let clock = SystemClock::shared();
    let key = generate_key()?;
    let csr_der = certificate_request(&key)?;
    played.will_request(&csr_der);
    let facts = HostFacts {
        hostname: format!("{MARK}-{}", Uuid::now_v7()),
        machine_id: Sha256::of(&key).to_string(),
        ..HostFacts::default()
    };
    let request = EnrolRequest {
        protocol: PROTOCOL_VERSION,
        body: Some(enrol_request::Body::Host(HostEnrolment {
            secret: secret.to_owned(),
            csr_der: csr_der.clone(),
            facts: Some(facts),
        })),
    };
    let root = played
        .platform_root()
        .map_err(|error| TunnelError::Unexpected(error.to_string()))?;
    let trust = PlatformTrust::Fingerprint(root);
    let target = EnrolTarget::Relay(relay.to_string());
    let answer = enrol(&target, &trust, &request, &clock, limits).await?;
    match answer.body {
        Some(enrol_answer::Body::Enrolled(enrolled)) => {
            if played.issued(&csr_der).as_ref() != Some(&enrolled.certificate_der) {
                return Err(TunnelError::Unexpected(FORGED.to_owned()));
            }
            Ok(Certified { key, enrolled })
        }
        Some(enrol_answer::Body::Error(error)) => Err(TunnelError::Session {
            code: error.code,
            message: error.message,
        }),
        _ => Err(TunnelError::Unexpected("no answer for a host".to_owned())),
    }
}

/// A certificate that the cloud did not make for this host: a wrong effect.
pub(crate) const FORGED: &str = "a certificate that was never made";

/// A host with a session.
pub(crate) struct Host {
    pub(crate) id: HostId,
    pub(crate) deployment: Uuid,
    pub(crate) manager: Manager,
    pub(crate) folder: TempDir,
    played: Arc<Played>,
    session: SessionClient,
    handle: SessionHandle,
    signer: P256Signer,
    public_key: Vec<u8>,
    documents: Documents,
    check_in: Arc<Mutex<CheckIn>>,
    clock: SharedClock,
    taken: VecDeque<(Sha256, u64)>,
    counted: u64,
    /// How often the edge answered a check-in with a time that it signed.
    pub(crate) times: u64,
    /// Why the last one was left.
    pub(crate) down: Option<String>,
}

impl Host {
    pub(crate) async fn start(
        certified: Certified,
        played: &Arc<Played>,
        relay: SocketAddr,
        limits: Limits,
    ) -> Result<Self> {
        let Certified { key, enrolled } = certified;
        let clock = SystemClock::shared();
        let folder = match std::path::Path::new("/dev/shm").is_dir() {
            true => tempfile::tempdir_in("/dev/shm")?,
            false => tempfile::tempdir()?,
        };
        let state = StateFolder::open(folder.path())?;
        let now = u64::try_from(clock.now().timestamp())?;
        let name = verify_identity(&enrolled.certificate_der, &enrolled.ca_der, now)?;
        let root = open_root(&enrolled.root.context("a root document")?, None)
            .map_err(|refused| anyhow::anyhow!("{refused}"))?;
        let trust = Trust::new(name.organization, HostId(name.id), &root);
        let signer = || P256Signer::from_pkcs8_der(&key).context("the host's key");
        let boot = Uuid::new_v4().to_string();
        let check_in = Arc::new(Mutex::new(CheckIn::new(&state, &boot, signer()?)?));
        let identity = Identity::new(enrolled.certificate_der.clone(), key.clone());
        let site = Arc::new(SiteClient::new(
            relay.to_string(),
            enrolled.ca_der,
            identity.clone(),
            clock.clone(),
            limits,
        ));
        let manager = Manager::behind(&site).await?;
        let trusted = PlatformTrust::Roots(vec![enrolled.platform_root_der.into()]);
        let mut options = SessionOptions::new(
            vec![Candidate::Relay { site }],
            identity,
            trusted,
            clock.clone(),
        );
        options.limits = limits;
        options.backoff_first = Duration::from_millis(1);
        options.backoff_longest = Duration::from_millis(20);
        let counting = check_in.clone();
        let session = SessionClient::connect(options, move |resume_id| {
            let mut counting = counting.lock().unwrap_or_else(PoisonError::into_inner);
            Hello {
                protocol: PROTOCOL_VERSION,
                agent_version: format!("{MARK} agent"),
                resume_id,
                counter: counting.issue().ok(),
                ..Hello::default()
            }
        });
        Ok(Self {
            id: HostId(name.id),
            deployment: Uuid::now_v7(),
            manager,
            documents: Documents::load(&state, trust)?,
            folder,
            played: played.clone(),
            handle: session.handle(),
            session,
            signer: signer()?,
            public_key: subject_key(&enrolled.certificate_der)?.1,
            check_in,
            clock,
            taken: VecDeque::new(),
            counted: 0,
            times: 0,
            down: None,
        })
    }

    /// Handles what comes until it holds; false when it does not in time.
    pub(crate) async fn until(
        &mut self,
        limit: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Result<bool> {
        let end = Instant::now() + limit;
        loop {
            if holds(self) {
                return Ok(true);
            }
            // What holds may hold at the edge first.
            let look = (Instant::now() + Duration::from_millis(5)).min(end);
            match tokio::time::timeout_at(look, self.session.next()).await {
                Ok(Some(event)) => self.on_event(event)?,
                Ok(None) => bail!("the session's task has ended"),
                Err(_) if Instant::now() >= end => return Ok(holds(self)),
                Err(_) => {}
            }
        }
    }

    fn on_event(&mut self, event: SessionEvent) -> Result<()> {
        match event {
            SessionEvent::Up { welcome, .. } => {
                if let Some(time) = &welcome.time {
                    self.take_time(time);
                }
            }
            SessionEvent::Down { reason } => self.down = Some(reason),
            SessionEvent::Message(message) => {
                let number = message.number;
                match message.body {
                    Some(edge_message::Body::Document(envelope)) => self.on_document(&envelope)?,
                    Some(edge_message::Body::Heartbeat(answer)) => {
                        if let Some(time) = &answer.time {
                            self.take_time(time);
                        }
                    }
                    _ => {}
                }
                if number > 0 {
                    self.handle.durable(number);
                }
            }
        }
        Ok(())
    }

    fn on_document(&mut self, envelope: &Envelope) -> Result<()> {
        if envelope.is::<Order>() {
            return self.on_order(envelope);
        }
        if envelope.is::<Membership>() {
            if self.documents.take_membership(envelope).is_ok() {
                self.played.took(self.id, "membership", envelope);
            }
        } else if envelope.is::<document::Freshness>() {
            // Asked for as often as wanted.
            let _ = self.documents.take_freshness(envelope);
        }
        Ok(())
    }

    /// As the agent does: what it has taken before it says again, everything else is checked.
    fn on_order(&mut self, envelope: &Envelope) -> Result<()> {
        let digest = envelope.digest();
        let is_known = self.taken.iter().any(|(taken, _)| *taken == digest);
        let accepted = is_known || {
            let standing = Standing {
                membership: self.documents.membership(),
                highest_sequence: self.documents.highest_sequence(self.deployment),
                audit_only: false,
                now: self.clock.now(),
            };
            match accept(envelope, self.documents.trust(), &standing) {
                Ok(order) => {
                    self.documents.took(order.deployment.0, order.sequence)?;
                    self.played.took(self.id, "order", envelope);
                    if self.taken.len() == TAKEN {
                        self.taken.pop_front();
                    }
                    self.taken.push_back((digest, order.sequence));
                    true
                }
                Err(_) => false,
            }
        };
        let answer = answer_named(digest, accepted);
        if !is_known {
            self.played.will_send(self.id, answer);
            self.handle
                .send(agent_message::Body::OrderAnswer(OrderAnswer {
                    order: digest.0.to_vec(),
                    accepted,
                    detail: format!("{MARK} says so"),
                    ..OrderAnswer::default()
                }))?;
        }
        Ok(())
    }

    fn take_time(&mut self, proof: &TimeProof) {
        let Some(envelope) = &proof.envelope else {
            return;
        };
        let opened = self.documents.trust().from_director::<Time>(envelope);
        let check_in = self.check_in.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_ok_and(|time| {
            self.documents.trust().is_ours(&time.organization_id)
                && check_in.is_answered_by(&time.nonce)
        }) {
            self.times += 1;
        }
    }

    /// Whether it has taken an order.
    pub(crate) fn has_taken(&self, order: Sha256) -> bool {
        self.taken.iter().any(|(taken, _)| *taken == order)
    }

    /// The version of the membership that it holds.
    pub(crate) fn membership(&self) -> u64 {
        self.documents
            .membership()
            .map_or(0, |membership| membership.version)
    }

    /// Checks in, and asks whether its deployment still runs.
    pub(crate) fn check_in(&mut self) -> Result<()> {
        let counter = self
            .check_in
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .issue()?;
        self.handle
            .send_uncounted(agent_message::Body::Heartbeat(Heartbeat {
                counter: Some(counter),
                ..Heartbeat::default()
            }));
        Ok(())
    }

    /// Asks whether its deployment still runs.
    pub(crate) fn ask_freshness(&self) {
        self.handle
            .send_uncounted(agent_message::Body::FreshnessRequest(FreshnessRequest {
                deployment_id: self.deployment.to_string(),
            }));
    }

    /// Sends facts or a manifest; what it is called when it has come.
    pub(crate) fn report(&mut self, as_manifest: bool) -> Result<String> {
        self.counted += 1;
        let mark = format!("{MARK}-{}-{}", self.id, self.counted);
        let (what, body) = if as_manifest {
            let component = Component {
                name: mark.to_lowercase(),
                version: "1".into(),
                arch: "all".into(),
                source: mark.to_lowercase(),
                source_version: "1".into(),
                ecosystem: "deb".into(),
                distribution: "debian".into(),
                release: MARK.to_lowercase(),
            };
            let manifest = manifest_of(vec![component]);
            let hash = Sha256::from_slice(&manifest.hash).context("a hash")?;
            (
                manifest_named(hash),
                agent_message::Body::Manifest(manifest),
            )
        } else {
            let facts = HostFacts {
                hostname: mark.clone(),
                os_name: mark.clone(),
                ..HostFacts::default()
            };
            (facts_named(&mark), agent_message::Body::Facts(facts))
        };
        self.played.will_send(self.id, what.clone());
        self.handle.send(body)?;
        Ok(what)
    }

    /// Sends the signed result of the order that it took last; what it is called when it has come.
    pub(crate) fn result(&mut self) -> Result<String> {
        let (order, sequence) = self.taken.back().copied().context("an order was taken")?;
        let result = RunResult {
            organization_id: self.played.organization.to_string(),
            host_id: self.id.to_string(),
            deployment_id: self.deployment.to_string(),
            sequence,
            attempt: 1,
            order: order.0.to_vec(),
            state: "succeeded".into(),
            evidence: vec![format!("{MARK} was installed")],
            public_key: self.public_key.clone(),
            ..RunResult::default()
        };
        let envelope = seal(&result, &[&self.signer])?;
        let what = result_named(sequence, &envelope.encode_to_vec());
        self.played.will_send(self.id, what.clone());
        let event = RunEvent {
            deployment_id: self.deployment.to_string(),
            sequence,
            attempt: 1,
            step: 1,
            state: "succeeded".into(),
            at_ms: self.clock.now().timestamp_millis(),
            message: format!("{MARK} went well"),
            order: order.0.to_vec(),
            result: Some(envelope),
            ..RunEvent::default()
        };
        let events = vec![event];
        self.handle
            .send(agent_message::Body::RunEvents(RunEvents { events }))?;
        Ok(what)
    }
}
