//! A stream of a relay's connection: what it is for, the end-to-end TLS inside it, and the answers to the relay's own requests.

use super::{AgentConnection, EnrolConnection, unknown_protocol};
use crate::link::LinkStream;
use crate::message::{MessageStream, receive_one, send_one};
use crate::{ByteStream, Limits, TunnelError, tcp, within};
use netpatch_protocol::site::{
    DeltaRequest, ProbeRequest, ProbeResults, RefusedRequest, RelayReport, StagingRequest,
    StoredRequest, StreamAnswer, StreamOpen, stream_open,
};
use netpatch_protocol::{ALPN_AGENT, ALPN_ENROL};
use prost::Message;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

/// Bytes behind an answer that are handed over at once, and must be taken in time.
const PIECE: usize = 64 << 10;

/// A relay's stream whose opening has not been read.
pub struct RelayHandshake {
    pub(super) stream: LinkStream,
    pub(super) inner: Arc<rustls::ServerConfig>,
    pub(super) limits: Limits,
}

/// What a relay's stream turned out to be.
pub enum RelayStream {
    /// An agent behind the relay.
    Agent(AgentConnection),
    /// An enrolment behind the relay.
    Enrol(EnrolConnection),
    /// The relay's own numbers.
    Report(RelayReport, RelayAnswer),
    /// The relay asks for its settings.
    Settings(RelayAnswer),
    /// The relay asks what to try to reach.
    Probe(ProbeRequest, RelayAnswer),
    /// The relay says what it reached.
    Probed(ProbeResults, RelayAnswer),
    /// What it is to fetch ahead, and how far it is.
    Staging(StagingRequest, RelayAnswer),
    /// It wants a difference; the recipe follows the answer.
    Delta(DeltaRequest, RelayAnswer),
    /// It wants a payload that the platform keeps; the bytes may follow the answer.
    Stored(StoredRequest, RelayAnswer),
    /// It wants to be told whom it turns away, as long as it is connected: [`RelayAnswer::begin`].
    Refused(RefusedRequest, RelayAnswer),
}

/// Where the answer to a relay's own request goes.
pub struct RelayAnswer {
    stream: LinkStream,
    limits: Limits,
}

/// Messages to a relay, one after the other.
pub struct RelayMessages {
    stream: LinkStream,
    limits: Limits,
}

impl RelayHandshake {
    /// Reads what the stream is for; for sessions and enrolments finishes the TLS handshake inside it.
    pub async fn open(self) -> Result<RelayStream, TunnelError> {
        let Self {
            mut stream,
            inner,
            limits,
        } = self;
        let remote = stream.remote();
        let open = within(limits.handshake_timeout, "opening a stream", async {
            receive_one::<StreamOpen>(&mut stream).await
        });
        match open.await?.kind {
            Some(stream_open::Kind::Session(_)) => {
                let (tls, certificate) = inner_tls(stream, inner, ALPN_AGENT, &limits).await?;
                Ok(RelayStream::Agent(AgentConnection {
                    certificate: certificate.ok_or(TunnelError::NoCertificate)?,
                    messages: MessageStream::new(tls),
                    remote,
                }))
            }
            Some(stream_open::Kind::Enrol(_)) => {
                let (tls, _) = inner_tls(stream, inner, ALPN_ENROL, &limits).await?;
                let enrolment = EnrolConnection::new(tls, remote, true, limits);
                Ok(RelayStream::Enrol(enrolment))
            }
            Some(stream_open::Kind::Report(report)) => {
                Ok(RelayStream::Report(report, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Site(_)) => {
                Ok(RelayStream::Settings(RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Probe(request)) => {
                Ok(RelayStream::Probe(request, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Probed(results)) => {
                Ok(RelayStream::Probed(results, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Staging(request)) => Ok(RelayStream::Staging(
                request,
                RelayAnswer { stream, limits },
            )),
            Some(stream_open::Kind::Delta(request)) => {
                Ok(RelayStream::Delta(request, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Stored(request)) => {
                Ok(RelayStream::Stored(request, RelayAnswer { stream, limits }))
            }
            Some(stream_open::Kind::Refused(request)) => Ok(RelayStream::Refused(
                request,
                RelayAnswer { stream, limits },
            )),
            Some(stream_open::Kind::Payload(_)) | None => {
                let answer = StreamAnswer {
                    status: 400,
                    message: "the edge serves no payloads".into(),
                    ..StreamAnswer::default()
                };
                RelayAnswer { stream, limits }.answer(&answer).await?;
                Err(TunnelError::Unexpected(
                    "a stream of no kind of the edge's".into(),
                ))
            }
        }
    }
}

/// Accepts the end-to-end TLS session inside a relay's stream.
async fn inner_tls(
    mut stream: LinkStream,
    config: Arc<rustls::ServerConfig>,
    alpn: &[u8],
    limits: &Limits,
) -> Result<(impl ByteStream, Option<Vec<u8>>), TunnelError> {
    let accepting = async {
        send_one(&mut stream, &ok()).await?;
        tcp::accept(stream, config).await
    };
    let what = "a handshake inside a relay's stream";
    let (tls, spoken, certificate) = within(limits.handshake_timeout, what, accepting).await?;
    if spoken != alpn {
        return Err(unknown_protocol(&spoken));
    }
    Ok((tls, certificate.map(|der| der.to_vec())))
}

fn ok() -> StreamAnswer {
    StreamAnswer {
        status: 200,
        ..StreamAnswer::default()
    }
}

impl RelayMessages {
    /// Sends one; a relay that does not take it in time gets no more.
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), TunnelError> {
        let sending = send_one(&mut self.stream, message);
        within(self.limits.handshake_timeout, "sending to a relay", sending).await
    }

    /// Waits until the relay wants no more. It has nothing to say: whatever comes ends it too.
    pub async fn closed(&mut self) {
        let _ = self.stream.read(&mut [0]).await;
    }
}

impl RelayAnswer {
    /// Answers with bytes behind the answer, whose length it names.
    pub async fn answer_with(self, answer: &StreamAnswer, bytes: &[u8]) -> Result<(), TunnelError> {
        self.answer_from(answer, bytes.len() as u64, bytes).await
    }

    /// Answers with so many bytes behind the answer, as they are read. They yield to everything else on the connection; a relay that
    /// takes none for a while, or whose bytes do not come for a while, gets no more.
    pub async fn answer_from(
        mut self,
        answer: &StreamAnswer,
        size_bytes: u64,
        mut from: impl AsyncRead + Unpin,
    ) -> Result<(), TunnelError> {
        let answer = StreamAnswer {
            size_bytes,
            ..answer.clone()
        };
        self.stream.yield_to_others();
        let limit = self.limits.handshake_timeout;
        within(
            limit,
            "answering a relay",
            send_one(&mut self.stream, &answer),
        )
        .await?;
        let mut piece = vec![0; PIECE];
        let mut left = size_bytes;
        while left > 0 {
            let most = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
            let reading = from.read(&mut piece[..most]);
            let what = "reading what a relay gets";
            let count = within(limit, what, async { Ok(reading.await?) }).await?;
            if count == 0 {
                return Err(TunnelError::Unexpected(
                    "bytes for a relay ended early".into(),
                ));
            }
            let writing = self.stream.write_all(&piece[..count]);
            within(limit, "sending to a relay", async { Ok(writing.await?) }).await?;
            left -= count as u64;
        }
        let ending = self.stream.shutdown();
        within(limit, "answering a relay", async { Ok(ending.await?) }).await
    }

    /// Agrees; messages follow.
    pub async fn begin(mut self) -> Result<RelayMessages, TunnelError> {
        let ok = ok();
        let sending = send_one(&mut self.stream, &ok);
        within(self.limits.handshake_timeout, "answering a relay", sending).await?;
        Ok(RelayMessages {
            stream: self.stream,
            limits: self.limits,
        })
    }

    /// Answers the relay.
    pub async fn answer(mut self, answer: &StreamAnswer) -> Result<(), TunnelError> {
        within(self.limits.handshake_timeout, "answering a relay", async {
            send_one(&mut self.stream, answer).await?;
            self.stream.shutdown().await?;
            Ok(())
        })
        .await
    }
}
