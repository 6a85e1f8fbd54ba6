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

    /// What a `Range` header means, of one range; `None` for what is to be ignored: another unit, several ranges, no range
    /// (RFC 9110, 14.2).
    pub fn of_header(text: &str, total: u64) -> Result<Option<Self>, NotSatisfiable> {
        let Some((first, last)) = text
            .strip_prefix("bytes=")
            .and_then(|range| range.trim().split_once('-'))
        else {
            return Ok(None);
        };
        let number = |text: &str| -> Option<u64> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // A number that is too large is behind every end.
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let (start, end) = match (first, last) {
            ("", last) => match number(last) {
                Some(0) => {
                    return Err(NotSatisfiable {
                        offset: total,
                        total,
                    });
                }
                Some(length) => (total.saturating_sub(length), total),
                None => return Ok(None),
            },
            (first, "") => match number(first) {
                Some(first) => (first, total),
                None => return Ok(None),
            },
            (first, last) => match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => {
                    (first, last.saturating_add(1).min(total))
                }
                _ => return Ok(None),
            },
        };
        if start >= total {
            return Err(NotSatisfiable {
                offset: start,
                total,
            });
        }
        Ok(Some(Self { start, end, total }))
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
    fn a_header_means_a_part_nothing_or_what_there_is_not() {
        let of = |text: &str| ByteRange::of_header(text, 100);
        let part = |start, end| {
            let total = 100;
            Ok(Some(ByteRange { start, end, total }))
        };
        assert_eq!(of("bytes=0-0"), part(0, 1));
        assert_eq!(of("bytes=10-19"), part(10, 20));
        assert_eq!(of("bytes=10-"), part(10, 100));
        assert_eq!(of("bytes=10-1000"), part(10, 100));
        assert_eq!(of("bytes=-10"), part(90, 100));
        assert_eq!(of("bytes=-1000"), part(0, 100));
        assert_eq!(of("bytes=0-99999999999999999999999"), part(0, 100));
        for ignored in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=--1",
        ] {
            assert_eq!(of(ignored), Ok(None), "{ignored}");
        }
        for behind in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            assert!(of(behind).is_err(), "{behind}");
        }
        assert!(ByteRange::of_header("bytes=0-", 0).is_err());
        assert!(ByteRange::of_header("bytes=-5", 0).is_err());
    }

    proptest! {
        #[test]
        fn a_headers_part_never_reaches_out(text in "bytes=[0-9]{0,25}-[0-9]{0,25}", total: u64) {
            if let Ok(Some(range)) = ByteRange::of_header(&text, total) {
                prop_assert!(range.start < range.end && range.end <= total);
            }
        }
    }

    #[test]
    fn an_empty_payload_is_whole() {
        assert!(ByteRange::of(0, 0, 0).expect("satisfiable").is_whole());
        assert!(ByteRange::of(1, 0, 1).is_err());
    }
}
