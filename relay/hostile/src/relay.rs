//! The relay that cannot be trusted. It was claimed as any other: its key and its certificate are real.
//!
//! What it may do it does with its own hands: streams to the edge are opened byte by byte, without the tunnel's client.

use crate::capture::Capture;
use crate::cloud::EDGE_NAME;
use crate::goods::{Goods, REPOSITORY, TABLE};
use crate::impostor::Impostor;
use crate::plan::{Mutation, Phase, Way};
use crate::slot::{Pool, Side, Slot, Stopped};
use crate::tamper::mangled;
use anyhow::{Context as _, Result};
use netpatch_protocol::frame::encode_frame;
use netpatch_protocol::site::{PayloadRequest, StreamAnswer, StreamOpen, stream_open};
use netpatch_protocol::{ALPN_RELAY, FrameDecoder};
use netpatch_relay::DataDir;
use netpatch_tunnel::quic::QuicStream;
use netpatch_tunnel::{Limits, SiteEndpoint};
use netpatch_types::SharedClock;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::RootCertStore;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// Bytes of a package that it sends at once.
const PIECE: usize = 4096;
/// How long it listens for an answer to what it sends on its own account.
const LISTEN: Duration = Duration::from_millis(300);

/// A running hostile relay.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
    _task: AbortOnDropHandle<()>,
}

struct Inside {
    uplink: Uplink,
    goods: Arc<Goods>,
    capture: Arc<Capture>,
    impostor: Impostor,
    pool: Arc<Pool>,
    hosts: Mutex<HashMap<Uuid, Arc<Slot>>>,
    enrolling: Arc<Slot>,
    /// Recipes that made something else than the vendor's package.
    wrong_recipes: Mutex<Vec<u64>>,
}

impl Relay {
    pub(crate) fn start(
        data: &DataDir,
        goods: Arc<Goods>,
        capture: Arc<Capture>,
        clock: SharedClock,
        limits: Limits,
    ) -> Result<Self> {
        let enrolment = data.enrolment()?.context("the relay is claimed")?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let identity = enrolment.identity(data.key()?);
        let endpoint = SiteEndpoint::bind(loopback, &identity, enrolment.ca, clock, limits)?;
        let impostor = Impostor::new(&enrolment.certificate, data.key()?, capture.clone())?;
        let inside = Arc::new(Inside {
            impostor,
            uplink: Uplink::new(
                enrolment.server.parse()?,
                &enrolment.platform_root,
                &enrolment.certificate,
                data.key()?,
            )?,
            goods,
            capture,
            pool: Arc::default(),
            hosts: Mutex::default(),
            enrolling: Slot::new(0),
            wrong_recipes: Mutex::default(),
        });
        let address = endpoint.local_addr()?;
        let task = tokio::spawn(accept(endpoint, inside.clone()));
        Ok(Self {
            address,
            inside,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// The streams of a host.
    pub(crate) fn slot(&self, host: Uuid) -> Arc<Slot> {
        self.inside.slot(Some(host))
    }

    /// The streams of those who enrol.
    pub(crate) fn enrolling(&self) -> Arc<Slot> {
        self.inside.slot(None)
    }

    /// Mutations of recipes after which something else was rebuilt than what the order names.
    pub(crate) fn wrong_recipes(&self) -> Vec<u64> {
        let mut wrong = self.inside.wrong_recipes.lock();
        std::mem::take(wrong.as_deref_mut().unwrap_or(&mut Vec::new()))
    }
}

async fn accept(endpoint: SiteEndpoint, inside: Arc<Inside>) {
    let mut peers = tokio::task::JoinSet::new();
    while let Some(handshake) = endpoint.accept().await {
        while peers.try_join_next().is_some() {}
        let inside = inside.clone();
        peers.spawn(async move {
            let Ok(peer) = handshake.open().await else {
                return;
            };
            let slot = inside.slot(peer.host.map(|host| host.name.id));
            let mut streams = tokio::task::JoinSet::new();
            while let Ok(stream) = peer.accept().await {
                while streams.try_join_next().is_some() {}
                let (inside, slot) = (inside.clone(), slot.clone());
                streams.spawn(async move {
                    match stream.open().await {
                        Ok((stream_open::Kind::Payload(request), stream)) => {
                            inside.payload(&slot, request, stream).await;
                        }
                        Ok((kind, stream)) => inside.forward(&slot, kind, stream).await,
                        Err(_) => {}
                    }
                });
            }
        });
    }
}

impl Inside {
    fn slot(&self, host: Option<Uuid>) -> Arc<Slot> {
        let Some(host) = host else {
            return self.enrolling.clone();
        };
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = hosts.len() + 1;
        hosts
            .entry(host)
            .or_insert_with(|| Slot::new(number))
            .clone()
    }

    /// A session or an enrolment, with whatever is meant to happen to it.
    async fn forward(self: Arc<Self>, slot: &Arc<Slot>, kind: stream_open::Kind, host: QuicStream) {
        let (generation, ended) = slot.begin();
        if let Some(mutation) = slot.pose(generation) {
            return self.pose(&mutation, kind, host).await;
        }
        let open = StreamOpen { kind: Some(kind) };
        let (Ok(opening), Ok((mut send, mut receive))) =
            (encode_frame(&open), self.uplink.stream().await)
        else {
            return;
        };
        let with = (slot, &self.pool, &self.capture);
        let fits = |phase: Phase| !phase.is_of_payloads();
        let mut up = Side::new(with, Way::Up, generation, fits, false);
        let mut down = Side::new(with, Way::Down, generation, fits, false);
        let (mut from_host, mut to_host) = tokio::io::split(host);
        let carried = {
            let both = async {
                tokio::try_join!(
                    up.carry(Some(&opening), &mut from_host, &mut send),
                    down.carry(None, &mut receive, &mut to_host)
                )
            };
            tokio::select! {
                carried = both => carried.map(drop),
                () = ended.cancelled() => Err(Stopped::Cut),
            }
        };
        if up.again || down.again {
            let (this, whole) = (self.clone(), slot.whole());
            tokio::spawn(async move { this.replay(&whole).await });
        }
        if carried.is_err() {
            from_host.unsplit(to_host).reset();
            let _ = send.reset(1u32.into());
            let _ = receive.stop(1u32.into());
        }
    }

    /// Plays the edge to the host, or the host to the edge.
    async fn pose(&self, mutation: &Mutation, kind: stream_open::Kind, mut host: QuicStream) {
        if mutation.way == Way::Down {
            return self.impostor.as_edge(mutation, host).await;
        }
        host.reset();
        if let Ok((send, receive)) = self.uplink.stream().await {
            let stream = tokio::io::join(receive, send);
            self.impostor.as_host(mutation, kind, stream).await;
        }
    }

    /// Sends all that a stream carried on a new one, and listens.
    async fn replay(&self, whole: &[u8]) {
        let Ok((mut send, mut receive)) = self.uplink.stream().await else {
            return;
        };
        let listened = async {
            send.write_all(whole).await.ok()?;
            let mut tap = crate::capture::Tap::default();
            while let Ok(Some(chunk)) = receive.read_chunk(PIECE, true).await {
                self.capture
                    .take(&mut tap, "a replayed stream", &chunk.bytes);
            }
            Some(())
        };
        let _ = tokio::time::timeout(LISTEN, listened).await;
        let _ = send.reset(1u32.into());
    }

    async fn payload(&self, slot: &Arc<Slot>, request: PayloadRequest, mut host: QuicStream) {
        let with = (slot, &self.pool, &self.capture);
        let Ok(frame) = encode_frame(&request) else {
            return;
        };
        let mut asked = Vec::new();
        let mut up = Side::new(
            with,
            Way::Up,
            u64::MAX,
            |phase| phase == Phase::Request,
            true,
        );
        let _ = up.send(&frame, &mut asked).await;
        let mut decoder = FrameDecoder::new();
        decoder.push(&asked);
        let request = decoder.next_message::<PayloadRequest>().ok().flatten();
        let (status, body) = self.served(slot, request.unwrap_or_default());
        let fits: fn(Phase) -> bool = match request_is_table(&body, &self.goods) {
            true => |phase| phase == Phase::Contents,
            false => |phase| phase == Phase::Payload,
        };
        let mut down = Side::new(with, Way::Down, u64::MAX, fits, true);
        let sent = async {
            let size_bytes = body.len() as u64;
            let answer = StreamAnswer {
                status,
                size_bytes,
                total_bytes: size_bytes,
                ..StreamAnswer::default()
            };
            let frame = encode_frame(&answer).map_err(|_| Stopped::Broke)?;
            down.send(&frame, &mut host).await?;
            for piece in body.chunks(PIECE) {
                down.send(piece, &mut host).await?;
            }
            Ok::<_, Stopped>(host.shutdown().await?)
        };
        if sent.await.is_err() {
            host.reset();
        }
    }

    /// What it gives for a request that it has perhaps spoilt itself.
    fn served(&self, slot: &Slot, request: PayloadRequest) -> (u32, Vec<u8>) {
        if request.repository != REPOSITORY {
            return (403, Vec::new());
        }
        let Some(file) = self.goods.file(&request.path) else {
            return (404, Vec::new());
        };
        if request.path != self.goods.new.path {
            return (200, file.to_vec());
        }
        let Some(mutation) = slot.recipe() else {
            return (200, file.to_vec());
        };
        (200, self.rebuilt(&mutation))
    }

    /// The package by a spoilt recipe; where that makes none, the host gets the old one.
    fn rebuilt(&self, mutation: &Mutation) -> Vec<u8> {
        let mut other = self.goods.recipe.clone();
        other.reverse();
        let done = mangled(mutation, &self.goods.recipe, None, Some(other));
        match self.goods.rebuilt(&done.bytes) {
            Ok(bytes) => {
                if bytes != self.goods.new.deb
                    && let Ok(mut wrong) = self.wrong_recipes.lock()
                {
                    wrong.push(mutation.number);
                }
                bytes
            }
            Err(_) => self.goods.old.deb.clone(),
        }
    }
}

/// Whether a body is the table of contents or the index; a package is anything else.
fn request_is_table(body: &[u8], goods: &Goods) -> bool {
    goods.file(TABLE).is_some_and(|table| table == body) || body.len() < PIECE
}

/// The relay's own connection to the edge.
struct Uplink {
    endpoint: quinn::Endpoint,
    config: quinn::ClientConfig,
    edge: SocketAddr,
    current: tokio::sync::Mutex<Option<quinn::Connection>>,
}

impl Uplink {
    fn new(edge: SocketAddr, root: &[u8], certificate: &[u8], key: Vec<u8>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(root.to_vec().into())?;
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key);
        let mut config =
            rustls::ClientConfig::builder_with_provider(netpatch_tunnel::tls::provider())
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots)
                .with_client_auth_cert(vec![certificate.to_vec().into()], key.into())?;
        config.alpn_protocols = vec![ALPN_RELAY.to_vec()];
        let crypto = QuicClientConfig::try_from(config)?;
        Ok(Self {
            endpoint: quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?,
            config: quinn::ClientConfig::new(Arc::new(crypto)),
            edge,
            current: tokio::sync::Mutex::default(),
        })
    }

    async fn stream(&self) -> Result<(quinn::SendStream, quinn::RecvStream)> {
        let mut current = self.current.lock().await;
        let living = current
            .as_ref()
            .filter(|connection| connection.close_reason().is_none());
        let connection = match living {
            Some(connection) => connection.clone(),
            None => {
                self.endpoint
                    .connect_with(self.config.clone(), self.edge, EDGE_NAME)?
                    .await?
            }
        };
        *current = Some(connection.clone());
        drop(current);
        Ok(connection.open_bi().await?)
    }
}
