//! A Redis server of a test's own.

use crate::poll_until;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// From its start until it answers; it starts beside many others.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; killed when dropped. It keeps nothing on the disk.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts one on a port, or on any that is free. Panics when it does not answer.
    pub async fn start(port: Option<u16>) -> Self {
        // Redis has no "port 0": take a free one, and another if somebody was faster.
        let port = port.unwrap_or_else(|| {
            let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            probe.local_addr().expect("bound").port()
        });
        let number = port.to_string();
        let child = Command::new("/usr/bin/redis-server")
            .args(["--save", "", "--appendonly", "no", "--dir", "/tmp"])
            .args(["--bind", "127.0.0.1", "--port", &number])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server; on Debian: apt-get install redis-server");
        let redis = Self { child, port };
        poll_until("redis", PATIENCE, async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        redis
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same, as the configuration has it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A command without blanks in its arguments, and the line that answers it.
    pub async fn ask(&self, command: &str) -> String {
        let [answer] = self.lines(command).await;
        answer
    }

    /// How many listen to a topic.
    pub async fn subscribers(&self, topic: &str) -> usize {
        // An array of two, the length of the topic, the topic, the number.
        let answer = self.lines(&format!("PUBSUB NUMSUB {topic}")).await;
        let [_, _, _, number]: [String; 4] = answer;
        let number = number.strip_prefix(':').expect("a number");
        number.parse().expect("a number")
    }

    /// The first lines of an answer.
    async fn lines<const N: usize>(&self, command: &str) -> [String; N] {
        let socket = TcpStream::connect(("127.0.0.1", self.port));
        let mut socket = BufReader::new(socket.await.expect("it listens"));
        let line = format!("{command}\r\n");
        let asked = socket.write_all(line.as_bytes()).await;
        asked.expect("it reads");
        let mut answer = [const { String::new() }; N];
        for line in &mut answer {
            socket.read_line(line).await.expect("it answers");
            line.truncate(line.trim_end().len());
        }
        answer
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
