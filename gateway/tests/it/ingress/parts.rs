//! Messages in parts over real sessions: a big host gets through, and what breaks the rule costs nobody else.

use super::world::*;
use netpatch_protocol::manifest::{MAX_COMPONENTS, manifest_of};
use netpatch_protocol::parts::{ASSEMBLY_TIMEOUT, PART_BYTES, split};
use netpatch_protocol::session::{
    Applicability, Component, Heartbeat, InstallableUpdate, Manifest, MessagePart, agent_message,
    edge_message, installable_update::State,
};
use netpatch_testkit::ManualClock;
use netpatch_tunnel::{SessionClient, SessionEvent};
use std::time::Duration;

fn component(n: usize, version: &str) -> Component {
    Component {
        name: format!("package-{n:05}"),
        version: version.into(),
        arch: "amd64".into(),
        source: format!("package-{n:05}"),
        source_version: version.into(),
        ecosystem: "deb".into(),
        distribution: "debian".into(),
        release: "bookworm".into(),
    }
}

fn big(components: usize) -> Manifest {
    let version = "1:1.2.3~rc4-5+deb12u6";
    manifest_of((0..components).map(|n| component(n, version)).collect())
}

fn parts(body: agent_message::Body, whole_bytes: u64) -> Vec<MessagePart> {
    let parts = split(body, whole_bytes).expect("fits").into_iter();
    parts
        .map(|body| match body {
            agent_message::Body::Part(part) => part,
            other => panic!("no part: {other:?}"),
        })
        .collect()
}

fn send(session: &SessionClient, parts: impl IntoIterator<Item = MessagePart>) {
    for part in parts {
        session
            .handle()
            .send(agent_message::Body::Part(part))
            .expect("room");
    }
}

fn heartbeat(session: &SessionClient, host: &Holder, n: u64) {
    let heartbeat = Heartbeat {
        counter: Some(host.counter(1, n)),
        ..Heartbeat::default()
    };
    session
        .handle()
        .send_uncounted(agent_message::Body::Heartbeat(heartbeat));
}

async fn check_in(session: &mut SessionClient, host: &Holder, n: u64) {
    heartbeat(session, host, n);
    assert!(matches!(
        message(session).await,
        edge_message::Body::Heartbeat(_)
    ));
}

/// Until everything that was sent is acknowledged; documents may come in between.
async fn acknowledged(session: &mut SessionClient, host: &Holder, mut n: u64) {
    while session.handle().waiting() > 0 {
        heartbeat(session, host, n);
        n += 1;
        let body = message(session).await;
        assert!(!matches!(body, edge_message::Body::Error(_)), "{body:?}");
    }
}

async fn refused(session: &mut SessionClient) -> String {
    match message(session).await {
        edge_message::Body::Error(error) => {
            assert_eq!(error.code, "BAD_USER_INPUT");
            error.message
        }
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn the_largest_manifest_and_a_long_list_of_updates_get_through() {
    let world = World::start().await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 1);
    let taken = up(&mut session).await.whole_bytes;
    let whole = big(MAX_COMPONENTS);
    let sent = parts(agent_message::Body::Manifest(whole.clone()), taken);
    assert!(sent.len() > 10, "{} parts", sent.len());
    send(&session, sent);
    let update = |n: usize| InstallableUpdate {
        name: format!("package-{n:05}"),
        candidate_version: "2".into(),
        sha256: vec![1; 32],
        state: State::Installable.into(),
        ..InstallableUpdate::default()
    };
    let list = Applicability {
        manifest_hash: whole.hash.clone(),
        updates: (0..20_000).map(update).collect(),
        ..Applicability::default()
    };
    send(
        &session,
        parts(agent_message::Body::Applicability(list), taken),
    );
    acknowledged(&mut session, &host, 10).await;
    let script = world.played.script.lock().unwrap();
    assert_eq!(script.manifests.len(), 1);
    assert_eq!(script.manifests[0].hash.0.to_vec(), whole.hash);
    assert_eq!(script.manifests[0].components.len(), MAX_COMPONENTS);
    assert_eq!(script.updates, [20_000]);
}

#[tokio::test]
async fn parts_that_break_the_rule_are_refused_and_sessions_live() {
    let world = World::start().await;
    let (host, other) = (world.host(), world.host());
    let mut bystander = world.agent(&other, 1, 1);
    up(&mut bystander).await;
    let mut session = world.agent(&host, 1, 1);
    let taken = up(&mut session).await.whole_bytes;
    let good = parts(agent_message::Body::Manifest(big(30_000)), taken);
    let (first, second, third) = (good[0].clone(), good[1].clone(), good[2].clone());

    let mut too_many = first.clone();
    too_many.count = 65;
    let mut too_large = first.clone();
    too_large.bytes = vec![0; PART_BYTES + 1];
    let mut another = second.clone();
    another.whole = vec![9; 32];
    for (wrong, says) in [
        (vec![first.clone(), third.clone()], "part 2 of"),
        (vec![second.clone()], "part 1 of"),
        (
            vec![first.clone(), second.clone(), second.clone()],
            "part 1 of",
        ),
        (vec![first.clone(), another], "part 1 of"),
        (vec![too_many], "65 parts"),
        (vec![too_large], "bytes"),
    ] {
        send(&session, wrong);
        let message = refused(&mut session).await;
        assert!(message.contains(says), "{message}");
    }
    let mut damaged = good.clone();
    damaged[2].bytes[7] ^= 1;
    send(&session, damaged);
    let message = refused(&mut session).await;
    assert!(message.contains("hash"), "{message}");
    // Bytes that hash as they say, but whose manifest does not.
    let mut lying = big(30_000);
    lying.hash = vec![3; 32];
    send(&session, parts(agent_message::Body::Manifest(lying), taken));
    let message = refused(&mut session).await;
    assert!(message.contains("manifest has the hash"), "{message}");
    assert!(world.played.script.lock().unwrap().manifests.is_empty());

    check_in(&mut bystander, &other, 2).await;
    send(&session, good);
    acknowledged(&mut session, &host, 10).await;
    let script = world.played.script.lock().unwrap();
    assert_eq!(script.manifests[0].components.len(), 30_000);
}

#[tokio::test]
async fn parts_come_again_after_an_outage_and_are_handled_once() {
    let rarely = Duration::from_secs(3600);
    let world = World::start_with(|options| options.presence_every = rarely).await;
    let host = world.host();
    {
        let membership = world.membership(1);
        let mut script = world.played.script.lock().unwrap();
        script.membership = Some(membership);
        script.orders = vec![world.order(1)];
    }
    let mut session = world.agent(&host, 1, 1);
    let taken = up(&mut session).await.whole_bytes;
    // When both documents have come, the edge asks the services for nothing more by itself.
    for _ in 0..2 {
        assert!(matches!(
            message(&mut session).await,
            edge_message::Body::Document(_)
        ));
    }
    world.played.script.lock().unwrap().outages = 1;
    let sent = parts(agent_message::Body::Manifest(big(20_000)), taken);
    let waiting = sent.len();
    send(&session, sent);
    while !matches!(next(&mut session).await, SessionEvent::Down { .. }) {}
    assert_eq!(session.handle().waiting(), waiting);
    up(&mut session).await;
    acknowledged(&mut session, &host, 100).await;
    assert_eq!(world.played.script.lock().unwrap().manifests.len(), 1);
}

#[tokio::test]
async fn all_sessions_together_hold_no_more_than_is_allowed() {
    let world = World::start_with(|options| options.parts_bytes = 3 * PART_BYTES).await;
    let (host, other) = (world.host(), world.host());
    let mut hoarder = world.agent(&host, 1, 1);
    let taken = up(&mut hoarder).await.whole_bytes;
    // Just above a frame: five parts, the last one small.
    let manifest = agent_message::Body::Manifest(big(10_000));
    let sent = parts(manifest, taken);
    send(&hoarder, sent[..2].to_vec());
    check_in(&mut hoarder, &host, 2).await;
    let mut second = world.agent(&other, 1, 1);
    up(&mut second).await;
    send(&second, sent[..2].to_vec());
    let reason = down(&mut second).await;
    assert!(!reason.is_empty());
    // The hoarder's room is free again when its parts are refused; the other one's come again.
    send(&hoarder, sent[..1].to_vec());
    send(&hoarder, sent[3..4].to_vec());
    refused(&mut hoarder).await;
    let mut n = 100;
    let answered = |event| match event {
        SessionEvent::Message(message) => {
            matches!(message.body, Some(edge_message::Body::Heartbeat(_)))
        }
        _ => false,
    };
    loop {
        heartbeat(&second, &other, n);
        n += 1;
        if answered(next(&mut second).await) {
            break;
        }
    }
    assert_eq!(second.handle().waiting(), 2);
}

#[tokio::test]
async fn a_message_that_does_not_become_whole_in_time_ends_its_session_only() {
    let time = ManualClock::shared();
    let world = World::start_at(time.clone(), |options| {
        options.look_every = Duration::from_millis(20);
    })
    .await;
    let (host, other) = (world.host(), world.host());
    let mut bystander = world.agent(&other, 1, 1);
    up(&mut bystander).await;
    let mut session = world.agent(&host, 1, 1);
    let taken = up(&mut session).await.whole_bytes;
    let sent = parts(agent_message::Body::Manifest(big(20_000)), taken);
    send(&session, sent[..2].to_vec());
    check_in(&mut session, &host, 2).await;
    time.advance(ASSEMBLY_TIMEOUT + Duration::from_secs(1));
    down(&mut session).await;
    // What was begun comes again, and now the rest with it.
    up(&mut session).await;
    send(&session, sent[2..].to_vec());
    acknowledged(&mut session, &host, 100).await;
    assert_eq!(world.played.script.lock().unwrap().manifests.len(), 1);
    check_in(&mut bystander, &other, 2).await;
}
