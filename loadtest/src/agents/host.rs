//! One simulated host: a real identity, a real session, a real manifest; nothing is ever installed.

use super::figures::Figures;
use super::scenario::Over;
use anyhow::{Result, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use netpatch_protocol::counter::counter_bytes;
use netpatch_protocol::document::{Envelope, Membership, Order};
use netpatch_protocol::enrol::{EnrolRequest, HostEnrolment, enrol_answer, enrol_request};
use netpatch_protocol::session::{
    AgentMessage, Counter, Heartbeat, Hello, HostFacts, Manifest, OrderAnswer, agent_message,
    edge_message,
};
use netpatch_protocol::{EnrolmentToken, PROTOCOL_VERSION, parts};
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_tunnel::session::SessionHandle;
use netpatch_tunnel::{
    Candidate, Identity, Limits, PlatformTrust, SessionClient, SessionEvent, SessionOptions,
    SiteClient,
};
use netpatch_types::{Sha256, SharedClock};
use prost::Message as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// While the edge has not confirmed a message, the agent checks in this often, as the real one does.
const ACKNOWLEDGE: Duration = Duration::from_secs(2);

/// A host that is enrolled.
pub(super) struct Host {
    number: usize,
    identity: Identity,
    ca: Vec<u8>,
    platform_root: Vec<u8>,
    /// Cheaper than the agent's, whose nonces are determined: the generator shares the machine with what is measured.
    signer: EcdsaKeyPair,
    boot_id: [u8; 16],
    counter: AtomicU64,
    /// Of the membership document that it holds.
    membership: AtomicU64,
    manifest: Arc<Manifest>,
}

/// Where hosts connect.
#[derive(Clone)]
pub(super) struct Ways {
    /// The edge.
    pub(super) edge: String,
    /// The host's relay, if there are relays.
    pub(super) relay: Option<String>,
    pub(super) over: Over,
    pub(super) clock: SharedClock,
}

/// How a session lives.
pub(super) struct Life {
    pub(super) figures: Arc<Figures>,
    /// How often it checks in; zero: as the edge says.
    pub(super) pace: watch::Receiver<Duration>,
    /// When it was wanted.
    pub(super) wanted: Instant,
    /// Given back at the first welcome.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

impl Host {
    /// Enrols a host.
    pub(super) async fn enrol(
        number: usize,
        token: &str,
        manifest: Arc<Manifest>,
        ways: &Ways,
    ) -> Result<Self> {
        let token: EnrolmentToken = token.parse()?;
        let key = generate_key()?;
        let name = format!("load-{number}");
        let facts = HostFacts {
            machine_id: Sha256::of(name.as_bytes()).to_string(),
            hostname: name,
            os_id: "debian".into(),
            os_version: "12".into(),
            os_release: "bookworm".into(),
            os_name: "Debian GNU/Linux 12 (bookworm)".into(),
            arch: "amd64".into(),
            time_zone: "UTC".into(),
            cpu_count: 2,
            memory_bytes: 4 << 30,
            ..HostFacts::default()
        };
        let request = EnrolRequest {
            protocol: PROTOCOL_VERSION,
            body: Some(enrol_request::Body::Host(HostEnrolment {
                secret: token.secret.clone(),
                csr_der: certificate_request(&key)?,
                facts: Some(facts),
            })),
        };
        let target = match &ways.relay {
            Some(relay) => EnrolTarget::Relay(relay.clone()),
            None => EnrolTarget::Edge(ways.edge.as_str().into()),
        };
        let trust = PlatformTrust::Fingerprint(token.platform_root);
        let answer = enrol(&target, &trust, &request, &ways.clock, &Limits::default()).await?;
        let enrolled = match answer.body {
            Some(enrol_answer::Body::Enrolled(enrolled)) => enrolled,
            Some(enrol_answer::Body::Error(error)) => bail!("enrolment refused: {}", error.message),
            _ => bail!("the enrolment's answer is none for a host"),
        };
        Ok(Self {
            number,
            signer: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key)?,
            identity: Identity::new(enrolled.certificate_der, key),
            ca: enrolled.ca_der,
            platform_root: enrolled.platform_root_der,
            boot_id: uuid::Uuid::new_v4().into_bytes(),
            counter: AtomicU64::new(0),
            membership: AtomicU64::new(0),
            manifest,
        })
    }

    fn check_in(&self) -> Option<Counter> {
        let n = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = counter_bytes(&self.boot_id, n);
        let signature = self.signer.sign(&SystemRandom::new(), &bytes).ok()?;
        Some(Counter {
            boot_id: self.boot_id.to_vec(),
            n,
            signature: signature.as_ref().to_vec(),
        })
    }

    fn heartbeat(&self, counter: Option<Counter>) -> agent_message::Body {
        agent_message::Body::Heartbeat(Heartbeat {
            counter,
            manifest_hash: self.manifest.hash.clone(),
            pending_reboot: 0,
        })
    }

    /// How many bytes a check-in without a counter has on the line, without TLS.
    pub(super) fn check_in_bytes(&self) -> usize {
        let message = AgentMessage {
            body: Some(self.heartbeat(None)),
            ..AgentMessage::default()
        };
        message.encoded_len()
    }

    fn connect(self: &Arc<Self>, ways: &Ways) -> SessionClient {
        let candidate = match (&ways.relay, ways.over) {
            (Some(relay), _) => Candidate::Relay {
                site: Arc::new(SiteClient::new(
                    relay.clone(),
                    self.ca.clone(),
                    self.identity.clone(),
                    ways.clock.clone(),
                    Limits::default(),
                )),
            },
            (None, Over::Quic) => Candidate::Direct {
                address: ways.edge.clone(),
            },
            (None, Over::Tcp) => Candidate::Tcp {
                address: ways.edge.as_str().into(),
            },
        };
        let trust = PlatformTrust::Roots(vec![self.platform_root.clone().into()]);
        let options = SessionOptions::new(
            vec![candidate],
            self.identity.clone(),
            trust,
            ways.clock.clone(),
        );
        let host = Arc::clone(self);
        SessionClient::connect(options, move |resume_id| Hello {
            protocol: PROTOCOL_VERSION,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            resume_id,
            counter: host.check_in(),
            manifest_hash: host.manifest.hash.clone(),
            membership_version: host.membership.load(Ordering::Relaxed),
            ..Hello::default()
        })
    }

    /// Lives until it is dropped.
    pub(super) async fn live(self: Arc<Self>, ways: Ways, life: Life) {
        let session = self.connect(&ways);
        let mut living = Living {
            handle: session.handle(),
            host: &self,
            figures: &life.figures,
            asked: life.pace.borrow().to_owned(),
            usual: Duration::from_secs(30),
            due: Instant::now() + Duration::from_secs(3600),
            signed_for: Duration::ZERO,
            sign_due: Instant::now(),
            sent: None,
            whole_bytes: 0,
            is_storing: false,
            is_up: false,
            phase: 0,
        };
        living.run(session, life.pace, life.wanted, life.turn).await;
    }
}

/// Where in each interval a host checks in: spread evenly, the same in every run.
pub(super) fn phase(number: usize, interval: Duration) -> Duration {
    // The golden ratio's fraction spreads consecutive numbers over 0..1.
    let fraction = (crate::report::figure(number) * 0.618_033_988_749_894_9).fract();
    interval.mul_f64(fraction)
}

struct Living<'a> {
    handle: SessionHandle,
    host: &'a Host,
    figures: &'a Figures,
    asked: Duration,
    usual: Duration,
    due: Instant,
    /// How long the edge takes check-ins without a counter, as the real agent believes it.
    signed_for: Duration,
    /// When the next check-in has one.
    sign_due: Instant,
    /// When the check-in was sent whose answer has not come.
    sent: Option<Instant>,
    whole_bytes: u64,
    /// The manifest is on its way.
    is_storing: bool,
    is_up: bool,
    /// In which it was welcomed last.
    phase: usize,
}

impl Living<'_> {
    async fn run(
        &mut self,
        mut session: SessionClient,
        mut pace: watch::Receiver<Duration>,
        mut wanted: Instant,
        mut turn: Option<OwnedSemaphorePermit>,
    ) {
        loop {
            tokio::select! {
                event = session.next() => match event {
                    Some(SessionEvent::Up { welcome, .. }) => {
                        self.is_up = true;
                        self.figures.up.fetch_add(1, Ordering::Relaxed);
                        let now = self.figures.phase.load(Ordering::Relaxed);
                        if std::mem::replace(&mut self.phase, now) != now {
                            self.figures.welcome(wanted.elapsed());
                        }
                        drop(turn.take());
                        self.usual = Duration::from_secs(u64::from(welcome.heartbeat_seconds.clamp(1, 3600)));
                        self.whole_bytes = welcome.whole_bytes;
                        self.signed_for = Duration::from_secs(u64::from(welcome.signed_seconds));
                        self.sign_due = Instant::now() + phase(self.host.number, self.signed_for);
                        self.sent = None;
                        self.due = Instant::now() + phase(self.host.number, self.interval());
                        if welcome.known_manifest_hash != self.host.manifest.hash {
                            self.store();
                        }
                    }
                    Some(SessionEvent::Down { reason }) => {
                        if self.is_up {
                            wanted = Instant::now();
                        }
                        self.went_down();
                        self.figures.down(reason);
                    }
                    Some(SessionEvent::Message(message)) => {
                        let number = message.number;
                        if let Some(body) = message.body {
                            self.take(body);
                        }
                        if number > 0 {
                            self.handle.durable(number);
                            self.due = self.due.min(Instant::now() + ACKNOWLEDGE);
                        }
                        if self.is_storing && self.handle.waiting() == 0 {
                            self.is_storing = false;
                            self.figures.stored.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    None => return,
                },
                () = sleep_until(self.due) => self.check_in(),
                changed = pace.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.asked = pace.borrow_and_update().to_owned();
                    self.due = Instant::now() + phase(self.host.number, self.interval());
                }
            }
        }
    }

    fn interval(&self) -> Duration {
        if self.asked.is_zero() {
            self.usual
        } else {
            self.asked
        }
    }

    fn went_down(&mut self) {
        if std::mem::take(&mut self.is_up) {
            self.figures.up.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn check_in(&mut self) {
        let soon = if self.is_storing {
            ACKNOWLEDGE
        } else {
            self.interval()
        };
        self.due = Instant::now() + soon;
        // One at a time: a slow answer lowers the rate, it does not pile up.
        if self.is_up && self.sent.is_none() {
            self.sent = Some(Instant::now());
            let counter = if Instant::now() >= self.sign_due {
                self.sign_due = Instant::now() + self.signed_for;
                self.figures.signed.fetch_add(1, Ordering::Relaxed);
                self.host.check_in()
            } else {
                None
            };
            self.handle.send_uncounted(self.host.heartbeat(counter));
        }
    }

    fn take(&mut self, body: edge_message::Body) {
        match body {
            edge_message::Body::Heartbeat(_) => {
                if let Some(sent) = self.sent.take() {
                    self.figures.check_in(sent.elapsed());
                }
            }
            edge_message::Body::ManifestWanted(_) => self.store(),
            edge_message::Body::Document(envelope) if envelope.is::<Order>() => {
                self.accept(&envelope)
            }
            edge_message::Body::Document(envelope) if envelope.is::<Membership>() => {
                if let Ok(membership) = Membership::decode(envelope.payload.as_slice()) {
                    let held = &self.host.membership;
                    held.fetch_max(membership.version, Ordering::Relaxed);
                }
            }
            edge_message::Body::Error(error) => self
                .figures
                .down(format!("the edge says {}", error.message)),
            _ => {}
        }
    }

    fn store(&mut self) {
        let body = agent_message::Body::Manifest(self.host.manifest.as_ref().clone());
        let Ok(bodies) = parts::split(body, self.whole_bytes) else {
            return;
        };
        for body in bodies {
            let _ = self.handle.send(body);
        }
        self.is_storing = true;
        self.due = self.due.min(Instant::now() + ACKNOWLEDGE);
    }

    /// An order is acknowledged and nothing more.
    fn accept(&self, envelope: &Envelope) {
        let answer = OrderAnswer {
            order: envelope.digest().0.to_vec(),
            accepted: true,
            ..OrderAnswer::default()
        };
        if self
            .handle
            .send(agent_message::Body::OrderAnswer(answer))
            .is_ok()
        {
            self.figures.orders.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Living<'_> {
    fn drop(&mut self) {
        self.went_down();
    }
}
