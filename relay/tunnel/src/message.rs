//! Framed protobuf messages over any byte stream.

use crate::{BoxedStream, ByteStream, TunnelError};
use netpatch_protocol::{FrameDecoder, FrameError, MAX_FRAME_BYTES, frame::encode_frame};
use prost::Message;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf,
};

/// How much is read at once; the decoder never holds more than one frame and one read.
const READ_BYTES: usize = 16 * 1024;

/// The receiving half.
pub struct MessageReader {
    stream: ReadHalf<BoxedStream>,
    decoder: FrameDecoder,
}

/// The sending half. Dropping it does not end the stream; [`MessageWriter::finish`] does.
pub struct MessageWriter {
    stream: WriteHalf<BoxedStream>,
}

/// Both halves.
pub struct MessageStream {
    /// Receives.
    pub reader: MessageReader,
    /// Sends.
    pub writer: MessageWriter,
}

impl MessageStream {
    /// Messages over a byte stream.
    pub fn new(stream: impl ByteStream) -> Self {
        let (read, write) = tokio::io::split(Box::new(stream) as BoxedStream);
        Self {
            reader: MessageReader {
                stream: read,
                decoder: FrameDecoder::new(),
            },
            writer: MessageWriter { stream: write },
        }
    }

    /// See [`MessageReader::receive`].
    pub async fn receive<M: Message + Default>(&mut self) -> Result<Option<M>, TunnelError> {
        self.reader.receive().await
    }

    /// See [`MessageWriter::send`].
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), TunnelError> {
        self.writer.send(message).await
    }
}

impl MessageReader {
    /// The next message; `None` when the peer ended the stream between messages. Cancelling loses nothing.
    pub async fn receive<M: Message + Default>(&mut self) -> Result<Option<M>, TunnelError> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(Some(message));
            }
            let decoder = &mut self.decoder;
            if read_some(&mut self.stream, |bytes| decoder.push(bytes)).await? == 0 {
                self.decoder.finish()?;
                return Ok(None);
            }
        }
    }
}

impl MessageReader {
    /// Throws away what still comes, until the peer ends its direction.
    pub async fn drain(&mut self) -> Result<(), TunnelError> {
        while read_some(&mut self.stream, |_| ()).await? > 0 {}
        Ok(())
    }
}

/// Reads what is there; how much. The space for it is on the stack and only while something is read: a session that waits, as most
/// do most of the time, holds none.
async fn read_some(
    stream: &mut ReadHalf<BoxedStream>,
    mut take: impl FnMut(&[u8]),
) -> std::io::Result<usize> {
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        std::task::ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
        take(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
    .await
}

impl MessageWriter {
    /// Sends one message. Not to be cancelled half way: the frame would be cut.
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), TunnelError> {
        let frame = encode_frame(message)?;
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Ends this direction; the peer sees a clean end.
    pub async fn finish(&mut self) -> Result<(), TunnelError> {
        self.stream.shutdown().await?;
        Ok(())
    }
}

/// Sends one message on a stream that goes on with other bytes.
pub async fn send_one<M: Message>(
    stream: &mut (impl AsyncWrite + Unpin + ?Sized),
    message: &M,
) -> Result<(), TunnelError> {
    stream.write_all(&encode_frame(message)?).await?;
    stream.flush().await?;
    Ok(())
}

/// Reads one message and not a byte behind it.
pub async fn receive_one<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<M, TunnelError> {
    let size = stream.read_u32().await?;
    let size_bytes = usize::try_from(size).unwrap_or(usize::MAX);
    if size_bytes > MAX_FRAME_BYTES {
        return Err(FrameError::TooLarge { size_bytes }.into());
    }
    let mut body = Vec::new();
    stream.take(u64::from(size)).read_to_end(&mut body).await?;
    if body.len() < size_bytes {
        let missing_bytes = size_bytes - body.len();
        return Err(FrameError::Truncated { missing_bytes }.into());
    }
    Ok(M::decode(body.as_slice()).map_err(|_| FrameError::Garbage { size_bytes })?)
}
