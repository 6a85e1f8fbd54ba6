//! A service's own program, as it runs in the split deployment, over a test database.

use crate::TestDatabase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A key for request contexts: RFC 8410, section 10.3.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
/// How long a program may take for anything; it starts beside many others.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct ServiceProcess {
    child: Child,
    address: String,
    folder: TempDir,
}

impl ServiceProcess {
    /// Starts a program on a free port. The other services are at an address where nobody listens. `settings` are
    /// more lines of the configuration file. Panics when the program does not say that it is ready.
    pub async fn start(program: &str, test: &TestDatabase, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = configure(folder.path(), test, settings);
        let mut child = Command::new(program)
            .arg("--config")
            .arg(file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.expect("readable") {
                if let Some(address) = line.strip_prefix("ready rpc=") {
                    return address.to_owned();
                }
            }
            panic!("{program} ended before it was ready");
        };
        let address = within(ready).await;
        Self {
            child,
            address,
            folder,
        }
    }

    /// Where it is called.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key that signs request contexts for it.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("context.pem")
    }

    /// One plain HTTP request; status and body.
    pub async fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let asked = async {
            let mut stream = TcpStream::connect(&self.address).await.expect("connects");
            let length = body.len();
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}",
                self.address
            );
            stream.write_all(request.as_bytes()).await.expect("sends");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("answers");
            answer
        };
        let answer = within(asked).await;
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.expect("a status line"), body.to_owned())
    }

    /// What every service's program owes whoever runs it: it lives, it is ready, it shows its metrics, and it takes no
    /// call without a signed request context.
    pub async fn owes(&self, service: &str, method: &str) {
        for path in ["/healthz", "/readyz"] {
            let (status, body) = self.request("GET", path, "").await;
            assert_eq!(status, 200, "{path}: {body}");
        }
        let (status, body) = self
            .request("POST", &format!("/rpc/{service}/{method}"), "{}")
            .await;
        assert_eq!(status, 401, "{body}");
        let (status, body) = self.request("GET", "/metrics", "").await;
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("# TYPE"), "{body}");
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let id = Pid::from_raw(id.expect("it runs"));
        kill(id, Signal::SIGTERM).expect("told");
        within(self.child.wait()).await.expect("ends")
    }
}

fn configure(folder: &Path, test: &TestDatabase, settings: &str) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt as _;
    let key = folder.join("context.pem");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(&key);
    let written = file
        .as_mut()
        .map(|file| std::io::Write::write_all(file, KEY.as_bytes()));
    written.expect("a key file").expect("written");
    let urls = test.urls();
    let data = folder.join("data");
    std::fs::create_dir(&data).expect("a data folder");
    // Rust's escapes of these texts are TOML's.
    let text = format!(
        "data_dir = {data:?}\n{settings}\n\
         [rpc]\naddr = \"127.0.0.1:0\"\nkey_file = {key:?}\n\
         [services]\ninventory = {NOBODY:?}\npolicy = {NOBODY:?}\nscheduler = {NOBODY:?}\nreporting = {NOBODY:?}\n\
         [database]\nurl = {:?}\nowner_url = {:?}\nworker_url = {:?}\ncatalog_url = {:?}\n",
        urls.app, urls.owner, urls.worker, urls.catalog
    );
    let path = folder.join("netpatch.toml");
    std::fs::write(&path, text).expect("a configuration file");
    path
}

/// The port "discard", where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("the program answers in time")
}
