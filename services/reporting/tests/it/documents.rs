//! A deployment's signed documents, made with the wire protocol's own types.

use crate::rig::Rig;
use netpatch_policy_api::{ApprovalStatus, PolicyEventV1, Subject};
use netpatch_proof::{Ed25519Signer, P256Signer, Signer};
use netpatch_protocol::document as doc;
use netpatch_protocol::seal;
use netpatch_scheduler_api::{Deployment, DeploymentStatus, RunStatus, SchedulerEventV1};
use netpatch_types::{
    Actor, ActorKind, ApprovalId, Clock as _, DeploymentId, HostId, PatchId, PolicyId, RunId,
    Sha256, TenantId, UserId, WaveId,
};
use p256::pkcs8::EncodePublicKey as _;
use prost::Message as _;
use uuid::Uuid;

/// The keys of the platform and of one host, and one deployment.
pub(crate) struct Story {
    pub(crate) tenant: TenantId,
    pub(crate) deployment: DeploymentId,
    pub(crate) wave: WaveId,
    pub(crate) host: HostId,
    pub(crate) run: RunId,
    pub(crate) approval: ApprovalId,
    director: Ed25519Signer,
    approver: Ed25519Signer,
    host_key: P256Signer,
}

pub(crate) fn person(tenant: TenantId) -> Actor {
    let id = UserId::from(Uuid::from_u128(41)).0;
    Actor {
        kind: ActorKind::User,
        id,
        home: tenant,
        display: "Ada Example".into(),
        delegation: None,
    }
}

impl Story {
    pub(crate) fn new(rig: &Rig) -> Self {
        let now = rig.clock.now();
        let story = Self {
            tenant: rig.tenant(),
            deployment: DeploymentId::new(now),
            wave: WaveId::new(now),
            host: HostId::new(now),
            run: RunId::new(now),
            approval: ApprovalId::new(now),
            director: Ed25519Signer::from_secret(&[1; 32]),
            approver: Ed25519Signer::from_secret(&[2; 32]),
            host_key: P256Signer::from_secret(&[3; 32]).unwrap(),
        };
        *rig.neighbours.director_key.lock().unwrap() =
            story.director.public_key().as_bytes().to_vec();
        *rig.neighbours.approval_key.lock().unwrap() =
            story.approver.public_key().as_bytes().to_vec();
        rig.neighbours.deployments.lock().unwrap().push(Deployment {
            id: story.deployment,
            tenant: story.tenant,
            name: "november".into(),
            policy: PolicyId::new(now),
            patches: vec![PatchId::of("debian", "openssl")],
            status: DeploymentStatus::Completed,
            reason: String::new(),
            approval: None,
            created_by: person(story.tenant),
            created_at: now,
            started_at: Some(now),
            ended_at: Some(now),
            not_after: now,
            etag: "1".into(),
        });
        story
    }

    pub(crate) fn approval(&self) -> doc::Envelope {
        let approval = doc::Approval {
            approval_id: self.approval.to_string(),
            organization_id: self.tenant.to_string(),
            content_digest: vec![7; 32],
            decision: "approve".into(),
            ..doc::Approval::default()
        };
        seal(&approval, &[&self.approver]).unwrap()
    }

    pub(crate) fn order(&self) -> doc::Envelope {
        let order = doc::Order {
            organization_id: self.tenant.to_string(),
            deployment_id: self.deployment.to_string(),
            wave_id: self.wave.to_string(),
            sequence: 1,
            approvals: vec![self.approval()],
            ..doc::Order::default()
        };
        seal(&order, &[&self.director]).unwrap()
    }

    pub(crate) fn order_digest(&self) -> Sha256 {
        Sha256::of(&self.order().payload)
    }

    pub(crate) fn result(&self, state: &str) -> doc::Envelope {
        let point =
            p256::PublicKey::from_sec1_bytes(self.host_key.public_key().as_bytes()).unwrap();
        let result = doc::RunResult {
            organization_id: self.tenant.to_string(),
            host_id: self.host.to_string(),
            deployment_id: self.deployment.to_string(),
            sequence: 1,
            attempt: 1,
            order: self.order_digest().0.to_vec(),
            state: state.into(),
            public_key: point.to_public_key_der().unwrap().into_vec(),
            ..doc::RunResult::default()
        };
        seal(&result, &[&self.host_key]).unwrap()
    }

    pub(crate) fn approved(&self) -> PolicyEventV1 {
        PolicyEventV1::ApprovalDecided {
            approval: self.approval,
            subject: Subject::Patch {
                patch: PatchId::of("debian", "openssl"),
                group: None,
            },
            status: ApprovalStatus::Approved,
            automatic: false,
            by: person(self.tenant),
            reason: "Ada says yes".into(),
            content_digest: Some(Sha256([7; 32])),
            envelope: Some(self.approval().encode_to_vec()),
        }
    }

    pub(crate) fn changed(&self, status: DeploymentStatus) -> SchedulerEventV1 {
        SchedulerEventV1::DeploymentChanged {
            deployment: self.deployment,
            name: "november".into(),
            status,
            reason: String::new(),
            by: person(self.tenant),
        }
    }

    pub(crate) fn ordered(&self) -> SchedulerEventV1 {
        SchedulerEventV1::OrderSigned {
            deployment: self.deployment,
            wave: self.wave,
            sequence: 1,
            order: self.order_digest(),
            envelope: self.order().encode_to_vec(),
        }
    }

    pub(crate) fn ended(&self, status: RunStatus, cause: &str) -> SchedulerEventV1 {
        SchedulerEventV1::RunEnded {
            deployment: self.deployment,
            run: self.run,
            host: self.host,
            status,
            cause: cause.into(),
            envelope: Some(self.result(status.as_str()).encode_to_vec()),
        }
    }

    pub(crate) fn halted(&self) -> SchedulerEventV1 {
        let halt = doc::Halt {
            organization_id: self.tenant.to_string(),
            deployment_id: self.deployment.to_string(),
            sequence: 1,
            ..doc::Halt::default()
        };
        let envelope = seal(&halt, &[&self.director]).unwrap().encode_to_vec();
        SchedulerEventV1::HaltSigned {
            deployment: self.deployment,
            envelope,
        }
    }

    /// The whole story happens.
    pub(crate) fn tell(&self, rig: &Rig) {
        let (now, tenant) = (rig.clock.now(), self.tenant);
        rig.neighbours.policy_event(tenant, now, self.approved());
        for event in [
            self.changed(DeploymentStatus::Scheduled),
            self.ordered(),
            self.changed(DeploymentStatus::Running),
            self.ended(RunStatus::Succeeded, ""),
            self.changed(DeploymentStatus::Completed),
        ] {
            rig.neighbours.scheduler_event(tenant, now, event);
        }
    }
}
