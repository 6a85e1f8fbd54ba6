//! The agents of the site: their sessions are forwarded as they are, their payload requests answered from the cache.

use crate::cache::fill::Fill;
use crate::cache::{Cache, Reply};
use crate::counters::{Counters, Present, add};
use crate::probe::Connected;
use crate::refused::Doorkeeper;
use crate::uplink::LinkState;
use netpatch_protocol::site::{PayloadRequest, StreamAnswer, stream_open};
use netpatch_relay_core::{ByteRange, Validators};
use netpatch_tunnel::quic::QuicStream;
use netpatch_tunnel::site::{SiteHandshake, SiteStream, send_answer};
use netpatch_tunnel::{SiteEndpoint, SiteIncoming, TunnelError, close_code};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes of one read from disk and one write to an agent.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Hosts that enrol at once; they are not authenticated yet.
const ENROLMENTS: u64 = 32;

/// What serving agents needs.
#[derive(Clone)]
pub(crate) struct Agents {
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) connected: Arc<Connected>,
    pub(crate) door: Arc<Doorkeeper>,
    pub(crate) link: watch::Receiver<LinkState>,
    pub(crate) enrolments: Arc<std::sync::atomic::AtomicU64>,
}

impl Agents {
    /// Serves until the endpoint is closed.
    pub(crate) async fn serve(self, endpoint: Arc<SiteEndpoint>) {
        let mut peers = JoinSet::new();
        while let Some(handshake) = endpoint.accept().await {
            while peers.try_join_next().is_some() {}
            peers.spawn(self.clone().peer(handshake));
        }
    }

    async fn peer(self, handshake: SiteHandshake) {
        let agent = match handshake.open().await {
            Ok(agent) => agent,
            Err(error) => {
                tracing::info!(%error, "agent refused");
                return;
            }
        };
        let Some(host) = agent.host else {
            if self.enrolments.load(Ordering::Relaxed) >= ENROLMENTS {
                agent.close(close_code::BUSY, "too many enrolments at once");
                return;
            }
            let _present = Present::new(&self.enrolments);
            return self.streams(&agent).await;
        };
        let serve = async {
            let _present = Present::new(&self.counters.agents);
            let id = host.name.id.to_string();
            let _here = self.connected.enter(id, agent.remote.ip());
            self.streams(&agent).await;
        };
        tokio::select! {
            biased;
            why = self.door.refusal(&host) => {
                tracing::info!(host.id = %host.name.id, why, "agent refused");
                agent.close(close_code::UNAUTHENTICATED, why);
            }
            () = serve => {}
        }
    }

    /// Streams of one peer, at once; they end with its connection.
    async fn streams(&self, agent: &SiteIncoming) {
        let mut streams = JoinSet::new();
        while let Ok(stream) = agent.accept().await {
            while streams.try_join_next().is_some() {}
            let (this, known) = (self.clone(), agent.host.is_some());
            streams.spawn(async move {
                if let Err(error) = this.stream(stream, known).await {
                    tracing::debug!(%error, "stream of an agent ended");
                }
            });
        }
    }

    async fn stream(self, stream: SiteStream, known: bool) -> Result<(), TunnelError> {
        let (kind, mut stream) = stream.open().await?;
        match kind {
            kind @ stream_open::Kind::Enrol(_) => self.forward(kind, stream).await,
            kind @ stream_open::Kind::Session(_) if known => {
                let _present = Present::new(&self.counters.sessions);
                self.forward(kind, stream).await
            }
            stream_open::Kind::Payload(request) if known => self.payload(&request, stream).await,
            _ => send_answer(&mut stream, &status(403, "not for this connection")).await,
        }
    }

    /// Joins the agent's stream with one to the edge; what flows is encrypted between agent and edge.
    async fn forward(
        &self,
        kind: stream_open::Kind,
        mut agent: QuicStream,
    ) -> Result<(), TunnelError> {
        let Some(link) = self.link.borrow().link.clone() else {
            return send_answer(
                &mut agent,
                &status(503, "the relay has no connection to the edge"),
            )
            .await;
        };
        let (answer, mut edge) = match link.open(kind).await {
            Ok(opened) => opened,
            Err(error) => {
                return send_answer(&mut agent, &status(502, &error.to_string())).await;
            }
        };
        send_answer(&mut agent, &answer).await?;
        let copied = tokio::io::copy_bidirectional(&mut agent, &mut edge).await;
        if let Err(error) = copied {
            agent.reset();
            edge.reset();
            return Err(error.into());
        }
        Ok(())
    }

    async fn payload(
        &self,
        request: &PayloadRequest,
        mut stream: QuicStream,
    ) -> Result<(), TunnelError> {
        // Sessions of the same host go first.
        stream.yield_to_others();
        let reply = self.cache.respond(request).await;
        let sent = match reply {
            Reply::Status(code, message) => {
                send_answer(&mut stream, &status(code, &message)).await?;
                Ok(())
            }
            Reply::Unchanged(validators) => {
                let mut answer = status(304, "");
                set_validators(&mut answer, validators);
                send_answer(&mut stream, &answer).await?;
                Ok(())
            }
            Reply::Held {
                entry,
                file,
                range,
                from_cache,
            } => {
                let mut answer = found(range, &entry.content_type, from_cache);
                set_validators(&mut answer, entry.validators);
                send_answer(&mut stream, &answer).await?;
                self.send_file(&file, range.start, range.end, &mut stream)
                    .await
            }
            Reply::Arriving { fill, head, range } => {
                let mut answer = found(range, &head.content_type, false);
                set_validators(&mut answer, head.validators);
                send_answer(&mut stream, &answer).await?;
                self.send_growing(&fill, range, &mut stream).await
            }
        };
        match sent {
            Ok(()) => Ok(stream.shutdown().await?),
            Err(error) => {
                // The agent must not take what it has for the whole.
                stream.reset();
                Err(error.into())
            }
        }
    }

    async fn send_growing(
        &self,
        fill: &Fill,
        range: ByteRange,
        to: &mut QuicStream,
    ) -> io::Result<()> {
        let mut position = range.start;
        while position < range.end {
            let (file, written, complete) = fill
                .available(position)
                .await
                .map_err(|(_, message)| io::Error::other(message))?;
            let end = written.min(range.end);
            if complete && end <= position {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.send_file(&file, position, end, to).await?;
            position = end.max(position);
        }
        Ok(())
    }

    async fn send_file(
        &self,
        file: &Arc<File>,
        start: u64,
        end: u64,
        to: &mut QuicStream,
    ) -> io::Result<()> {
        let mut position = start;
        while position < end {
            let size = (end - position).min(CHUNK_BYTES);
            let reader = file.clone();
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0u8; usize::try_from(size).unwrap_or(0)];
                reader.read_exact_at(&mut chunk, position).map(|()| chunk)
            });
            let chunk = read.await.map_err(io::Error::other)??;
            to.write_all(&chunk).await?;
            add(&self.counters.bytes_served, size);
            position += size;
        }
        Ok(())
    }
}

fn status(code: u32, message: &str) -> StreamAnswer {
    StreamAnswer {
        status: code,
        message: message.chars().take(200).collect(),
        ..StreamAnswer::default()
    }
}

fn found(range: ByteRange, content_type: &str, from_cache: bool) -> StreamAnswer {
    StreamAnswer {
        size_bytes: range.size_bytes(),
        total_bytes: range.total,
        content_type: content_type.to_owned(),
        from_cache,
        ..status(if range.is_whole() { 200 } else { 206 }, "")
    }
}

fn set_validators(answer: &mut StreamAnswer, validators: Validators) {
    answer.etag = validators.etag;
    answer.last_modified = validators.last_modified;
}
