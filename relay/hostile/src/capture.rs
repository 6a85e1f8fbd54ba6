//! What the relay saw, searched for what it must not see.
//!
//! Everything that is secret in these runs holds [`MARK`]: host names, package names, orders, results, tokens. The search knows it as
//! it is, in hexadecimal, in base64 at each of the three offsets, in UTF-16 of both orders, and inside what gzip, zlib or Zstandard
//! would unpack. What the relay sees by design holds [`SEEN`] instead: the addresses of payloads and the payloads.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// In everything that the relay must not see.
pub const MARK: &str = "NpQ7zMaRkXw";
/// In what the relay sees by design.
pub const SEEN: &str = "np-seen-by-design";
/// Unpacked bytes of one stream that are searched.
const UNPACKED: u64 = 1 << 16;

/// How a mark may be written.
fn forms(mark: &str) -> Vec<Vec<u8>> {
    let bytes = mark.as_bytes();
    let hexadecimal = hex::encode(bytes);
    let utf16 = |swap: bool| {
        let units = mark.encode_utf16();
        units
            .flat_map(|unit| {
                if swap {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect::<Vec<u8>>()
    };
    let mut all = vec![
        bytes.to_vec(),
        hexadecimal.to_uppercase().into_bytes(),
        hexadecimal.into_bytes(),
        utf16(false),
        utf16(true),
    ];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(bytes);
        for engine in [&STANDARD, &URL_SAFE] {
            let text = engine.encode(&padded).into_bytes();
            // Characters at both ends depend on what stands beside.
            let from = (before * 8).div_ceil(6);
            let to = padded.len() * 8 / 6;
            all.push(text.get(from..to).unwrap_or_default().to_vec());
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The search.
pub struct Capture {
    marks: AhoCorasick,
    seen: AhoCorasick,
    packed: AhoCorasick,
    longest: usize,
    bytes: AtomicU64,
    seen_by_design: AtomicU64,
    found: Mutex<BTreeSet<String>>,
}

/// One direction of one stream: what is searched may lie across two pieces.
#[derive(Default)]
pub struct Tap {
    tail: Vec<u8>,
}

impl Capture {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        let marks = forms(MARK);
        let longest = marks.iter().map(Vec::len).max().unwrap_or_default();
        let packed: [&[u8]; 6] = [
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
            b"\x78\x01",
            b"\x78\x5e",
            b"\x78\x9c",
            b"\x78\xda",
        ];
        Self {
            marks: AhoCorasick::new(marks).expect("few short patterns"),
            seen: AhoCorasick::new([SEEN]).expect("one pattern"),
            packed: AhoCorasick::new(packed).expect("few short patterns"),
            longest,
            bytes: AtomicU64::new(0),
            seen_by_design: AtomicU64::new(0),
            found: Mutex::default(),
        }
    }

    /// The relay sees these bytes of a stream.
    pub fn take(&self, tap: &mut Tap, place: &str, bytes: &[u8]) {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        tap.tail.extend_from_slice(bytes);
        self.search(place, &tap.tail);
        if self.seen.is_match(&tap.tail) {
            self.seen_by_design.fetch_add(1, Ordering::Relaxed);
        }
        let keep = tap.tail.len().min(self.longest - 1);
        tap.tail.drain(..tap.tail.len() - keep);
    }

    fn search(&self, place: &str, bytes: &[u8]) {
        let is_there = self.marks.is_match(bytes)
            || self.packed.find_iter(bytes).any(|packed| {
                let rest = bytes.get(packed.start()..).unwrap_or_default();
                self.marks.is_match(&unpacked(rest))
            });
        if is_there {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert(place.to_owned());
        }
    }

    /// How many bytes were searched.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many pieces held what the relay sees by design: without any, nothing was captured.
    #[must_use]
    pub fn seen_by_design(&self) -> u64 {
        self.seen_by_design.load(Ordering::Relaxed)
    }

    /// Where a mark was found.
    #[must_use]
    pub fn found(&self) -> Vec<String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().cloned().collect()
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

/// What these bytes unpack to, as far as they do.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // An error ends it; what came before counts.
    let _ = match bytes {
        [0x1f, ..] => flate2::read::GzDecoder::new(bytes)
            .take(UNPACKED)
            .read_to_end(&mut out),
        [0x78, ..] => flate2::read::ZlibDecoder::new(bytes)
            .take(UNPACKED)
            .read_to_end(&mut out),
        _ => zstd::stream::read::Decoder::new(bytes)
            .and_then(|decoder| decoder.take(UNPACKED).read_to_end(&mut out)),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn finds(bytes: &[u8]) -> bool {
        let capture = Capture::new();
        let mut tap = Tap::default();
        // In two pieces, cut where it hurts most.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        capture.take(&mut tap, "here", first);
        capture.take(&mut tap, "here", second);
        !capture.found().is_empty()
    }

    #[test]
    fn a_mark_is_found_however_it_is_written() {
        let text = format!("a host named {MARK}-7 of somebody");
        assert!(finds(text.as_bytes()));
        assert!(finds(hex::encode(&text).as_bytes()));
        assert!(finds(hex::encode_upper(&text).as_bytes()));
        for before in 0..3 {
            let text = format!("{}{text}", "x".repeat(before));
            assert!(finds(STANDARD.encode(&text).as_bytes()));
            assert!(finds(URL_SAFE.encode(&text).as_bytes()));
        }
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(finds(&utf16));
        assert!(!finds(b"NpQ7zMaRk is not all of it"));
    }

    #[test]
    fn a_mark_is_found_in_what_is_packed() {
        let text = format!("a host named {MARK}-7 of somebody").repeat(9);
        let capture = Capture::new();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text.as_bytes()).expect("packs");
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(text.as_bytes()).expect("packs");
        for (name, packed) in [
            ("gzip", gzip.finish().expect("packs")),
            ("zlib", zlib.finish().expect("packs")),
            ("zstd", zstd::encode_all(text.as_bytes(), 3).expect("packs")),
        ] {
            let bytes = [b"before".as_slice(), &packed].concat();
            capture.take(&mut Tap::default(), name, &bytes);
        }
        assert_eq!(capture.found(), ["gzip", "zlib", "zstd"]);
    }
}
