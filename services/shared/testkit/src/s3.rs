//! A real S3 server over a folder, behind a socket, that can be turned off and says what it was asked for.

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const ACCESS: &str = "access";
const SECRET: &str = "secret";

#[derive(Default)]
struct State {
    is_down: AtomicBool,
    is_silent: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl State {
    fn asked(&self) -> MutexGuard<'_, Vec<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: String) {
        self.asked().push(line);
    }
}

/// The server; it ends when it is dropped.
pub struct S3Server {
    port: u16,
    state: Arc<State>,
    _folder: tempfile::TempDir,
    _task: JoinSet<()>,
}

impl S3Server {
    /// Starts it, with one empty bucket.
    #[allow(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "a test may fail"
    )]
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("bucket")).expect("a bucket");
        let files = s3s_fs::FileSystem::new(folder.path()).expect("a file system");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::<State>::default();
        let shared = state.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (service, state) = (service.clone(), shared.clone());
                let answering = service_fn(move |request: hyper::Request<Incoming>| {
                    let (service, state) = (service.clone(), state.clone());
                    async move {
                        if state.is_down.load(Ordering::Relaxed) {
                            return Err(io::Error::other("down"));
                        }
                        if state.is_silent.load(Ordering::Relaxed) {
                            std::future::pending::<()>().await;
                        }
                        let range = request.headers().get("range");
                        let range = range.and_then(|range| range.to_str().ok()).unwrap_or("");
                        let (method, path) = (request.method(), request.uri().path());
                        let line = format!("{method} {path} {range}").trim_end().to_owned();
                        state.note(line);
                        let answered = service.call(request.map(s3s::Body::from)).await;
                        answered.map_err(|error| io::Error::other(format!("{error:?}")))
                    }
                });
                clients.spawn(async move {
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let io = TokioIo::new(stream);
                    // Whoever breaks off has no use for an error here.
                    let _ = server.serve_connection(io, answering).await;
                });
            }
        });
        Self {
            port,
            state,
            _folder: folder,
            _task: task,
        }
    }

    /// As the platform is told of it.
    #[must_use]
    pub fn address(&self) -> String {
        let port = self.port;
        format!("s3://bucket?endpoint=http://127.0.0.1:{port}&region=eu-test-1")
    }

    /// From now on connections end without an answer, or are answered again.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::Relaxed);
    }

    /// From now on requests are taken and never answered, or are answered again.
    pub fn set_silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::Relaxed);
    }

    /// `METHOD path range` of every request.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.state.asked().clone()
    }
}

/// Whether this process has the server's keys in its environment, where clients look for them. If not, the test of this name (with its
/// modules) runs once more in a process that has them, and must succeed there.
#[allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "a test may fail"
)]
pub async fn has_s3_keys(test: &str) -> bool {
    if std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| key == ACCESS) {
        return true;
    }
    let program = std::env::current_exe().expect("this program");
    let output = tokio::process::Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env("AWS_ACCESS_KEY_ID", ACCESS)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        // Nothing outside this machine is asked.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output();
    let output = output.await.expect("run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
