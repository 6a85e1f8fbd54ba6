//! The same asked of mosquitto: as many clients over TLS with certificates on both sides, each check-in a message of QoS 1 of the same
//! size, all of them connecting at once.
//!
//! Of MQTT 3.1.1 five packets are needed, each of fixed form; a client library would add its own costs to the side that shares the
//! machine with the measured one.

use super::certificates::{Authority, SERVER};
use super::figures::Figures;
use super::scenario::Scenario;
use super::{SETTLE, kib, rate};
use crate::process;
use crate::report::Report;
use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// As an agent's check-in has.
pub(super) const MESSAGE_BYTES: usize = 150;
const TOPIC: &str = "hosts/check-in";
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
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let tls = certificates(folder.path())?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "user root\nlistener {} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nallow_anonymous true\n\
             max_connections -1\npersistence false\nlog_type none\n",
            address.port(),
            at("ca.pem"),
            at("server.pem"),
            at("server.key"),
        );
        std::fs::write(at("mosquitto.conf"), text)?;
        let child = Command::new("mosquitto")
            .args(["-c", &at("mosquitto.conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start mosquitto (cargo xtask bench --setup installs it)")?;
        let broker = Self {
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
        bail!("mosquitto does not listen on {address}")
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
pub(super) async fn measure(scenario: &Scenario, report: &mut Report) -> Result<Measured> {
    let broker = Broker::start().await?;
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
        "mosquitto: sessions opened",
        rate(scenario.count, took),
        "1/s",
        "",
    );
    report.row(
        "mosquitto: sessions opened, per core",
        rate(scenario.count, used),
        "1/s",
        "",
    );
    sleep(SETTLE).await;
    let grown = broker.resident()?.saturating_sub(before);
    report.row(
        "mosquitto: memory, a client",
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
        "mosquitto: check-ins (QoS 1)",
        rate(answered, took),
        "1/s",
        crowd.figures.downs(),
    );
    crowd
        .figures
        .check_ins_into(report, "mosquitto: from check-in to its confirmation");
    let per_core = rate(answered, used);
    report.row(
        "mosquitto: check-ins, per core",
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
        "mosquitto: storm, all connect at once, until the last is let in",
        storm.as_secs_f64(),
        "s",
        format!("{:.1} s of processor", used.as_secs_f64()),
    );
    crowd
        .figures
        .welcomes_into(report, "mosquitto: storm, from dialling to CONNACK");
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
        let mut stream = self
            .tls
            .connect(ServerName::try_from(SERVER)?, socket)
            .await?;
        stream
            .write_all(&connect_packet(&format!("load-{}", self.number))?)
            .await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        if answer[0] != 0x20 || answer[3] != 0 {
            bail!("mosquitto refused with {}", answer[3]);
        }
        Ok(stream)
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
                    stream.write_all(&publish_packet(number)?).await?;
                    let mut answer = [0; 4];
                    stream.read_exact(&mut answer).await?;
                    if answer[0] != 0x40 || answer[2..] != number.to_be_bytes() {
                        bail!("mosquitto confirmed something else");
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

/// MQTT 3.1.1, 3.1: a clean session, a keep-alive of a minute.
fn connect_packet(name: &str) -> Result<Vec<u8>> {
    let mut body = vec![0, 4];
    body.extend(b"MQTT");
    body.extend([4, 2, 0, 60]);
    body.extend(u16::try_from(name.len())?.to_be_bytes());
    body.extend(name.as_bytes());
    packet(0x10, &body)
}

/// MQTT 3.1.1, 3.3: QoS 1.
fn publish_packet(number: u16) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(MESSAGE_BYTES + 32);
    body.extend(u16::try_from(TOPIC.len())?.to_be_bytes());
    body.extend(TOPIC.as_bytes());
    body.extend(number.to_be_bytes());
    body.resize(body.len() + MESSAGE_BYTES, b'x');
    packet(0x32, &body)
}

/// Kind and remaining length (MQTT 3.1.1, 2.2.3) of at most two bytes before the rest.
fn packet(kind: u8, body: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(body.len())
        .ok()
        .filter(|length| *length < 1 << 14);
    let length = length.context("a packet is too long")?;
    let (low, high) = (u8::try_from(length & 0x7f)?, u8::try_from(length >> 7)?);
    let mut packet = vec![kind];
    match high {
        0 => packet.push(low),
        high => packet.extend([low | 0x80, high]),
    }
    packet.extend(body);
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_the_form_of_the_standard() {
        let connect = connect_packet("a").expect("a packet");
        assert_eq!(
            connect,
            [
                0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'a'
            ]
        );
        let publish = publish_packet(258).expect("a packet");
        assert_eq!(publish[0], 0x32);
        // 2 + 14 + 2 + 150 = 168 = 1 * 128 + 40.
        assert_eq!(publish[1..3], [40 | 0x80, 1]);
        assert_eq!(publish.len(), 3 + 168);
        assert_eq!(publish[19..21], [1, 2]);
        packet(0x32, &vec![0; 1 << 14]).expect_err("too long");
    }
}
