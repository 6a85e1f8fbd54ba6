//! A peer with a good certificate that sends what it should not.

use crate::world::*;
use netpatch_protocol::SubjectKind::Host;
use netpatch_protocol::session::EdgeMessage;
use netpatch_protocol::{ALPN_AGENT, FrameError};
use netpatch_tunnel::{Identity, MessageStream, TunnelError};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::RootCertStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// Connects as an agent but speaks bytes.
pub(crate) async fn raw(
    edge: &Edge,
    platform: &Authority,
    certificate: Option<(&Identity, Vec<u8>)>,
) -> quinn::Connection {
    let mut roots = RootCertStore::empty();
    roots.add(platform.der.clone().into()).expect("root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("tls 1.3")
        .with_root_certificates(roots);
    let mut config = match certificate {
        Some((identity, key)) => {
            let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key);
            builder
                .with_client_auth_cert(vec![identity.certificate.clone()], key.into())
                .expect("identity")
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_AGENT.to_vec()];
    let crypto = QuicClientConfig::try_from(config).expect("quic");
    let endpoint = quinn::Endpoint::client(loopback()).expect("socket");
    endpoint
        .connect_with(
            quinn::ClientConfig::new(Arc::new(crypto)),
            edge.address,
            "edge.test",
        )
        .expect("connects")
        .await
        .expect("connected")
}

async fn error_at(edge: &Edge) -> String {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(error) = edge.seen.errors.lock().unwrap().first() {
            return error.clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "no error in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn send_bytes(bytes: &[u8]) -> String {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let (host, key) = organization.identity_with_key(Host);
    let connection = raw(&edge, &platform, Some((&host, key))).await;
    let (mut send, _recv) = connection.open_bi().await.expect("stream");
    send.write_all(bytes).await.expect("written");
    let error = error_at(&edge).await;
    // The edge lives on.
    let mut session = agent(vec![direct(edge.address)], &host, platform.trust());
    session.handle().send(facts("next")).expect("room");
    assert_eq!(next_reason(&mut session).await, "next");
    error
}

#[tokio::test]
async fn an_oversized_frame_ends_the_session_and_nothing_else() {
    let error = send_bytes(&[0x7f, 0xff, 0xff, 0xff, 1, 2, 3]).await;
    assert!(error.contains("larger than"), "{error}");
}

#[tokio::test]
async fn a_garbage_frame_ends_the_session_and_nothing_else() {
    let error = send_bytes(&[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]).await;
    assert!(error.contains("not the expected message"), "{error}");
}

#[tokio::test]
async fn an_agent_without_a_certificate_is_turned_away() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let connection = raw(&edge, &platform, None).await;
    let reason = connection.closed().await;
    let quinn::ConnectionError::ApplicationClosed(close) = reason else {
        panic!("{reason}");
    };
    assert_eq!(
        close.error_code,
        netpatch_tunnel::close_code::UNAUTHENTICATED.into()
    );
    assert!(error_at(&edge).await.contains("no certificate"));
}

#[tokio::test]
async fn a_cut_frame_is_an_error_and_an_end_between_frames_is_not() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut messages = MessageStream::new(near);
    far.write_all(&[0, 0, 0, 0]).await.expect("written");
    far.shutdown().await.expect("ended");
    let first = messages.receive::<EdgeMessage>().await.expect("read");
    assert_eq!(first, Some(EdgeMessage::default()));
    assert_eq!(messages.receive::<EdgeMessage>().await.expect("read"), None);

    let (near, mut far) = tokio::io::duplex(64);
    let mut messages = MessageStream::new(near);
    far.write_all(&[0, 0, 0, 9, 1]).await.expect("written");
    far.shutdown().await.expect("ended");
    let cut = messages.receive::<EdgeMessage>().await;
    assert!(matches!(
        cut,
        Err(TunnelError::Frame(FrameError::Truncated {
            missing_bytes: 8
        }))
    ));
}
