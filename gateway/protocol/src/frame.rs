//! Frames: u32 big-endian length, then one message; at most [`MAX_FRAME_BYTES`].
//!
//! The decoder holds only bytes that have really arrived: a header that claims too much is an error before anything
//! is allocated for it. After an error the decoder stays failed, because the stream's framing is lost.

use crate::MAX_FRAME_BYTES;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;

/// Why a stream of frames cannot be read on, or a message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The header claims, or the message has, more than the limit.
    #[error("frame of {size_bytes} bytes is larger than {MAX_FRAME_BYTES}")]
    TooLarge {
        /// The claimed size.
        size_bytes: usize,
    },
    /// The frame's bytes are not the expected message.
    #[error("frame of {size_bytes} bytes is not the expected message")]
    Garbage {
        /// The frame's size.
        size_bytes: usize,
    },
    /// An earlier frame was wrong.
    #[error("frame follows one that could not be read")]
    Failed,
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame, {missing_bytes} bytes missing")]
    Truncated {
        /// How many bytes of the frame are missing.
        missing_bytes: usize,
    },
}

const HEADER_BYTES: usize = 4;

/// Incremental reader of frames.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
    failed: bool,
}

impl FrameDecoder {
    /// An empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes as they arrive. The caller bounds how much it adds between calls of [`Self::next_frame`].
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole frame's body; `None` until more bytes arrive.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.failed {
            return Err(FrameError::Failed);
        }
        let Some(size) = self.claimed() else {
            return Ok(None);
        };
        if size > MAX_FRAME_BYTES {
            self.fail();
            return Err(FrameError::TooLarge { size_bytes: size });
        }
        if self.buffer.len() < HEADER_BYTES + size {
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        let frame = self.buffer.split_to(size).freeze();
        if self.buffer.is_empty() {
            // A peer that is silent for a while holds no memory of what it sent last.
            self.buffer = BytesMut::new();
        }
        Ok(Some(frame))
    }

    /// The next whole message; `None` until more bytes arrive.
    pub fn next_message<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let Some(frame) = self.next_frame()? else {
            return Ok(None);
        };
        let size_bytes = frame.len();
        match M::decode(frame) {
            Ok(message) => Ok(Some(message)),
            Err(_) => {
                self.fail();
                Err(FrameError::Garbage { size_bytes })
            }
        }
    }

    /// Judges the end of the stream: an error when it cuts a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.failed {
            return Err(FrameError::Failed);
        }
        match self.buffer.len() {
            0 => Ok(()),
            held => Err(FrameError::Truncated {
                missing_bytes: (HEADER_BYTES + self.claimed().unwrap_or(0)).saturating_sub(held),
            }),
        }
    }

    /// What arrived behind the last frame, for streams that go on with raw bytes.
    #[must_use]
    pub fn into_rest(self) -> Bytes {
        self.buffer.freeze()
    }

    fn claimed(&self) -> Option<usize> {
        let header: [u8; HEADER_BYTES] = self.buffer.get(..HEADER_BYTES)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(header)).ok()
    }

    fn fail(&mut self) {
        self.failed = true;
        self.buffer = BytesMut::new();
    }
}

/// One message as a frame.
pub fn encode_frame<M: Message>(message: &M) -> Result<Bytes, FrameError> {
    let size = message.encoded_len();
    if size > MAX_FRAME_BYTES {
        return Err(FrameError::TooLarge { size_bytes: size });
    }
    let header = u32::try_from(size).map_err(|_| FrameError::TooLarge { size_bytes: size })?;
    let mut out = BytesMut::with_capacity(HEADER_BYTES + size);
    out.put_u32(header);
    message
        .encode(&mut out)
        .map_err(|_| FrameError::TooLarge { size_bytes: size })?;
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{AgentMessage, ScanNow};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_survive_any_cut(reasons in prop::collection::vec(".{0,40}", 0..8), step in 1usize..50) {
            let sent: Vec<ScanNow> = reasons.into_iter().map(|reason| ScanNow { reason }).collect();
            let mut wire = Vec::new();
            for message in &sent {
                wire.extend_from_slice(&encode_frame(message).expect("small"));
            }
            let mut decoder = FrameDecoder::new();
            let mut got = Vec::new();
            for chunk in wire.chunks(step) {
                decoder.push(chunk);
                while let Some(message) = decoder.next_message::<ScanNow>().expect("valid") {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(decoder.finish().is_ok());
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), step in 1usize..64) {
            let mut decoder = FrameDecoder::new();
            for chunk in bytes.chunks(step) {
                decoder.push(chunk);
                while let Ok(Some(_)) = decoder.next_message::<AgentMessage>() {}
            }
            let _ = decoder.finish();
        }
    }

    #[test]
    fn an_oversized_claim_fails_at_the_header_and_for_good() {
        let mut decoder = FrameDecoder::new();
        decoder.push(&u32::MAX.to_be_bytes());
        assert!(matches!(
            decoder.next_frame(),
            Err(FrameError::TooLarge { .. })
        ));
        decoder.push(&encode_frame(&ScanNow::default()).expect("small"));
        assert_eq!(decoder.next_frame(), Err(FrameError::Failed));
    }

    #[test]
    fn the_largest_frame_passes_and_one_byte_more_does_not() {
        let mut decoder = FrameDecoder::new();
        decoder.push(&u32::try_from(MAX_FRAME_BYTES).expect("u32").to_be_bytes());
        decoder.push(&vec![0; MAX_FRAME_BYTES]);
        assert_eq!(
            decoder
                .next_frame()
                .expect("allowed")
                .map(|frame| frame.len()),
            Some(MAX_FRAME_BYTES)
        );
        let message = ScanNow {
            reason: "x".repeat(MAX_FRAME_BYTES),
        };
        assert!(matches!(
            encode_frame(&message),
            Err(FrameError::TooLarge { .. })
        ));
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error() {
        let mut decoder = FrameDecoder::new();
        decoder.push(&[0, 0, 0, 9, 1]);
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(
            decoder.finish(),
            Err(FrameError::Truncated { missing_bytes: 8 })
        );
    }
}
