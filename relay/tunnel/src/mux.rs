//! Many streams in one TLS connection over TCP: a relay's connection to the edge where UDP does not get through.
//!
//! Yamux carries the streams; it begins only when the relay has been admitted, so a stranger cannot make the edge hold any. One task
//! drives the connection; it ends when the last handle is dropped, or a moment later when it has to say why. Only the relay opens streams for itself; the one that the edge
//! opens tells why it ends the connection, which TCP cannot say.

use crate::message::{receive_one, send_one};
use crate::{ByteStream, TunnelError, close_code};
use futures::AsyncWriteExt as _;
use netpatch_protocol::site::StreamAnswer;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

/// Yamux grants each stream this much before it is read.
const FIRST_WINDOW_BYTES: usize = 256 * 1024;
/// Further window of all streams together: streams that move much get more than the first.
const MORE_WINDOW_BYTES: usize = 256 << 20;
/// More streams than any limit of ours.
const MOST_STREAMS: usize = 1 << 16;
/// Streams that wait to be opened at once.
const ASKED: usize = 64;
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(3);

type Asked = oneshot::Sender<Result<yamux::Stream, String>>;

/// A connection with many streams. Clones share it.
#[derive(Clone)]
pub(crate) struct Mux {
    shared: Arc<Shared>,
}

struct Shared {
    remote: SocketAddr,
    round_trip: Duration,
    asked: mpsc::Sender<Asked>,
    /// Streams that may still be opened. Yamux would end the connection over one too many.
    places: Arc<Semaphore>,
    arrived: Mutex<mpsc::Receiver<yamux::Stream>>,
    /// Set once: with what the connection is to end.
    farewell: watch::Sender<Option<(u32, String)>>,
    /// Why it ended.
    ended: watch::Receiver<Option<String>>,
}

/// A stream of it.
pub(crate) struct MuxStream {
    /// `None` once it was reset.
    stream: Option<Compat<yamux::Stream>>,
    mux: Mux,
    _place: Option<OwnedSemaphorePermit>,
}

impl Mux {
    /// The side that opens streams. `round_trip` is what connecting took.
    pub(crate) fn client(
        stream: impl ByteStream,
        remote: SocketAddr,
        streams: u32,
        round_trip: Duration,
    ) -> Self {
        Self::start(stream, remote, streams, round_trip, yamux::Mode::Client)
    }

    /// The side that accepts them.
    pub(crate) fn server(stream: impl ByteStream, remote: SocketAddr, streams: u32) -> Self {
        let unknown = Duration::ZERO;
        Self::start(stream, remote, streams, unknown, yamux::Mode::Server)
    }

    fn start(
        stream: impl ByteStream,
        remote: SocketAddr,
        streams: u32,
        round_trip: Duration,
        mode: yamux::Mode,
    ) -> Self {
        let streams = usize::try_from(streams).unwrap_or(usize::MAX);
        let streams = streams.clamp(1, MOST_STREAMS);
        // One side may still hold streams that the other has let go.
        let held = streams * 2;
        let mut config = yamux::Config::default();
        // In this order: yamux insists on a first window for each stream.
        config
            .set_max_connection_receive_window(None)
            .set_max_num_streams(held)
            .set_max_connection_receive_window(Some(held * FIRST_WINDOW_BYTES + MORE_WINDOW_BYTES));
        let connection = yamux::Connection::new(stream.compat(), config, mode);
        let (asked, to_open) = mpsc::channel(ASKED);
        let (accepted, arrived) = mpsc::channel(streams);
        let (farewell, leaving) = watch::channel(None);
        let (tell_ended, ended) = watch::channel(None);
        let driver = Driver {
            connection,
            mode,
            to_open,
            opening: None,
            accepted,
            leaving,
        };
        // Ends by itself: when nobody can ask for a stream any more, or when the last words are said.
        tokio::spawn(async move {
            let reason = driver.run().await;
            tell_ended.send_replace(Some(reason));
        });
        Self {
            shared: Arc::new(Shared {
                remote,
                round_trip,
                asked,
                places: Arc::new(Semaphore::new(streams)),
                arrived: Mutex::new(arrived),
                farewell,
                ended,
            }),
        }
    }

    /// Opens a stream.
    pub(crate) async fn open(&self) -> Result<MuxStream, TunnelError> {
        let place = self.shared.places.clone().acquire_owned().await;
        let place = place.map_err(|_| self.end())?;
        let (answer, opened) = oneshot::channel();
        if self.shared.asked.send(answer).await.is_err() {
            return Err(self.end());
        }
        match opened.await {
            Ok(Ok(stream)) => Ok(self.stream(stream, Some(place))),
            Ok(Err(reason)) => Err(TunnelError::Ended(reason)),
            Err(_) => Err(self.end()),
        }
    }

    /// The peer's next stream; the error says why the connection ended.
    pub(crate) async fn accept(&self) -> Result<MuxStream, TunnelError> {
        let next = self.shared.arrived.lock().await.recv().await;
        next.map(|stream| self.stream(stream, None))
            .ok_or_else(|| self.end())
    }

    fn stream(&self, stream: yamux::Stream, place: Option<OwnedSemaphorePermit>) -> MuxStream {
        MuxStream {
            stream: Some(stream.compat()),
            mux: self.clone(),
            _place: place,
        }
    }

    fn end(&self) -> TunnelError {
        TunnelError::Ended(self.end_reason().unwrap_or_else(|| "closed".into()))
    }

    /// Why it ended, if it has.
    pub(crate) fn end_reason(&self) -> Option<String> {
        let ended = self.shared.ended.borrow();
        // The task never dies without a word but by a panic.
        let silent = || self.shared.asked.is_closed().then(|| "closed".to_owned());
        ended.clone().or_else(silent)
    }

    /// Waits until it ends and says why.
    pub(crate) async fn closed(&self) -> String {
        let mut ended = self.shared.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "closed".into(),
        }
    }

    /// Ends it, telling the peer why.
    pub(crate) fn close(&self, code: u32, reason: &str) {
        let words = (code, reason.to_owned());
        self.shared.farewell.send_if_modified(|farewell| {
            let first = farewell.is_none();
            if first {
                *farewell = Some(words);
            }
            first
        });
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.shared.remote
    }

    /// What connecting took; nothing on the accepting side.
    pub(crate) fn round_trip(&self) -> Duration {
        self.shared.round_trip
    }
}

struct Driver<S> {
    connection: yamux::Connection<Compat<S>>,
    mode: yamux::Mode,
    to_open: mpsc::Receiver<Asked>,
    opening: Option<Asked>,
    accepted: mpsc::Sender<yamux::Stream>,
    leaving: watch::Receiver<Option<(u32, String)>>,
}

/// What the peer said before it ended the connection.
type LastWords = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

impl<S: ByteStream> Driver<S> {
    /// Until the connection ends: why.
    async fn run(mut self) -> String {
        let mut last_words: Option<LastWords> = None;
        let mut leaving = self.leaving.clone();
        let asked_to_leave = async move {
            let words = leaving.wait_for(Option::is_some).await;
            words.ok().and_then(|words| words.clone())
        };
        let ended = tokio::select! {
            // First: who asks for it lets go of the last handle right away.
            biased;
            words = asked_to_leave => Err(words),
            reason = poll_fn(|cx| self.progress(cx, &mut last_words)) => Ok(reason),
        };
        let reason = match ended {
            Ok(reason) => reason,
            Err(None) => return "given up".into(),
            Err(Some((code, reason))) => {
                let _ = tokio::time::timeout(FAREWELL, self.leave(code, &reason)).await;
                return format!("closed by this side: {reason}");
            }
        };
        match last_words {
            Some(words) => tokio::time::timeout(FAREWELL, words)
                .await
                .ok()
                .flatten()
                .unwrap_or(reason),
            None => reason,
        }
    }

    /// Moves bytes, hands over what the peer opened, opens what was asked for. Ready when the connection has ended.
    fn progress(
        &mut self,
        cx: &mut Context<'_>,
        last_words: &mut Option<LastWords>,
    ) -> Poll<String> {
        loop {
            if let Some(words) = last_words
                && let Poll::Ready(said) = words.as_mut().poll(cx)
            {
                *last_words = None;
                if let Some(said) = said {
                    return Poll::Ready(said);
                }
            }
            match self.connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) if self.mode == yamux::Mode::Client => {
                    // The edge opens none but to say good-bye.
                    if last_words.is_none() {
                        *last_words = Some(Box::pin(hear(stream)));
                    }
                    continue;
                }
                Poll::Ready(Some(Ok(stream))) => {
                    // Yamux has counted it already; one for which there is no room is reset by dropping it.
                    let _ = self.accepted.try_send(stream);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(error.to_string()),
                Poll::Ready(None) => return Poll::Ready("closed by the peer".into()),
                Poll::Pending => {}
            }
            if self.opening.is_none() {
                match self.to_open.poll_recv(cx) {
                    Poll::Ready(asked) => self.opening = asked.filter(|asked| !asked.is_closed()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.opening.is_none() {
                if self.to_open.is_closed() {
                    return Poll::Ready("given up".into());
                }
                continue;
            }
            match self.connection.poll_new_outbound(cx) {
                Poll::Ready(Ok(stream)) => {
                    if let Some(asked) = self.opening.take() {
                        let _ = asked.send(Ok(stream));
                    }
                }
                Poll::Ready(Err(error)) => {
                    let error = error.to_string();
                    if let Some(asked) = self.opening.take() {
                        let _ = asked.send(Err(error.clone()));
                    }
                    return Poll::Ready(error);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    async fn leave(&mut self, code: u32, reason: &str) {
        if self.mode == yamux::Mode::Server && code != close_code::DONE {
            let words = StreamAnswer {
                status: code,
                message: reason.chars().take(200).collect(),
                ..StreamAnswer::default()
            };
            if let Ok(stream) = poll_fn(|cx| self.connection.poll_new_outbound(cx)).await {
                let said = async {
                    let mut stream = stream.compat();
                    send_one(&mut stream, &words).await?;
                    Ok::<_, TunnelError>(stream.into_inner().close().await?)
                };
                tokio::pin!(said);
                let mut is_said = false;
                // Until the peer has heard it and goes: closing with its bytes unread would take the words back.
                poll_fn(|cx| {
                    is_said = is_said || said.as_mut().poll(cx).is_ready();
                    // Streams that the peer opens meanwhile are dropped.
                    while let Poll::Ready(next) = self.connection.poll_next_inbound(cx) {
                        if !matches!(next, Some(Ok(_))) {
                            return Poll::Ready(());
                        }
                    }
                    Poll::Pending
                })
                .await;
            }
        }
        let _ = poll_fn(|cx| self.connection.poll_close(cx)).await;
    }
}

/// Why the edge ends the connection.
async fn hear(stream: yamux::Stream) -> Option<String> {
    let mut stream = stream.compat();
    let words = receive_one::<StreamAnswer>(&mut stream).await.ok()?;
    let message: String = words.message.chars().take(200).collect();
    Some(format!(
        "closed by the edge: {message} (code {})",
        words.status
    ))
}

impl MuxStream {
    /// Breaks the stream off in both directions.
    pub(crate) fn reset(&mut self) {
        self.stream = None;
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.mux.remote()
    }

    fn inner(&mut self) -> io::Result<Pin<&mut Compat<yamux::Stream>>> {
        let stream = self.stream.as_mut().map(Pin::new);
        stream.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for MuxStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for MuxStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(cx)
    }
}
