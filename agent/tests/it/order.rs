//! Signed orders for tests, and an agent that believes their keys.

use async_trait::async_trait;
use netpatch_agent::clock::EdgeClock;
use netpatch_agent::payload::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource};
use netpatch_agent::provider::Installer;
use netpatch_agent::run::{Engine, Runs};
use netpatch_agent::state::StateFolder;
use netpatch_agent::state::documents::Documents;
use netpatch_agent_core::order::{Order, Standing, Trust, accept};
use netpatch_agent_core::plan::ContentItem;
use netpatch_proof::{Ed25519Signer, Signer as _};
use netpatch_protocol::content::content_digest;
use netpatch_protocol::document::{self, Envelope, RoleKey, Root};
use netpatch_protocol::seal;
use netpatch_types::{Clock as _, HostId, OrganizationId, SystemClock};
use std::path::Path;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

pub(crate) const ORGANIZATION: Uuid = Uuid::from_u128(1);
pub(crate) const HOST: Uuid = Uuid::from_u128(2);
pub(crate) const DEPLOYMENT: Uuid = Uuid::from_u128(3);

pub(crate) fn key(seed: u8) -> Ed25519Signer {
    Ed25519Signer::from_secret(&[seed; 32])
}

/// The organization's root document.
pub(crate) fn root(ca_der: Vec<u8>) -> Root {
    let role = |role: &str, seed| RoleKey {
        role: role.into(),
        public_key: key(seed).public_key().as_bytes().to_vec(),
    };
    Root {
        version: 1,
        organization_id: ORGANIZATION.to_string(),
        keys: vec![role("root", 1), role("director", 2), role("approval", 3)],
        director_threshold: 1,
        approval_threshold: 1,
        root_threshold: 1,
        ca_der,
        ..Root::default()
    }
}

fn trust() -> Trust {
    Trust::new(
        OrganizationId(ORGANIZATION),
        HostId(HOST),
        &root(Vec::new()),
    )
}

/// An order for exactly these packages, open now, with its approval.
pub(crate) fn order(content: &[ContentItem], sequence: u64, now_ms: i64) -> Envelope {
    let items: Vec<document::ContentItem> = content
        .iter()
        .map(|item| document::ContentItem {
            name: item.name.clone(),
            arch: item.arch.clone(),
            version: item.version.clone(),
            fixed_version: item.fixed_version.clone(),
            sha256: item
                .sha256
                .map(|sha256| sha256.0.to_vec())
                .unwrap_or_default(),
            size_bytes: item.size_bytes,
            remove: item.remove,
            dependency: item.dependency,
            patch_id: "patch".into(),
        })
        .collect();
    let approval = document::Approval {
        organization_id: ORGANIZATION.to_string(),
        content_digest: content_digest(&document::Content {
            items: items.clone(),
        })
        .0
        .to_vec(),
        patch_id: "patch".into(),
        decision: "approve".into(),
        ..document::Approval::default()
    };
    let order = document::Order {
        organization_id: ORGANIZATION.to_string(),
        deployment_id: DEPLOYMENT.to_string(),
        wave_id: Uuid::from_u128(4).to_string(),
        sequence,
        content: Some(document::Content { items }),
        target: Some(document::Target::default()),
        not_before_ms: now_ms - 60_000,
        not_after_ms: now_ms + 3_600_000,
        lease_seconds: 900,
        install_estimate_seconds: 60,
        approvals: vec![seal(&approval, &[&key(3)]).expect("seals")],
        ..document::Order::default()
    };
    seal(&order, &[&key(2)]).expect("seals")
}

/// The host's membership.
pub(crate) fn membership(direct_forbidden: bool) -> Envelope {
    let membership = document::Membership {
        organization_id: ORGANIZATION.to_string(),
        host_id: HOST.to_string(),
        version: 1,
        direct_forbidden,
        ..document::Membership::default()
    };
    seal(&membership, &[&key(3)]).expect("seals")
}

/// A director's statement that the deployment runs.
pub(crate) fn freshness(now_ms: i64) -> Envelope {
    let statement = document::Freshness {
        organization_id: ORGANIZATION.to_string(),
        deployment_id: DEPLOYMENT.to_string(),
        sequence: 1,
        running: true,
        at_ms: now_ms,
    };
    seal(&statement, &[&key(2)]).expect("seals")
}

/// A director's halt of everything up to a sequence.
pub(crate) fn halt(sequence: u64) -> Envelope {
    let halt = document::Halt {
        organization_id: ORGANIZATION.to_string(),
        deployment_id: DEPLOYMENT.to_string(),
        sequence,
        ..document::Halt::default()
    };
    seal(&halt, &[&key(2)]).expect("seals")
}

/// An agent's folder with membership, lease and confirmed time.
pub(crate) struct Agent {
    pub(crate) state: StateFolder,
    pub(crate) documents: Arc<Mutex<Documents>>,
    pub(crate) clock: Arc<EdgeClock>,
}

impl Agent {
    /// A process of the agent: what is in memory begins anew.
    pub(crate) fn start(folder: &Path) -> Self {
        let state = StateFolder::open(folder).expect("state");
        let clock = Arc::new(EdgeClock::new(&state, SystemClock::shared()));
        clock.confirm(SystemClock::default().now());
        let mut documents = Documents::load(&state, trust()).expect("documents");
        if documents.membership().is_none() {
            documents
                .take_membership(&membership(false))
                .expect("membership");
        }
        documents
            .take_freshness(&freshness(clock.now().timestamp_millis()))
            .expect("freshness");
        Self {
            state,
            documents: Arc::new(Mutex::new(documents)),
            clock,
        }
    }

    /// Accepts an order and begins its run.
    pub(crate) fn accept(&self, envelope: &Envelope) -> Order {
        let documents = self.documents.lock().expect("lock");
        let standing = Standing {
            membership: documents.membership(),
            highest_sequence: documents.highest_sequence(DEPLOYMENT),
            audit_only: false,
            now: self.clock.now(),
        };
        let order = accept(envelope, documents.trust(), &standing).expect("accepted");
        Runs::new(&self.state)
            .begin(&order, envelope, self.clock.now().timestamp_millis())
            .expect("begins");
        order
    }

    pub(crate) fn engine(
        &self,
        provider: Arc<dyn Installer>,
        payloads: Arc<dyn PayloadSource>,
    ) -> Engine {
        Engine::new(
            provider,
            Arc::clone(&self.documents),
            Arc::clone(&self.clock),
            payloads,
            "Europe/Berlin".into(),
        )
    }
}

/// No payloads at all.
pub(crate) struct Nothing;

#[async_trait]
impl PayloadSource for Nothing {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        Err(PayloadError {
            repository: request.repository,
            path: request.path,
            reason: "nothing here".into(),
        })
    }
}
