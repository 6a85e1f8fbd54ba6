//! The same suite on the bus of one process and on Redis.

use futures::StreamExt as _;
use netpatch_storage::bus::{self, BusError, SharedBus};
use netpatch_testkit::poll_until;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

const PATIENCE: Duration = Duration::from_secs(10);

async fn conforms(bus: SharedBus) {
    bus.publish("nobody", b"listens").await;
    let (mut one, mut two) = (bus.subscribe("topic").await, bus.subscribe("topic").await);
    let mut other = bus.subscribe("other").await;
    bus.publish("topic", b"first").await;
    bus.publish("topic", b"\0second").await;
    for hints in [&mut one, &mut two] {
        assert_eq!(
            tokio::time::timeout(PATIENCE, hints.next())
                .await
                .unwrap()
                .unwrap(),
            b"first"
        );
        assert_eq!(
            tokio::time::timeout(PATIENCE, hints.next())
                .await
                .unwrap()
                .unwrap(),
            b"\0second"
        );
    }
    bus.publish("other", b"last").await;
    assert_eq!(
        tokio::time::timeout(PATIENCE, other.next())
            .await
            .unwrap()
            .unwrap(),
        b"last"
    );
    drop(one);
    bus.publish("topic", b"third").await;
    assert_eq!(
        tokio::time::timeout(PATIENCE, two.next())
            .await
            .unwrap()
            .unwrap(),
        b"third"
    );
    // A subscriber that does not read cannot hold the others up.
    for _ in 0..2000 {
        bus.publish("topic", b"many").await;
    }
    assert!(
        tokio::time::timeout(PATIENCE, two.next())
            .await
            .unwrap()
            .is_some()
    );
}

struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    async fn start(port: Option<u16>) -> Self {
        // Redis has no "port 0": take a free one, and another if somebody was faster.
        let port = port.unwrap_or_else(|| {
            let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            probe.local_addr().unwrap().port()
        });
        let mut command = Command::new("/usr/bin/redis-server");
        command.args([
            "--save",
            "",
            "--appendonly",
            "no",
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--dir",
            "/tmp",
        ]);
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server; on Debian: apt-get install redis-server");
        poll_until("redis", PATIENCE, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .ok()
        })
        .await;
        Self { child, port }
    }

    /// A command without arguments, and the line that answers it.
    async fn ask(&self, command: &str) -> String {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", self.port));
        let mut socket = BufReader::new(socket.await.unwrap());
        let line = format!("{command}\r\n");
        socket.write_all(line.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_line(&mut answer).await.unwrap();
        answer.trim_end().to_owned()
    }

    fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_bus_of_one_process_conforms() {
    conforms(bus::connect("memory:").await.unwrap()).await;
}

#[tokio::test]
async fn the_bus_on_redis_conforms() {
    let redis = Redis::start(None).await;
    conforms(bus::connect(&redis.address()).await.unwrap()).await;
}

#[tokio::test]
async fn a_subscription_survives_a_restart_of_redis() {
    let redis = Redis::start(None).await;
    let bus = bus::connect(&redis.address()).await.unwrap();
    let mut hints = bus.subscribe("topic").await;
    let port = redis.port;
    drop(redis);
    bus.publish("topic", b"lost").await;
    let _redis = Redis::start(Some(port)).await;
    let woken = tokio::time::timeout(Duration::from_secs(20), hints.next())
        .await
        .unwrap();
    assert_eq!(woken.unwrap(), b"", "something may have been missed");
    let arrived = poll_until("a hint", PATIENCE, async || {
        bus.publish("topic", b"again").await;
        tokio::time::timeout(Duration::from_millis(200), hints.next())
            .await
            .ok()
            .flatten()
    });
    assert_eq!(arrived.await, b"again");
}

#[tokio::test]
async fn wiping_redis_harms_nothing_because_it_holds_nothing() {
    let redis = Redis::start(None).await;
    let bus = bus::connect(&redis.address()).await.unwrap();
    let mut hints = bus.subscribe("topic").await;
    bus.publish("topic", b"before").await;
    assert_eq!(redis.ask("DBSIZE").await, ":0");
    assert_eq!(redis.ask("FLUSHALL").await, "+OK");
    bus.publish("topic", b"after").await;
    for expected in [&b"before"[..], b"after"] {
        let hint = tokio::time::timeout(PATIENCE, hints.next()).await;
        assert_eq!(hint.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn wrong_addresses_and_silent_servers_are_errors() {
    assert!(matches!(
        bus::connect("kafka:x").await,
        Err(BusError::Address(_))
    ));
    assert!(matches!(
        bus::connect("redis://127.0.0.1:1").await,
        Err(BusError::Connect(_))
    ));
}
