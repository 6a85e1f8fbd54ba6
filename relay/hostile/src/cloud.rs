//! The real edge, with services behind it that write down what has an effect and compare it with what was meant.

mod services;

use crate::verdict::Verdict;
use anyhow::{Context as _, Result};
use netpatch_gateway::ingress::{Ingress, Options, request_scan};
use netpatch_gateway::throttle::Rate;
use netpatch_proof::{Ed25519Signer, Signer as _};
use netpatch_protocol::content::content_digest;
use netpatch_protocol::document::{
    Approval, Content, ContentItem, Envelope, Membership, Order, RoleKey, Root, Target,
};
use netpatch_protocol::enrol::Enrolled;
use netpatch_protocol::{IdentityName, SubjectKind, seal};
use netpatch_storage::{SharedBus, bus};
use netpatch_tunnel::Limits;
use netpatch_tunnel::identity::{generate_key, subject_key};
use netpatch_types::{HostId, OrganizationId, Sha256, SharedClock, SystemClock};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams,
    ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth},
    Issuer, KeyPair, SanType,
};
use rustls_pki_types::{CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// In the edge's certificate.
pub(crate) const EDGE_NAME: &str = "edge.test";
/// What relays are claimed with.
const CLAIM: &str = "a-claim-token-of-a-relay";

/// A certificate authority.
struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self> {
        let der = PrivatePkcs8KeyDer::from(generate_key()?);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(BasicConstraints::Constrained(0));
        Ok(Self {
            der: params.self_signed(&key)?.der().to_vec(),
            issuer: Issuer::new(params, key),
        })
    }

    fn sign(&self, csr: &[u8], san: SanType) -> Result<Vec<u8>> {
        let csr = CertificateSigningRequestDer::from(csr);
        let mut request = CertificateSigningRequestParams::from_der(&csr)?;
        request.params.subject_alt_names = vec![san];
        request.params.extended_key_usages = vec![ClientAuth, ServerAuth];
        Ok(request.signed_by(&self.issuer)?.der().to_vec())
    }
}

/// What was meant and what took effect.
#[derive(Default)]
struct Ledger {
    /// Secrets of tokens that were given out, with how often each may be used.
    tokens: HashSet<String>,
    /// Certificates that were made, by the request that a host really sent.
    issued: HashMap<Sha256, Vec<u8>>,
    /// Requests that hosts are about to send, the newest last.
    requests: VecDeque<Sha256>,
    /// What hosts are about to send, and whether it has come.
    sent: HashMap<(HostId, String), bool>,
    /// Steps of runs and the results with them.
    runs: HashMap<(HostId, u64), Sha256>,
    /// Hosts that are gone, the last one last.
    gone: VecDeque<HostId>,
    orders: HashMap<HostId, Vec<Envelope>>,
    memberships: HashMap<HostId, (u64, Envelope)>,
    /// Documents that were signed for a host, and whether the host has taken them.
    signed: HashMap<(HostId, Sha256), bool>,
    sequence: u64,
    effects: BTreeMap<&'static str, u64>,
}

/// Hosts that are gone and still remembered.
const GONE: usize = 256;
/// Requests for certificates that are remembered: many times those that all lanes together have under way.
const REQUESTS: usize = 4096;

/// Edge, keys and services of one platform with one organization.
pub(crate) struct Cloud {
    pub(crate) address: SocketAddr,
    pub(crate) played: Arc<Played>,
    bus: SharedBus,
    _task: AbortOnDropHandle<()>,
}

/// The services.
pub(crate) struct Played {
    pub(crate) organization: OrganizationId,
    platform: Authority,
    ca: Authority,
    keys: [Ed25519Signer; 3],
    clock: SharedClock,
    ledger: Mutex<Ledger>,
    verdict: Arc<Verdict>,
}

impl Cloud {
    pub(crate) async fn start(verdict: Arc<Verdict>, limits: Limits) -> Result<Self> {
        let clock = SystemClock::shared();
        let played = Arc::new(Played {
            organization: OrganizationId::new(clock.now()),
            platform: Authority::new()?,
            ca: Authority::new()?,
            keys: [1, 2, 3].map(|seed| Ed25519Signer::from_secret(&[seed; 32])),
            clock: clock.clone(),
            ledger: Mutex::default(),
            verdict,
        });
        let rate = Rate {
            maximum: 1_000_000,
            restore_rate: 1_000_000,
        };
        let options = Options {
            limits,
            tcp: false,
            presence_every: Duration::from_millis(500),
            enrolments: rate,
            relayed_enrolments: rate,
            ..Options::default()
        };
        let bus = bus::connect("memory:").await?;
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let ingress = Ingress::bind(at, played.clone(), bus.clone(), clock, options)?;
        let address = ingress.local_addr()?;
        let task = tokio::spawn(ingress.run(CancellationToken::new()));
        Ok(Self {
            address,
            played,
            bus,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Has the sessions of a host look for documents.
    pub(crate) async fn wake(&self, host: HostId) {
        request_scan(&self.bus, self.played.organization, vec![host]).await;
    }
}

impl Played {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a relay is claimed with.
    pub(crate) fn claim_token(&self) -> &'static str {
        CLAIM
    }

    pub(crate) fn platform_root(&self) -> Result<Sha256> {
        Ok(subject_key(&self.platform.der)?.0)
    }

    /// A token for one host.
    pub(crate) fn give_token(&self, secret: &str) {
        self.ledger().tokens.insert(secret.to_owned());
    }

    /// A host is about to ask for a certificate.
    pub(crate) fn will_request(&self, csr_der: &[u8]) {
        let mut ledger = self.ledger();
        ledger.requests.push_back(Sha256::of(csr_der));
        if ledger.requests.len() > REQUESTS
            && let Some(oldest) = ledger.requests.pop_front()
        {
            ledger.issued.remove(&oldest);
        }
    }

    /// The certificate that was made for a request.
    pub(crate) fn issued(&self, csr_der: &[u8]) -> Option<Vec<u8>> {
        self.ledger().issued.get(&Sha256::of(csr_der)).cloned()
    }

    /// A host is about to send this.
    pub(crate) fn will_send(&self, host: HostId, what: String) {
        self.ledger().sent.insert((host, what), false);
    }

    /// Whether it has come; what has is not remembered any longer.
    pub(crate) fn has_come(&self, host: HostId, what: &str) -> bool {
        self.ledger().sent.get(&(host, what.to_owned())) == Some(&true)
    }

    /// How often something took effect, by kind.
    pub(crate) fn effects(&self) -> BTreeMap<&'static str, u64> {
        self.ledger().effects.clone()
    }

    /// A host is gone. What it has sent may still be on its way, so that is forgotten when many others have gone, too.
    pub(crate) fn forget(&self, host: HostId) {
        let mut ledger = self.ledger();
        ledger.orders.remove(&host);
        ledger.memberships.remove(&host);
        ledger.gone.push_back(host);
        if ledger.gone.len() > GONE
            && let Some(host) = ledger.gone.pop_front()
        {
            ledger.sent.retain(|(whose, _), _| *whose != host);
            ledger.runs.retain(|(whose, _), _| *whose != host);
            ledger.signed.retain(|(whose, _), _| *whose != host);
        }
    }

    /// Signs an order for one host; its digest.
    pub(crate) fn order(&self, host: HostId, deployment: Uuid, name: &str) -> Result<Sha256> {
        let mut ledger = self.ledger();
        ledger.sequence += 1;
        let items = vec![ContentItem {
            name: name.to_owned(),
            arch: "all".into(),
            version: "2".into(),
            fixed_version: "2".into(),
            sha256: Sha256::of(name.as_bytes()).0.to_vec(),
            size_bytes: 1,
            patch_id: name.to_owned(),
            ..ContentItem::default()
        }];
        let [_, director, approver] = &self.keys;
        let content = Content { items };
        let approval = Approval {
            organization_id: self.organization.to_string(),
            content_digest: content_digest(&content).0.to_vec(),
            patch_id: name.to_owned(),
            decision: "approve".into(),
            ..Approval::default()
        };
        let now = self.clock.now().timestamp_millis();
        let order = Order {
            organization_id: self.organization.to_string(),
            deployment_id: deployment.to_string(),
            wave_id: Uuid::from_u128(4).to_string(),
            sequence: ledger.sequence,
            content: Some(content),
            target: Some(Target::default()),
            not_before_ms: now - 60_000,
            not_after_ms: now + 3_600_000,
            lease_seconds: 900,
            install_estimate_seconds: 60,
            approvals: vec![seal(&approval, &[approver])?],
            ..Order::default()
        };
        let envelope = seal(&order, &[director])?;
        let digest = envelope.digest();
        // The one before it has come: agents take a higher sequence only.
        ledger.orders.insert(host, vec![envelope]);
        ledger.signed.insert((host, digest), false);
        Ok(digest)
    }

    /// Signs a membership for one host; its version.
    pub(crate) fn renew_membership(&self, host: HostId, mark: &str) -> Result<u64> {
        let mut ledger = self.ledger();
        let version = ledger.memberships.get(&host).map_or(0, |held| held.0) + 1;
        let membership = Membership {
            organization_id: self.organization.to_string(),
            host_id: host.to_string(),
            ring: mark.to_owned(),
            version,
            ..Membership::default()
        };
        let [_, _, approver] = &self.keys;
        let envelope = seal(&membership, &[approver])?;
        ledger.signed.insert((host, envelope.digest()), false);
        ledger.memberships.insert(host, (version, envelope));
        Ok(version)
    }

    /// A host has taken a document: it must have been signed for it, and not be taken before.
    pub(crate) fn took(&self, host: HostId, kind: &'static str, envelope: &Envelope) {
        let mut ledger = self.ledger();
        *ledger.effects.entry(kind).or_default() += 1;
        match ledger.signed.insert((host, envelope.digest()), true) {
            Some(false) => {}
            Some(true) => self
                .verdict
                .wrong(format!("{kind} had an effect twice on {host}")),
            None => self
                .verdict
                .wrong(format!("{host} took a {kind} that was never signed for it")),
        }
    }

    /// Something of a host took effect: it must have sent it, once.
    fn came(&self, host: HostId, kind: &'static str, what: String) {
        let mut ledger = self.ledger();
        *ledger.effects.entry(kind).or_default() += 1;
        match ledger.sent.insert((host, what), true) {
            Some(false) => {}
            Some(true) => self
                .verdict
                .wrong(format!("{kind} of {host} had an effect twice")),
            None => self
                .verdict
                .wrong(format!("{kind} of {host} was taken and never sent by it")),
        }
    }

    fn root(&self) -> Result<Envelope> {
        let [root, director, approver] = &self.keys;
        let role = |role: &str, key: &Ed25519Signer| RoleKey {
            role: role.into(),
            public_key: key.public_key().as_bytes().to_vec(),
        };
        let document = Root {
            version: 1,
            organization_id: self.organization.to_string(),
            keys: vec![
                role("root", root),
                role("director", director),
                role("approval", approver),
            ],
            director_threshold: 1,
            approval_threshold: 1,
            root_threshold: 1,
            ca_der: self.ca.der.clone(),
            ..Root::default()
        };
        Ok(seal(&document, &[root])?)
    }

    fn certify(&self, kind: SubjectKind, csr: &[u8]) -> Result<Enrolled> {
        let name = IdentityName {
            organization: self.organization,
            kind,
            id: Uuid::now_v7(),
        };
        let san = SanType::URI(name.to_string().try_into().context("an address")?);
        Ok(Enrolled {
            organization_id: self.organization.to_string(),
            subject_id: name.id.to_string(),
            site_id: Uuid::from_u128(8).to_string(),
            certificate_der: self.ca.sign(csr, san)?,
            ca_der: self.ca.der.clone(),
            root: Some(self.root()?),
            platform_root_der: self.platform.der.clone(),
        })
    }
}

/// What a host reports, as it is remembered.
pub(crate) fn facts_named(hostname: &str) -> String {
    format!("facts {hostname}")
}

/// The same for a manifest.
pub(crate) fn manifest_named(hash: Sha256) -> String {
    format!("manifest {hash}")
}

/// The same for an answer to an order.
pub(crate) fn answer_named(order: Sha256, accepted: bool) -> String {
    format!("answer {order} {accepted}")
}

/// The same for a result, by its encoded envelope.
pub(crate) fn result_named(sequence: u64, bytes: &[u8]) -> String {
    format!("result {sequence} {}", Sha256::of(bytes))
}
