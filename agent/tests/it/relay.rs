//! A relay small enough for a test: forwards sessions and enrolments, serves payloads from the test repository.

use crate::edge::Edge;
use crate::host::until;
use crate::repository;
use netpatch_protocol::site::{StreamAnswer, stream_open};
use netpatch_tunnel::{Limits, RelayUplink, SiteEndpoint, TunnelError, site};
use netpatch_types::SystemClock;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    pub(crate) async fn start(edge: &Edge) -> Self {
        Self::start_at(edge, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    pub(crate) async fn start_at(edge: &Edge, at: SocketAddr) -> Self {
        Self::start_as(edge, at, None).await
    }

    /// One that is killed in the middle of the first package that it serves.
    pub(crate) async fn start_mortal(edge: &Edge) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_as(edge, loopback, Some(CancellationToken::new())).await
    }

    async fn start_as(edge: &Edge, at: SocketAddr, dies: Option<CancellationToken>) -> Self {
        let (identity, ca, trust) = edge.relay_identity();
        let (clock, limits) = (SystemClock::shared(), Limits::default());
        // Who was there before lets go of the address a moment after its task ended.
        let endpoint = until(|| async {
            SiteEndpoint::bind(at, &identity, ca.clone(), clock.clone(), limits).ok()
        })
        .await;
        let address = endpoint.local_addr().expect("address");
        let to = edge.address.to_string();
        let uplink = RelayUplink::connect(&to.as_str().into(), trust, &identity, &clock, limits)
            .await
            .expect("an uplink");
        let task = tokio::spawn(async move {
            let mut agents = tokio::task::JoinSet::new();
            let killed = dies.clone().unwrap_or_default();
            while let Some(Some(handshake)) = killed.run_until_cancelled(endpoint.accept()).await {
                let (uplink, dies) = (uplink.clone(), dies.clone());
                agents.spawn(async move {
                    let Ok(agent) = handshake.open().await else {
                        return;
                    };
                    let mut streams = tokio::task::JoinSet::new();
                    while let Ok(stream) = agent.accept().await {
                        streams.spawn(serve(stream, uplink.clone(), dies.clone()));
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

async fn serve(
    stream: site::SiteStream,
    uplink: RelayUplink,
    dies: Option<CancellationToken>,
) -> Result<(), TunnelError> {
    let (kind, mut down) = stream.open().await?;
    if let stream_open::Kind::Payload(request) = kind {
        assert!(request.repository.ends_with("/debian"));
        let is_package = request.path.ends_with(".deb");
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
        if is_package && let Some(dies) = dies {
            down.write_all(&body[..body.len() / 2]).await?;
            // What was sent has arrived when the agent has said so.
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            dies.cancel();
            return Ok(());
        }
        down.write_all(&body).await?;
        down.shutdown().await?;
        return Ok(());
    }
    let (answer, mut up) = uplink.open(kind).await?;
    site::send_answer(&mut down, &answer).await?;
    let _ = tokio::io::copy_bidirectional(&mut down, &mut up).await;
    Ok(())
}
