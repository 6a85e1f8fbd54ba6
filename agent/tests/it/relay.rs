//! A relay small enough for a test: forwards sessions and enrolments, serves payloads from the test repository.

use crate::edge::Edge;
use crate::repository;
use netpatch_protocol::site::{StreamAnswer, stream_open};
use netpatch_tunnel::{Limits, RelayUplink, SiteEndpoint, TunnelError, site};
use netpatch_types::SystemClock;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt as _;
use tokio_util::task::AbortOnDropHandle;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    pub(crate) async fn start(edge: &Edge) -> Self {
        let (identity, ca, trust) = edge.relay_identity();
        let (clock, limits) = (SystemClock::shared(), Limits::default());
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint =
            SiteEndpoint::bind(loopback, &identity, ca, clock.clone(), limits).expect("binds");
        let address = endpoint.local_addr().expect("address");
        let to = edge.address.to_string();
        let uplink = RelayUplink::connect(&to.as_str().into(), trust, &identity, &clock, limits)
            .await
            .expect("an uplink");
        let task = tokio::spawn(async move {
            let mut agents = tokio::task::JoinSet::new();
            while let Some(handshake) = endpoint.accept().await {
                let uplink = uplink.clone();
                agents.spawn(async move {
                    let Ok(agent) = handshake.open().await else {
                        return;
                    };
                    let mut streams = tokio::task::JoinSet::new();
                    while let Ok(stream) = agent.accept().await {
                        streams.spawn(serve(stream, uplink.clone()));
                    }
                });
            }
        });
        Self {
            address,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

async fn serve(stream: site::SiteStream, uplink: RelayUplink) -> Result<(), TunnelError> {
    let (kind, mut down) = stream.open().await?;
    if let stream_open::Kind::Payload(request) = kind {
        assert_eq!(request.repository, repository::URL);
        let found = std::fs::read(repository::folder().join(request.path));
        let status = if found.is_ok() { 200 } else { 404 };
        let body = found.unwrap_or_default();
        let size_bytes = body.len() as u64;
        let answer = StreamAnswer {
            status,
            size_bytes,
            total_bytes: size_bytes,
            ..StreamAnswer::default()
        };
        site::send_answer(&mut down, &answer).await?;
        down.write_all(&body).await?;
        down.shutdown().await?;
        return Ok(());
    }
    let (answer, mut up) = uplink.open(kind).await?;
    site::send_answer(&mut down, &answer).await?;
    let _ = tokio::io::copy_bidirectional(&mut down, &mut up).await;
    Ok(())
}
