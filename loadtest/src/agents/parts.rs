//! What the memory of a session goes to: an edge's endpoint with no platform behind it, in a process of its own, holds connections,
//! and then a stream in each with a message read and one written. The rest of a session is the platform's.

use super::certificates::{Authority, SERVER};
use super::{SETTLE, kib};
use crate::process;
use crate::report::Report;
use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use netpatch_protocol::ALPN_AGENT;
use netpatch_protocol::session::{
    AgentMessage, EdgeMessage, Hello, Welcome, agent_message, edge_message,
};
use netpatch_tunnel::{EdgeEndpoint, EdgeIncoming, Limits, ServerIdentity};
use netpatch_types::SystemClock;
use prost::Message as _;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Nobody hurries a connection that has no stream yet.
const PATIENCE: Duration = Duration::from_secs(3600);
/// As agents do.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const READY: Duration = Duration::from_secs(30);

/// KiB a session.
pub(super) struct Parts {
    /// The connection: QUIC, TLS, and the task that waits for a stream.
    pub(super) connection: f64,
    /// Then the stream, its buffers and what it brought.
    pub(super) stream: f64,
}

/// Options of `hold`, which `agents` starts.
#[derive(clap::Args)]
pub(crate) struct HoldOptions {
    /// Where the certificates are
    #[arg(long)]
    folder: PathBuf,
    /// Connections
    #[arg(long)]
    count: usize,
}

/// The endpoint: accepts, answers each first message with a welcome, keeps everything until its standard input ends.
pub(crate) async fn hold(options: &HoldOptions) -> Result<()> {
    let read = |name: &str| {
        std::fs::read(options.folder.join(name)).with_context(|| format!("read {name}"))
    };
    let identity = ServerIdentity {
        chain: vec![
            CertificateDer::from(read("server.der")?),
            CertificateDer::from(read("ca.der")?),
        ],
        key: PrivatePkcs8KeyDer::from(read("server.key")?),
        reset: None,
    };
    let limits = Limits {
        handshake_timeout: PATIENCE,
        connections: options.count + 100,
        // Without a stream a handshake is not over.
        handshakes: options.count + 100,
        ..Limits::default()
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = EdgeEndpoint::bind(address, &identity, &SystemClock::shared(), limits)?;
    println!("ready {}", endpoint.local_addr()?);
    let mut peers = tokio::task::JoinSet::new();
    let (closed, mut end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0; 1]);
        let _ = closed.send(());
    });
    loop {
        tokio::select! {
            _ = &mut end => return Ok(()),
            Some(handshake) = endpoint.accept() => {
                peers.spawn(async move {
                    // As the platform does: a task stays as large as the largest thing that it ever held.
                    let opened = Box::pin(handshake.open()).await;
                    let Ok(EdgeIncoming::Agent(mut agent)) = opened else {
                        return;
                    };
                    let welcome = EdgeMessage {
                        body: Some(edge_message::Body::Welcome(Welcome::default())),
                        ..EdgeMessage::default()
                    };
                    let _ = agent.messages.receive::<AgentMessage>().await;
                    let _ = agent.messages.send(&welcome).await;
                    let _ = agent.messages.receive::<AgentMessage>().await;
                });
            }
        }
    }
}

/// Starts the endpoint and measures so many connections and streams.
pub(super) async fn measure(count: usize, at_once: usize, report: &mut Report) -> Result<Parts> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new()?;
    let (server, key) = authority.issue(SERVER)?;
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
    write("ca.der", authority.certificate.der())?;
    write("server.der", server.der())?;
    write("server.key", &key.serialize_der())?;
    let (child, address) = start(folder.path(), count).await?;
    let pid = child.id().context("the endpoint has ended")?;
    let before = process::resident(pid)?;

    let endpoint = client(&authority)?;
    let connecting = (0..count).map(|_| async {
        let connecting = endpoint.connect(address, SERVER)?;
        Ok::<_, anyhow::Error>(connecting.await?)
    });
    let connections: Vec<_> = futures::stream::iter(connecting)
        .buffer_unordered(at_once)
        .try_collect()
        .await?;
    tokio::time::sleep(SETTLE).await;
    let connected = process::resident(pid)?;

    let hello = first_message();
    let opening = connections.iter().map(|connection| async {
        let (mut send, mut receive) = connection.open_bi().await?;
        send.write_all(&hello).await?;
        let mut length = [0; 4];
        receive.read_exact(&mut length).await?;
        Ok::<_, anyhow::Error>((send, receive))
    });
    let streams: Vec<_> = futures::stream::iter(opening)
        .buffer_unordered(at_once)
        .try_collect()
        .await?;
    tokio::time::sleep(SETTLE).await;
    let streaming = process::resident(pid)?;
    drop((streams, connections));

    let parts = Parts {
        connection: kib(connected.saturating_sub(before), count),
        stream: kib(streaming.saturating_sub(connected), count),
    };
    let alone = "an endpoint with no platform behind it";
    report.row(
        "memory of a connection: QUIC, TLS, a task",
        parts.connection,
        "KiB",
        alone,
    );
    report.row(
        "memory of a stream and its buffers",
        parts.stream,
        "KiB",
        alone,
    );
    Ok(parts)
}

async fn start(folder: &Path, count: usize) -> Result<(Child, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["hold", "--count", &count.to_string(), "--folder"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("its output")?;
    let mut line = String::new();
    let mut output = BufReader::new(output);
    tokio::time::timeout(READY, output.read_line(&mut line)).await??;
    let address = line
        .trim()
        .strip_prefix("ready ")
        .context("the endpoint is not ready")?;
    Ok((child, address.parse()?))
}

/// One socket for all: the endpoint tells connections apart by their ids.
fn client(authority: &Authority) -> Result<quinn::Endpoint> {
    let mut tls = authority.client()?;
    tls.alpn_protocols = vec![ALPN_AGENT.to_vec()];
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    config.transport_config(Arc::new(transport));
    let mut endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

/// A hello in a frame: four bytes of length, big-endian, and the message.
fn first_message() -> Vec<u8> {
    let message = AgentMessage {
        body: Some(agent_message::Body::Hello(Hello {
            protocol: netpatch_protocol::PROTOCOL_VERSION,
            manifest_hash: vec![7; 32],
            ..Hello::default()
        })),
        ..AgentMessage::default()
    };
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    [length.to_be_bytes().as_slice(), &bytes].concat()
}
