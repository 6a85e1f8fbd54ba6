//! A host's agent, as far as the scheduler sees it: what it reports, and its signed result.

use crate::world::World;
use netpatch_proof::{P256Signer, Signer as _};
use netpatch_protocol::document::{Order, RunResult};
use netpatch_protocol::seal;
use netpatch_scheduler_api::*;
use netpatch_types::*;
use prost::Message as _;

pub(crate) const SUCCESS: [RunStatus; 6] = [
    RunStatus::Accepted,
    RunStatus::Staging,
    RunStatus::Staged,
    RunStatus::Installing,
    RunStatus::Verifying,
    RunStatus::Succeeded,
];

pub(crate) fn event(world: &World, step: u64, status: RunStatus) -> RunEvent {
    let failed = matches!(status, RunStatus::Failed);
    RunEvent {
        step,
        status,
        at: world.clock.now(),
        message: String::new(),
        cause: if failed {
            "maintainer_script_failed".into()
        } else {
            String::new()
        },
        evidence: if failed {
            vec!["postinst: exit 1".into()]
        } else {
            vec![]
        },
    }
}

pub(crate) fn report(
    world: &World,
    host: HostId,
    (digest, order): &(Sha256, Order),
    words: &[RunStatus],
) -> RunReport {
    RunReport {
        host,
        deployment: DeploymentId(order.deployment_id.parse().unwrap()),
        sequence: order.sequence,
        attempt: 1,
        order: *digest,
        events: (1u64..)
            .zip(words)
            .map(|(step, status)| event(world, step, *status))
            .collect(),
        result: None,
        bytes_from_relay: 0,
        bytes_from_origin: 0,
    }
}

/// The host's signed result of a report.
pub(crate) fn result(
    world: &World,
    report: &RunReport,
    change: impl FnOnce(&mut RunResult),
) -> Vec<u8> {
    let signer = P256Signer::from_secret(&[9; 32]).unwrap();
    let mut result = RunResult {
        organization_id: world.tenant.to_string(),
        host_id: report.host.to_string(),
        deployment_id: report.deployment.to_string(),
        sequence: report.sequence,
        attempt: report.attempt,
        order: report.order.0.to_vec(),
        state: report.events.last().unwrap().status.as_str().to_owned(),
        manifest_hash: Sha256::of(b"after").0.to_vec(),
        public_key: spki(&signer),
        ..RunResult::default()
    };
    change(&mut result);
    seal(&result, &[&signer]).unwrap().encode_to_vec()
}

/// SubjectPublicKeyInfo of a P-256 key: a fixed head and the point.
fn spki(signer: &P256Signer) -> Vec<u8> {
    let head = "3039301306072a8648ce3d020106082a8648ce3d030107032200";
    let mut der: Vec<u8> = (0..head.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&head[at..at + 2], 16).unwrap())
        .collect();
    der.extend_from_slice(signer.public_key().as_bytes());
    der
}

impl World {
    pub(crate) async fn send(&self, report: RunReport) -> ServiceResult<RunStored> {
        self.api.run_report(&self.agent(report.host), report).await
    }

    /// The host's newest order; panics when it has none.
    pub(crate) async fn order(&self, host: HostId) -> (Sha256, Order) {
        self.orders(host).await.pop().unwrap()
    }

    /// The host runs its order to these words, the last with a signed result.
    pub(crate) async fn ran(&self, host: HostId, words: &[RunStatus]) -> RunReport {
        let order = self.order(host).await;
        let mut report = report(self, host, &order, words);
        if words.last().unwrap().is_final() {
            report.result = Some(result(self, &report, |_| {}));
        }
        self.send(report.clone()).await.unwrap();
        report
    }

    /// Runs to success and is found to need nothing.
    pub(crate) async fn succeeds(&self, host: HostId) {
        self.ran(host, &SUCCESS).await;
        self.patched(host);
    }

    pub(crate) async fn runs(&self) -> Vec<Run> {
        let list = RunList {
            page: PageRequest::largest(),
            ..RunList::default()
        };
        self.api
            .run_list(&self.person(), list)
            .await
            .unwrap()
            .into_nodes()
    }

    pub(crate) async fn run_of(&self, host: HostId) -> Run {
        let run = self.runs().await.into_iter().find(|run| run.host == host);
        let id = run.unwrap().id;
        self.api
            .run_get(&self.person(), RunGet { id })
            .await
            .unwrap()
    }
}
