//! The .xz format (version 1.2.0 of its specification), as dpkg and rpm write it with liblzma.
//!
//! The first block's header says which dictionary the encoder had and whether it was the multi-threaded one, which writes the sizes of
//! a block into its header. What is left to try are a few presets.

use liblzma::stream::{Check, MtStreamBuilder, PRESET_EXTREME, Stream};
use std::io::{self, Read, Write};

/// The stream header: magic, flags, CRC-32.
const HEADER: usize = 12;
/// LZMA2 (filter list of the format).
const LZMA2: u8 = 0x21;
/// A decoder takes at most this; preset 9 needs 65 MiB.
const DECODER_BYTES: u64 = 128 << 20;

/// How liblzma was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// 0–9.
    pub(crate) level: u32,
    /// `-e`.
    pub(crate) extreme: bool,
    /// The multi-threaded encoder.
    pub(crate) blocks: bool,
    /// 0 none, 1 CRC-32, 4 CRC-64, 10 SHA-256.
    pub(crate) check: u32,
}

impl Settings {
    fn check(self) -> Option<Check> {
        match self.check {
            0 => Some(Check::None),
            1 => Some(Check::Crc32),
            4 => Some(Check::Crc64),
            10 => Some(Check::Sha256),
            _ => None,
        }
    }
}

pub(crate) fn reader(bytes: &[u8]) -> io::Result<impl Read> {
    let stream = Stream::new_stream_decoder(DECODER_BYTES, liblzma::stream::CONCATENATED)?;
    Ok(liblzma::read::XzDecoder::new_stream(bytes, stream))
}

/// Settings that could have given these bytes, the usual ones first.
pub(crate) fn candidates(bytes: &[u8]) -> impl Iterator<Item = Settings> + use<> {
    let seen = look(bytes);
    // What dpkg, rpm and people use, most often first.
    const TRIED: [(u32, bool); 20] = [
        (6, false),
        (9, false),
        (2, false),
        (6, true),
        (9, true),
        (7, false),
        (5, false),
        (8, false),
        (3, false),
        (4, false),
        (1, false),
        (0, false),
        (2, true),
        (3, true),
        (4, true),
        (5, true),
        (7, true),
        (8, true),
        (1, true),
        (0, true),
    ];
    TRIED.into_iter().filter_map(move |(level, extreme)| {
        let seen = seen?;
        (dictionary(level) == seen.dictionary).then_some(Settings {
            level,
            extreme,
            blocks: seen.blocks,
            check: seen.check,
        })
    })
}

#[derive(Clone, Copy)]
struct Seen {
    check: u32,
    blocks: bool,
    dictionary: u64,
}

/// What the first block's header says.
fn look(bytes: &[u8]) -> Option<Seen> {
    let check = u32::from(*bytes.get(7)? & 0x0f);
    let flags = *bytes.get(HEADER + 1)?;
    let has = |bit: u8| flags & bit != 0;
    let mut position = HEADER + 2;
    for present in [has(0x40), has(0x80)] {
        if present {
            // A variable-length integer: the last byte has no high bit.
            let length = bytes.get(position..)?.iter().position(|b| b & 0x80 == 0)?;
            position += length + 1;
        }
    }
    let filter = bytes.get(position..position + 3)?;
    if flags & 0x03 != 0 || filter[0] != LZMA2 || filter[1] != 1 || filter[2] >= 40 {
        return None;
    }
    let bits = u64::from(filter[2]);
    Some(Seen {
        check,
        blocks: has(0x80),
        dictionary: (2 | (bits & 1)) << (bits / 2 + 11),
    })
}

/// Bytes of a preset's dictionary (xz(1)).
fn dictionary(level: u32) -> u64 {
    let mebibytes = match level {
        0 => return 256 << 10,
        1 => 1,
        2 => 2,
        3 | 4 => 4,
        5 | 6 => 8,
        7 => 16,
        8 => 32,
        _ => 64,
    };
    mebibytes << 20
}

pub(crate) fn write(
    plain: &[u8],
    settings: Settings,
    out: &mut impl Write,
    threads: u32,
) -> io::Result<()> {
    let check = settings
        .check()
        .ok_or_else(|| io::Error::other("unknown integrity check"))?;
    let preset = settings.level.min(9) | if settings.extreme { PRESET_EXTREME } else { 0 };
    let stream = if settings.blocks {
        MtStreamBuilder::new()
            .preset(preset)
            .check(check)
            .threads(threads.clamp(1, 16))
            .encoder()?
    } else {
        Stream::new_easy_encoder(preset, check)?
    };
    let mut encoder = liblzma::write::XzEncoder::new_stream(out, stream);
    encoder.write_all(plain)?;
    encoder.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_by_the_header_and_by_trying() {
        let plain: Vec<u8> = (0..60_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for blocks in [false, true] {
            for level in [0, 2, 6, 7] {
                let used = Settings {
                    level,
                    extreme: false,
                    blocks,
                    check: 4,
                };
                let mut bytes = Vec::new();
                write(&plain, used, &mut bytes, 2).expect("compressed");
                let found = candidates(&bytes).find(|settings| {
                    let mut again = Vec::new();
                    write(&plain, *settings, &mut again, 1).is_ok() && again == bytes
                });
                assert_eq!(found, Some(used));
            }
        }
    }

    #[test]
    fn what_is_no_xz_has_no_candidates() {
        for odd in [&b""[..], b"\xfd7zXZ\0\0\x04", &[0xff; 64], &[0; 64]] {
            assert_eq!(candidates(odd).count(), 0, "{odd:?}");
        }
    }
}
