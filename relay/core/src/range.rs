//! Which bytes of a payload a request means.

/// A part of a payload, bytes; never empty unless the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Of the whole payload.
    pub total: u64,
}

/// The part begins behind the payload's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset} is not within {total} bytes")]
pub struct NotSatisfiable {
    /// Where the part begins.
    pub offset: u64,
    /// How long the payload is.
    pub total: u64,
}

impl ByteRange {
    /// `length` 0 means to the end; a part that reaches over the end is cut there.
    pub fn of(offset: u64, length: u64, total: u64) -> Result<Self, NotSatisfiable> {
        if offset > total || (offset == total && offset > 0) {
            return Err(NotSatisfiable { offset, total });
        }
        let end = match length {
            0 => total,
            _ => offset.saturating_add(length).min(total),
        };
        Ok(Self {
            start: offset,
            end,
            total,
        })
    }

    /// How many bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it is the whole payload.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.start == 0 && self.end == self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_part_never_reaches_out(offset: u64, length: u64, total: u64) {
            if let Ok(range) = ByteRange::of(offset, length, total) {
                prop_assert!(range.start <= range.end && range.end <= total);
                prop_assert!(range.size_bytes() > 0 || total == 0);
            } else {
                prop_assert!(offset >= total);
            }
        }
    }

    #[test]
    fn an_empty_payload_is_whole() {
        assert!(ByteRange::of(0, 0, 0).expect("satisfiable").is_whole());
        assert!(ByteRange::of(1, 0, 1).is_err());
    }
}
