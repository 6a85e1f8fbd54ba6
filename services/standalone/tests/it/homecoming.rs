//! A site that comes back with 10,000 results at once, through one real relay to the real edge, scheduler and PostgreSQL.

use crate::delta::{Place, place, running_relay, services};
use crate::sandbox::{Sandbox, Topology};
use netpatch_auth::EnrolmentTokenCreate;
use netpatch_gateway::ingress::{Ingress, Options, PlatformServices, Services as _};
use netpatch_inventory_api::{ApplicabilityReport, InstallableUpdate, ManifestReport, UpdateState};
use netpatch_policy_api::*;
use netpatch_proof::{P256Signer, Signer as _};
use netpatch_protocol::counter::counter_bytes;
use netpatch_protocol::document::{Envelope, Order, RunResult};
use netpatch_protocol::enrol::HostEnrolment;
use netpatch_protocol::session::{
    Component, Counter, FreshnessRequest, Hello, HostFacts, RunEvent, RunEvents, agent_message,
    edge_message,
};
use netpatch_protocol::{PROTOCOL_VERSION, manifest, seal};
use netpatch_scheduler_api::{DeploymentCreate, DocumentsForHost, Run, RunList, RunStatus};
use netpatch_storage::bus;
use netpatch_testkit::poll_until;
use netpatch_tunnel::identity::{certificate_request, generate_key, subject_key};
use netpatch_tunnel::{
    Candidate, Identity, Limits, PlatformTrust, SessionClient, SessionEvent, SessionOptions,
    SiteClient,
};
use netpatch_types::{ComponentKey, Ecosystem, HostId, Labels, PageRequest, PatchId, Sha256};
use netpatch_window::WindowRule;
use prost::Message as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const LONG: Duration = Duration::from_secs(300);
/// More memory than all of it took together, and a test that runs beside it.
const MOST_BYTES: u64 = 512 << 20;
const HOSTS: usize = 20;
const RUNS: u32 = 500;

/// What a host of the site is, without an agent.
struct Host {
    id: HostId,
    tls: Identity,
    signer: P256Signer,
    public_key: Vec<u8>,
    ca: Vec<u8>,
    counter: AtomicU64,
}

impl Host {
    /// Enrols, and reports one package with an update.
    async fn enrol(
        sandbox: &Sandbox,
        edge: &PlatformServices,
        place: &Place,
        number: usize,
    ) -> Self {
        let token = EnrolmentTokenCreate {
            site: place.site,
            labels: Labels::new(),
            for_relay: false,
            max_uses: 1,
            ttl_seconds: 600,
        };
        let auth = &sandbox.roles.auth;
        let (_, text) = auth
            .enrolment_token_create(&place.ctx, token)
            .await
            .unwrap();
        let key = generate_key().unwrap();
        let name = format!("host-{number}");
        let request = HostEnrolment {
            secret: text.split('.').nth(1).unwrap().to_owned(),
            csr_der: certificate_request(&key).unwrap(),
            facts: Some(HostFacts {
                hostname: name.clone(),
                machine_id: Sha256::of(name.as_bytes()).to_string(),
                os_id: "debian".into(),
                os_version: "12".into(),
                os_release: "bookworm".into(),
                arch: "amd64".into(),
                ..HostFacts::default()
            }),
        };
        let enrolled = edge.enrol_host(request).await.unwrap();
        let host = Self {
            id: HostId(enrolled.subject_id.parse().unwrap()),
            public_key: subject_key(&enrolled.certificate_der).unwrap().1,
            signer: P256Signer::from_pkcs8_der(&key).unwrap(),
            ca: enrolled.ca_der,
            tls: Identity::new(enrolled.certificate_der, key),
            counter: AtomicU64::new(0),
        };
        host.report(sandbox, place).await;
        host
    }

    async fn report(&self, sandbox: &Sandbox, place: &Place) {
        let component = ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: "thing".into(),
            version: "1".into(),
            arch: "all".into(),
            source: "thing".into(),
            source_version: "1".into(),
        };
        let wire = Component {
            name: "thing".into(),
            version: "1".into(),
            arch: "all".into(),
            source: "thing".into(),
            source_version: "1".into(),
            ecosystem: "deb".into(),
            distribution: "debian".into(),
            release: "bookworm".into(),
        };
        let hash = manifest::manifest_hash(&[wire]);
        let report = ManifestReport {
            host: self.id,
            hash,
            components: vec![component],
        };
        let inventory = &sandbox.roles.inventory;
        inventory.manifest_report(&place.ctx, report).await.unwrap();
        let update = InstallableUpdate {
            name: "thing".into(),
            arch: "all".into(),
            installed_version: "1".into(),
            candidate_version: "2".into(),
            source: "thing".into(),
            source_version: "2".into(),
            sha256: Sha256::of(b"thing 2"),
            size_bytes: 1000,
            origin: "Debian".into(),
            suite: "bookworm-security".into(),
            label: "Debian-Security".into(),
            state: UpdateState::Installable,
            phased_percent: 0,
            section: "utils".into(),
            requires: Vec::new(),
            ecosystem: Ecosystem::Deb,
            errata: Vec::new(),
            security: false,
        };
        let report = ApplicabilityReport {
            host: self.id,
            manifest: hash,
            updates: vec![update],
            problem: String::new(),
            sources: Vec::new(),
        };
        let taken = inventory.applicability_report(&place.ctx, report).await;
        taken.unwrap();
    }

    /// A session through the relay, and through nothing else.
    fn connect(self: &Arc<Self>, sandbox: &Sandbox, relay: &str) -> SessionClient {
        let platform = sandbox.roles.auth.platform_root().unwrap();
        let (clock, limits) = (sandbox.clock.clone(), Limits::default());
        let ca = self.ca.clone();
        let site = SiteClient::new(
            relay.to_owned(),
            ca,
            self.tls.clone(),
            clock.clone(),
            limits,
        );
        let options = SessionOptions::new(
            vec![Candidate::Relay {
                site: Arc::new(site),
            }],
            self.tls.clone(),
            PlatformTrust::Roots(vec![platform.into()]),
            clock,
        );
        let host = Arc::clone(self);
        SessionClient::connect(options, move |resume_id| {
            let n = host.counter.fetch_add(1, Ordering::Relaxed) + 1;
            let boot_id = [9; 16];
            Hello {
                protocol: PROTOCOL_VERSION,
                agent_version: "1.0.0".into(),
                resume_id,
                counter: Some(Counter {
                    boot_id: boot_id.to_vec(),
                    n,
                    signature: host.signer.sign(&counter_bytes(&boot_id, n)).unwrap(),
                }),
                membership_version: u64::MAX,
                ..Hello::default()
            }
        })
    }

    /// A run that refused its order, as it is told after days.
    fn run(&self, order: &Released, attempt: u32) -> Vec<RunEvent> {
        let event = |step, state: &str, cause: &str, result| RunEvent {
            deployment_id: order.document.deployment_id.clone(),
            sequence: order.document.sequence,
            attempt,
            step,
            state: state.into(),
            at_ms: order.at_ms + i64::from(attempt) * 1000 + i64::try_from(step).unwrap(),
            message: "told late".into(),
            cause: cause.into(),
            evidence: vec!["a line of what was seen on the host".repeat(5); 5],
            order: order.digest.0.to_vec(),
            result,
            ..RunEvent::default()
        };
        let result = RunResult {
            organization_id: order.document.organization_id.clone(),
            host_id: self.id.to_string(),
            deployment_id: order.document.deployment_id.clone(),
            sequence: order.document.sequence,
            attempt,
            order: order.digest.0.to_vec(),
            state: "refused".into(),
            cause: "superseded".into(),
            public_key: self.public_key.clone(),
            ..RunResult::default()
        };
        let result = seal(&result, &[&self.signer]).unwrap();
        vec![
            event(1, "accepted", "", None),
            event(2, "refused", "superseded", Some(result)),
        ]
    }
}

/// The order that all hosts had before the line was cut.
struct Released {
    digest: Sha256,
    document: Order,
    at_ms: i64,
}

async fn release(sandbox: &Sandbox, place: &Place, host: HostId) -> Released {
    let (policy, ctx) = (&sandbox.roles.policy, &place.ctx);
    let now = sandbox.clock.now();
    let spec = WindowSpec {
        name: "Always".into(),
        rule: WindowRule {
            rrule: "FREQ=DAILY".into(),
            starts_at: (now - chrono::Duration::days(1)).naive_utc(),
            duration_s: 86_400,
            offset_days: 0,
            time_zone: None,
        },
        blackout: false,
    };
    let window = policy.window_create(ctx, WindowCreate { spec }).await;
    let spec = PolicySpec {
        name: "Everything".into(),
        enabled: true,
        group: None,
        rules: vec![Rule {
            name: "everything".into(),
            then: Decision::Approve,
            ..Rule::default()
        }],
        rollout: Rollout {
            waves: vec![WaveSize::Percent { percent: 100 }],
            min_success_percent: 0,
            max_failed: u32::try_from(HOSTS).unwrap() + 1,
            ..Rollout::default()
        },
        windows: vec![window.unwrap().id],
        automatic: false,
    };
    let made = policy.policy_create(ctx, PolicyCreate { spec }).await;
    let create = DeploymentCreate {
        name: String::new(),
        policy: made.unwrap().id,
        patches: vec![PatchId::of("deb", "debian/bookworm/thing/2")],
        not_before: None,
        not_after: None,
        dry_run: true,
    };
    let scheduler = &sandbox.roles.scheduler;
    let asker = || sandbox.person(place.organization, "asker");
    poll_until("an approved plan for all hosts", LONG, async || {
        let plan = scheduler.deployment_create(&asker(), create.clone()).await;
        let plan = plan.ok().filter(|plan| plan.missing.is_empty())?;
        (plan.waves.first()?.hosts == HOSTS as u64).then_some(())
    })
    .await;
    let create = DeploymentCreate {
        dry_run: false,
        ..create
    };
    let made = scheduler.deployment_create(&asker(), create).await;
    made.unwrap();
    let envelope = poll_until("the order", LONG, async || {
        let asked = DocumentsForHost {
            host,
            held: Vec::new(),
        };
        let documents = scheduler.documents_for_host(ctx, asked).await;
        let document = documents.unwrap().pop()?;
        Some(Envelope::decode(document.envelope.as_slice()).unwrap())
    })
    .await;
    Released {
        digest: envelope.digest(),
        document: Order::decode(envelope.payload.as_slice()).unwrap(),
        at_ms: now.timestamp_millis(),
    }
}

/// Every run that the scheduler has, by host, in the order in which it learnt of them.
async fn runs(sandbox: &Sandbox, place: &Place) -> HashMap<HostId, Vec<Run>> {
    let mut list = RunList {
        page: PageRequest::largest(),
        deployment: None,
        wave: None,
        host: None,
        statuses: Vec::new(),
    };
    let mut runs: HashMap<HostId, Vec<Run>> = HashMap::new();
    loop {
        let scheduler = &sandbox.roles.scheduler;
        let page = scheduler.run_list(&place.ctx, list.clone()).await.unwrap();
        list.page.after = page.rows.last().map(|row| row.cursor.clone());
        let more = page.has_next;
        for run in page.into_nodes() {
            runs.entry(run.host).or_default().push(run);
        }
        if !more {
            break;
        }
    }
    for of_host in runs.values_mut() {
        of_host.sort_by_key(|run| run.id);
    }
    runs
}

/// Bytes of this process in memory: agents, relay, edge and services together.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// The next message of a session that says anything.
async fn next(session: &mut SessionClient) -> edge_message::Body {
    loop {
        match session.next().await.expect("the session goes on") {
            SessionEvent::Message(message) => {
                if message.number > 0 {
                    session.handle().durable(message.number);
                }
                if let Some(body) = message.body {
                    return body;
                }
            }
            SessionEvent::Up { .. } | SessionEvent::Down { .. } => {}
        }
    }
}

/// Tells everything at once, as nobody would who waits for answers; they must come in order all the same.
async fn tell_all(host: Arc<Host>, mut session: SessionClient, order: Arc<Released>) {
    for attempt in 1..=RUNS {
        let events = host.run(&order, attempt);
        let body = agent_message::Body::RunEvents(RunEvents { events });
        session.handle().send(body).unwrap();
    }
    let mut expected = 1;
    while expected <= RUNS {
        match next(&mut session).await {
            edge_message::Body::RunEventsStored(stored) => {
                assert_eq!((stored.attempt, stored.step), (expected, 2));
                expected += 1;
            }
            edge_message::Body::RunEventsRefused(refused) => panic!("{refused:?}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_results_at_once_arrive_in_order_and_hold_up_nobody() {
    let sandbox = Sandbox::new(Topology::Direct).await;
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    let place = place(&sandbox, "One", Vec::new()).await;
    let edge = services(&sandbox);
    let ingress = Ingress::bind(
        "127.0.0.1:0".parse().unwrap(),
        Arc::new(services(&sandbox)),
        bus::connect("memory:").await.unwrap(),
        sandbox.clock.clone(),
        Options::default(),
    )
    .unwrap();
    let address = ingress.local_addr().unwrap().to_string();
    let stop = tokio_util::sync::CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(ingress.run(stop));
    let (relay, _folder) = running_relay(&sandbox, &place, &address).await;
    let relay_address = relay.local_addr().unwrap().to_string();
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        hosts.push(Arc::new(Host::enrol(&sandbox, &edge, &place, number).await));
    }
    let order = Arc::new(release(&sandbox, &place, hosts[0].id).await);

    // Somebody of the site who has nothing to tell, and asks.
    let asker = Arc::new(Host::enrol(&sandbox, &edge, &place, HOSTS).await);
    let mut asking = asker.connect(&sandbox, &relay_address);
    let is_up = async |session: &mut SessionClient| {
        while !matches!(session.next().await, Some(SessionEvent::Up { .. })) {}
    };
    is_up(&mut asking).await;
    let before = resident_bytes();
    let waiting = Arc::new(AtomicUsize::new(HOSTS));
    let mut telling = JoinSet::new();
    for host in &hosts {
        let session = host.connect(&sandbox, &relay_address);
        let (host, order, waiting) = (host.clone(), order.clone(), waiting.clone());
        telling.spawn(async move {
            tell_all(host, session, order).await;
            waiting.fetch_sub(1, Ordering::Relaxed);
        });
    }
    let (mut answers, mut most) = (0, before);
    while waiting.load(Ordering::Relaxed) == HOSTS {
        let request = FreshnessRequest {
            deployment_id: order.document.deployment_id.clone(),
        };
        let body = agent_message::Body::FreshnessRequest(request);
        asking.handle().send_uncounted(body);
        while !matches!(next(&mut asking).await, edge_message::Body::Document(_)) {}
        answers += 1;
        most = most.max(resident_bytes());
    }
    while let Some(told) = telling.join_next().await {
        told.unwrap();
        most = most.max(resident_bytes());
    }
    println!(
        "{answers} answers meanwhile, {} MiB more in memory",
        (most - before) >> 20
    );
    assert!(
        answers >= 10,
        "{answers} answers before the first host was done"
    );
    assert!(most - before < MOST_BYTES, "{before} to {most} bytes");

    let runs = runs(&sandbox, &place).await;
    assert_eq!(runs.len(), HOSTS);
    for of_host in runs.values() {
        let attempts: Vec<u32> = of_host.iter().map(|run| run.attempt).collect();
        assert_eq!(attempts, (1..=RUNS).collect::<Vec<_>>());
        assert!(of_host.iter().all(|run| run.status == RunStatus::Refused));
    }
}
