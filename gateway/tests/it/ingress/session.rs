use super::world::*;
use netpatch_proof::Signer as _;
use netpatch_protocol::document::{Freshness, RunResult, Time};
use netpatch_protocol::manifest::manifest_of;
use netpatch_protocol::session::{
    Component, FirewallVerdict, FreshnessRequest, Heartbeat, HostFacts, ListeningSocket, Manifest,
    ManifestDelta, RenewRequest, RunEvent, RunEvents, agent_message, edge_message,
};
use netpatch_protocol::{open_envelope, seal};
use netpatch_scheduler_api::RunStatus;
use netpatch_tunnel::identity::subject_key;
use netpatch_tunnel::{SessionClient, SessionEvent};
use netpatch_types::{DeploymentId, Sha256};
use std::sync::atomic::Ordering;

fn manifest(version: &str) -> Manifest {
    manifest_of(vec![Component {
        name: "a".into(),
        version: version.into(),
        arch: "amd64".into(),
        source: "a".into(),
        source_version: version.into(),
        ecosystem: "deb".into(),
        distribution: "debian".into(),
        release: "bookworm".into(),
    }])
}

fn heartbeat(host: &Holder, n: u64, hash: Vec<u8>) -> agent_message::Body {
    agent_message::Body::Heartbeat(Heartbeat {
        counter: Some(host.counter(1, n)),
        manifest_hash: hash,
        pending_reboot: 0,
    })
}

/// Waits until everything that was sent is acknowledged; check-ins carry the acknowledgement.
async fn acknowledged(session: &mut SessionClient, host: &Holder, mut n: u64) {
    while session.handle().waiting() > 0 {
        session
            .handle()
            .send_uncounted(heartbeat(host, n, Vec::new()));
        n += 1;
        message(session).await;
    }
}

#[tokio::test]
async fn a_host_that_comes_directly_is_told_of_its_sites_relays_and_comes_in_without_them_too() {
    let world = World::start().await;
    let host = world.host();
    let relays = vec!["relay.test:8443".to_owned(), "192.0.2.7:8443".to_owned()];
    let others = vec!["elsewhere.test:8443".to_owned()];
    {
        let mut script = world.played.script.lock().unwrap();
        (script.relays, script.other_relays) = (relays.clone(), others.clone());
    }
    let mut session = world.agent(&host, 1, 1);
    let welcome = up(&mut session).await;
    assert_eq!(welcome.relay_hints, relays);
    assert_eq!(welcome.other_relay_hints, others);
    drop(session);
    world.played.script.lock().unwrap().relays = Vec::new();
    let mut session = world.agent(&host, 1, 2);
    assert!(up(&mut session).await.relay_hints.is_empty());
}

#[tokio::test]
async fn an_unchanged_check_in_touches_no_database_and_gets_the_time() {
    // Presence is written in batches of its own.
    let world =
        World::start_with(|options| options.presence_every = std::time::Duration::from_secs(3600))
            .await;
    let host = world.host();
    world.played.script.lock().unwrap().manifest = Some(Sha256([7; 32]));
    let mut session = world.agent(&host, 1, 1);
    let welcome = up(&mut session).await;
    assert_eq!(
        (welcome.known_manifest_hash, welcome.heartbeat_seconds),
        (vec![7; 32], 30)
    );
    let signed = welcome.time.and_then(|time| time.envelope).expect("time");
    let key = world.played.director.public_key();
    let time = open_envelope::<Time>(&signed, &[key], 1).expect("signed");
    let bytes = netpatch_protocol::counter::counter_bytes(&[1; 16], 1);
    assert_eq!(time.nonce, Sha256::of(&bytes).0);

    // The first look for documents follows the welcome: let it pass.
    session
        .handle()
        .send_uncounted(heartbeat(&host, 2, vec![7; 32]));
    assert!(matches!(
        message(&mut session).await,
        edge_message::Body::Heartbeat(_)
    ));
    let before = world.played.database.load(Ordering::Relaxed);
    for n in 3..20 {
        session
            .handle()
            .send_uncounted(heartbeat(&host, n, vec![7; 32]));
        assert!(matches!(
            message(&mut session).await,
            edge_message::Body::Heartbeat(_)
        ));
    }
    assert_eq!(world.played.database.load(Ordering::Relaxed), before);
}

/// Without a counter, saying which manifest the host has.
fn vouched(hash: Vec<u8>) -> agent_message::Body {
    agent_message::Body::Heartbeat(Heartbeat {
        counter: None,
        manifest_hash: hash,
        pending_reboot: 1,
    })
}

#[tokio::test]
async fn between_two_counters_the_session_vouches_for_the_host() {
    let world = World::start().await;
    let host = world.host();
    world.played.script.lock().unwrap().manifest = Some(Sha256([7; 32]));
    let mut session = world.agent(&host, 1, 1);
    assert_eq!(up(&mut session).await.signed_seconds, 300);
    let answer = |body| match body {
        edge_message::Body::Heartbeat(answer) => answer.time.is_some(),
        other => panic!("no answer: {other:?}"),
    };
    session.handle().send_uncounted(vouched(vec![7; 32]));
    assert!(
        !answer(message(&mut session).await),
        "time answers a counter, and there was none"
    );
    world
        .until("presence", |script| {
            script
                .seen
                .iter()
                .any(|seen| seen.host == host.host() && seen.reboot_pending)
        })
        .await;
    // It says of the manifest what one with a counter says.
    session.handle().send_uncounted(vouched(vec![9; 32]));
    assert!(!answer(message(&mut session).await));
    let edge_message::Body::ManifestWanted(wanted) = message(&mut session).await else {
        panic!("no manifest wanted");
    };
    assert_eq!(wanted.base_hash, vec![7; 32]);
    session
        .handle()
        .send_uncounted(heartbeat(&host, 2, Vec::new()));
    assert!(answer(message(&mut session).await));
    // The counter did not move meanwhile: what was used stays used.
    session
        .handle()
        .send_uncounted(heartbeat(&host, 2, Vec::new()));
    down(&mut session).await;
}

#[tokio::test]
async fn check_ins_without_a_counter_are_refused_when_the_last_one_is_old_or_each_needs_one() {
    let pause = std::time::Duration::from_millis(20);
    let world = World::start_with(|options| {
        options.signed_every = std::time::Duration::from_secs(1);
        options.heartbeat = pause;
    })
    .await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    assert_eq!(up(&mut session).await.signed_seconds, 1);
    let mut answered = 0;
    let refused = loop {
        session.handle().send_uncounted(vouched(Vec::new()));
        match message(&mut session).await {
            edge_message::Body::Heartbeat(_) => answered += 1,
            edge_message::Body::Error(error) => break error.message,
            other => panic!("no answer: {other:?}"),
        }
        tokio::time::sleep(pause).await;
    };
    assert!(answered > 1, "{answered}");
    assert!(refused.contains("signed"), "{refused}");
    down(&mut session).await;

    let world = World::start_with(|options| options.signed_every = std::time::Duration::ZERO).await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    assert_eq!(up(&mut session).await.signed_seconds, 0);
    session.handle().send_uncounted(vouched(Vec::new()));
    let edge_message::Body::Error(error) = message(&mut session).await else {
        panic!("not refused");
    };
    assert!(error.message.contains("signed"), "{}", error.message);
    down(&mut session).await;
}

#[tokio::test]
async fn facts_and_manifests_reach_inventory_and_presence_is_written() {
    let world = World::start().await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    up(&mut session).await;
    let socket = |firewall: FirewallVerdict| ListeningSocket {
        protocol: "tcp".into(),
        address: "0.0.0.0".into(),
        port: 22,
        not_loopback: true,
        firewall: firewall.into(),
        ..ListeningSocket::default()
    };
    let facts = HostFacts {
        hostname: "db-1".into(),
        listening: vec![
            socket(FirewallVerdict::Allowed),
            socket(FirewallVerdict::Blocked),
            socket(FirewallVerdict::Unspecified),
        ],
        ..HostFacts::default()
    };
    session
        .handle()
        .send(agent_message::Body::Facts(facts))
        .unwrap();
    let whole = manifest("1");
    session
        .handle()
        .send(agent_message::Body::Manifest(whole.clone()))
        .unwrap();
    acknowledged(&mut session, &host, 10).await;
    world
        .until("presence", |script| {
            script
                .seen
                .iter()
                .any(|seen| seen.host == host.host() && !seen.forked)
        })
        .await;
    {
        let script = world.played.script.lock().unwrap();
        assert_eq!(script.facts[0].facts.hostname, "db-1");
        assert_eq!(script.facts[0].host, host.host());
        let exposed: Vec<_> = script.facts[0]
            .facts
            .listening
            .iter()
            .map(netpatch_inventory_api::ListeningSocket::is_exposed)
            .collect();
        assert_eq!(exposed, [Some(true), Some(false), None]);
        assert_eq!(script.manifests[0].hash.0.to_vec(), whole.hash);
    }

    // Another hash at a check-in: the edge wants the change; a base that is not held: the whole.
    session
        .handle()
        .send_uncounted(heartbeat(&host, 1000, vec![9; 32]));
    assert!(matches!(
        message(&mut session).await,
        edge_message::Body::Heartbeat(_)
    ));
    let edge_message::Body::ManifestWanted(wanted) = message(&mut session).await else {
        panic!("no manifest wanted");
    };
    assert_eq!(wanted.base_hash, whole.hash);
    let delta = ManifestDelta {
        base_hash: whole.hash.clone(),
        hash: manifest("2").hash,
        added: manifest("2").components,
        removed: whole.components,
    };
    session
        .handle()
        .send(agent_message::Body::ManifestDelta(delta))
        .unwrap();
    let edge_message::Body::ManifestWanted(wanted) = message(&mut session).await else {
        panic!("no manifest wanted");
    };
    assert!(wanted.base_hash.is_empty());
}

#[tokio::test]
async fn a_manifest_that_does_not_hash_is_refused_and_the_session_lives() {
    let world = World::start().await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    up(&mut session).await;
    let mut wrong = manifest("1");
    wrong.hash = vec![1; 32];
    session
        .handle()
        .send(agent_message::Body::Manifest(wrong))
        .unwrap();
    let edge_message::Body::Error(error) = message(&mut session).await else {
        panic!("no error");
    };
    assert_eq!(error.code, "BAD_USER_INPUT");
    assert!(error.message.contains("hash"), "{}", error.message);
    session
        .handle()
        .send(agent_message::Body::Manifest(manifest("2")))
        .unwrap();
    acknowledged(&mut session, &host, 10).await;
    let script = world.played.script.lock().unwrap();
    assert_eq!(script.manifests.len(), 1);
}

#[tokio::test]
async fn what_a_service_cannot_take_comes_again_and_is_stored_once() {
    let rarely = std::time::Duration::from_secs(3600);
    let world = World::start_with(|options| options.presence_every = rarely).await;
    let host = world.host();
    {
        let member = world.membership(1);
        let mut script = world.played.script.lock().unwrap();
        script.membership = Some(member);
        script.orders = vec![world.order(1)];
    }
    let mut session = world.agent(&host, 1, 1);
    let before = up(&mut session).await;
    // When both documents have come, the edge asks the services for nothing more by itself.
    for _ in 0..2 {
        assert!(matches!(
            message(&mut session).await,
            edge_message::Body::Document(_)
        ));
    }
    world.played.script.lock().unwrap().outages = 1;
    for version in ["1", "2", "3"] {
        session
            .handle()
            .send(agent_message::Body::Manifest(manifest(version)))
            .unwrap();
    }
    while !matches!(next(&mut session).await, SessionEvent::Down { .. }) {}
    let after = up(&mut session).await;
    assert_eq!(after.resume_id, before.resume_id);
    world
        .until("three manifests", |script| script.manifests.len() >= 3)
        .await;
    acknowledged(&mut session, &host, 100).await;
    let script = world.played.script.lock().unwrap();
    let stored: Vec<_> = script
        .manifests
        .iter()
        .map(|report| report.hash.0.to_vec())
        .collect();
    assert_eq!(
        stored,
        ["1", "2", "3"].map(|version| manifest(version).hash)
    );
}

#[tokio::test]
async fn runs_are_stored_and_confirmed_and_a_result_speaks_for_its_own_host_only() {
    let world = World::start().await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    up(&mut session).await;
    let deployment = DeploymentId::new(clock().now());
    let event = |step: u64, state: &str| RunEvent {
        deployment_id: deployment.to_string(),
        sequence: 3,
        attempt: 1,
        step,
        state: state.into(),
        at_ms: clock().now().timestamp_millis(),
        order: vec![4; 32],
        ..RunEvent::default()
    };
    let result = |of: &Holder| RunResult {
        host_id: of.host().to_string(),
        organization_id: world.organization.organization.to_string(),
        public_key: subject_key(&of.tls.certificate).unwrap().1,
        ..RunResult::default()
    };
    let send = |session: &SessionClient, events: Vec<RunEvent>| {
        session
            .handle()
            .send(agent_message::Body::RunEvents(RunEvents { events }))
            .unwrap();
    };
    let mut last = event(3, "succeeded");
    last.result = Some(seal(&result(&host), &[&host.signer()]).unwrap());
    send(
        &session,
        vec![event(1, "accepted"), event(2, "installing"), last],
    );
    let edge_message::Body::RunEventsStored(stored) = message(&mut session).await else {
        panic!("not stored");
    };
    assert_eq!((stored.sequence, stored.attempt, stored.step), (3, 1, 3));
    {
        let script = world.played.script.lock().unwrap();
        assert_eq!(script.runs[0].events[2].status, RunStatus::Succeeded);
        assert_eq!(script.runs[0].host, host.host());
        assert!(script.runs[0].result.is_some());
    }

    // Signed by another key, about another host, a state that nobody knows.
    let other = world.host();
    let mut forged = event(4, "succeeded");
    forged.result = Some(seal(&result(&host), &[&other.signer()]).unwrap());
    let mut foreign = event(4, "succeeded");
    foreign.result = Some(seal(&result(&other), &[&host.signer()]).unwrap());
    for wrong in [forged, foreign, event(4, "dancing")] {
        // Which run it is about is told: the agent has more of them.
        send(&session, vec![wrong]);
        let edge_message::Body::RunEventsRefused(refused) = message(&mut session).await else {
            panic!("not refused");
        };
        assert_eq!(
            (refused.sequence, refused.code.as_str()),
            (3, "BAD_USER_INPUT")
        );
    }
    assert_eq!(world.played.script.lock().unwrap().runs.len(), 1);
}

#[tokio::test]
async fn freshness_and_renewal_are_answered() {
    let world = World::start().await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    up(&mut session).await;
    let deployment = DeploymentId::new(clock().now());
    let request = FreshnessRequest {
        deployment_id: deployment.to_string(),
    };
    session
        .handle()
        .send_uncounted(agent_message::Body::FreshnessRequest(request));
    let edge_message::Body::Document(envelope) = message(&mut session).await else {
        panic!("no document");
    };
    let key = world.played.director.public_key();
    let freshness = open_envelope::<Freshness>(&envelope, &[key], 1).expect("signed");
    assert_eq!(freshness.deployment_id, deployment.to_string());
    let renew = RenewRequest {
        csr_der: vec![1, 2],
    };
    session
        .handle()
        .send(agent_message::Body::Renew(renew))
        .unwrap();
    let edge_message::Body::Renewed(renewed) = message(&mut session).await else {
        panic!("not renewed");
    };
    assert_eq!(renewed.certificate_der, [1, 2]);
}

#[tokio::test]
async fn two_live_copies_of_one_identity_are_both_quarantined() {
    let world = World::start().await;
    let host = world.host();
    let mut original = world.agent(&host, 1, 50);
    up(&mut original).await;
    // The copy booted elsewhere, from the state of an earlier day.
    let mut copy = world.agent(&host, 2, 10);
    let reason = down(&mut copy).await;
    assert!(reason.contains("quarantined"), "{reason}");
    world
        .until("the quarantine", |script| {
            script.quarantined.contains(&host.host())
        })
        .await;
    loop {
        if let SessionEvent::Down { reason } = next(&mut original).await
            && reason.contains("quarantined")
        {
            break;
        }
    }
}

#[tokio::test]
async fn a_restored_snapshot_is_let_in_and_sends_its_inventory_whole() {
    let world = World::start().await;
    let host = world.host();
    world.played.script.lock().unwrap().manifest = Some(Sha256([7; 32]));
    let mut before = world.agent(&host, 1, 50);
    up(&mut before).await;
    drop(before);
    // The edge notices that the carrier is gone; then nobody is live.
    let mut restored = world.agent(&host, 2, 10);
    let welcome = loop {
        match next(&mut restored).await {
            SessionEvent::Up { welcome, .. } => break welcome,
            SessionEvent::Down { reason } => assert!(!reason.contains("quarantined"), "{reason}"),
            SessionEvent::Message(message) => panic!("{message:?}"),
        }
    };
    assert!(welcome.known_manifest_hash.is_empty());
    let edge_message::Body::ManifestWanted(wanted) = message(&mut restored).await else {
        panic!("no manifest wanted");
    };
    assert!(wanted.base_hash.is_empty());
}
