//! Both ends of what goes over the line: a server that answers each request with as many bytes as it asks for, over our tunnel and
//! over plain TCP, and the one who asks.

use super::certificates;
use crate::cache::Origin;
use crate::process;
use anyhow::{Context as _, Result, bail};
use netpatch_protocol::site::{PayloadRequest, StreamAnswer, stream_open};
use netpatch_tunnel::site::{SiteStream, send_answer};
use netpatch_tunnel::{ByteStream, Limits, SiteClient, SiteConnection, SiteEndpoint};
use netpatch_types::SystemClock;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Bytes of a request.
const REQUEST: usize = 1024;
/// Of a small answer.
const ANSWER: u64 = 1024;
/// More than any measurement takes.
const BULK: u64 = 1 << 50;
const BUFFER: usize = 64 * 1024;
/// The repository of transfers that are to yield to others.
const YIELDS: &str = "yields";
/// One small request after the other, by so many.
const CALLERS: usize = 4;
/// Until bulk has found its pace.
const WARM: Duration = Duration::from_secs(5);
/// Until a tunnel that was just started carries something.
const READY: Duration = Duration::from_secs(30);
/// How long requests that are under way at the end are waited for.
const LATE: Duration = Duration::from_secs(10);

/// Options of `wan-serve`.
#[derive(clap::Args)]
pub(crate) struct ServeOptions {
    /// Where the certificates are
    #[arg(long)]
    folder: PathBuf,
    /// For our tunnel
    #[arg(long)]
    tunnel: SocketAddr,
    /// For everything else
    #[arg(long)]
    plain: SocketAddr,
    /// A mirror
    #[arg(long)]
    origin: SocketAddr,
}

/// Answers until it is killed.
pub(crate) async fn serve(options: &ServeOptions) -> Result<()> {
    let (identity, ca) = certificates::relay(&options.folder)?;
    let clock = SystemClock::shared();
    // As many as a relay may have on its connection to the edge.
    let limits = Limits {
        agent_streams: Limits::default().relay_streams,
        ..Limits::default()
    };
    let endpoint = SiteEndpoint::bind(options.tunnel, &identity, ca, clock, limits)?;
    let listener = TcpListener::bind(options.plain).await?;
    let _mirror = Origin::listen(options.origin, None).await?;
    println!("ready");
    let mut peers = JoinSet::new();
    loop {
        tokio::select! {
            Some(handshake) = endpoint.accept() => {
                peers.spawn(async move {
                    let agent = handshake.open().await?;
                    while let Ok(stream) = agent.accept().await {
                        tokio::spawn(answer(stream));
                    }
                    Ok::<_, anyhow::Error>(())
                });
            }
            connection = listener.accept() => {
                peers.spawn(answer_plain(connection?.0));
            }
        }
    }
}

async fn answer(stream: SiteStream) -> Result<()> {
    let (kind, mut stream) = stream.open().await?;
    let stream_open::Kind::Payload(request) = kind else {
        bail!("not a request for bytes");
    };
    let answer = StreamAnswer {
        status: 200,
        size_bytes: request.length,
        ..StreamAnswer::default()
    };
    if request.repository == YIELDS {
        // As the edge sends a recipe.
        stream.yield_to_others();
    }
    send_answer(&mut stream, &answer).await?;
    write(&mut stream, request.length).await?;
    Ok(stream.shutdown().await?)
}

async fn answer_plain(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut request = [0; REQUEST];
    while stream.read_exact(&mut request).await.is_ok() {
        let length = request.first_chunk().copied().unwrap_or_default();
        write(&mut stream, u64::from_be_bytes(length)).await?;
    }
    Ok(())
}

async fn write(stream: &mut impl ByteStream, mut left: u64) -> Result<()> {
    let bytes = vec![7; BUFFER];
    while left > 0 {
        let length = bytes.len().min(usize::try_from(left).unwrap_or(BUFFER));
        stream
            .write_all(bytes.get(..length).unwrap_or_default())
            .await?;
        left -= length as u64;
    }
    Ok(stream.flush().await?)
}

/// Options of `wan-ask`.
#[derive(clap::Args)]
pub(crate) struct AskOptions {
    /// Where the certificates are
    #[arg(long)]
    folder: PathBuf,
    /// Through our tunnel, to here
    #[arg(long, conflicts_with = "plain")]
    tunnel: Option<SocketAddr>,
    /// Over TCP, to here
    #[arg(long)]
    plain: Option<SocketAddr>,
    /// So many small requests at once; without it one for very much
    #[arg(long)]
    requests: Option<usize>,
    /// Small requests alone and then beside bulk in the same connection
    #[arg(long)]
    beside: Option<Beside>,
    /// The mirror
    #[arg(long)]
    origin: Option<SocketAddr>,
    #[arg(long)]
    seconds: u64,
}

/// How bulk behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Beside {
    /// As everything else.
    Equal,
    /// It yields.
    Yielding,
    /// It comes from a mirror over TCP.
    Fetched,
    /// So it does, and the relay's line keeps a pace.
    Paced,
}

/// What small requests took.
#[derive(Serialize, Deserialize)]
pub(super) struct Compared {
    pub(super) idle: Outcome,
    pub(super) beside: Outcome,
    /// What bulk got meanwhile.
    pub(super) megabits: f64,
}

/// What came.
#[derive(Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Payload.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    /// Processor time of the one who asked.
    pub(super) cpu_seconds: f64,
    /// Small requests that were answered.
    pub(super) answered: usize,
    /// Milliseconds, of these.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Asks, and tells the outcome as JSON.
pub(crate) async fn ask(options: &AskOptions) -> Result<()> {
    let way = Way::of(options).await?;
    let span = Duration::from_secs(options.seconds);
    if let Some(beside) = options.beside {
        let compared = compare(&way, beside, options.origin, span).await?;
        println!("{}", serde_json::to_string(&compared)?);
        return Ok(());
    }
    let mut outcome = match options.requests {
        None => bulk(&way, span).await?,
        Some(count) => requests(&way, count, span).await?,
    };
    outcome.cpu_seconds = process::cpu(std::process::id())?.as_secs_f64();
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

enum Way {
    Tunnel(SiteConnection),
    Plain(SocketAddr),
}

/// A way on which one request after the other is asked. Over our tunnel each has a stream of its own.
enum Asker {
    Tunnel(SiteConnection),
    Plain(TcpStream),
}

impl Way {
    async fn of(options: &AskOptions) -> Result<Self> {
        if let Some(address) = options.plain {
            return Ok(Self::Plain(address));
        }
        let (identity, ca) = certificates::host(&options.folder)?;
        let address = options.tunnel.context("--tunnel or --plain")?.to_string();
        let clock = SystemClock::shared();
        let client = SiteClient::new(address, ca, identity, clock, Limits::default());
        Ok(Self::Tunnel(client.connection().await?))
    }

    /// One that has carried a request already.
    async fn asker(&self) -> Result<Asker> {
        let begun = Instant::now();
        loop {
            match self.try_asker().await {
                Ok(asker) => return Ok(asker),
                Err(error) if begun.elapsed() > READY => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn try_asker(&self) -> Result<Asker> {
        let mut asker = match self {
            Self::Tunnel(connection) => Asker::Tunnel(connection.clone()),
            Self::Plain(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Asker::Plain(stream)
            }
        };
        asker.ask(ANSWER, &mut 0).await?;
        Ok(asker)
    }
}

impl Asker {
    /// Asks for so many bytes and counts them as they come.
    async fn ask(&mut self, length: u64, got: &mut u64) -> Result<()> {
        match self {
            Self::Tunnel(connection) => {
                let request = PayloadRequest {
                    path: "x".repeat(REQUEST),
                    length,
                    ..PayloadRequest::default()
                };
                let (_, mut stream) = connection.payload(request).await?;
                read(&mut stream, length, got).await
            }
            Self::Plain(stream) => {
                let mut request = [0; REQUEST];
                if let Some(first) = request.first_chunk_mut() {
                    *first = length.to_be_bytes();
                }
                stream.write_all(&request).await?;
                read(stream, length, got).await
            }
        }
    }
}

async fn read(stream: &mut impl ByteStream, length: u64, got: &mut u64) -> Result<()> {
    let end = *got + length;
    let mut bytes = vec![0; BUFFER.min(usize::try_from(length).unwrap_or(BUFFER))];
    while *got < end {
        match stream.read(&mut bytes).await? {
            0 => bail!("it ended early"),
            count => *got += count as u64,
        }
    }
    Ok(())
}

async fn bulk(way: &Way, span: Duration) -> Result<Outcome> {
    let mut asker = way.asker().await?;
    let mut bytes = 0;
    let begun = Instant::now();
    if let Ok(ended) = tokio::time::timeout(span, asker.ask(BULK, &mut bytes)).await {
        ended?;
    }
    Ok(Outcome {
        bytes,
        seconds: begun.elapsed().as_secs_f64(),
        cpu_seconds: 0.0,
        answered: 0,
        p50: 0.0,
        p99: 0.0,
    })
}

async fn requests(way: &Way, count: usize, span: Duration) -> Result<Outcome> {
    let ready = (0..count).map(|_| way.asker());
    let ready = futures::future::try_join_all(ready).await?;
    let begun = Instant::now();
    let end = begun + span;
    let mut askers = JoinSet::new();
    for asker in ready {
        askers.spawn(ask_again(asker, end));
    }
    let mut times = Vec::new();
    while let Some(some) = askers.join_next().await {
        times.extend(some??);
    }
    times.sort_unstable();
    let at = |part: usize| {
        let time = times.get(times.len() * part / 100).copied();
        crate::report::ms(time.unwrap_or_default())
    };
    Ok(Outcome {
        bytes: times.len() as u64 * ANSWER,
        seconds: begun.elapsed().as_secs_f64(),
        cpu_seconds: 0.0,
        answered: times.len(),
        p50: at(50),
        p99: at(99),
    })
}

/// Idle first, then with bulk under way.
async fn compare(
    way: &Way,
    beside: Beside,
    origin: Option<SocketAddr>,
    span: Duration,
) -> Result<Compared> {
    let idle = requests(way, CALLERS, span).await?;
    let Way::Tunnel(connection) = way else {
        bail!("only over our tunnel");
    };
    let got = Arc::new(AtomicU64::new(0));
    let bulk = match beside {
        Beside::Equal | Beside::Yielding => send(connection, beside, got.clone()).await?,
        Beside::Fetched | Beside::Paced => {
            let pacing = (beside == Beside::Paced).then(|| connection.clone());
            super::fetch::begin(origin.context("--origin")?, pacing, got.clone())?
        }
    };
    tokio::time::sleep(WARM).await;
    let (begun, before) = (Instant::now(), got.load(Ordering::Relaxed));
    let beside = requests(way, CALLERS, span).await?;
    let moved = crate::report::figure(got.load(Ordering::Relaxed) - before);
    let megabits = moved * 8.0 / begun.elapsed().as_secs_f64() / 1e6;
    drop(bulk);
    Ok(Compared {
        idle,
        beside,
        megabits,
    })
}

/// Bulk in the connection of the requests.
async fn send(
    connection: &SiteConnection,
    beside: Beside,
    got: Arc<AtomicU64>,
) -> Result<AbortOnDropHandle<()>> {
    let request = PayloadRequest {
        repository: match beside {
            Beside::Yielding => YIELDS.to_owned(),
            _ => String::new(),
        },
        length: BULK,
        ..PayloadRequest::default()
    };
    let (_, mut stream) = connection.payload(request).await?;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        let mut bytes = vec![0; BUFFER];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            got.fetch_add(count as u64, Ordering::Relaxed);
        }
    })))
}

/// One request after the other; one that is never answered counts with the time until it was given up.
async fn ask_again(mut asker: Asker, end: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let asked = Instant::now();
        let late = tokio::time::Instant::from_std(end + LATE);
        if let Ok(answered) = tokio::time::timeout_at(late, asker.ask(ANSWER, &mut 0)).await {
            answered?;
        }
        times.push(asked.elapsed());
    }
    Ok(times)
}
