//! Messages too large for a frame, in parts. See `MessagePart` in `session.proto` for the rule.
//!
//! Invariants: one whole at a time; nothing is held that has not arrived; a whole is decoded only when its bytes have
//! the hash that each part names. What breaks the rule is dropped with all that was collected. The time is an argument.

use crate::MAX_FRAME_BYTES;
use crate::session::{AgentMessage, MessagePart, agent_message::Body};
use netpatch_types::Sha256;
use prost::Message as _;
use std::time::Duration;

/// Most bytes of a part.
pub const PART_BYTES: usize = 256 * 1024;
/// Most parts of a message.
pub const MAX_PARTS: u32 = 64;
/// Largest message in parts, bytes.
pub const MAX_WHOLE_BYTES: usize = PART_BYTES * MAX_PARTS as usize;
/// A message is whole within this after its first part, or it is given up. At 256 kbit/s the largest takes nine minutes.
pub const ASSEMBLY_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Room for number and acknowledgement in a frame: two tags, two varints of ten bytes.
const STAMP_BYTES: usize = 22;

/// Why a message cannot be sent in parts, or parts do not become a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The peer takes no message of this size, nor in parts.
    #[error("message of {size_bytes} bytes is larger than the {limit_bytes} that the edge takes")]
    TooLarge {
        /// The message.
        size_bytes: usize,
        /// What the peer takes.
        limit_bytes: usize,
    },
    /// Fewer than two parts, or more than [`MAX_PARTS`].
    #[error("message has {0} parts, not 2 to {MAX_PARTS}")]
    Count(u32),
    /// A part that is empty or larger than [`PART_BYTES`].
    #[error("part has {size_bytes} bytes, not 1 to {PART_BYTES}")]
    Size {
        /// The part's.
        size_bytes: usize,
    },
    /// Another part than the next one, or of another message.
    #[error("part {index} of {count} came where {expected} was next")]
    Order {
        /// Which part came.
        index: u32,
        /// Of how many.
        count: u32,
        /// The next one of the message that is being assembled; 0 when there is none.
        expected: u32,
    },
    /// The collected bytes have another hash than the parts say.
    #[error("parts have the hash {actual} together, not the one that they name")]
    HashDiffers {
        /// What the bytes give.
        actual: Sha256,
    },
    /// The collected bytes are no message that may come in parts.
    #[error("parts are not a message that may come in parts")]
    NotAllowed,
}

/// What goes on the wire for a message: itself if it fits into a frame, else its parts in order. `whole_bytes` is what
/// the peer's welcome says.
pub fn split(body: Body, whole_bytes: u64) -> Result<Vec<Body>, PartError> {
    let message = AgentMessage {
        body: Some(body),
        ..AgentMessage::default()
    };
    let size_bytes = message.encoded_len();
    if size_bytes <= MAX_FRAME_BYTES - STAMP_BYTES {
        return Ok(message.body.into_iter().collect());
    }
    let limit_bytes =
        usize::try_from(whole_bytes).map_or(MAX_WHOLE_BYTES, |taken| taken.min(MAX_WHOLE_BYTES));
    if size_bytes > limit_bytes {
        let limit_bytes = limit_bytes.max(MAX_FRAME_BYTES);
        return Err(PartError::TooLarge {
            size_bytes,
            limit_bytes,
        });
    }
    let bytes = message.encode_to_vec();
    let whole = Sha256::of(&bytes).0.to_vec();
    let count = u32::try_from(bytes.chunks(PART_BYTES).len()).unwrap_or(u32::MAX);
    let parts = (0..).zip(bytes.chunks(PART_BYTES));
    Ok(parts
        .map(|(index, bytes)| {
            Body::Part(MessagePart {
                whole: whole.clone(),
                index,
                count,
                bytes: bytes.to_vec(),
            })
        })
        .collect())
}

/// Puts parts together, one message at a time.
#[derive(Debug, Default)]
pub struct Assembler {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    whole: Vec<u8>,
    count: u32,
    next: u32,
    bytes: Vec<u8>,
    begun: Duration,
}

impl Assembler {
    /// Takes a part; the message when it was the last. After an error nothing is held. `now` is monotonic.
    pub fn take(&mut self, part: MessagePart, now: Duration) -> Result<Option<Body>, PartError> {
        let MessagePart {
            whole,
            index,
            count,
            bytes,
        } = part;
        let held = self.open.take().filter(|_| index > 0);
        if !(2..=MAX_PARTS).contains(&count) {
            return Err(PartError::Count(count));
        }
        if bytes.is_empty() || bytes.len() > PART_BYTES {
            return Err(PartError::Size {
                size_bytes: bytes.len(),
            });
        }
        let mut open = match held {
            Some(open) => open,
            None => Open {
                whole: whole.clone(),
                count,
                next: 0,
                bytes: Vec::new(),
                begun: now,
            },
        };
        if (index, count, &whole) != (open.next, open.count, &open.whole) {
            return Err(PartError::Order {
                index,
                count,
                expected: open.next,
            });
        }
        open.bytes.extend_from_slice(&bytes);
        open.next += 1;
        if open.next < open.count {
            self.open = Some(open);
            return Ok(None);
        }
        finish(&open).map(Some)
    }

    /// Whether a message was begun and has not become whole in time.
    #[must_use]
    pub fn is_overdue(&self, now: Duration) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| now.saturating_sub(open.begun) > ASSEMBLY_TIMEOUT)
    }
}

fn finish(open: &Open) -> Result<Body, PartError> {
    let actual = Sha256::of(&open.bytes);
    if open.whole != actual.0 {
        return Err(PartError::HashDiffers { actual });
    }
    let message = AgentMessage::decode(open.bytes.as_slice());
    match message.ok().and_then(|message| message.body) {
        Some(body @ (Body::Manifest(_) | Body::ManifestDelta(_) | Body::Applicability(_))) => {
            Ok(body)
        }
        _ => Err(PartError::NotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Applicability, Component, Manifest, ScanNow};
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(1);
    const LIMIT: u64 = MAX_WHOLE_BYTES as u64;

    fn manifest(components: u32) -> Body {
        let components = (0..components).map(|n| Component {
            name: format!("package-with-a-name-{n}"),
            version: "1".repeat(60),
            ..Component::default()
        });
        Body::Manifest(Manifest {
            hash: vec![1; 32],
            components: components.collect(),
        })
    }

    fn parts(components: u32) -> Vec<MessagePart> {
        let bodies = split(manifest(components), LIMIT).expect("fits");
        let parts = bodies.into_iter().map(|body| match body {
            Body::Part(part) => part,
            other => panic!("no part: {other:?}"),
        });
        parts.collect()
    }

    /// A whole of these bytes, each a part.
    fn raw(bytes: &[u8]) -> Vec<MessagePart> {
        let count = u32::try_from(bytes.len()).expect("few");
        let part = |(index, byte): (u32, &u8)| MessagePart {
            whole: Sha256::of(bytes).0.to_vec(),
            index,
            count,
            bytes: vec![*byte],
        };
        (0..).zip(bytes).map(part).collect()
    }

    fn all(
        assembler: &mut Assembler,
        parts: impl IntoIterator<Item = MessagePart>,
    ) -> Result<Option<Body>, PartError> {
        let mut last = None;
        for part in parts {
            last = assembler.take(part, NOW)?;
        }
        Ok(last)
    }

    #[test]
    fn a_small_message_stays_whole_and_a_large_one_comes_back_from_its_parts() {
        assert_eq!(split(manifest(3), 0), Ok(vec![manifest(3)]));
        let mut assembler = Assembler::default();
        for components in [20_000, 50_000] {
            let parts = parts(components);
            assert!(parts.len() > 6, "{}", parts.len());
            assert!(
                parts
                    .iter()
                    .all(|part| part.encoded_len() < MAX_FRAME_BYTES)
            );
            assert_eq!(all(&mut assembler, parts), Ok(Some(manifest(components))));
        }
    }

    #[test]
    fn what_the_edge_does_not_take_is_not_sent() {
        for (limit, body) in [
            (0, manifest(20_000)),
            (2 << 20, manifest(50_000)),
            (u64::MAX, manifest(200_000)),
        ] {
            assert!(matches!(
                split(body, limit),
                Err(PartError::TooLarge { .. })
            ));
        }
    }

    #[test]
    fn a_missing_a_repeated_and_a_foreign_part_are_refused_and_nothing_is_kept() {
        let good = parts(20_000);
        let foreign = parts(20_001);
        let mut assembler = Assembler::default();
        let missing = [good[0].clone(), good[2].clone()];
        let repeated = [good[0].clone(), good[1].clone(), good[1].clone()];
        let without_first = [good[1].clone()];
        let mixed = [good[0].clone(), foreign[1].clone()];
        let mut recounted = [good[0].clone(), good[1].clone()];
        recounted[1].count += 1;
        for (wrong, expected) in [
            (missing.to_vec(), 1),
            (repeated.to_vec(), 2),
            (without_first.to_vec(), 0),
            (mixed.to_vec(), 1),
            (recounted.to_vec(), 1),
        ] {
            let refused = all(&mut assembler, wrong).expect_err("refused");
            assert!(
                matches!(refused, PartError::Order { expected: next, .. } if next == expected),
                "{refused}"
            );
            assert!(assembler.open.is_none());
        }
        assert!(matches!(all(&mut assembler, good), Ok(Some(_))));
    }

    #[test]
    fn too_many_parts_and_parts_of_a_wrong_size_are_refused() {
        let mut assembler = Assembler::default();
        for count in [0, 1, MAX_PARTS + 1, u32::MAX] {
            let part = MessagePart {
                count,
                bytes: vec![1],
                ..MessagePart::default()
            };
            assert_eq!(assembler.take(part, NOW), Err(PartError::Count(count)));
        }
        for size_bytes in [0, PART_BYTES + 1] {
            let part = MessagePart {
                count: 2,
                bytes: vec![1; size_bytes],
                ..MessagePart::default()
            };
            assert_eq!(
                assembler.take(part, NOW),
                Err(PartError::Size { size_bytes })
            );
        }
    }

    #[test]
    fn another_hash_garbage_and_messages_that_are_small_anyway_are_refused() {
        let mut assembler = Assembler::default();
        let mut parts = parts(20_000);
        parts[3].bytes[0] ^= 1;
        assert!(matches!(
            all(&mut assembler, parts),
            Err(PartError::HashDiffers { .. })
        ));
        let nested = AgentMessage {
            body: Some(Body::Part(MessagePart::default())),
            ..AgentMessage::default()
        };
        for bytes in [
            vec![0xff; 4],
            nested.encode_to_vec(),
            ScanNow::default().encode_to_vec(),
            b"\x5a\x00".to_vec(),
        ] {
            if bytes.len() >= 2 {
                assert_eq!(all(&mut assembler, raw(&bytes)), Err(PartError::NotAllowed));
            }
        }
        let allowed = AgentMessage {
            body: Some(Body::Applicability(Applicability::default())),
            ..AgentMessage::default()
        };
        assert!(matches!(
            all(&mut assembler, raw(&allowed.encode_to_vec())),
            Ok(Some(_))
        ));
    }

    #[test]
    fn a_first_part_begins_anew_and_time_runs_from_it() {
        let mut assembler = Assembler::default();
        let parts = parts(20_000);
        assert_eq!(assembler.take(parts[0].clone(), NOW), Ok(None));
        let late = NOW + ASSEMBLY_TIMEOUT + Duration::from_secs(1);
        assert!(assembler.is_overdue(late) && !assembler.is_overdue(NOW));
        assert_eq!(assembler.take(parts[0].clone(), late), Ok(None));
        assert!(!assembler.is_overdue(late));
        assert!(matches!(
            all(&mut assembler, parts[1..].to_vec()),
            Ok(Some(_))
        ));
        assert!(!assembler.is_overdue(late + late));
    }

    proptest! {
        #[test]
        fn any_parts_give_a_value_or_an_error(
            sent in prop::collection::vec((any::<bool>(), 0u32..4, 0u32..4, prop::collection::vec(any::<u8>(), 0..9)), 0..20)
        ) {
            let mut assembler = Assembler::default();
            for (one, index, count, bytes) in sent {
                let whole = if one { vec![1; 32] } else { Sha256::of(&bytes).0.to_vec() };
                let _ = assembler.take(MessagePart { whole, index, count, bytes }, NOW);
            }
        }
    }
}
