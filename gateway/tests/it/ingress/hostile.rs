//! Peers that are not who they say, or send what they should not.

use super::world::*;
use netpatch_protocol::session::{Heartbeat, Hello, agent_message};
use netpatch_protocol::{ALPN_AGENT, IdentityName, SubjectKind};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::RootCertStore;
use std::sync::Arc;

#[tokio::test]
async fn a_certificate_of_another_organization_is_refused_whatever_it_claims() {
    let world = World::start().await;
    let other = Authority::new();
    // Of an organization that is not here; of this one, but signed by another CA; a relay's.
    let liar = other.holder_named(IdentityName {
        organization: world.organization.organization,
        kind: SubjectKind::Host,
        id: world.host().name.id,
    });
    let relay = world.organization.holder(SubjectKind::Relay);
    for stranger in [other.holder(SubjectKind::Host), liar, relay] {
        let mut session = world.agent(&stranger, 1, 1);
        let reason = down(&mut session).await;
        assert!(reason.contains("UNAUTHENTICATED"), "{reason}");
    }
    assert!(world.played.script.lock().unwrap().seen.is_empty());
}

#[tokio::test]
async fn a_replayed_counter_is_refused_at_hello_and_at_check_in() {
    let world = World::start().await;
    let host = world.host();
    let mut session = world.agent(&host, 1, 5);
    up(&mut session).await;
    let used = host.counter(1, 5);
    let heartbeat = agent_message::Body::Heartbeat(Heartbeat {
        counter: Some(used.clone()),
        ..Heartbeat::default()
    });
    session.handle().send_uncounted(heartbeat);
    down(&mut session).await;
    drop(session);

    let mut replaying = world.agent_saying(&host, move |resume_id| Hello {
        protocol: 1,
        resume_id,
        counter: Some(used.clone()),
        ..Hello::default()
    });
    let reason = down(&mut replaying).await;
    assert!(reason.contains("CONFLICT"), "{reason}");
    assert!(world.played.script.lock().unwrap().quarantined.is_empty());
}

#[tokio::test]
async fn a_counter_that_the_host_did_not_sign_and_another_version_are_refused() {
    let world = World::start().await;
    let (host, other) = (world.host(), world.host());
    let forged = other.counter(1, 9);
    let mut session = world.agent_saying(&host, move |resume_id| Hello {
        protocol: 1,
        resume_id,
        counter: Some(forged.clone()),
        ..Hello::default()
    });
    let reason = down(&mut session).await;
    assert!(reason.contains("UNAUTHENTICATED"), "{reason}");
    let mut session = world.agent_saying(&host, |_| Hello {
        protocol: 2,
        ..Hello::default()
    });
    let reason = down(&mut session).await;
    assert!(reason.contains("BAD_USER_INPUT"), "{reason}");
}

/// Connects as an agent but speaks bytes; the connection's end.
async fn raw(world: &World, host: &Holder, bytes: &[u8]) -> quinn::ConnectionError {
    let mut roots = RootCertStore::empty();
    roots.add(world.platform.der.clone().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(host.key.clone());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![host.tls.certificate.clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![ALPN_AGENT.to_vec()];
    let crypto = QuicClientConfig::try_from(config).unwrap();
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let connecting = endpoint
        .connect_with(config, world.address, "edge.test")
        .unwrap();
    let connection = connecting.await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    connection.closed().await
}

#[tokio::test]
async fn garbage_and_oversized_frames_end_their_session_and_no_other() {
    let world = World::start().await;
    let host = world.host();
    let mut bystander = world.agent(&host, 1, 1);
    up(&mut bystander).await;
    let attacker = world.host();
    for bytes in [
        &[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff][..],
        &[0xff; 64][..],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let closed = raw(&world, &attacker, bytes);
        let closed = tokio::time::timeout(std::time::Duration::from_secs(15), closed).await;
        assert!(closed.is_ok(), "the connection stays open");
    }
    let heartbeat = agent_message::Body::Heartbeat(Heartbeat {
        counter: Some(host.counter(1, 2)),
        ..Heartbeat::default()
    });
    bystander.handle().send_uncounted(heartbeat);
    message(&mut bystander).await;
}
