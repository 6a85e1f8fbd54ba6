//! The same asked of a message broker: as many clients over TLS with certificates on both sides, each check-in a confirmed message of
//! the same size, all of them connecting at once. What a broker speaks is in `mqtt` and `nats`, a few packets of fixed form each; a
//! client library would add its own costs to the side that shares the machine with the measured one.

use super::certificates::{Authority, SERVER};
use super::figures::Figures;
use super::scenario::{Peer, Scenario};
use super::{SETTLE, kib, mqtt, nats, rate};
use crate::process;
use crate::report::Report;
use anyhow::{Context as _, Result, bail};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// As an agent's check-in without a counter has, with its frame.
pub(super) const MESSAGE_BYTES: usize = 42;
/// Between two messages of an idle client, as the edge asks of agents.
const IDLE: Duration = Duration::from_secs(30);
/// Until a client gives an attempt up, as the agent's.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Waits between attempts, as the agent's.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LONGEST: Duration = Duration::from_secs(60);
/// While nothing happens for this long, nothing will.
const STILL: Duration = Duration::from_secs(120);

/// What agents are compared with.
pub(super) struct Measured {
    /// Check-ins a second and core.
    pub(super) per_core: f64,
    /// All at once, until the last is let in.
    pub(super) storm: Duration,
}

/// A running broker; killed when dropped.
struct Broker {
    peer: Peer,
    child: Child,
    address: SocketAddr,
    tls: TlsConnector,
    _folder: tempfile::TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    async fn start(peer: Peer) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let tls = certificates(folder.path())?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let name = peer.name();
        let configuration = folder.path().join("broker.conf");
        let text = match peer {
            Peer::Mosquitto => mqtt::configuration(folder.path(), address),
            Peer::Nats => nats::configuration(folder.path(), address),
        };
        std::fs::write(&configuration, text)?;
        let child = Command::new(name)
            .arg("-c")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {name} (cargo xtask bench --setup installs it)"))?;
        let broker = Self {
            peer,
            child,
            address,
            tls,
            _folder: folder,
        };
        for _ in 0..100 {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(broker);
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("{name} does not listen on {address}")
    }

    fn resident(&self) -> Result<u64> {
        process::resident(self.child.id())
    }

    fn cpu(&self) -> Result<Duration> {
        process::cpu(self.child.id())
    }
}

/// Makes a CA and the broker's certificate; how clients connect.
fn certificates(folder: &Path) -> Result<TlsConnector> {
    let authority = Authority::new()?;
    let (server, key) = authority.issue(SERVER)?;
    std::fs::write(folder.join("ca.pem"), authority.certificate.pem())?;
    std::fs::write(folder.join("server.pem"), server.pem())?;
    std::fs::write(folder.join("server.key"), key.serialize_pem())?;
    Ok(TlsConnector::from(Arc::new(authority.client()?)))
}

/// Measures it, with its rows.
pub(super) async fn measure(
    peer: Peer,
    scenario: &Scenario,
    report: &mut Report,
) -> Result<Measured> {
    let broker = Broker::start(peer).await?;
    let name = peer.name();
    sleep(Duration::from_secs(1)).await;
    let before = broker.resident()?;
    let mut crowd = Clients {
        count: scenario.count,
        broker: &broker,
        figures: Arc::default(),
        pace: watch::Sender::new(Duration::ZERO),
        sessions: JoinSet::new(),
    };
    let (began, cpu) = (Instant::now(), broker.cpu()?);
    crowd.connect(Some(scenario.connecting)).await?;
    let (took, used) = (began.elapsed(), broker.cpu()? - cpu);
    report.row(
        format!("{name}: sessions opened"),
        rate(scenario.count, took),
        "1/s",
        "",
    );
    report.row(
        format!("{name}: sessions opened, per core"),
        rate(scenario.count, used),
        "1/s",
        "",
    );
    sleep(SETTLE).await;
    let grown = broker.resident()?.saturating_sub(before);
    report.row(
        format!("{name}: memory, a client"),
        kib(grown, scenario.count),
        "KiB",
        "",
    );

    crowd
        .pace
        .send_replace(Duration::from_millis(scenario.check_in_every_ms));
    sleep(Duration::from_secs(2)).await;
    crowd.figures.begin();
    let (began, cpu) = (Instant::now(), broker.cpu()?);
    sleep(Duration::from_secs(scenario.check_in_seconds)).await;
    let (took, used) = (began.elapsed(), broker.cpu()? - cpu);
    let answered = crowd.figures.check_ins();
    report.row(
        format!("{name}: check-ins ({})", peer.confirmed_by()),
        rate(answered, took),
        "1/s",
        crowd.figures.downs(),
    );
    crowd.figures.check_ins_into(
        report,
        &format!("{name}: from check-in to its confirmation"),
    );
    let per_core = rate(answered, used);
    report.row(
        format!("{name}: check-ins, per core"),
        per_core,
        "1/s",
        format!("{MESSAGE_BYTES} bytes each, nobody subscribed"),
    );

    crowd.pace.send_replace(Duration::ZERO);
    crowd.sessions.shutdown().await;
    sleep(SETTLE).await;
    let (began, cpu) = (Instant::now(), broker.cpu()?);
    crowd.connect(None).await?;
    let storm = began.elapsed();
    let used = broker.cpu()? - cpu;
    report.row(
        format!("{name}: storm, all connect at once, until the last is let in"),
        storm.as_secs_f64(),
        "s",
        format!("{:.1} s of processor", used.as_secs_f64()),
    );
    crowd.figures.welcomes_into(
        report,
        &format!("{name}: storm, from dialling to being let in"),
    );
    crowd.sessions.shutdown().await;
    Ok(Measured { per_core, storm })
}

struct Clients<'a> {
    count: usize,
    broker: &'a Broker,
    figures: Arc<Figures>,
    pace: watch::Sender<Duration>,
    sessions: JoinSet<()>,
}

impl Clients<'_> {
    /// Connects everybody, so many at the same time, or all.
    async fn connect(&mut self, at_once: Option<usize>) -> Result<()> {
        self.figures.begin();
        let turns = Arc::new(Semaphore::new(at_once.unwrap_or(self.count)));
        let began = Instant::now();
        for number in 0..self.count {
            let turn = tokio::time::timeout(STILL, Arc::clone(&turns).acquire_owned()).await;
            let turn =
                turn.with_context(|| format!("no client comes up: {}", self.figures.downs()))??;
            let client = Client {
                number,
                peer: self.broker.peer,
                address: self.broker.address,
                tls: self.broker.tls.clone(),
                figures: Arc::clone(&self.figures),
                pace: self.pace.subscribe(),
            };
            let wanted = if at_once.is_some() {
                Instant::now()
            } else {
                began
            };
            self.sessions.spawn(client.live(wanted, turn));
        }
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let now = self.figures.welcomed.load(Ordering::Relaxed);
            if now >= self.count {
                return Ok(());
            }
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > STILL {
                bail!(
                    "{now} of {} clients are in, and no more for two minutes: {}",
                    self.count,
                    self.figures.downs()
                );
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Client {
    number: usize,
    peer: Peer,
    address: SocketAddr,
    tls: TlsConnector,
    figures: Arc<Figures>,
    pace: watch::Receiver<Duration>,
}

impl Client {
    async fn live(mut self, wanted: Instant, turn: OwnedSemaphorePermit) {
        let (mut first, mut wait) = (Some(turn), BACKOFF_FIRST);
        loop {
            let connected = tokio::time::timeout(ATTEMPT, self.connect()).await;
            let ended = match connected {
                Ok(Ok(stream)) => {
                    if first.take().is_some() {
                        self.figures.welcome(wanted.elapsed());
                    }
                    wait = BACKOFF_FIRST;
                    self.talk(stream).await
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(anyhow::anyhow!("an attempt took longer than {ATTEMPT:?}")),
            };
            if let Err(error) = ended {
                self.figures.down(error.to_string());
            }
            let jitter = rand::random_range(0.0..0.5);
            sleep(wait + wait.mul_f64(jitter)).await;
            wait = (wait * 2).min(BACKOFF_LONGEST);
        }
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        match self.peer {
            Peer::Mosquitto => mqtt::open(socket, &self.tls, self.number).await,
            Peer::Nats => nats::open(socket, &self.tls, self.number).await,
        }
    }

    async fn talk(&mut self, mut stream: TlsStream<TcpStream>) -> Result<()> {
        let mut due = Instant::now() + self.phase();
        let mut number = 0u16;
        loop {
            tokio::select! {
                () = sleep_until(due) => {
                    due = Instant::now() + self.interval();
                    number = number.wrapping_add(1).max(1);
                    let sent = Instant::now();
                    match self.peer {
                        Peer::Mosquitto => mqtt::publish(&mut stream, number).await?,
                        Peer::Nats => nats::publish(&mut stream).await?,
                    }
                    self.figures.check_in(sent.elapsed());
                }
                changed = self.pace.changed() => {
                    changed?;
                    due = Instant::now() + self.phase();
                }
            }
        }
    }

    fn interval(&self) -> Duration {
        let asked = *self.pace.borrow();
        if asked.is_zero() { IDLE } else { asked }
    }

    fn phase(&self) -> Duration {
        super::host::phase(self.number, self.interval())
    }
}
