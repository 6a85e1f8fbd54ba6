//! An HTTP server that can be told to misbehave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// A payload of the server.
#[derive(Clone, Default)]
pub(crate) struct Served {
    pub(crate) body: Vec<u8>,
    pub(crate) etag: String,
    /// Cut the connection after this many body bytes; each cut lets the next request through a bit further.
    pub(crate) cut_after: Option<usize>,
    /// Send the body without a length.
    pub(crate) chunked: bool,
    /// Send this head instead of anything else: `302 Found\r\nLocation: …`.
    pub(crate) instead: String,
    /// Send the body again and again, without a length and without an end.
    pub(crate) endless: bool,
    /// Say this length instead of the true one.
    pub(crate) says: Option<usize>,
    /// Say no length, and end the body with the connection.
    pub(crate) bare: bool,
    /// Send a byte from time to time.
    pub(crate) drip: bool,
    /// Send half of the body, then wait until this is notified.
    pub(crate) hold: Option<Arc<Notify>>,
}

#[derive(Default)]
struct State {
    served: HashMap<String, Served>,
    requests: Vec<String>,
    down: bool,
}

pub(crate) struct Upstream {
    pub(crate) base: String,
    state: Arc<Mutex<State>>,
    _task: AbortOnDropHandle<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let base = format!("http://{}/debian", listener.local_addr().expect("address"));
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let task = tokio::spawn(async move {
            let mut clients = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                clients.spawn(answer(stream, shared.clone()));
            }
        });
        Self {
            base,
            state,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn put(&self, path: &str, served: Served) {
        let path = format!("/debian/{path}");
        self.state.lock().unwrap().served.insert(path, served);
    }

    pub(crate) fn put_bytes(&self, path: &str, body: &[u8]) {
        let etag = format!("\"{}\"", body.len());
        let body = body.to_vec();
        self.put(
            path,
            Served {
                body,
                etag,
                ..Served::default()
            },
        );
    }

    /// From now on connections are closed without an answer.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// `GET path range` of every request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

async fn answer(stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let found = lines.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        found.unwrap_or_default()
    };
    let path = lines
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or("")
        .to_owned();
    let range = header("range");
    let (served, down) = {
        let mut state = state.lock().unwrap();
        state
            .requests
            .push(format!("{path} {range}").trim().to_owned());
        let served = state.served.get(&path).cloned();
        if let Some(served) = state.served.get_mut(&path) {
            served.cut_after = served.cut_after.map(|cut| cut * 2);
        }
        (served, state.down)
    };
    if down {
        return Ok(());
    }
    let Some(served) = served else {
        return write(
            &mut stream,
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
        .await;
    };
    if !served.instead.is_empty() {
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            served.instead
        );
        return write(&mut stream, head.as_bytes()).await;
    }
    if served.endless {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        write(&mut stream, head.as_bytes()).await?;
        let size = format!("{:x}\r\n", served.body.len());
        loop {
            write(&mut stream, size.as_bytes()).await?;
            write(&mut stream, &served.body).await?;
            write(&mut stream, b"\r\n").await?;
        }
    }
    if !served.etag.is_empty() && header("if-none-match") == served.etag {
        return write(
            &mut stream,
            b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
        )
        .await;
    }
    let total = served.body.len();
    let from: usize = range
        .strip_prefix("bytes=")
        .and_then(|r| r.trim_end_matches('-').parse().ok())
        .unwrap_or(0);
    let version = header("if-range");
    let part = (version.is_empty() || version == served.etag) && !range.is_empty();
    let (status, from) = if part {
        ("206 Partial Content", from)
    } else {
        ("200 OK", 0)
    };
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    if !served.etag.is_empty() {
        head += &format!("ETag: {}\r\n", served.etag);
    }
    if part {
        head += &format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
    }
    if served.chunked {
        head += "Transfer-Encoding: chunked\r\n\r\n";
        write(&mut stream, head.as_bytes()).await?;
        for chunk in served.body.chunks(1000) {
            write(&mut stream, format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
            write(&mut stream, chunk).await?;
            write(&mut stream, b"\r\n").await?;
        }
        return write(&mut stream, b"0\r\n\r\n").await;
    }
    head += &match (served.bare, served.says) {
        (true, _) => "\r\n".to_owned(),
        (false, says) => format!("Content-Length: {}\r\n\r\n", says.unwrap_or(total) - from),
    };
    write(&mut stream, head.as_bytes()).await?;
    if served.drip {
        for byte in &served.body[from..] {
            write(&mut stream, &[*byte]).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        return Ok(());
    }
    let end = served
        .cut_after
        .map_or(total, |cut| cut.min(total))
        .max(from);
    match served.hold {
        Some(hold) => {
            let half = from + (end - from) / 2;
            write(&mut stream, &served.body[from..half]).await?;
            hold.notified().await;
            hold.notify_one();
            write(&mut stream, &served.body[half..end]).await
        }
        None => write(&mut stream, &served.body[from..end]).await,
    }
}

async fn write(stream: &mut BufReader<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    stream.get_mut().write_all(bytes).await?;
    stream.get_mut().flush().await
}
